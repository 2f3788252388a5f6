-- Office hours of an agency's own.
-- squawk-ignore-file ban-drop-constraint
-- What stands now: hours that count from a day on. The nil UUID is the whole country; `below`: also for the agencies below.
CREATE TABLE calendar_hours (
    agency_id uuid NOT NULL,
    day date NOT NULL,
    -- Since midnight, up to 1440: opens, closes, opens, closes, each after the last.
    minutes bigint[] NOT NULL CHECK (cardinality(minutes) BETWEEN 2 AND 8 AND cardinality(minutes) % 2 = 0),
    below boolean NOT NULL,
    reason text NOT NULL,
    declared_by uuid NOT NULL,
    declared_at timestamptz NOT NULL,
    PRIMARY KEY (agency_id, day)
);

ALTER TABLE calendar_changes ADD COLUMN minutes bigint[];
ALTER TABLE calendar_changes DROP CONSTRAINT calendar_changes_kind_check;
ALTER TABLE calendar_changes ADD CONSTRAINT calendar_changes_kind_known CHECK (
    kind IN ('closed', 'open', 'withdrawn', 'hours', 'hours_withdrawn') AND (kind = 'hours') = (minutes IS NOT NULL)
) NOT VALID;
