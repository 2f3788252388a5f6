-- When somebody is to be reminded. What a letter does not say about its deadline follows from its class of speed.
-- squawk-ignore-file require-concurrent-index-creation
ALTER TABLE circulars ADD COLUMN deadline_by text CHECK (deadline_by IN ('letter', 'speed'));

ALTER TABLE agencies ADD COLUMN parent_id uuid;

-- One row for each rung of a circular's ladder. `reached` is the position of the last recipient that was looked at.
CREATE TABLE reminders (
    circular_id uuid NOT NULL REFERENCES circulars (circular_id),
    rung bigint NOT NULL CHECK (rung >= 1),
    due_at timestamptz NOT NULL,
    overdue boolean NOT NULL,
    escalation boolean NOT NULL,
    reached bigint NOT NULL DEFAULT 0 CHECK (reached >= 0),
    told bigint NOT NULL DEFAULT 0 CHECK (told >= 0),
    done_at timestamptz,
    PRIMARY KEY (circular_id, rung)
);

CREATE INDEX reminders_due ON reminders (due_at) WHERE done_at IS NULL;

-- Who has not answered: in list order for the sender, and by agency for the recipient's own view.
CREATE INDEX recipients_unanswered ON recipients (circular_id, position)
WHERE state NOT IN ('registered', 'rejected', 'recalled');

CREATE INDEX recipients_unanswered_of_agency ON recipients (agency_id, recipient_id)
WHERE state NOT IN ('registered', 'rejected', 'recalled');
