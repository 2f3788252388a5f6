-- The operator's limits of single agencies are set by API: who changed them, when, why, and what held before.
-- squawk-ignore-file require-concurrent-index-creation
CREATE TABLE limit_changes (
    limit_change_id uuid PRIMARY KEY,
    agency_id uuid NOT NULL,
    max_in_flight bigint,
    max_per_second double precision,
    in_flight_before bigint,
    per_second_before double precision,
    changed_at timestamptz NOT NULL DEFAULT now(),
    changed_by text NOT NULL,
    why text NOT NULL CHECK (char_length(why) BETWEEN 1 AND 500)
);
CREATE INDEX limit_changes_agency ON limit_changes (agency_id, limit_change_id);
CREATE INDEX circuits_limited ON circuits (agency_id) WHERE max_in_flight IS NOT NULL OR max_per_second IS NOT NULL;

-- Of what was settled, the few that were discarded are found among the many that were published again.
CREATE INDEX dead_letters_settled ON dead_letters (state, dead_letter_id) WHERE state <> 'kept';
