"""SQL of seals: every encrypted value that dispatch keeps, so that all can be sealed with another key."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from shared.postgres import Connection

READ: Final = """
SELECT agency_id, secret_encrypted, signing_key_encrypted, old_secrets_encrypted, old_signing_keys_encrypted FROM endpoints
WHERE $1::uuid IS NULL OR agency_id > $1 ORDER BY agency_id LIMIT $2
"""

# What was set or rotated since it was read is left as it is: the key that sealed it was ours, and the first.
WRITE: Final = """
UPDATE endpoints SET secret_encrypted = $6, signing_key_encrypted = $7, old_secrets_encrypted = $8, old_signing_keys_encrypted = $9
WHERE agency_id = $1 AND secret_encrypted = $2 AND signing_key_encrypted IS NOT DISTINCT FROM $3::bytea
    AND old_secrets_encrypted = $4 AND old_signing_keys_encrypted = $5
"""


@dataclass(frozen=True, slots=True)
class Seals:
    """The encrypted values of one endpoint."""

    secret: bytes
    signing_key: bytes | None
    old_secrets: tuple[bytes, ...]
    old_signing_keys: tuple[bytes, ...]


async def read(connection: Connection, after: UUID | None, limit: int) -> list[tuple[UUID, Seals]]:
    """The seals of the next endpoints, in the order of their agencies."""
    return [
        (
            row["agency_id"],
            Seals(
                row["secret_encrypted"],
                row["signing_key_encrypted"],
                tuple(row["old_secrets_encrypted"]),
                tuple(row["old_signing_keys_encrypted"]),
            ),
        )
        for row in await connection.fetch(READ, after, limit)
    ]


async def write(connection: Connection, changed: Sequence[tuple[UUID, Seals, Seals]]) -> None:
    """Put other seals in the place of those that were read."""
    await connection.executemany(WRITE, [(agency_id, *_values(before), *_values(after)) for agency_id, before, after in changed])


def _values(seals: Seals) -> tuple[object, ...]:
    return seals.secret, seals.signing_key, list(seals.old_secrets), list(seals.old_signing_keys)
