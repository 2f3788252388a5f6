-- Whom a sender calls when an agency has not answered: its unit for correspondence, and the unit's telephone as written.
ALTER TABLE agencies ADD COLUMN contact_unit text, ADD COLUMN telephone text;
ALTER TABLE agency_versions ADD COLUMN contact_unit text, ADD COLUMN telephone text;
