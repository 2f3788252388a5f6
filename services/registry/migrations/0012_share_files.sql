-- Files apart from the letters that they go with: the same content is kept once, and what nothing refers to is found without
-- listing the storage. A file's row is there before its object and outlives it.
-- squawk-ignore-file require-concurrent-index-creation, constraint-missing-not-valid, adding-foreign-key-constraint, adding-not-nullable-field
CREATE TABLE files (
    file_id uuid PRIMARY KEY,
    -- Known when the upload has come to its end.
    sha256 text CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    size bigint CHECK (size > 0),
    -- When somebody must look whether an attachment refers to the file; NULL when one did and none was removed since.
    review_at timestamptz,
    -- Since when nothing may refer to it any more: its object goes first, then its row.
    condemned_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT files_whole CHECK (num_nulls(sha256, size) IN (0, 2))
);

CREATE UNIQUE INDEX files_content_once ON files (sha256) WHERE condemned_at IS NULL;

CREATE INDEX files_to_review ON files (review_at) WHERE review_at IS NOT NULL AND condemned_at IS NULL;

CREATE INDEX files_condemned ON files (condemned_at) WHERE condemned_at IS NOT NULL;

INSERT INTO files (file_id, sha256, size, condemned_at)
SELECT
    attachment_id, sha256, size,
    CASE WHEN row_number() OVER (PARTITION BY sha256 ORDER BY attachment_id) > 1 THEN now() END
FROM attachments;

ALTER TABLE attachments ADD COLUMN file_id uuid;

UPDATE attachments SET file_id = files.file_id FROM files
WHERE files.sha256 = attachments.sha256 AND files.condemned_at IS NULL;

ALTER TABLE attachments
ALTER COLUMN file_id SET NOT NULL,
ADD CONSTRAINT attachments_file FOREIGN KEY (file_id) REFERENCES files (file_id);

CREATE INDEX attachments_of_file ON attachments (file_id);
