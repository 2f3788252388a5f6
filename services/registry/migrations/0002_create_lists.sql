-- Distribution lists (บัญชีรายชื่อแนบท้าย), in order.
CREATE TABLE lists (
    list_id uuid PRIMARY KEY,
    agency_id uuid NOT NULL CONSTRAINT lists_owner REFERENCES agencies (agency_id),
    name text NOT NULL CHECK (name <> ''),
    addressee_count bigint NOT NULL CHECK (addressee_count > 0),
    version bigint NOT NULL DEFAULT 1 CHECK (version >= 1),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX lists_of_agency ON lists (agency_id, list_id);

CREATE TABLE list_addressees (
    list_id uuid NOT NULL REFERENCES lists (list_id),
    position bigint NOT NULL CHECK (position >= 1),
    agency_id uuid NOT NULL REFERENCES agencies (agency_id),
    title text NOT NULL CHECK (title <> ''),
    relay_duty boolean NOT NULL,
    PRIMARY KEY (list_id, position)
);
