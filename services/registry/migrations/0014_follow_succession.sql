-- The agency that the list names, when it is closed and the letter went to who follows it; null: the list names the recipient.
ALTER TABLE recipients ADD COLUMN succeeded_agency_id uuid;
ALTER TABLE recipients ADD CONSTRAINT recipients_succeeded_agency FOREIGN KEY (succeeded_agency_id)
REFERENCES agencies (agency_id) NOT VALID;

-- "Which of these agencies are closed?" Few ever are, so a dispatch to a hundred thousand asks a small index.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX agencies_that_end ON agencies (agency_id, valid_until) WHERE valid_until IS NOT NULL;
