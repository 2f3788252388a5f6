-- What the addressee is to do with the letter.
ALTER TABLE recipients ADD COLUMN role text NOT NULL DEFAULT 'action';
ALTER TABLE recipients ADD CONSTRAINT recipients_role_known CHECK (role IN ('action', 'information', 'copy')) NOT VALID;
