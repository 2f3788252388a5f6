-- Expected recipients. The columns from `state` on are a summary that the fold writes from the events.
CREATE TABLE recipients (
    recipient_id uuid PRIMARY KEY,
    circular_id uuid NOT NULL REFERENCES circulars (circular_id),
    position bigint NOT NULL CHECK (position >= 1),
    agency_id uuid NOT NULL,
    title text NOT NULL,
    relay_duty boolean NOT NULL,
    state text NOT NULL DEFAULT 'awaiting' CHECK (
        state IN ('awaiting', 'undeliverable', 'handed_over', 'opened', 'received', 'registered', 'rejected')
    ),
    delivery_id uuid,
    handed_over_at timestamptz,
    hand_over_channel text,
    hand_over_grade text CHECK (hand_over_grade IN ('blind', 'transport')),
    failure_reason text,
    failure_detail text,
    receive_number text,
    receive_number_normalised text,
    receive_date date,
    receive_time time,
    registrar_name text,
    registrar_position text,
    unit text,
    rejection_reason text,
    rejection_text text,
    recorded_at timestamptz,
    relayed_circular_id uuid,
    onward_recipients bigint NOT NULL DEFAULT 0 CHECK (onward_recipients >= 0),
    CONSTRAINT recipients_position_unique UNIQUE (circular_id, position),
    CONSTRAINT recipients_registered_whole CHECK (
        state <> 'registered'
        OR (receive_number IS NOT NULL AND receive_date IS NOT NULL AND registrar_name IS NOT NULL AND recorded_at IS NOT NULL)
    ),
    CONSTRAINT recipients_rejected_whole CHECK (
        state <> 'rejected' OR (rejection_reason IS NOT NULL AND recorded_at IS NOT NULL)
    )
);

-- The matrix of a long circular is counted from this index alone.
CREATE INDEX recipients_matrix ON recipients (circular_id, state)
INCLUDE (handed_over_at, relay_duty, relayed_circular_id, onward_recipients);
