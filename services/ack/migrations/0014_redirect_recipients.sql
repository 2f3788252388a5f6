-- A recipient that refused a letter as misaddressed, and the one to which its sender has sent it on, know of each other.
-- squawk-ignore-file ban-drop-constraint
ALTER TABLE recipients ADD COLUMN redirected_from uuid;
ALTER TABLE recipients ADD COLUMN redirected_to uuid;

ALTER TABLE recipient_events DROP CONSTRAINT recipient_events_type_known;
ALTER TABLE recipient_events ADD CONSTRAINT recipient_events_type_known CHECK (
    type IN (
        'handed_over', 'bounced', 'undeliverable', 'opened', 'received', 'registered', 'rejected', 'confirmed', 'corrected',
        'withdrawn', 'disputed', 'dispute_answered', 'relayed', 'recalled', 'stopped', 'redirected'
    )
) NOT VALID;
