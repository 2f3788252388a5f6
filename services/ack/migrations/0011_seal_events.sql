-- Receipts: what happened to the recipients of a circular, signed and chained in the order of `sequence`.
-- Keys that sign receipts; `private_encrypted` is a Fernet token. Public parts stay for ever, since receipts do.
CREATE TABLE evidence_keys (
    kid text PRIMARY KEY,
    public_jwk jsonb NOT NULL,
    private_encrypted bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    retired_at timestamptz
);

CREATE UNIQUE INDEX evidence_keys_current ON evidence_keys ((true)) WHERE retired_at IS NULL;

-- The end of each circular's chain: whoever adds to a chain locks its row.
CREATE TABLE chains (
    circular_id uuid PRIMARY KEY REFERENCES circulars (circular_id),
    sequence bigint NOT NULL DEFAULT 0 CHECK (sequence >= 0),
    head_sha256 text CHECK (head_sha256 ~ '^[0-9a-f]{64}$'),
    CONSTRAINT chains_head CHECK ((sequence = 0) = (head_sha256 IS NULL))
);

-- `body` has the exact bytes (RFC 8785) that `jws` signs and `sha256` is of.
CREATE TABLE receipts (
    circular_id uuid NOT NULL REFERENCES circulars (circular_id),
    sequence bigint NOT NULL CHECK (sequence >= 1),
    event_id uuid NOT NULL CONSTRAINT receipts_one_of_event UNIQUE REFERENCES recipient_events (event_id),
    -- No foreign key: its lock on the recipient would make acknowledgments wait for the sealer. The row is read from there.
    recipient_id uuid NOT NULL,
    body bytea NOT NULL,
    sha256 text NOT NULL CHECK (sha256 = encode(sha256(body), 'hex')),
    previous_sha256 text,
    kid text NOT NULL REFERENCES evidence_keys (kid),
    jws text NOT NULL,
    sealed_at timestamptz NOT NULL,
    PRIMARY KEY (circular_id, sequence),
    CONSTRAINT receipts_linked CHECK ((sequence = 1) = (previous_sha256 IS NULL))
);

CREATE INDEX receipts_of_recipient ON receipts (recipient_id, sequence);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are never changed', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$;

CREATE TRIGGER receipts_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON receipts
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Events without a receipt. The trigger of the log writes it, so that no way of recording can leave it out.
CREATE TABLE unsealed_events (
    event_id uuid PRIMARY KEY,
    recipient_id uuid NOT NULL
);

CREATE FUNCTION queue_unsealed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO unsealed_events (event_id, recipient_id) SELECT event_id, recipient_id FROM added;
    RETURN NULL;
END
$$;

CREATE TRIGGER recipient_events_unsealed AFTER INSERT ON recipient_events
REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION queue_unsealed();

INSERT INTO unsealed_events (event_id, recipient_id) SELECT event_id, recipient_id FROM recipient_events;
