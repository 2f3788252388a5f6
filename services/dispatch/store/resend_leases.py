"""SQL of the letters of resends on their way: leased one by one, and what came of each request. No delivery is written here.

Whoever locks takes the order first, then its letters, then the agency's circuit: so nobody waits in a ring.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from services.dispatch.delivery.jobs import Address, Endpoint
from services.dispatch.resends import ItemState
from services.dispatch.store.endpoints import SEALED_KEYS
from services.dispatch.store.reading import address_of
from shared.postgres import Connection

OVER: Final = """
SELECT resend_id FROM resends WHERE state = 'running' AND runs_until <= now() ORDER BY runs_until LIMIT 10 FOR UPDATE SKIP LOCKED
"""

IS_ANY_DUE: Final = "SELECT EXISTS (SELECT FROM resends WHERE state = 'running' AND look_at <= now())"

# Letters go first: while any of the agency's wait for room, what it has already been handed waits as well.
LOCK_DUE: Final = """
SELECT r.resend_id, r.agency_id, coalesce(e.state = 'active', false) AS is_active, c.look_at AS letters_wait_until
FROM resends r LEFT JOIN endpoints e ON e.agency_id = r.agency_id LEFT JOIN circuits c ON c.agency_id = r.agency_id
WHERE r.state = 'running' AND r.look_at <= now() ORDER BY r.look_at LIMIT $1 FOR UPDATE OF r SKIP LOCKED
"""

LEASE: Final = (
    """
WITH due AS (
    SELECT i.delivery_id FROM resend_deliveries i
    WHERE i.resend_id = $1 AND i.state = 'waiting' AND i.next_attempt_at <= now()
    ORDER BY i.next_attempt_at, i.position LIMIT $2 FOR UPDATE SKIP LOCKED
), leased AS (
    UPDATE resend_deliveries i SET lease_token = $3, next_attempt_at = now() + $4::interval, tries = i.tries + 1
    FROM due WHERE i.resend_id = $1 AND i.delivery_id = due.delivery_id
    RETURNING i.delivery_id, i.position AS place, i.tries
)
SELECT leased.tries, d.delivery_id, d.recipient_id, d.circular_id, d.agency_id, d.title, d.position, d.relay_duty, d.role,
    d.acknowledgment_link, d.state, d.recalled_at, e.url,
    """
    + SEALED_KEYS
    + """ AS sealed_keys
FROM leased JOIN deliveries d ON d.delivery_id = leased.delivery_id JOIN endpoints e ON e.agency_id = d.agency_id
ORDER BY leased.place
"""
)

NEXT_DUE: Final = "SELECT min(next_attempt_at) FROM resend_deliveries WHERE resend_id = $1 AND state = 'waiting'"

LOOK_AT: Final = "UPDATE resends SET look_at = $2 WHERE resend_id = $1"

# At the next look it is found out whether anything is left.
LOCK_FOR_RECORD: Final = "UPDATE resends SET look_at = least(look_at, $2) WHERE resend_id = $1"

LOCK_LEASED: Final = """
SELECT tries FROM resend_deliveries WHERE resend_id = $1 AND delivery_id = $2 AND lease_token = $3 FOR UPDATE
"""

SETTLE: Final = """
UPDATE resend_deliveries SET state = $3, reason = $4, next_attempt_at = NULL, lease_token = NULL, settled_at = now()
WHERE resend_id = $1 AND delivery_id = $2
"""

AGAIN: Final = """
UPDATE resend_deliveries SET next_attempt_at = $3, lease_token = NULL WHERE resend_id = $1 AND delivery_id = $2
"""

# One that is recorded again after a lost connection is there already.
ADD_ATTEMPT: Final = """
INSERT INTO resend_attempts (resend_id, delivery_id, number, agency_id, outcome, reason, status, started_at, milliseconds, answer)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING
"""

# Whether they were sent is not known, so the try counts.
RELEASE: Final = """
UPDATE resend_deliveries SET lease_token = NULL, next_attempt_at = now() WHERE lease_token = ANY($1::uuid[])
"""


@dataclass(frozen=True, slots=True)
class Due:
    """An order to look at, locked."""

    resend_id: UUID
    agency_id: UUID
    is_active: bool
    letters_wait_until: datetime | None


@dataclass(frozen=True, slots=True)
class Leased:
    """A letter to send now, in its `tries`-th try, with how its delivery stands."""

    resend_id: UUID
    lease_token: UUID
    tries: int
    address: Address
    circular_id: UUID
    state: str
    recalled_at: datetime | None
    endpoint: Endpoint


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request, as it is logged."""

    outcome: str
    reason: str | None
    status: int | None
    started_at: datetime
    milliseconds: float
    answer: str


async def over(connection: Connection) -> list[UUID]:
    """Running orders whose time is over, locked."""
    return [row["resend_id"] for row in await connection.fetch(OVER)]


async def is_any_due(connection: Connection) -> bool:
    return await connection.fetchval(IS_ANY_DUE)


async def lock_due(connection: Connection, most: int) -> list[Due]:
    """Orders to look at, whoever has waited longest first; those that others look at are passed over."""
    return [Due(**dict(row)) for row in await connection.fetch(LOCK_DUE, most)]


async def lease(connection: Connection, resend_id: UUID, most: int, token: UUID, lasting: timedelta) -> list[Leased]:
    """Lease the first of the order's due letters."""
    return [
        Leased(
            resend_id=resend_id,
            lease_token=token,
            tries=row["tries"],
            address=address_of(row),
            circular_id=row["circular_id"],
            state=row["state"],
            recalled_at=row["recalled_at"],
            endpoint=Endpoint(row["url"], tuple(row["sealed_keys"])),
        )
        for row in await connection.fetch(LEASE, resend_id, most, token, lasting)
    ]


async def next_due(connection: Connection, resend_id: UUID) -> datetime | None:
    """When the next of the order's letters is due, or its lease at an end; None when nothing is left."""
    return await connection.fetchval(NEXT_DUE, resend_id)


async def look_at(connection: Connection, resend_id: UUID, at: datetime) -> None:
    await connection.execute(LOOK_AT, resend_id, at)


async def lock_leased(connection: Connection, leased: Leased, now: datetime) -> bool:
    """Lock the order and the letter, and have the order looked at; whether the lease still holds."""
    await connection.execute(LOCK_FOR_RECORD, leased.resend_id, now)
    found: int | None = await connection.fetchval(LOCK_LEASED, leased.resend_id, leased.address.delivery_id, leased.lease_token)
    return found is not None


async def settle(connection: Connection, resend_id: UUID, delivery_id: UUID, state: ItemState, reason: str | None) -> None:
    await connection.execute(SETTLE, resend_id, delivery_id, state, reason)


async def again(connection: Connection, resend_id: UUID, delivery_id: UUID, at: datetime) -> None:
    await connection.execute(AGAIN, resend_id, delivery_id, at)


async def add_attempt(connection: Connection, leased: Leased, made: Attempt) -> None:
    """Log a request, whatever became of its lease."""
    await connection.execute(
        ADD_ATTEMPT,
        leased.resend_id,
        leased.address.delivery_id,
        leased.tries,
        leased.address.agency_id,
        made.outcome,
        made.reason,
        made.status,
        made.started_at,
        made.milliseconds,
        made.answer,
    )


async def release(connection: Connection, tokens: Sequence[UUID]) -> None:
    """Give leases back under which nothing was recorded."""
    await connection.execute(RELEASE, list(tokens))
