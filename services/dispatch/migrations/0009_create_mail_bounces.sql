-- Mails come back. The constraints are replaced within this transaction, by wider ones that every row meets already.
-- squawk-ignore-file ban-drop-constraint

-- What mail servers and mailboxes have sent to a mail's return path; rows are added and never changed. `attempt` is the number
-- of attempts that the delivery had then: of each kind one answer to each mail counts, the others are duplicates.
-- `diagnostic` was written by others, and is for the operator.
CREATE TABLE mail_bounces (
    delivery_id uuid NOT NULL CONSTRAINT mail_bounces_delivery REFERENCES deliveries (delivery_id),
    attempt bigint NOT NULL,
    kind text NOT NULL CHECK (kind IN ('failed', 'delayed', 'auto_reply', 'other')),
    status text NOT NULL CHECK (char_length(status) <= 11),
    diagnostic text NOT NULL CHECK (octet_length(diagnostic) <= 1024),
    -- Whether the hand-over was taken back, and the letter went to the inbox.
    took_effect boolean NOT NULL,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (delivery_id, attempt, kind)
);

-- The last mail that came back, as the sender sees it.
ALTER TABLE deliveries
ADD COLUMN bounced_at timestamptz,
ADD COLUMN bounce_reason text,
ADD CONSTRAINT deliveries_bounced_for_a_reason CHECK ((bounced_at IS NULL) = (bounce_reason IS NULL)) NOT VALID;

ALTER TABLE feed_events DROP CONSTRAINT feed_events_kind_check;
ALTER TABLE feed_events ADD CONSTRAINT feed_events_kind_known CHECK (
    kind IN ('dispatched', 'handed_over', 'bounced', 'undeliverable', 'registered', 'rejected', 'arrived')
) NOT VALID;
