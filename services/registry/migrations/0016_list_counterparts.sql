-- To whom each letter of the book of sent letters went, in the book's order: "what have we sent to them?" reads these rows alone. No foreign keys:
-- a dispatch writes as many rows as it has recipients, whose own keys say that the agencies are there. A long circular has one
-- row, with the counterpart 0 for all of its recipients.
CREATE TABLE sent_counterparts (
    agency_id uuid NOT NULL,
    counterpart_id uuid NOT NULL,
    year_be bigint NOT NULL,
    register_id uuid NOT NULL,
    series text NOT NULL,
    running bigint NOT NULL,
    PRIMARY KEY (agency_id, counterpart_id, year_be, register_id, series, running)
);

INSERT INTO sent_counterparts (agency_id, counterpart_id, year_be, register_id, series, running)
SELECT DISTINCT e.agency_id, r.agency_id, e.year_be, e.register_id, e.series, e.running
FROM sent_entries e JOIN recipients r ON r.circular_id = e.circular_id;
