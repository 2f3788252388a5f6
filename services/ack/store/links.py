"""SQL of revoked and newly issued links: digests only, each change a row that stays."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from shared.postgres import Connection

GENERATION: Final = "SELECT coalesce(max(generation), 0) FROM link_changes WHERE recipient_id = $1"

ADD: Final = """
INSERT INTO link_changes (recipient_id, generation, digest, reason, changed_by, changed_at) VALUES ($1, $2, $3, $4, $5, $6)
"""

OF_RECIPIENT: Final = """
SELECT generation, digest IS NOT NULL AS issued, reason, changed_by, changed_at FROM link_changes
WHERE recipient_id = $1 ORDER BY generation
"""


@dataclass(frozen=True, slots=True)
class LinkChange:
    """All earlier links were revoked; `issued`: in favour of a new one."""

    generation: int
    issued: bool
    reason: str
    changed_by: str
    changed_at: datetime


async def generation(connection: Connection, recipient_id: UUID) -> int:
    """The number of the newest change, 0 before the first; whoever adds the next holds the recipient's row."""
    return await connection.fetchval(GENERATION, recipient_id)


async def add(connection: Connection, recipient_id: UUID, change: LinkChange, digest: bytes | None) -> None:
    """Revoke all links of the recipient but the one with this digest."""
    await connection.execute(ADD, recipient_id, change.generation, digest, change.reason, change.changed_by, change.changed_at)


async def of_recipient(connection: Connection, recipient_id: UUID) -> Sequence[LinkChange]:
    """All changes, the first one first."""
    rows = await connection.fetch(OF_RECIPIENT, recipient_id)
    return [LinkChange(**{field: row[field] for field in LinkChange.__slots__}) for row in rows]
