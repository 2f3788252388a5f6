-- What is told to a recipient may be told to the agency above it as well, at the same instant. The key is replaced within this
-- transaction by a wider one, and the table is small wherever this runs.
-- squawk-ignore-file ban-drop-constraint, adding-serial-primary-key-field, constraint-missing-not-valid
ALTER TABLE early_notices DROP CONSTRAINT early_notices_pkey;
ALTER TABLE early_notices ADD CONSTRAINT early_notices_pkey PRIMARY KEY (about, kind, occurred_at, agency_id);
