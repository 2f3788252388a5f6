-- When a recipient last took its answer back. No foreign key: the news may come before that of the answer.
CREATE TABLE withdrawn_receipts (
    recipient_id uuid PRIMARY KEY,
    withdrawn_at timestamptz NOT NULL,
    reason text NOT NULL
);
