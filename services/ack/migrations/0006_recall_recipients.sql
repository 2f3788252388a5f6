-- Senders take circulars back, replace and correct them. The constraints are replaced within this transaction, by wider ones
-- that every row meets already.
-- squawk-ignore-file ban-drop-constraint
ALTER TABLE recipients DROP CONSTRAINT recipients_state_check;
ALTER TABLE recipients ADD CONSTRAINT recipients_state_known CHECK (
    state IN ('awaiting', 'undeliverable', 'handed_over', 'opened', 'received', 'recalled', 'registered', 'rejected')
) NOT VALID;
-- Whoever had answered before the recall came keeps his state, and has `recalled_at` beside it.
ALTER TABLE recipients ADD COLUMN recalled_at timestamptz;
ALTER TABLE recipients ADD COLUMN recall_reason text;
-- When a delivery was stopped before it was handed over.
ALTER TABLE recipients ADD COLUMN stopped_at timestamptz;
ALTER TABLE recipients ADD CONSTRAINT recipients_recalled_whole CHECK (
    (state <> 'recalled' OR recalled_at IS NOT NULL) AND (recalled_at IS NULL) = (recall_reason IS NULL)
) NOT VALID;

ALTER TABLE recipient_events DROP CONSTRAINT recipient_events_type_known;
ALTER TABLE recipient_events ADD CONSTRAINT recipient_events_type_known CHECK (
    type IN (
        'handed_over', 'bounced', 'undeliverable', 'opened', 'received', 'registered', 'rejected', 'relayed', 'recalled',
        'stopped'
    )
) NOT VALID;

-- The letter that took a circular's place. No foreign key: the news may come before that of the circular.
CREATE TABLE successions (
    circular_id uuid PRIMARY KEY,
    successor_circular_id uuid NOT NULL,
    successor_letter_id uuid NOT NULL,
    successor_number text NOT NULL,
    fields text [] NOT NULL,
    superseded_at timestamptz NOT NULL
);

-- Notes that correct a circular; rows are added and never changed. No foreign key: as above.
CREATE TABLE errata (
    circular_id uuid NOT NULL,
    number bigint NOT NULL CHECK (number >= 1),
    text text NOT NULL,
    fields text [] NOT NULL,
    issued_at timestamptz NOT NULL,
    PRIMARY KEY (circular_id, number)
);
