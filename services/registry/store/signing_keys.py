"""SQL of the keys that sign access tokens."""

from typing import Any, Final

from shared.postgres import Connection
from shared.signing import StoredKey

LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended('registry.signing_keys', 0))"

CURRENT: Final = """
SELECT kid, public_jwk, private_encrypted FROM signing_keys WHERE retired_at IS NULL ORDER BY created_at DESC, kid LIMIT 1
"""

# A token outlives the retirement of its key by at most a day (the longest lifetime that can be set).
PUBLISHED: Final = """
SELECT public_jwk FROM signing_keys WHERE retired_at IS NULL OR retired_at > now() - interval '1 day' ORDER BY created_at, kid
"""

INSERT: Final = "INSERT INTO signing_keys (kid, public_jwk, private_encrypted) VALUES ($1, $2, $3)"


async def lock(connection: Connection) -> None:
    """Wait until no other replica makes a key."""
    await connection.execute(LOCK)


async def current(connection: Connection) -> StoredKey | None:
    """The key that signs now."""
    row = await connection.fetchrow(CURRENT)
    return None if row is None else StoredKey(row["kid"], row["public_jwk"], row["private_encrypted"])


async def published(connection: Connection) -> list[dict[str, Any]]:
    """The public JWKs (RFC 7517) under which tokens may still be valid."""
    return [row["public_jwk"] for row in await connection.fetch(PUBLISHED)]


async def insert(connection: Connection, key: StoredKey) -> None:
    """Store a new key."""
    await connection.execute(INSERT, key.kid, key.public_jwk, key.private_encrypted)
