-- The scans behind the constraints and the indexes cost a moment: the largest nation has 100,000 agencies, and CONCURRENTLY
-- has no transaction.
-- squawk-ignore-file require-concurrent-index-creation

-- When an agency stands, in Bangkok days: from `valid_from`, up to and without `valid_until`; null is without end. Successors are
-- in the order in which the decree names them; agencies are never removed, so no foreign key watches the array.
ALTER TABLE agencies
ADD COLUMN valid_from date,
ADD COLUMN valid_until date,
ADD COLUMN successor_ids uuid [] NOT NULL DEFAULT '{}',
ADD COLUMN reason text,
ADD CONSTRAINT agencies_validity_forward CHECK (valid_until > valid_from) NOT VALID,
ADD CONSTRAINT agencies_successors_of_closed CHECK (successor_ids = '{}' OR valid_until IS NOT NULL) NOT VALID,
ADD CONSTRAINT agencies_not_its_own_successor CHECK (agency_id <> ALL (successor_ids)) NOT VALID;

-- "Every province": a kind in the order of codes.
CREATE INDEX agencies_of_kind ON agencies (kind, code);

-- The few that hand their letters on.
CREATE INDEX agencies_succeeded ON agencies (agency_id) WHERE successor_ids <> '{}';

-- What an agency was before each change; what it is now stands in `agencies`. `saved_at` and `reason` are those of the version.
CREATE TABLE agency_versions (
    agency_id uuid NOT NULL CONSTRAINT agency_versions_agency REFERENCES agencies (agency_id),
    version bigint NOT NULL CHECK (version >= 1),
    name_th text NOT NULL,
    name_en text NOT NULL,
    kind text NOT NULL,
    letter_code text,
    parent_id uuid REFERENCES agencies (agency_id),
    email text,
    valid_from date,
    valid_until date,
    successor_ids uuid [] NOT NULL,
    saved_at timestamptz NOT NULL,
    reason text,
    PRIMARY KEY (agency_id, version)
);

-- Files of agencies on their way in. A worker holds one under a lease, and a file whose worker was lost is taken up again.
CREATE TABLE agency_imports (
    import_id uuid PRIMARY KEY,
    client_id text NOT NULL,
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'reading', 'saving', 'done', 'failed')),
    format text NOT NULL CHECK (format IN ('csv', 'xlsx')),
    size bigint NOT NULL CHECK (size >= 0),
    dry_run boolean NOT NULL,
    encoding text,
    rows_read bigint NOT NULL DEFAULT 0,
    rows_valid bigint NOT NULL DEFAULT 0,
    created bigint NOT NULL DEFAULT 0,
    updated bigint NOT NULL DEFAULT 0,
    unchanged bigint NOT NULL DEFAULT 0,
    error_count bigint NOT NULL DEFAULT 0,
    -- The first of them, each with pointer, code and detail.
    errors jsonb NOT NULL DEFAULT '[]',
    problem text,
    created_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    lease_token uuid,
    leased_until timestamptz,
    attempts bigint NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    CONSTRAINT agency_imports_finished CHECK ((state IN ('done', 'failed')) = (finished_at IS NOT NULL)),
    CONSTRAINT agency_imports_problem CHECK ((state = 'failed') = (problem IS NOT NULL)),
    CONSTRAINT agency_imports_leased_at_work CHECK ((state IN ('reading', 'saving')) = (lease_token IS NOT NULL)),
    CONSTRAINT agency_imports_lease_ends CHECK ((lease_token IS NULL) = (leased_until IS NULL))
);

CREATE INDEX agency_imports_open ON agency_imports (created_at) WHERE finished_at IS NULL;

-- The file itself, until the import has ended: here and not in the object storage, so that it and its job are committed together.
CREATE TABLE agency_import_parts (
    import_id uuid NOT NULL CONSTRAINT agency_import_parts_import REFERENCES agency_imports (import_id),
    part bigint NOT NULL CHECK (part >= 1),
    content bytea NOT NULL,
    PRIMARY KEY (import_id, part)
);
