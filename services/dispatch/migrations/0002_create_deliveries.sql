-- A dispatched circular, as every recipient is told of it. Never changed after it came.
CREATE TABLE circulars (
    circular_id uuid PRIMARY KEY,
    sender_agency_id uuid NOT NULL,
    sender_name_th text NOT NULL,
    sender_name_en text NOT NULL,
    letter jsonb NOT NULL,
    secrecy text NOT NULL CHECK (secrecy IN ('normal', 'confidential', 'secret')),
    lane text NOT NULL CHECK (lane IN ('express', 'normal', 'bulk')),
    dispatched_at timestamptz NOT NULL,
    deadline timestamptz,
    recipient_count bigint NOT NULL CHECK (recipient_count >= 0),
    traceparent text,
    received_at timestamptz NOT NULL DEFAULT now()
);

-- One recipient of one circular. `channel` is null while the agency is not known here yet.
-- `acknowledgment_link` is kept because a link carries its time, and every retry must send the same bytes.
CREATE TABLE deliveries (
    delivery_id uuid PRIMARY KEY,
    recipient_id uuid NOT NULL CONSTRAINT deliveries_recipient_unique UNIQUE,
    circular_id uuid NOT NULL CONSTRAINT deliveries_circular REFERENCES circulars (circular_id),
    agency_id uuid NOT NULL,
    title text NOT NULL,
    position bigint NOT NULL CHECK (position >= 1),
    relay_duty boolean NOT NULL,
    acknowledgment_link text NOT NULL,
    lane text NOT NULL CHECK (lane IN ('express', 'normal', 'bulk')),
    channel text CHECK (channel IN ('webhook', 'email', 'inbox')),
    state text NOT NULL CHECK (state IN ('scheduled', 'leased', 'handed_over', 'undeliverable', 'recalled')),
    next_attempt_at timestamptz,
    lease_token uuid,
    leased_until timestamptz,
    channel_attempts bigint NOT NULL DEFAULT 0 CHECK (channel_attempts >= 0),
    attempts bigint NOT NULL DEFAULT 0,
    handed_over_at timestamptz,
    hand_over_channel text CHECK (hand_over_channel IN ('webhook', 'email', 'inbox')),
    hand_over_grade text CHECK (hand_over_grade IN ('blind', 'transport')),
    failure_reason text,
    failure_detail text,
    failed_at timestamptz,
    acknowledged_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    -- Whoever is not at an end has a time of next action or a running lease; whoever is has neither.
    CONSTRAINT deliveries_next_action_when_scheduled CHECK ((state = 'scheduled') = (next_attempt_at IS NOT NULL)),
    CONSTRAINT deliveries_lease_when_leased CHECK (
        (state = 'leased') = (lease_token IS NOT NULL) AND (state = 'leased') = (leased_until IS NOT NULL)
    ),
    CONSTRAINT deliveries_leased_for_a_sending_channel CHECK (state <> 'leased' OR channel IN ('webhook', 'email')),
    CONSTRAINT deliveries_handed_over_by_something CHECK (
        (state = 'handed_over') = (handed_over_at IS NOT NULL)
        AND (state = 'handed_over') = (hand_over_channel IS NOT NULL)
        AND (state = 'handed_over') = (hand_over_grade IS NOT NULL)
    ),
    CONSTRAINT deliveries_undeliverable_for_a_reason CHECK (
        state <> 'undeliverable' OR (failure_reason IS NOT NULL AND failure_detail IS NOT NULL AND failed_at IS NOT NULL)
    ),
    CONSTRAINT deliveries_attempts_add_up CHECK (attempts >= channel_attempts)
);

-- The working set: due work, running leases, what waits without being sent, and what an agency has not acknowledged.
CREATE INDEX deliveries_due ON deliveries (lane, channel, next_attempt_at) WHERE state = 'scheduled';
CREATE INDEX deliveries_leased ON deliveries (lane, channel, leased_until) WHERE state = 'leased';
CREATE INDEX deliveries_lease_token ON deliveries (lease_token) WHERE state = 'leased';
CREATE INDEX deliveries_lease_end ON deliveries (leased_until) WHERE state = 'leased';
CREATE INDEX deliveries_waiting ON deliveries (next_attempt_at)
WHERE state = 'scheduled' AND (channel IS NULL OR channel = 'inbox');
CREATE INDEX deliveries_without_channel ON deliveries (agency_id) WHERE state = 'scheduled' AND channel IS NULL;
CREATE INDEX deliveries_inbox ON deliveries (agency_id, delivery_id) WHERE acknowledged_at IS NULL;
CREATE INDEX deliveries_circular_position ON deliveries (circular_id, position, delivery_id);
-- Always empty: the constraints above see to that, and the metric that counts violations reads it for nothing.
CREATE INDEX deliveries_without_next_action ON deliveries (delivery_id)
WHERE state IN ('scheduled', 'leased') AND next_attempt_at IS NULL AND leased_until IS NULL;

-- Every attempt to hand a delivery over. `answer` is the beginning of what the other side said.
CREATE TABLE attempts (
    delivery_id uuid NOT NULL CONSTRAINT attempts_delivery REFERENCES deliveries (delivery_id),
    number bigint NOT NULL CHECK (number >= 1),
    channel text NOT NULL CHECK (channel IN ('webhook', 'email')),
    outcome text NOT NULL CHECK (outcome IN ('delivered', 'retry_later', 'refused', 'gone')),
    reason text,
    status bigint,
    started_at timestamptz NOT NULL,
    milliseconds double precision NOT NULL CHECK (milliseconds >= 0),
    answer text NOT NULL CHECK (octet_length(answer) <= 1024),
    PRIMARY KEY (delivery_id, number)
);

-- Acknowledgments, also those whose delivery has not come here yet.
CREATE TABLE acknowledgments (
    recipient_id uuid PRIMARY KEY,
    acknowledged_at timestamptz NOT NULL
);
