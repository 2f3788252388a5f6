-- Errors of the preflight that a sender overruled when it sent a letter round: who, why, and what exactly.
CREATE TABLE dispatch_overrides (
    circular_id uuid PRIMARY KEY REFERENCES circulars (circular_id),
    client_id text NOT NULL,
    reason text NOT NULL CHECK (reason <> ''),
    findings jsonb NOT NULL,
    overridden_at timestamptz NOT NULL DEFAULT now()
);

-- The headings that an attachment's own text bears, read when the letter is checked: a file never changes, so neither do they.
CREATE TABLE attachment_headings (
    attachment_id uuid PRIMARY KEY REFERENCES attachments (attachment_id) ON DELETE CASCADE,
    headings jsonb NOT NULL,
    read_at timestamptz NOT NULL DEFAULT now()
);
