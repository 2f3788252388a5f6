-- Whom the sender calls: shown beside those who have not answered.
ALTER TABLE agencies ADD COLUMN contact_unit text, ADD COLUMN telephone text, ADD COLUMN email text;
