-- Registers of outgoing letters. `own`: circulars (ว) have a series of their own; `shared`: one series for all letters.
CREATE TABLE registers (
    register_id uuid PRIMARY KEY,
    agency_id uuid NOT NULL CONSTRAINT registers_owner REFERENCES agencies (agency_id),
    unit_code text NOT NULL CHECK (unit_code <> ''),
    circular_series text NOT NULL CHECK (circular_series IN ('own', 'shared')),
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT registers_unit_code_unique UNIQUE (agency_id, unit_code)
);

-- The number last issued in each series of each Buddhist year. Updated in the transaction that numbers the letter,
-- so an abandoned transaction leaves no gap.
CREATE TABLE number_series (
    register_id uuid NOT NULL REFERENCES registers (register_id),
    year_be bigint NOT NULL CHECK (year_be BETWEEN 2484 AND 2799),
    series text NOT NULL CHECK (series IN ('general', 'circular')),
    last_running bigint NOT NULL CHECK (last_running BETWEEN 0 AND 999999999),
    PRIMARY KEY (register_id, year_be, series)
);
