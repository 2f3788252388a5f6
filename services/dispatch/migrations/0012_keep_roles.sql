-- What the addressee is to do with the letter. Deliveries from before there were roles have none, and every retry of theirs sends
-- the same bytes as the first.
ALTER TABLE deliveries ADD COLUMN role text;
ALTER TABLE deliveries ADD CONSTRAINT deliveries_role_known CHECK (role IN ('action', 'information', 'copy')) NOT VALID;
