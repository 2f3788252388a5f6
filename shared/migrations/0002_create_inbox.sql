-- Messages that this service has applied, so that a second delivery of the same message changes nothing.
CREATE TABLE inbox (
    consumer text NOT NULL,
    message_id uuid NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consumer, message_id)
);

CREATE INDEX inbox_applied_at ON inbox (applied_at);
