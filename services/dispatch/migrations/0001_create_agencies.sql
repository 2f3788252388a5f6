-- What dispatch has to know of agencies: a copy of the registry's events, where the higher version wins.
CREATE TABLE agencies (
    agency_id uuid PRIMARY KEY,
    version bigint NOT NULL CHECK (version >= 1),
    code text NOT NULL,
    name_th text NOT NULL,
    name_en text NOT NULL,
    kind text NOT NULL,
    email text
);

-- Where an agency takes webhooks. No foreign key: the agency's own event may still be under way.
-- `secret_encrypted` is a Fernet token; the signing secret itself is never stored.
CREATE TABLE endpoints (
    agency_id uuid PRIMARY KEY,
    url text NOT NULL CHECK (url <> ''),
    secret_encrypted bytea NOT NULL,
    state text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'disabled')),
    disabled_reason text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT endpoints_disabled_with_a_reason CHECK ((state = 'disabled') = (disabled_reason IS NOT NULL))
);
