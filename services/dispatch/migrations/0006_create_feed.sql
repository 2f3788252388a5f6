-- What agencies are told of, written in the transaction of the change itself, and so in any order of commit. One row for all
-- that a transaction tells of one circular in one way, so that it costs the engine next to nothing. The reader is `agency_id`, or
-- each its own of `agency_ids`; neither while the sender is not known, because an acknowledgment came before its circular.
CREATE TABLE feed_pending (
    pending_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL,
    circular_id uuid NOT NULL,
    agency_id uuid,
    channel text,
    grade text,
    events bigint NOT NULL CHECK (events >= 1),
    agency_ids uuid [],
    recipient_ids uuid [] NOT NULL,
    occurred_at timestamptz [] NOT NULL,
    data jsonb [] NOT NULL,
    added_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX feed_pending_early ON feed_pending (circular_id) WHERE agency_id IS NULL AND agency_ids IS NULL;

-- The same with its position, given after the commit, so that nothing ever appears before a position that somebody has read.
-- It grows at its end alone, and is pruned at its beginning.
CREATE TABLE feed_events (
    position bigint PRIMARY KEY CHECK (position >= 1),
    kind text NOT NULL CHECK (kind IN ('dispatched', 'handed_over', 'undeliverable', 'registered', 'rejected', 'arrived')),
    agency_id uuid NOT NULL,
    circular_id uuid NOT NULL,
    recipient_id uuid,
    occurred_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    channel text,
    grade text,
    data jsonb,
    CONSTRAINT feed_events_of_a_recipient CHECK ((kind = 'dispatched') = (recipient_id IS NULL)),
    CONSTRAINT feed_events_handed_over_by_something CHECK (
        (kind = 'handed_over') = (channel IS NOT NULL) AND (kind = 'handed_over') = (grade IS NOT NULL)
    )
);
CREATE INDEX feed_events_reader ON feed_events (agency_id, kind, position);

-- The two ends of the feed, in one row: whoever has locked it gives positions, and the others leave it to him.
CREATE TABLE feed_ends (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    last_position bigint NOT NULL DEFAULT 0,
    pruned_position bigint NOT NULL DEFAULT 0,
    CONSTRAINT feed_ends_in_order CHECK (pruned_position <= last_position)
);
INSERT INTO feed_ends DEFAULT VALUES;
