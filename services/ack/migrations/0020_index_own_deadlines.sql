-- squawk-ignore-file require-concurrent-index-creation, ban-drop-column, require-concurrent-index-deletion
-- The figures of the relay tree go by recipients' own deadlines too, and those count duties of recipients that have registered.
CREATE INDEX recipients_own_due ON recipients (circular_id, due_at) INCLUDE (state, relay_duty, relayed_circular_id, redirected_to)
WHERE due_at IS NOT NULL;
DROP INDEX recipients_own_deadline;
