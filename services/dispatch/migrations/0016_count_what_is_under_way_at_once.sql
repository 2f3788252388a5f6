-- squawk-ignore-file require-concurrent-index-deletion
-- What is under way is counted for all agencies at once, over the few deliveries that are leased. An index of them by agency would
-- only mislead the planner, which knows leases as rare: it read all that is leased for each agency, and for each batch.
DROP INDEX deliveries_in_flight;
