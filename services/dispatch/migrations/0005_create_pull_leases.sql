-- No release has been made: wherever this runs the tables are small, and no other version is at work.
-- squawk-ignore-file require-concurrent-index-creation

-- Letters that an agency's own system has leased from its inbox. The sending engine's leases are other ones: a letter may be
-- leased here while a webhook is tried. What has ended stays a while, so that whoever held it is told what became of it.
-- No foreign key: to check one locks the delivery, on which the sending engine works.
CREATE TABLE pull_leases (
    lease_id uuid PRIMARY KEY,
    delivery_id uuid NOT NULL,
    agency_id uuid NOT NULL,
    state text NOT NULL DEFAULT 'held' CHECK (state IN ('held', 'acknowledged', 'released', 'expired')),
    leased_until timestamptz NOT NULL
);
-- One lease of a letter at a time.
CREATE UNIQUE INDEX pull_leases_held ON pull_leases (delivery_id) WHERE state = 'held';
CREATE INDEX pull_leases_running ON pull_leases (agency_id, leased_until) WHERE state = 'held';
CREATE INDEX pull_leases_end ON pull_leases (leased_until);

-- What an agency may lease: letters that nothing has handed over, also those that were given up.
CREATE INDEX deliveries_to_pull ON deliveries (agency_id, delivery_id)
WHERE state <> 'handed_over' AND state <> 'recalled' AND acknowledged_at IS NULL;
