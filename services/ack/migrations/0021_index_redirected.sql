-- squawk-ignore-file require-concurrent-index-creation
-- The few from which a letter was sent on: whether they keep it after all is counted from here.
CREATE INDEX recipients_redirected ON recipients (circular_id) INCLUDE (state, relay_duty, relayed_circular_id)
WHERE redirected_to IS NOT NULL;
