-- squawk-ignore-file require-concurrent-index-creation
-- Checkpoints: a signed hash over the heads of all chains that have grown since the one before, so that no chain can be made anew
-- without all that follows it. `body` has the exact bytes that `jws` signs; `time_stamp` is an answer of a time-stamping authority
-- (RFC 3161) about them, once there is one.
CREATE TABLE checkpoints (
    sequence bigint PRIMARY KEY CHECK (sequence >= 1),
    body bytea NOT NULL,
    sha256 text NOT NULL UNIQUE CHECK (sha256 = encode(sha256(body), 'hex')),
    previous_sha256 text UNIQUE REFERENCES checkpoints (sha256),
    kid text NOT NULL REFERENCES evidence_keys (kid),
    jws text NOT NULL,
    made_at timestamptz NOT NULL,
    time_stamp bytea,
    CONSTRAINT checkpoints_linked CHECK ((sequence = 1) = (previous_sha256 IS NULL))
);

CREATE INDEX checkpoints_unstamped ON checkpoints (sequence) WHERE time_stamp IS NULL;

CREATE TRIGGER checkpoints_stay BEFORE DELETE OR TRUNCATE OR UPDATE OF sequence, body, sha256, previous_sha256, kid, jws, made_at ON checkpoints
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- How far each chain went at the checkpoint; `path` is that of its leaf, 32 bytes for each step.
CREATE TABLE checkpoint_leaves (
    -- No foreign key: its lock on the chain would make the sealer pass it over. The row is read from there.
    circular_id uuid NOT NULL,
    checkpoint bigint NOT NULL REFERENCES checkpoints (sequence),
    position bigint NOT NULL CHECK (position >= 0),
    sequence bigint NOT NULL CHECK (sequence >= 1),
    head_sha256 text NOT NULL,
    path bytea NOT NULL CHECK (octet_length(path) % 32 = 0),
    PRIMARY KEY (circular_id, checkpoint)
);

CREATE TRIGGER checkpoint_leaves_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON checkpoint_leaves
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

ALTER TABLE chains ADD COLUMN checkpointed bigint NOT NULL DEFAULT 0;

CREATE INDEX chains_grown ON chains (circular_id) WHERE sequence > checkpointed;
