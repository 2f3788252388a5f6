"""SQL of pull leases: letters that an agency's own system has taken from its inbox for a while."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from services.dispatch.pull import PullLease
from shared.postgres import Connection

# What one agency does with its leases happens one after another; agencies do not wait for each other, nor the engine for them.
LOCK_INBOX: Final = "SELECT pg_advisory_xact_lock(hashtextextended($1::uuid::text, 1))"

END_EXPIRED: Final = """
UPDATE pull_leases SET state = 'expired' WHERE agency_id = $1 AND state = 'held' AND leased_until <= now()
"""

LEASE: Final = """
INSERT INTO pull_leases (lease_id, delivery_id, agency_id, leased_until)
SELECT gen_random_uuid(), waiting.delivery_id, $1, now() + $3::interval
FROM (
    SELECT d.delivery_id FROM deliveries d
    WHERE d.agency_id = $1 AND d.state <> 'handed_over' AND d.state <> 'recalled' AND d.acknowledged_at IS NULL
        AND NOT EXISTS (SELECT FROM pull_leases l WHERE l.delivery_id = d.delivery_id AND l.state = 'held')
    ORDER BY d.delivery_id LIMIT $2
) waiting
RETURNING lease_id, delivery_id, leased_until
"""

GET: Final = """
SELECT lease_id, delivery_id, state, leased_until > now() AS running
FROM pull_leases WHERE agency_id = $1 AND lease_id = ANY($2::uuid[])
"""

END: Final = "UPDATE pull_leases SET state = $2 WHERE lease_id = ANY($1::uuid[]) AND state = 'held'"

EXTEND: Final = (
    "UPDATE pull_leases SET leased_until = now() + $2::interval WHERE lease_id = ANY($1::uuid[]) RETURNING leased_until"
)

# Of the agencies that wait, those for which something lies there. One question for all of them: an index probe each.
WAITED_FOR: Final = """
SELECT wanted.agency_id FROM unnest($1::uuid[]) AS wanted (agency_id)
WHERE EXISTS (
    SELECT FROM deliveries d
    WHERE d.agency_id = wanted.agency_id AND d.state <> 'handed_over' AND d.state <> 'recalled' AND d.acknowledged_at IS NULL
        AND NOT EXISTS (
            SELECT FROM pull_leases l WHERE l.delivery_id = d.delivery_id AND l.state = 'held' AND l.leased_until > now()
        )
)
"""

PRUNE: Final = """
DELETE FROM pull_leases WHERE lease_id = ANY(ARRAY(
    SELECT lease_id FROM pull_leases WHERE leased_until < now() - $1::interval ORDER BY leased_until LIMIT $2
))
"""


@dataclass(frozen=True, slots=True)
class NewLease:
    """A lease that was just given."""

    lease_id: UUID
    delivery_id: UUID
    leased_until: datetime


async def lease(connection: Connection, agency_id: UUID, most: int, visibility: timedelta) -> list[NewLease]:
    """Lease up to `most` letters, oldest first, that have not been handed over and that no running lease holds."""
    await connection.execute(LOCK_INBOX, agency_id)
    await connection.execute(END_EXPIRED, agency_id)
    rows = await connection.fetch(LEASE, agency_id, most, visibility)
    # Identifiers are ordered by time, and RETURNING promises no order.
    return sorted((NewLease(**dict(row)) for row in rows), key=lambda new: new.delivery_id)


async def get(connection: Connection, agency_id: UUID, lease_ids: Sequence[UUID]) -> dict[UUID, PullLease]:
    """The agency's leases of those identifiers; nobody else changes them before the transaction ends."""
    await connection.execute(LOCK_INBOX, agency_id)
    return {row["lease_id"]: PullLease(**dict(row)) for row in await connection.fetch(GET, agency_id, list(lease_ids))}


async def end(connection: Connection, lease_ids: Sequence[UUID], state: str) -> None:
    """End leases as `acknowledged` or `released`."""
    await connection.execute(END, list(lease_ids), state)


async def extend(connection: Connection, lease_ids: Sequence[UUID], visibility: timedelta) -> datetime | None:
    """Let leases run for `visibility` from now; returns until when, or None when there are none."""
    return await connection.fetchval(EXTEND, list(lease_ids), visibility)


async def waited_for(connection: Connection, agency_ids: Sequence[UUID]) -> set[UUID]:
    """Those of the agencies that have something to lease."""
    return {row["agency_id"] for row in await connection.fetch(WAITED_FOR, list(agency_ids))}


async def prune(connection: Connection, older_than: timedelta, most: int) -> int:
    """Forget up to `most` leases that ran out so long ago; returns how many."""
    return int((await connection.execute(PRUNE, older_than, most)).rpartition(" ")[2])
