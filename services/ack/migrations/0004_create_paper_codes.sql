-- The acknowledgment codes of letters that were sent on paper: only their keyed digest, for a code is a credential.
-- No foreign key: the news of the hand-over may come before that of the recipient.
CREATE TABLE paper_codes (
    digest bytea PRIMARY KEY,
    recipient_id uuid NOT NULL
);
