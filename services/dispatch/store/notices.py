"""SQL of notices that come before their recipients, and wait for them here; and of recalled deliveries."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from services.dispatch.feed import OF_KIND, EventType
from shared.postgres import Connection

KEEP: Final = """
INSERT INTO early_notices (about, kind, occurred_at, circular_id, agency_id, data) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT DO NOTHING
"""

TAKE: Final = """
DELETE FROM early_notices WHERE about = ANY($1::uuid[])
RETURNING about, kind, occurred_at, circular_id, agency_id, data
"""

# Notices of circulars that never came.
PRUNE: Final = """
DELETE FROM early_notices WHERE (about, kind, occurred_at, agency_id) IN (
    SELECT about, kind, occurred_at, agency_id FROM early_notices WHERE occurred_at < now() - $1::interval LIMIT $2
)
"""

# The first recall stays, in whichever order they come.
SET_RECALLED: Final = """
UPDATE deliveries SET recalled_at = least(given.recalled_at, deliveries.recalled_at)
FROM unnest($1::uuid[], $2::timestamptz[]) AS given (delivery_id, recalled_at)
WHERE deliveries.delivery_id = given.delivery_id
"""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to tell one agency of one circular; `about` is its recipient, or the circular when it is the sender."""

    event: EventType
    about: UUID
    agency_id: UUID
    circular_id: UUID
    occurred_at: datetime
    data: dict[str, Any]

    @property
    def recipient_id(self) -> UUID | None:
        return None if self.about == self.circular_id else self.about


async def keep(connection: Connection, notices: Sequence[Notice]) -> None:
    """Keep notices until their recipients come."""
    await connection.executemany(
        KEEP, [(one.about, one.event.kind, one.occurred_at, one.circular_id, one.agency_id, one.data) for one in notices]
    )


async def take(connection: Connection, about: Sequence[UUID]) -> list[Notice]:
    """Take out what was kept for them."""
    return [
        Notice(OF_KIND[row["kind"]], row["about"], row["agency_id"], row["circular_id"], row["occurred_at"], row["data"])
        for row in await connection.fetch(TAKE, list(about))
    ]


async def prune(connection: Connection, older_than: timedelta, most: int) -> int:
    """Forget up to `most` that have waited too long for their recipients; returns how many."""
    return int((await connection.execute(PRUNE, older_than, most)).rpartition(" ")[2])


async def set_recalled(connection: Connection, recalled: Mapping[UUID, datetime]) -> None:
    """Note on deliveries, which the transaction holds, that they were recalled."""
    await connection.execute(SET_RECALLED, list(recalled), list(recalled.values()))
