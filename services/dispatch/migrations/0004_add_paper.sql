-- Paper is the ladder's last rung: it waits for a clerk of the sender.
--
-- The constraints on channels are replaced within this transaction, by wider ones that every row meets already. The indexes
-- cover the working set, or a table of one row per circular, and are built in a moment; CONCURRENTLY has no transaction.
-- squawk-ignore-file ban-drop-constraint, require-concurrent-index-creation, require-concurrent-index-deletion
ALTER TABLE deliveries DROP CONSTRAINT deliveries_channel_check;
ALTER TABLE deliveries ADD CONSTRAINT deliveries_channel_known
CHECK (channel IN ('webhook', 'email', 'inbox', 'paper')) NOT VALID;
ALTER TABLE deliveries DROP CONSTRAINT deliveries_hand_over_channel_check;
ALTER TABLE deliveries ADD CONSTRAINT deliveries_hand_over_channel_known
CHECK (hand_over_channel IN ('webhook', 'email', 'inbox', 'paper')) NOT VALID;
ALTER TABLE attempts DROP CONSTRAINT attempts_channel_check;
ALTER TABLE attempts ADD CONSTRAINT attempts_channel_known CHECK (channel IN ('webhook', 'email', 'paper')) NOT VALID;

-- The end of the running step, whatever is left of its retries; null while there is no channel. The default is for what was
-- under way when this column came, and for processes of the version before that still write.
ALTER TABLE deliveries ADD COLUMN step_until timestamptz DEFAULT now() + interval '2 days';

DROP INDEX deliveries_waiting;
CREATE INDEX deliveries_waiting ON deliveries (next_attempt_at)
WHERE state = 'scheduled' AND (channel IS NULL OR channel IN ('inbox', 'paper'));
-- What waited for its agency until the time for the channel was over.
CREATE INDEX deliveries_parked_until ON deliveries (step_until) WHERE parked;
CREATE INDEX deliveries_paper ON deliveries (circular_id, delivery_id) WHERE channel = 'paper' AND state = 'scheduled';
CREATE INDEX circulars_sender ON circulars (sender_agency_id);

-- What a clerk of the sender has said of one attempt on paper. `recorded_by` is the client that told us.
CREATE TABLE paper_records (
    delivery_id uuid NOT NULL,
    number bigint NOT NULL,
    sent_on date,
    how text CHECK (how IN ('post', 'messenger', 'by_hand')),
    reference text NOT NULL DEFAULT '' CHECK (char_length(reference) <= 200),
    reason text CHECK (reason IN ('address_unknown', 'returned', 'refused', 'lost', 'other')),
    note text NOT NULL DEFAULT '' CHECK (char_length(note) <= 500),
    recorded_by text NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (delivery_id, number),
    CONSTRAINT paper_records_attempt FOREIGN KEY (delivery_id, number) REFERENCES attempts (delivery_id, number),
    CONSTRAINT paper_records_sent_or_failed CHECK (
        (reason IS NULL) = (sent_on IS NOT NULL) AND (sent_on IS NULL) = (how IS NULL)
    )
);
