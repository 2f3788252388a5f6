-- No release has been made: wherever this runs the tables are small, and no other version is at work.
-- squawk-ignore-file require-concurrent-index-deletion, require-concurrent-index-creation, ban-drop-constraint
-- squawk-ignore-file ban-drop-column, constraint-missing-not-valid, adding-foreign-key-constraint

-- A lease is one row for its whole batch, so that taking it up, renewing it and ending it touch no delivery.
-- `holder` is the worker that has taken it up; null while it waits in the broker.
CREATE TABLE leases (
    lease_token uuid PRIMARY KEY,
    lane text NOT NULL CHECK (lane IN ('express', 'normal', 'bulk')),
    channel text NOT NULL CHECK (channel IN ('webhook', 'email')),
    deliveries bigint NOT NULL CHECK (deliveries >= 1),
    holder uuid,
    leased_until timestamptz NOT NULL
);
CREATE INDEX leases_end ON leases (leased_until);

-- Leases of the time before hold their deliveries no longer: what was under way is sent again, under the same id.
UPDATE deliveries SET state = 'scheduled', next_attempt_at = now(), lease_token = NULL, leased_until = NULL WHERE state = 'leased';

DROP INDEX deliveries_due;
DROP INDEX deliveries_leased;
DROP INDEX deliveries_lease_token;
DROP INDEX deliveries_lease_end;
DROP INDEX deliveries_without_next_action;
ALTER TABLE deliveries
DROP CONSTRAINT deliveries_lease_when_leased,
DROP COLUMN leased_until,
ADD CONSTRAINT deliveries_lease_when_leased CHECK ((state = 'leased') = (lease_token IS NOT NULL)),
ADD CONSTRAINT deliveries_lease FOREIGN KEY (lease_token) REFERENCES leases (lease_token),
-- The place in the lane: senders take turns, however much each of them sends.
ADD COLUMN turn_at timestamptz NOT NULL DEFAULT now(),
-- Over its agency's limit: it is not due until the agency has room (`circuits.look_at`).
ADD COLUMN parked boolean NOT NULL DEFAULT false,
-- Leases lost in a row: what ends one worker after another is not tried for ever.
ADD COLUMN lost_leases bigint NOT NULL DEFAULT 0 CHECK (lost_leases >= 0),
ADD CONSTRAINT deliveries_parked_when_scheduled CHECK (NOT parked OR state = 'scheduled');

CREATE INDEX deliveries_due ON deliveries (lane, channel, turn_at, next_attempt_at) WHERE state = 'scheduled' AND NOT parked;
CREATE INDEX deliveries_parked ON deliveries (agency_id, turn_at) WHERE parked;
CREATE INDEX deliveries_lease_token ON deliveries (lease_token) WHERE lease_token IS NOT NULL;
CREATE INDEX deliveries_in_flight ON deliveries (agency_id, channel) WHERE lease_token IS NOT NULL;
-- Always empty: the constraints above see to that, and the metric that counts violations reads it for nothing.
CREATE INDEX deliveries_without_next_action ON deliveries (delivery_id)
WHERE state IN ('scheduled', 'leased') AND next_attempt_at IS NULL AND lease_token IS NULL;

-- How an agency's endpoint fares. No row: it answers, and nothing waits for it.
CREATE TABLE circuits (
    agency_id uuid PRIMARY KEY,
    state text NOT NULL DEFAULT 'closed' CHECK (state IN ('closed', 'open', 'half_open')),
    failures bigint NOT NULL DEFAULT 0 CHECK (failures >= 0),
    openings bigint NOT NULL DEFAULT 0 CHECK (openings >= 0),
    open_until timestamptz,
    -- The agency's own limits; null: those of the settings.
    max_in_flight bigint CHECK (max_in_flight >= 1),
    max_per_second double precision CHECK (max_per_second > 0),
    -- Everything up to this instant of the agency's rate is spent.
    spent_until timestamptz,
    -- When to look whether what is parked may go; null: nothing is parked.
    look_at timestamptz,
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT circuits_open_until_when_open CHECK ((state = 'open') = (open_until IS NOT NULL))
);
CREATE INDEX circuits_look ON circuits (look_at) WHERE look_at IS NOT NULL;

-- Each sender's place in each lane: where its next letters stand.
CREATE TABLE turns (
    sender_agency_id uuid NOT NULL,
    lane text NOT NULL CHECK (lane IN ('express', 'normal', 'bulk')),
    turn_at timestamptz NOT NULL,
    PRIMARY KEY (sender_agency_id, lane)
);
