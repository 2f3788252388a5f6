-- Days on which an agency's calendar differs, and the deadlines that follow from them.
-- squawk-ignore-file require-concurrent-index-creation, ban-drop-constraint
-- What stands now. The nil UUID is the whole country; `below`: also for the agencies below.
CREATE TABLE calendar_days (
    agency_id uuid NOT NULL,
    day date NOT NULL,
    kind text NOT NULL CHECK (kind IN ('closed', 'open')),
    below boolean NOT NULL,
    reason text NOT NULL,
    declared_by uuid NOT NULL,
    declared_at timestamptz NOT NULL,
    PRIMARY KEY (agency_id, day)
);

-- Who said what, when and why: rows are added and never changed.
CREATE TABLE calendar_changes (
    change_id uuid PRIMARY KEY,
    agency_id uuid NOT NULL,
    day date NOT NULL,
    kind text NOT NULL CHECK (kind IN ('closed', 'open', 'withdrawn')),
    below boolean NOT NULL,
    reason text NOT NULL,
    declared_by uuid NOT NULL,
    actor text NOT NULL,
    recorded_at timestamptz NOT NULL
);

CREATE INDEX calendar_changes_of_agency ON calendar_changes (agency_id, recorded_at, change_id);

CREATE TRIGGER calendar_changes_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON calendar_changes
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Changes whose open recipients are still to be looked at; the last one that was is kept.
CREATE TABLE calendar_work (
    change_id uuid PRIMARY KEY REFERENCES calendar_changes (change_id),
    reached_agency_id uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    reached_recipient_id uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    moved bigint NOT NULL DEFAULT 0 CHECK (moved >= 0),
    done_at timestamptz
);

CREATE INDEX calendar_work_open ON calendar_work (change_id) WHERE done_at IS NULL;

-- A deadline of the recipient's own, with the ladder of reminders that goes with it; 0 is the circular's ladder.
ALTER TABLE circulars ADD COLUMN ladders bigint NOT NULL DEFAULT 0;
ALTER TABLE recipients ADD COLUMN due_at timestamptz;
ALTER TABLE recipients ADD COLUMN ladder bigint NOT NULL DEFAULT 0;
ALTER TABLE reminders ADD COLUMN ladder bigint NOT NULL DEFAULT 0;
ALTER TABLE reminders ADD COLUMN deadline timestamptz;

CREATE INDEX recipients_own_deadline ON recipients (circular_id, due_at)
WHERE due_at IS NOT NULL AND state NOT IN ('registered', 'rejected', 'recalled');

ALTER TABLE recipient_events DROP CONSTRAINT recipient_events_type_known;
ALTER TABLE recipient_events ADD CONSTRAINT recipient_events_type_known CHECK (
    type IN (
        'handed_over', 'bounced', 'undeliverable', 'opened', 'received', 'registered', 'rejected', 'confirmed', 'corrected',
        'withdrawn', 'disputed', 'dispute_answered', 'relayed', 'recalled', 'stopped', 'redirected', 'deadline_moved'
    )
) NOT VALID;
