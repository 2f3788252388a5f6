-- Whom an addressee with a relay duty must tell, and the ways down the relay tree: from a circular to its duties, from a duty to
-- the circulars that fulfil it, and from an agency to those below it and to what they have sent.
-- squawk-ignore-file require-concurrent-index-creation
ALTER TABLE recipients ADD COLUMN relay_target jsonb;

CREATE INDEX recipients_relay_duties ON recipients (circular_id, position) WHERE relay_duty;

CREATE INDEX circulars_relaying ON circulars (relay_of_recipient_id) WHERE relay_of_recipient_id IS NOT NULL;

CREATE INDEX circulars_of_sender ON circulars (sender_agency_id, dispatched_at DESC, circular_id DESC);

CREATE INDEX agencies_code ON agencies (code);

CREATE INDEX agencies_below ON agencies (parent_id) WHERE parent_id IS NOT NULL;
