-- Without a row, every link that was signed for the recipient opens its letter. With rows, only the link does whose SHA-256 is in
-- the newest of them; where that is null, none does. The links themselves are nowhere.
CREATE TABLE link_changes (
    recipient_id uuid NOT NULL REFERENCES recipients (recipient_id),
    generation bigint NOT NULL CHECK (generation >= 1),
    digest bytea CONSTRAINT link_changes_sha256 CHECK (octet_length(digest) = 32),
    reason text NOT NULL,
    changed_by text NOT NULL,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (recipient_id, generation)
);

CREATE TRIGGER link_changes_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON link_changes
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
