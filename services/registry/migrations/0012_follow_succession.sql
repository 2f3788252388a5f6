-- The agency that the list names, when it is closed and the letter went to who follows it; null: the list names the recipient.
ALTER TABLE recipients ADD COLUMN succeeded_agency_id uuid;
ALTER TABLE recipients ADD CONSTRAINT recipients_succeeded_agency FOREIGN KEY (succeeded_agency_id)
REFERENCES agencies (agency_id) NOT VALID;
