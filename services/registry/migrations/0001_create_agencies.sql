-- The agencies that letters go between. `version` grows with each change; other services keep the highest.
CREATE TABLE agencies (
    agency_id uuid PRIMARY KEY,
    code text NOT NULL CONSTRAINT agencies_code_unique UNIQUE,
    name_th text NOT NULL CHECK (name_th <> ''),
    name_en text NOT NULL,
    kind text NOT NULL CHECK (kind <> ''),
    letter_code text,
    parent_id uuid CONSTRAINT agencies_parent REFERENCES agencies (agency_id),
    email text,
    search_text text NOT NULL,
    version bigint NOT NULL DEFAULT 1 CHECK (version >= 1),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT agencies_not_its_own_parent CHECK (parent_id <> agency_id)
);

CREATE INDEX agencies_parent_id ON agencies (parent_id) WHERE parent_id IS NOT NULL;

-- Clients of the OAuth 2 client credentials grant. Only the SHA-256 of the secret is kept: it is random, so no salt is needed.
CREATE TABLE clients (
    client_id text PRIMARY KEY,
    agency_id uuid CONSTRAINT clients_agency REFERENCES agencies (agency_id),
    name text NOT NULL,
    scopes text[] NOT NULL CHECK (cardinality(scopes) > 0),
    secret_sha256 bytea NOT NULL CHECK (octet_length(secret_sha256) = 32),
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz,
    -- An operator acts for no agency, and a client of an agency does not operate the exchange.
    CONSTRAINT clients_operator_or_agency CHECK (('operate' = ANY (scopes)) = (agency_id IS NULL))
);

-- Ed25519 keys that sign access tokens; `private_encrypted` is a Fernet token.
CREATE TABLE signing_keys (
    kid text PRIMARY KEY,
    public_jwk jsonb NOT NULL,
    private_encrypted bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    retired_at timestamptz
);
