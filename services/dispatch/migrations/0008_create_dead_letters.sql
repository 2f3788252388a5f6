-- No release has been made: wherever this runs the tables are small, and no other version is at work.
-- squawk-ignore-file require-concurrent-index-creation

-- What can be set going again: by circular, and by the time of its failure.
CREATE INDEX deliveries_undeliverable ON deliveries (circular_id, failed_at, delivery_id)
WHERE state = 'undeliverable' AND acknowledged_at IS NULL;
CREATE INDEX deliveries_undeliverable_since ON deliveries (failed_at, delivery_id)
WHERE state = 'undeliverable' AND acknowledged_at IS NULL;

-- Who set which failed delivery going again, and why: once for each failure. Attempts with a higher number than `attempts` were
-- made since.
CREATE TABLE redrives (
    delivery_id uuid NOT NULL CONSTRAINT redrives_delivery REFERENCES deliveries (delivery_id),
    failed_at timestamptz NOT NULL,
    failure_reason text NOT NULL,
    attempts bigint NOT NULL CHECK (attempts >= 0),
    redriven_at timestamptz NOT NULL DEFAULT now(),
    redriven_by text NOT NULL,
    by_operator boolean NOT NULL,
    why text NOT NULL CHECK (char_length(why) <= 500),
    PRIMARY KEY (delivery_id, failed_at)
);

-- Messages that the broker gave up, of all services. `redrive_order` is the latest order to publish it again; `died_of` is the
-- order under which it last died (null: as it was first published), so that a second copy is known from a second death.
CREATE TABLE dead_letters (
    dead_letter_id uuid PRIMARY KEY,
    message_id text NOT NULL,
    type text,
    queue text NOT NULL,
    exchange text NOT NULL,
    routing_key text NOT NULL,
    reason text NOT NULL,
    headers jsonb NOT NULL,
    body bytea NOT NULL,
    body_sha256 bytea NOT NULL CHECK (octet_length(body_sha256) = 32),
    first_died_at timestamptz NOT NULL,
    kept_at timestamptz NOT NULL DEFAULT now(),
    deaths bigint NOT NULL DEFAULT 1 CHECK (deaths >= 1),
    died_of uuid,
    redrive_order uuid,
    state text NOT NULL DEFAULT 'kept' CHECK (state IN ('kept', 'redriven', 'discarded')),
    settled_at timestamptz,
    settled_by text,
    settled_why text CHECK (char_length(settled_why) <= 500),
    -- A message without an identifier is known by its bytes.
    CONSTRAINT dead_letters_once UNIQUE (queue, message_id, body_sha256),
    CONSTRAINT dead_letters_settled_by_somebody CHECK (
        (state = 'kept') = (settled_at IS NULL) AND (state = 'kept') = (settled_by IS NULL) AND (state = 'kept') = (settled_why IS NULL)
    )
);
CREATE INDEX dead_letters_kept ON dead_letters (dead_letter_id) WHERE state = 'kept';
