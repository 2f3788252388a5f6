"""SQL of claiming: due deliveries, their leases, and the work that is handed back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from services.dispatch.flow import Candidate
from services.dispatch.store.endpoints import SEALED_KEYS
from shared.contracts.events import Channel
from shared.contracts.topology import Lane
from shared.postgres import Connection, Row

# One scheduler claims at a time, so that limits hold across all of them; the others find nothing to do for that instant.
TRY_TURN: Final = "SELECT pg_try_advisory_xact_lock(hashtextextended('dispatch.claim', 0))"

# Of each lane and channel up to $4 due deliveries, while less than $3 wait in the broker for a worker.
LOCK_DUE: Final = """
WITH lanes AS (
    SELECT lane, channel, rank FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS wanted (lane, channel, rank)
), waiting AS (
    SELECT lane, channel, sum(deliveries)::bigint AS deliveries FROM leases WHERE holder IS NULL GROUP BY lane, channel
)
SELECT picked.delivery_id, picked.agency_id, lanes.lane, lanes.channel
FROM lanes LEFT JOIN waiting ON waiting.lane = lanes.lane AND waiting.channel = lanes.channel
CROSS JOIN LATERAL (
    SELECT d.delivery_id, d.agency_id, d.turn_at FROM deliveries d
    WHERE d.state = 'scheduled' AND NOT d.parked AND d.lane = lanes.lane AND d.channel = lanes.channel
        AND d.next_attempt_at <= now()
    ORDER BY d.turn_at
    LIMIT least($4::bigint, greatest(0, $3::bigint - coalesce(waiting.deliveries, 0)))
    FOR UPDATE SKIP LOCKED
) picked
ORDER BY lanes.rank, picked.turn_at
"""

ADD_LEASES: Final = """
INSERT INTO leases (lease_token, lane, channel, deliveries, leased_until)
SELECT given.lease_token, given.lane, given.channel, given.deliveries, now() + $5::interval
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[]) AS given (lease_token, lane, channel, deliveries)
"""

LEASE: Final = """
UPDATE deliveries SET state = 'leased', lease_token = given.lease_token, next_attempt_at = NULL
FROM unnest($1::uuid[], $2::uuid[]) AS given (delivery_id, lease_token)
WHERE deliveries.delivery_id = given.delivery_id
"""

PARK: Final = "UPDATE deliveries SET parked = true WHERE delivery_id = ANY($1::uuid[])"

# Whoever has taken a lease up already renews it by itself.
PUBLISHED: Final = """
UPDATE leases SET leased_until = now() + $2::interval WHERE lease_token = ANY($1::uuid[]) AND holder IS NULL
"""

HAND_BACK: Final = """
UPDATE deliveries SET state = 'scheduled', next_attempt_at = now(), lease_token = NULL WHERE lease_token = ANY($1::uuid[])
"""

END_LEASES: Final = """
DELETE FROM leases WHERE lease_token = ANY($1::uuid[])
    AND NOT EXISTS (SELECT 1 FROM deliveries WHERE deliveries.lease_token = leases.lease_token)
"""

# Only the first to ask gets the lease: a second copy of the message finds nothing.
TAKE_LEASE: Final = """
UPDATE leases SET holder = $2, leased_until = now() + $3::interval WHERE lease_token = $1 AND holder IS NULL
RETURNING lease_token
"""

GET_LEASED: Final = (
    """
SELECT d.delivery_id, d.recipient_id, d.circular_id, d.agency_id, d.title, d.position, d.relay_duty, d.role, d.acknowledgment_link,
    d.lane, d.channel, d.step_until, d.channel_attempts, d.attempts, d.lost_leases, d.acknowledged_at, a.email, e.url,
    """
    + SEALED_KEYS
    + """ AS sealed_keys
