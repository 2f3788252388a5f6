-- An agency whose system lost letters has them sent to its endpoint once more: one letter, or those of a range of time. The deliveries
-- do not move and their attempts do not count: what is sent once more has rows of its own.
-- squawk-ignore-file require-concurrent-index-creation
CREATE TABLE resends (
    resend_id uuid PRIMARY KEY,
    agency_id uuid NOT NULL,
    -- One letter; null: those that were handed over within the range.
    delivery_id uuid CONSTRAINT resends_delivery REFERENCES deliveries (delivery_id),
    handed_over_from timestamptz,
    handed_over_to timestamptz,
    why text NOT NULL CHECK (char_length(why) <= 500),
    ordered_by text NOT NULL,
    ordered_at timestamptz NOT NULL DEFAULT now(),
    idempotency_key text,
    request_sha256 bytea NOT NULL,
    -- Behind this hand-over the range goes on; null: this order holds the end of it.
    next_at timestamptz,
    next_delivery_id uuid,
    state text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'done', 'cancelled', 'expired')),
    look_at timestamptz NOT NULL DEFAULT now(),
    runs_until timestamptz NOT NULL,
    ended_at timestamptz,
    CONSTRAINT resends_of_one_or_a_range CHECK (
        (delivery_id IS NULL) = (handed_over_from IS NOT NULL) AND (delivery_id IS NULL) = (handed_over_to IS NOT NULL)
    ),
    CONSTRAINT resends_ended_when_not_running CHECK ((state = 'running') = (ended_at IS NULL)),
    CONSTRAINT resends_key_once UNIQUE (agency_id, idempotency_key)
);
CREATE UNIQUE INDEX resends_one_range ON resends (agency_id) WHERE state = 'running' AND delivery_id IS NULL;
CREATE UNIQUE INDEX resends_one_of_a_letter ON resends (delivery_id) WHERE state = 'running' AND delivery_id IS NOT NULL;
CREATE INDEX resends_look ON resends (look_at) WHERE state = 'running';
CREATE INDEX resends_over ON resends (runs_until) WHERE state = 'running';
CREATE INDEX resends_running ON resends (agency_id) WHERE state = 'running';
CREATE INDEX resends_agency ON resends (agency_id, resend_id);
CREATE INDEX resends_ranges ON resends (agency_id, resend_id) WHERE delivery_id IS NULL;
CREATE INDEX resends_letter ON resends (delivery_id, resend_id) WHERE delivery_id IS NOT NULL;
CREATE INDEX resends_ended ON resends (ended_at);

-- A letter of such an order. While it is leased its next action is the lease's end; `tries` counts leases, also those that were lost.
CREATE TABLE resend_deliveries (
    resend_id uuid NOT NULL CONSTRAINT resend_deliveries_resend REFERENCES resends (resend_id) ON DELETE CASCADE,
    delivery_id uuid NOT NULL CONSTRAINT resend_deliveries_delivery REFERENCES deliveries (delivery_id),
    agency_id uuid NOT NULL,
    position bigint NOT NULL CHECK (position >= 1),
    -- Left out: it is not with the agency, by its sender's will or because it is under way. Not sent: the order ended before.
    state text NOT NULL CHECK (state IN ('waiting', 'sent', 'failed', 'left_out', 'not_sent')),
    reason text,
    next_attempt_at timestamptz,
    lease_token uuid,
    tries bigint NOT NULL DEFAULT 0 CHECK (tries >= 0),
    settled_at timestamptz,
    PRIMARY KEY (resend_id, delivery_id),
    CONSTRAINT resend_deliveries_position_once UNIQUE (resend_id, position),
    CONSTRAINT resend_deliveries_next_action_when_waiting CHECK ((state = 'waiting') = (next_attempt_at IS NOT NULL)),
    CONSTRAINT resend_deliveries_settled_when_not_waiting CHECK ((state = 'waiting') = (settled_at IS NULL)),
    CONSTRAINT resend_deliveries_leased_when_waiting CHECK (lease_token IS NULL OR state = 'waiting'),
    CONSTRAINT resend_deliveries_for_a_reason CHECK (state NOT IN ('failed', 'left_out') OR reason IS NOT NULL)
);
CREATE INDEX resend_deliveries_due ON resend_deliveries (resend_id, next_attempt_at, position) WHERE state = 'waiting';
CREATE INDEX resend_deliveries_in_flight ON resend_deliveries (agency_id) WHERE lease_token IS NOT NULL;

-- Every request of a resend, as in `attempts`, and beside them: those count towards deliveries' budgets, and returned mails refer to them.
CREATE TABLE resend_attempts (
    resend_id uuid NOT NULL,
    delivery_id uuid NOT NULL,
    number bigint NOT NULL CHECK (number >= 1),
    agency_id uuid NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('delivered', 'retry_later', 'refused', 'gone')),
    reason text,
    status bigint,
    started_at timestamptz NOT NULL,
    milliseconds double precision NOT NULL CHECK (milliseconds >= 0),
    answer text NOT NULL CHECK (octet_length(answer) <= 1024),
    PRIMARY KEY (resend_id, delivery_id, number),
    CONSTRAINT resend_attempts_delivery FOREIGN KEY (resend_id, delivery_id)
    REFERENCES resend_deliveries (resend_id, delivery_id) ON DELETE CASCADE
);
CREATE INDEX resend_attempts_agency ON resend_attempts (agency_id, started_at, delivery_id);

-- What an agency fetched from its inbox has no attempt by whose time it would be found. Webhooks and mails never enter this index.
CREATE INDEX deliveries_pulled ON deliveries (agency_id, handed_over_at, delivery_id) WHERE hand_over_channel = 'inbox';
