-- Letters. `content` is the draft as it was last saved; `canonical` is what was frozen at registration and never changes.
CREATE TABLE letters (
    letter_id uuid PRIMARY KEY,
    agency_id uuid NOT NULL CONSTRAINT letters_owner REFERENCES agencies (agency_id),
    register_id uuid NOT NULL REFERENCES registers (register_id),
    state text NOT NULL DEFAULT 'draft' CHECK (state IN ('draft', 'registered', 'dispatched')),
    version bigint NOT NULL DEFAULT 1 CHECK (version >= 1),
    content jsonb NOT NULL,
    list_id uuid REFERENCES lists (list_id),
    -- A recipient of an earlier circular; checked when the draft is saved, and recipients are never removed.
    relay_of_recipient_id uuid,
    year_be bigint,
    series text CHECK (series IN ('general', 'circular')),
    running bigint CHECK (running >= 1),
    number text,
    canonical bytea,
    content_hash text CHECK (content_hash ~ '^[0-9a-f]{64}$'),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    registered_at timestamptz,
    CONSTRAINT letters_numbered_once UNIQUE (register_id, year_be, series, running),
    CONSTRAINT letters_draft_or_frozen CHECK (
        CASE WHEN state = 'draft'
            THEN num_nonnulls(year_be, series, running, number, canonical, content_hash, registered_at) = 0
            ELSE num_nulls(year_be, series, running, number, canonical, content_hash, registered_at) = 0
        END
    )
);

CREATE INDEX letters_of_agency ON letters (agency_id, letter_id DESC);

CREATE TABLE attachments (
    attachment_id uuid PRIMARY KEY,
    letter_id uuid NOT NULL REFERENCES letters (letter_id),
    position bigint NOT NULL CHECK (position >= 1),
    file_name text NOT NULL CHECK (file_name <> ''),
    media_type text NOT NULL,
    size bigint NOT NULL CHECK (size > 0),
    sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT attachments_position_unique UNIQUE (letter_id, position)
);
