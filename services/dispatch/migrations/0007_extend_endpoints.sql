-- Endpoints are proven, paused, rotated and looked at by their agencies.
--
-- The constraints are replaced within this transaction, by wider ones that every row meets already, and the tables are small
-- wherever this runs.
-- squawk-ignore-file ban-drop-constraint, require-concurrent-index-creation
ALTER TABLE endpoints DROP CONSTRAINT endpoints_state_check;
ALTER TABLE endpoints
ADD CONSTRAINT endpoints_state_known CHECK (state IN ('active', 'paused', 'unverified', 'disabled')) NOT VALID,
-- Why the address is not proven; null when it is, or when nobody asks.
ADD COLUMN unproven_reason text,
ADD COLUMN proven_at timestamptz,
-- Which signatures the agency wants.
ADD COLUMN signatures text NOT NULL DEFAULT 'v1' CONSTRAINT endpoints_signatures_known CHECK (signatures IN ('v1', 'v1a', 'both')),
-- The pair for `v1a`; an endpoint of the time before has none until it is set or rotated. The private half is a Fernet token.
ADD COLUMN signing_key_encrypted bytea,
ADD COLUMN public_key text,
-- What was rotated out and still signs, until the time that stands beside it.
ADD COLUMN old_secrets_encrypted bytea [] NOT NULL DEFAULT '{}',
ADD COLUMN old_secrets_until timestamptz,
ADD COLUMN old_signing_keys_encrypted bytea [] NOT NULL DEFAULT '{}',
ADD COLUMN old_public_keys text [] NOT NULL DEFAULT '{}',
ADD COLUMN old_signing_keys_until timestamptz,
ADD CONSTRAINT endpoints_unverified_for_a_reason CHECK ((state = 'unverified') = (unproven_reason IS NOT NULL)) NOT VALID,
ADD CONSTRAINT endpoints_key_pair_whole CHECK ((signing_key_encrypted IS NULL) = (public_key IS NULL)) NOT VALID,
ADD CONSTRAINT endpoints_signed_by_a_key CHECK (signatures = 'v1' OR signing_key_encrypted IS NOT NULL) NOT VALID;

-- The agency's own log and health page. Null: made by a process of the version before, while both ran.
ALTER TABLE attempts ADD COLUMN agency_id uuid;
UPDATE attempts SET agency_id = deliveries.agency_id FROM deliveries WHERE deliveries.delivery_id = attempts.delivery_id;
CREATE INDEX attempts_agency ON attempts (agency_id, started_at, delivery_id);
