-- What happened to recipients: rows are added and never changed. There is no foreign key, because an event may come
-- before its recipient. `occurred_at` is claimed by the actor, `recorded_at` is ours.
CREATE TABLE recipient_events (
    event_id uuid PRIMARY KEY,
    recipient_id uuid NOT NULL,
    type text NOT NULL CHECK (
        type IN ('handed_over', 'undeliverable', 'opened', 'received', 'registered', 'rejected', 'relayed')
    ),
    occurred_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    actor text NOT NULL,
    channel text,
    grade text,
    data jsonb NOT NULL,
    dedupe_key text NOT NULL,
    CONSTRAINT recipient_events_once UNIQUE (recipient_id, dedupe_key)
);
