-- Agencies whose part of the event feed is sent to their endpoint. One row is all there is to an agency's sending: where it stands,
-- what it is at, and how it fares; it moves in the transaction that records the answer.
CREATE TABLE subscriptions (
    agency_id uuid PRIMARY KEY,
    about text NOT NULL CHECK (about IN ('both', 'sent', 'received')),
    -- Null: every type of `about`, also those that come with later versions.
    types text [],
    batch_size bigint NOT NULL CHECK (batch_size BETWEEN 1 AND 100),
    -- Everything up to here was taken, or was not wanted.
    position bigint NOT NULL CHECK (position >= 0),
    -- The last position of the feed that holds something for the agency, as far as it was told; beyond `position`, there may be work.
    told_position bigint NOT NULL,
    -- The end of what is being sent: a retry sends the same events, though others have come meanwhile.
    batch_position bigint,
    -- The endpoint has answered 410; set again, the subscription goes on where it stood.
    switched_off_at timestamptz,
    -- Not before then: a failure, a limit or a rest of the endpoint. Null: as soon as there is something.
    next_attempt_at timestamptz,
    lease_token uuid,
    leased_until timestamptz,
    -- In a row.
    failures bigint NOT NULL DEFAULT 0 CHECK (failures >= 0),
    failed_at timestamptz,
    failure_reason text,
    failure_status bigint,
    failure_answer text CHECK (octet_length(failure_answer) <= 1024),
    delivered_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT subscriptions_batch_ahead CHECK (batch_position > position),
    CONSTRAINT subscriptions_leased_for_a_time CHECK ((lease_token IS NULL) = (leased_until IS NULL))
);
CREATE INDEX subscriptions_due ON subscriptions (next_attempt_at NULLS FIRST)
WHERE told_position > position AND switched_off_at IS NULL;
