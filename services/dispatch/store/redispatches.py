"""SQL of sending again: deliveries that were handed over and not answered, and who had them sent again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, LiteralString
from uuid import UUID

from shared.postgres import Connection

_SILENT: Final[LiteralString] = """
FROM deliveries d WHERE d.circular_id = $1 AND d.state = 'handed_over' AND d.acknowledged_at IS NULL AND d.recalled_at IS NULL
    AND d.handed_over_at < now() - $2::interval AND ($3::uuid[] IS NULL OR d.recipient_id = ANY($3))
"""

# What another sends again at this instant is passed over.
PICK: Final[LiteralString] = f"""
SELECT d.delivery_id {_SILENT} ORDER BY d.position, d.delivery_id LIMIT $4 FOR UPDATE OF d SKIP LOCKED
"""

COUNT: Final[LiteralString] = f"SELECT count(*) {_SILENT}"

# Before the delivery moves on, so that the hand-over is its latest.
ADD: Final = """
INSERT INTO redispatches (delivery_id, handed_over_at, hand_over_channel, redispatched_by, why)
SELECT delivery_id, handed_over_at, hand_over_channel, $2, $3 FROM deliveries WHERE delivery_id = ANY($1::uuid[])
"""


@dataclass(frozen=True, slots=True)
class Silent:
    """Deliveries of a circular that were handed over at least `since` ago; of these recipients alone, or of all."""

    circular_id: UUID
    since: timedelta
    recipient_ids: tuple[UUID, ...] | None = None

    @property
    def values(self) -> tuple[object, ...]:
        """The first three parameters of every statement here."""
        return self.circular_id, self.since, None if self.recipient_ids is None else list(self.recipient_ids)


async def pick(connection: Connection, silent: Silent, limit: int) -> list[UUID]:
    """The first of them in list order, locked."""
    return [row["delivery_id"] for row in await connection.fetch(PICK, *silent.values, limit)]


async def count(connection: Connection, silent: Silent) -> int:
    """How many there are."""
    return await connection.fetchval(COUNT, *silent.values)


async def add(connection: Connection, delivery_ids: Sequence[UUID], client_id: str, why: str) -> None:
    """Write down who has these sent again; in the same transaction, before they move."""
    await connection.execute(ADD, list(delivery_ids), client_id, why)
