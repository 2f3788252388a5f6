"""SQL of the codes that people type from paper."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from shared.postgres import Connection

ADD: Final = """
INSERT INTO paper_codes (digest, recipient_id) SELECT * FROM unnest($1::bytea[], $2::uuid[]) AS new (digest, recipient_id)
ORDER BY new.digest
ON CONFLICT (digest) DO NOTHING
"""

FIND: Final = "SELECT recipient_id FROM paper_codes WHERE digest = $1"


async def add(connection: Connection, digests: Sequence[bytes], recipient_ids: Sequence[UUID]) -> None:
    """Let the codes with these digests open the recipients' letters."""
    await connection.execute(ADD, list(digests), list(recipient_ids))


async def find(connection: Connection, digest: bytes) -> UUID | None:
    """The recipient whose code has that digest."""
    return await connection.fetchval(FIND, digest)
