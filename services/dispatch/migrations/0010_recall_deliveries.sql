-- A sender takes letters back. The constraints are replaced within this transaction, by wider ones that every row meets already.
-- squawk-ignore-file ban-drop-constraint

-- When the sender recalled the letter from this recipient, also where it had been handed over and no registry has answered yet.
ALTER TABLE deliveries ADD COLUMN recalled_at timestamptz;
ALTER TABLE deliveries ADD CONSTRAINT deliveries_recalled_at_some_time CHECK (
    state <> 'recalled' OR recalled_at IS NOT NULL
) NOT VALID;

ALTER TABLE feed_events DROP CONSTRAINT feed_events_kind_known;
ALTER TABLE feed_events ADD CONSTRAINT feed_events_kind_known CHECK (
    kind IN (
        'dispatched', 'handed_over', 'bounced', 'undeliverable', 'registered', 'rejected', 'arrived', 'stopped',
        'recall_ordered', 'replaced', 'corrected', 'recalled', 'superseded', 'erratum'
    )
) NOT VALID;
ALTER TABLE feed_events DROP CONSTRAINT feed_events_of_a_recipient;
ALTER TABLE feed_events ADD CONSTRAINT feed_events_of_a_recipient CHECK (
    (kind IN ('dispatched', 'recall_ordered', 'replaced', 'corrected')) = (recipient_id IS NULL)
) NOT VALID;

-- What a sender has decided on a circular, for recipients whose chunk has not come yet; told, and acted on, when it comes.
-- `about` is the recipient, or the circular when it is the sender who is told.
CREATE TABLE early_notices (
    about uuid NOT NULL,
    kind text NOT NULL,
    occurred_at timestamptz NOT NULL,
    circular_id uuid NOT NULL,
    agency_id uuid NOT NULL,
    data jsonb NOT NULL,
    PRIMARY KEY (about, kind, occurred_at)
);
