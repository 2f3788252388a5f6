-- Dispatch orders: a letter goes round once.
CREATE TABLE circulars (
    circular_id uuid PRIMARY KEY,
    letter_id uuid NOT NULL CONSTRAINT circulars_letter_once UNIQUE REFERENCES letters (letter_id),
    agency_id uuid NOT NULL REFERENCES agencies (agency_id),
    list_id uuid NOT NULL REFERENCES lists (list_id),
    list_version bigint NOT NULL,
    recipient_count bigint NOT NULL CHECK (recipient_count > 0),
    deadline timestamptz,
    relay_of_recipient_id uuid,
    dispatched_at timestamptz NOT NULL
);

-- The list as it stood at dispatch.
CREATE TABLE recipients (
    recipient_id uuid PRIMARY KEY,
    circular_id uuid NOT NULL REFERENCES circulars (circular_id),
    position bigint NOT NULL CHECK (position >= 1),
    agency_id uuid NOT NULL REFERENCES agencies (agency_id),
    title text NOT NULL,
    relay_duty boolean NOT NULL,
    CONSTRAINT recipients_position_unique UNIQUE (circular_id, position)
);

-- "May this agency read that letter?"
CREATE INDEX recipients_of_agency ON recipients (circular_id, agency_id);

-- The first answer under each key. The row is inserted first in the transaction, so a second caller waits for the first.
CREATE TABLE idempotency_keys (
    agency_id uuid NOT NULL REFERENCES agencies (agency_id),
    key text NOT NULL,
    request_sha256 bytea NOT NULL CHECK (octet_length(request_sha256) = 32),
    response jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (agency_id, key)
);
