-- Deadlines move when days or office hours are declared. The constraint is replaced within this transaction, by a wider one that
-- every row meets already.
-- squawk-ignore-file ban-drop-constraint
ALTER TABLE feed_events DROP CONSTRAINT feed_events_kind_known;
ALTER TABLE feed_events ADD CONSTRAINT feed_events_kind_known CHECK (
    kind IN (
        'dispatched', 'handed_over', 'bounced', 'undeliverable', 'registered', 'rejected', 'arrived', 'stopped',
        'recall_ordered', 'replaced', 'corrected', 'recalled', 'superseded', 'erratum', 'withdrawn', 'disputed',
        'dispute_answered', 'reminded', 'deadline_moved', 'deadline_extended'
    )
) NOT VALID;