FROM deliveries d
LEFT JOIN agencies a ON a.agency_id = d.agency_id
LEFT JOIN endpoints e ON e.agency_id = d.agency_id AND e.state IN ('active', 'paused')
WHERE d.lease_token = $1
ORDER BY d.delivery_id
"""
)

RENEW: Final = """
UPDATE leases SET leased_until = now() + $2::interval WHERE lease_token = ANY($1::uuid[])
"""

EXPIRED: Final = """
SELECT lease_token, holder IS NOT NULL AS held FROM leases WHERE leased_until < now() AND (holder IS NULL OR $2)
ORDER BY leased_until LIMIT $1 FOR UPDATE SKIP LOCKED
"""


@dataclass(frozen=True, slots=True)
class Ticket:
    """A claimed batch, to be published to its lane."""

    lane: Lane
    channel: Channel
    lease_token: UUID
    deliveries: int


@dataclass(frozen=True, slots=True)
class Expired:
    """Leases that have run out: of workers that were lost, and of batches that no worker has taken up."""

    held: tuple[UUID, ...]
    waiting: tuple[UUID, ...]


async def try_turn(connection: Connection) -> bool:
    """Whether this transaction, and no other, may claim now."""
    return await connection.fetchval(TRY_TURN)


async def lock_due(connection: Connection, *, lanes: Sequence[tuple[Lane, Channel]], window: int, most: int) -> list[Candidate]:
    """Due deliveries in the order of their turns: `most` of each lane and channel, fewer when `window` wait in the broker."""
    rows = await connection.fetch(LOCK_DUE, [lane for lane, _ in lanes], [channel for _, channel in lanes], window, most)
    return [Candidate(row["delivery_id"], row["agency_id"], Lane(row["lane"]), Channel(row["channel"])) for row in rows]


async def lease(connection: Connection, batches: Mapping[Ticket, Sequence[UUID]], lasting: timedelta) -> None:
    """Lease the deliveries of each batch."""
    tickets = list(batches)
    await connection.execute(
        ADD_LEASES,
        [ticket.lease_token for ticket in tickets],
        [ticket.lane for ticket in tickets],
        [ticket.channel for ticket in tickets],
        [ticket.deliveries for ticket in tickets],
        lasting,
    )
    leased = [(delivery_id, ticket.lease_token) for ticket, delivery_ids in batches.items() for delivery_id in delivery_ids]
    await connection.execute(LEASE, [delivery_id for delivery_id, _ in leased], [token for _, token in leased])


async def park(connection: Connection, delivery_ids: Sequence[UUID]) -> None:
    """Keep deliveries aside until their agency has room."""
    await connection.execute(PARK, list(delivery_ids))


async def published(connection: Connection, tokens: Sequence[UUID], lease: timedelta) -> None:
    """Give batches that the broker has taken over the time that they may wait there."""
    await connection.execute(PUBLISHED, list(tokens), lease)


async def hand_back(connection: Connection, tokens: Sequence[UUID]) -> None:
    """End leases whose deliveries were not sent: they are due at once. Needs a transaction."""
    await connection.execute(HAND_BACK, list(tokens))
    await connection.execute(END_LEASES, list(tokens))


async def end_leases(connection: Connection, tokens: Sequence[UUID]) -> None:
    """Forget leases under which nothing is left to do."""
    await connection.execute(END_LEASES, list(tokens))


async def take(connection: Connection, ticket: UUID, holder: UUID, lease: timedelta) -> list[Row]:
    """Take up the lease and read its deliveries; none when another has taken it up."""
    if await connection.fetchval(TAKE_LEASE, ticket, holder, lease) is None:
        return []
    return await connection.fetch(GET_LEASED, ticket)


async def renew(connection: Connection, tokens: Sequence[UUID], lease: timedelta) -> None:
    await connection.execute(RENEW, list(tokens), lease)


async def lock_expired(connection: Connection, limit: int, *, held: bool) -> Expired:
    """Leases that have run out; those that workers have taken up only when `held`."""
    rows = await connection.fetch(EXPIRED, limit, held)
    return Expired(
        held=tuple(row["lease_token"] for row in rows if row["held"]),
        waiting=tuple(row["lease_token"] for row in rows if not row["held"]),
    )
