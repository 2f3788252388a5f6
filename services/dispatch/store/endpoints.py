"""SQL of endpoints: where agencies take webhooks, and the keys that sign them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from shared.postgres import Connection, Row

# As many rotations may overlap; more would make every letter carry more signatures than a receiver should look at.
MOST_OLD_KEYS: Final = 4

# The keys that sign, of the kinds that the endpoint `e` wants. What was rotated out signs until its time is over.
SEALED_KEYS: Final = """
    CASE WHEN e.signatures <> 'v1a' THEN e.secret_encrypted
        || CASE WHEN e.old_secrets_until > now() THEN e.old_secrets_encrypted ELSE '{}' END ELSE '{}' END
    || CASE WHEN e.signatures <> 'v1' THEN e.signing_key_encrypted
        || CASE WHEN e.old_signing_keys_until > now() THEN e.old_signing_keys_encrypted ELSE '{}' END ELSE '{}' END"""

COLUMNS: Final = (
    """agency_id, url, state, disabled_reason, unproven_reason, proven_at, signatures, public_key,
    CASE WHEN old_signing_keys_until > now() THEN old_public_keys ELSE '{}' END AS old_public_keys,
    CASE WHEN old_secrets_until > now() AND cardinality(old_secrets_encrypted) > 0 THEN old_secrets_until END AS old_secrets_until,
    CASE WHEN old_signing_keys_until > now() AND cardinality(old_public_keys) > 0 THEN old_signing_keys_until END
        AS old_signing_keys_until,
    updated_at,"""
    + SEALED_KEYS
    + " AS sealed_keys"
)

# A pair once made stays when the endpoint is set again; a secret that is set replaces those before at once.
SAVE: Final = (
    """
INSERT INTO endpoints AS e (agency_id, url, secret_encrypted, signing_key_encrypted, public_key, signatures, state,
    unproven_reason, proven_at)
VALUES ($1, $2, $3, $4, $5, $6, CASE WHEN $7::text IS NULL THEN 'active' ELSE 'unverified' END, $7::text, $8)
ON CONFLICT (agency_id) DO UPDATE SET url = EXCLUDED.url, secret_encrypted = EXCLUDED.secret_encrypted,
    signing_key_encrypted = coalesce(e.signing_key_encrypted, EXCLUDED.signing_key_encrypted),
    public_key = coalesce(e.public_key, EXCLUDED.public_key), signatures = EXCLUDED.signatures,
    old_secrets_encrypted = '{}', old_secrets_until = NULL,
    state = EXCLUDED.state, disabled_reason = NULL, unproven_reason = EXCLUDED.unproven_reason, proven_at = EXCLUDED.proven_at,
    updated_at = now()
RETURNING """
    + COLUMNS
)

GET: Final = "SELECT " + COLUMNS + " FROM endpoints e WHERE agency_id = $1"

DELETE_ENDPOINT: Final = "DELETE FROM endpoints WHERE agency_id = $1"

# Only what was asked: the agency may have set another address, or other keys, meanwhile.
PROVE: Final = (
    """
UPDATE endpoints e SET proven_at = now(), unproven_reason = NULL, disabled_reason = NULL, updated_at = now(),
    state = CASE WHEN e.state = 'paused' THEN 'paused' ELSE 'active' END
WHERE agency_id = $1 AND url = $2 AND updated_at = $3
RETURNING """
    + COLUMNS
)

DOUBT: Final = (
    """
UPDATE endpoints e SET unproven_reason = $4, updated_at = now()
WHERE agency_id = $1 AND url = $2 AND updated_at = $3 AND state = 'unverified'
RETURNING """
    + COLUMNS
)

PAUSE: Final = (
    """
UPDATE endpoints e SET state = 'paused', updated_at = now() WHERE agency_id = $1 AND state IN ('active', 'paused')
RETURNING """
    + COLUMNS
)

RESUME: Final = (
    """
UPDATE endpoints e SET state = 'active', updated_at = now() WHERE agency_id = $1 AND state IN ('active', 'paused')
RETURNING """
    + COLUMNS
)

# What was kept back goes now, not at the next look.
LOOK_NOW: Final = "UPDATE circuits SET look_at = now() WHERE agency_id = $1 AND look_at IS NOT NULL"

# With no overlap what there was ends at once. Overlaps that run go on until the end of the last one.
ROTATE_SECRET: Final = (
    """
UPDATE endpoints e SET secret_encrypted = $2, updated_at = now(), old_secrets_until = now() + $3::interval,
    old_secrets_encrypted = CASE WHEN $3::interval > interval '0' THEN secret_encrypted
        || CASE WHEN old_secrets_until > now() THEN old_secrets_encrypted ELSE '{}' END ELSE '{}' END
WHERE agency_id = $1 AND ($3::interval = interval '0' OR old_secrets_until IS NULL OR old_secrets_until <= now()
    OR cardinality(old_secrets_encrypted) < $4)
RETURNING """
    + COLUMNS
)

ROTATE_SIGNING_KEY: Final = (
    """
