-- Answers are corrected, taken back, doubted and confirmed; a letter gets a number in the register of each desk that it passes.
-- The constraint is replaced within this transaction, by a wider one that every row meets already.
-- squawk-ignore-file ban-drop-constraint, require-concurrent-index-creation
ALTER TABLE recipient_events DROP CONSTRAINT recipient_events_type_known;
ALTER TABLE recipient_events ADD CONSTRAINT recipient_events_type_known CHECK (
    type IN (
        'handed_over', 'bounced', 'undeliverable', 'opened', 'received', 'registered', 'rejected', 'confirmed', 'corrected',
        'withdrawn', 'disputed', 'dispute_answered', 'relayed', 'recalled', 'stopped'
    )
) NOT VALID;

-- The event that holds the answer, the door by which it came, and for a rejection whom it should have gone to.
ALTER TABLE recipients ADD COLUMN answer_id uuid;
ALTER TABLE recipients ADD COLUMN door text CHECK (door IN ('api', 'link', 'page', 'clerk'));
ALTER TABLE recipients ADD COLUMN suggested_agency_code text;
-- All entries of the recipient's registers, when there is more than one or one was corrected.
ALTER TABLE recipients ADD COLUMN entries jsonb;
ALTER TABLE recipients ADD COLUMN withdrawals bigint NOT NULL DEFAULT 0 CHECK (withdrawals >= 0);
-- What the sender doubts, while it is neither answered nor settled.
ALTER TABLE recipients ADD COLUMN dispute_text text;

CREATE INDEX recipients_disputed ON recipients (circular_id, position) WHERE dispute_text IS NOT NULL;
