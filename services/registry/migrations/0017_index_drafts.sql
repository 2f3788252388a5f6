-- Drafts are searched one by one: they are few, and no book knows them yet.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX letters_in_draft ON letters (agency_id, letter_id DESC) WHERE state = 'draft';
