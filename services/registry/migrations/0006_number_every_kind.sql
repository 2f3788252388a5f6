-- Letters of all six kinds (ข้อ 10): each form of directives, public letters and evidence has a series of its own. The constraints
-- are replaced within this transaction, by wider ones that every row meets already.
-- squawk-ignore-file ban-drop-constraint
ALTER TABLE number_series DROP CONSTRAINT number_series_series_check;
ALTER TABLE number_series ADD CONSTRAINT number_series_series_known CHECK (series IN (
    'general', 'circular', 'order', 'rule', 'by_law', 'announcement', 'statement', 'news', 'certificate', 'minutes', 'note', 'other'
)) NOT VALID;
ALTER TABLE letters DROP CONSTRAINT letters_series_check;
ALTER TABLE letters ADD CONSTRAINT letters_series_known CHECK (series IN (
    'general', 'circular', 'order', 'rule', 'by_law', 'announcement', 'statement', 'news', 'certificate', 'minutes', 'note', 'other'
)) NOT VALID;

-- Several units may share a register. `position` 1 is the code that letters bear if they name none.
CREATE TABLE register_units (
    register_id uuid NOT NULL REFERENCES registers (register_id),
    agency_id uuid NOT NULL REFERENCES agencies (agency_id),
    unit_code text NOT NULL CHECK (unit_code <> ''),
    position bigint NOT NULL CHECK (position >= 1),
    PRIMARY KEY (register_id, position),
    CONSTRAINT register_units_code_unique UNIQUE (agency_id, unit_code)
);
INSERT INTO register_units (register_id, agency_id, unit_code, position)
SELECT register_id, agency_id, unit_code, 1 FROM registers;

-- Numbers kept for late papers. A number that was taken here stays here, whatever becomes of it.
CREATE TABLE reserved_numbers (
    register_id uuid NOT NULL REFERENCES registers (register_id),
    year_be bigint NOT NULL CHECK (year_be BETWEEN 2484 AND 2799),
    series text NOT NULL,
    running bigint NOT NULL CHECK (running >= 1),
    reservation_id uuid NOT NULL,
    purpose text NOT NULL CHECK (purpose <> ''),
    reserved_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    letter_id uuid UNIQUE REFERENCES letters (letter_id),
    voided_at timestamptz,
    void_reason text CHECK (void_reason <> ''),
    PRIMARY KEY (register_id, year_be, series, running),
    CONSTRAINT reserved_numbers_expire_later CHECK (expires_at > reserved_at),
    CONSTRAINT reserved_numbers_void_for_a_reason CHECK ((voided_at IS NULL) = (void_reason IS NULL)),
    CONSTRAINT reserved_numbers_used_or_void CHECK (letter_id IS NULL OR voided_at IS NULL)
);

CREATE INDEX reserved_numbers_of_reservation ON reserved_numbers (reservation_id, running);

-- The recurring parts of an agency's letters: `content` holds the fields that the template sets.
CREATE TABLE letter_templates (
    template_id uuid PRIMARY KEY,
    agency_id uuid NOT NULL CONSTRAINT letter_templates_owner REFERENCES agencies (agency_id),
    name text NOT NULL CHECK (name <> ''),
    content jsonb NOT NULL,
    version bigint NOT NULL DEFAULT 1 CHECK (version >= 1),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT letter_templates_name_unique UNIQUE (agency_id, name)
);