UPDATE endpoints e SET signing_key_encrypted = $2, public_key = $3, updated_at = now(),
    old_signing_keys_until = now() + $4::interval,
    old_signing_keys_encrypted = CASE WHEN $4::interval > interval '0' AND signing_key_encrypted IS NOT NULL
        THEN signing_key_encrypted
        || CASE WHEN old_signing_keys_until > now() THEN old_signing_keys_encrypted ELSE '{}' END ELSE '{}' END,
    old_public_keys = CASE WHEN $4::interval > interval '0' AND public_key IS NOT NULL
        THEN public_key || CASE WHEN old_signing_keys_until > now() THEN old_public_keys ELSE '{}' END ELSE '{}' END
WHERE agency_id = $1 AND ($4::interval = interval '0' OR old_signing_keys_until IS NULL OR old_signing_keys_until <= now()
    OR cardinality(old_public_keys) < $5)
RETURNING """
    + COLUMNS
)

# Only the address that answered: the agency may have set another meanwhile.
DISABLE: Final = """
UPDATE endpoints SET state = 'disabled', disabled_reason = $3, updated_at = now()
FROM (SELECT DISTINCT agency_id, url FROM unnest($1::uuid[], $2::text[]) AS tried (agency_id, url)) gone
WHERE endpoints.agency_id = gone.agency_id AND endpoints.url = gone.url AND endpoints.state IN ('active', 'paused')
"""


@dataclass(frozen=True, slots=True)
class StoredEndpoint:
    """An endpoint; the keys that sign now are encrypted."""

    agency_id: UUID
    url: str
    state: str
    disabled_reason: str | None
    unproven_reason: str | None
    proven_at: datetime | None
    signatures: str
    public_key: str | None
    old_public_keys: list[str]
    old_secrets_until: datetime | None
    old_signing_keys_until: datetime | None
    updated_at: datetime
    sealed_keys: list[bytes]


@dataclass(frozen=True, slots=True)
class NewEndpoint:
    """An endpoint to store, its secrets encrypted; `unproven_reason` is None when it may get letters."""

    url: str
    secret_encrypted: bytes
    signing_key_encrypted: bytes
    public_key: str
    signatures: str
    unproven_reason: str | None
    proven_at: datetime | None


def _endpoint(row: Row | None) -> StoredEndpoint | None:
    return None if row is None else StoredEndpoint(**dict(row))


async def save(connection: Connection, agency_id: UUID, new: NewEndpoint) -> StoredEndpoint:
    """Set the agency's endpoint, whatever it was."""
    stored = _endpoint(
        await connection.fetchrow(
            SAVE,
            agency_id,
            new.url,
            new.secret_encrypted,
            new.signing_key_encrypted,
            new.public_key,
            new.signatures,
            new.unproven_reason,
            new.proven_at,
        )
    )
    if stored is None:
        raise RuntimeError("an upsert returns its row")
    return stored


async def get(connection: Connection, agency_id: UUID) -> StoredEndpoint | None:
    return _endpoint(await connection.fetchrow(GET, agency_id))


async def delete(connection: Connection, agency_id: UUID) -> None:
    await connection.execute(DELETE_ENDPOINT, agency_id)


async def prove(connection: Connection, asked: StoredEndpoint) -> StoredEndpoint | None:
    """Note that the endpoint proved itself, so that it gets letters; None when it was changed meanwhile."""
    return _endpoint(await connection.fetchrow(PROVE, asked.agency_id, asked.url, asked.updated_at))


async def doubt(connection: Connection, asked: StoredEndpoint, reason: str) -> StoredEndpoint | None:
    """Note why an unverified endpoint did not prove itself; None when it is another or was proven meanwhile."""
    return _endpoint(await connection.fetchrow(DOUBT, asked.agency_id, asked.url, asked.updated_at, reason))


async def pause(connection: Connection, agency_id: UUID) -> StoredEndpoint | None:
    """Keep letters back; None when there is no endpoint that gets any."""
    return _endpoint(await connection.fetchrow(PAUSE, agency_id))


async def resume(connection: Connection, agency_id: UUID) -> StoredEndpoint | None:
    """Let letters go again; None when there is no endpoint that may get any. Needs a transaction."""
    resumed = _endpoint(await connection.fetchrow(RESUME, agency_id))
    if resumed is not None:
        await connection.execute(LOOK_NOW, agency_id)
    return resumed


async def rotate_secret(
    connection: Connection, agency_id: UUID, secret_encrypted: bytes, overlap: timedelta
) -> StoredEndpoint | None:
    """Sign with another secret, and for `overlap` with the one before too; None: no endpoint, or too many overlap already."""
    return _endpoint(await connection.fetchrow(ROTATE_SECRET, agency_id, secret_encrypted, overlap, MOST_OLD_KEYS))


async def rotate_signing_key(
    connection: Connection, agency_id: UUID, key_encrypted: bytes, public_key: str, overlap: timedelta
) -> StoredEndpoint | None:
    """The same for the key pair of `v1a`."""
    return _endpoint(await connection.fetchrow(ROTATE_SIGNING_KEY, agency_id, key_encrypted, public_key, overlap, MOST_OLD_KEYS))


async def disable(connection: Connection, tried: Sequence[tuple[UUID, str]], reason: str) -> None:
    """Disable the endpoints of (agency, url)."""
    if tried:
        await connection.execute(DISABLE, [agency for agency, _ in tried], [url for _, url in tried], reason)
