"""SQL of claiming: leases on due deliveries, and what comes due without being sent."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from shared.contracts.events import Channel
from shared.contracts.topology import Lane
from shared.postgres import Connection, Row

# Up to $3 leases of one lane and channel run at a time; each ticket is a lease token shared by up to $4 deliveries.
CLAIM: Final = """
WITH lanes AS (
    SELECT lane, channel FROM unnest($1::text[], $2::text[]) AS wanted (lane, channel)
), held AS (
    SELECT lane, channel, count(*) AS leases FROM deliveries
    WHERE state = 'leased' AND leased_until > now() GROUP BY lane, channel
), due AS (
    SELECT picked.delivery_id, lanes.lane, lanes.channel, picked.next_attempt_at
    FROM lanes LEFT JOIN held ON held.lane = lanes.lane AND held.channel = lanes.channel
    CROSS JOIN LATERAL (
        SELECT d.delivery_id, d.next_attempt_at FROM deliveries d
        WHERE d.state = 'scheduled' AND d.lane = lanes.lane AND d.channel = lanes.channel AND d.next_attempt_at <= now()
        ORDER BY d.next_attempt_at
        LIMIT least($5::bigint, greatest(0, $3::bigint - coalesce(held.leases, 0)))
        FOR UPDATE SKIP LOCKED
    ) picked
), numbered AS (
    SELECT delivery_id, lane, channel,
        (row_number() OVER (PARTITION BY lane, channel ORDER BY next_attempt_at, delivery_id) - 1) / $4::bigint AS batch
    FROM due
), tickets AS (
    SELECT lane, channel, batch, gen_random_uuid() AS lease_token FROM numbered GROUP BY lane, channel, batch
), leased AS (
    UPDATE deliveries SET state = 'leased', lease_token = tickets.lease_token, leased_until = now() + $6::interval,
        next_attempt_at = NULL
    FROM numbered JOIN tickets
        ON tickets.lane = numbered.lane AND tickets.channel = numbered.channel AND tickets.batch = numbered.batch
    WHERE deliveries.delivery_id = numbered.delivery_id
    RETURNING deliveries.lane, deliveries.channel, deliveries.lease_token
)
SELECT lane, channel, lease_token, count(*) AS deliveries FROM leased GROUP BY lane, channel, lease_token
"""

# Whoever has taken the ticket already holds another token, and keeps its own lease.
PUBLISHED: Final = """
UPDATE deliveries SET leased_until = now() + $2::interval WHERE lease_token = ANY($1::uuid[]) AND state = 'leased'
"""

HAND_BACK: Final = """
UPDATE deliveries SET state = 'scheduled', next_attempt_at = now(), lease_token = NULL, leased_until = NULL
WHERE lease_token = ANY($1::uuid[]) AND state = 'leased'
"""

# The ticket is exchanged for a token that only this worker knows: a second copy of the message then finds nothing.
TAKE: Final = """
WITH taken AS (
    UPDATE deliveries SET lease_token = $2, leased_until = now() + $3::interval
    WHERE lease_token = $1 AND state = 'leased'
    RETURNING delivery_id, recipient_id, circular_id, agency_id, title, position, relay_duty, acknowledgment_link, lane,
        channel, step_until, channel_attempts, attempts, acknowledged_at
)
SELECT taken.delivery_id, taken.recipient_id, taken.circular_id, taken.agency_id, taken.title, taken.position,
    taken.relay_duty, taken.acknowledgment_link, taken.lane, taken.channel, taken.step_until, taken.channel_attempts,
    taken.attempts, taken.acknowledged_at,
    a.email, e.url, e.secret_encrypted
FROM taken
LEFT JOIN agencies a ON a.agency_id = taken.agency_id
LEFT JOIN endpoints e ON e.agency_id = taken.agency_id AND e.state = 'active'
ORDER BY taken.delivery_id
"""

RENEW: Final = """
UPDATE deliveries SET leased_until = now() + $2::interval WHERE lease_token = $1 AND state = 'leased'
"""


@dataclass(frozen=True, slots=True)
class Ticket:
    """A claimed batch, to be published to its lane."""

    lane: Lane
    channel: Channel
    lease_token: UUID
    deliveries: int


async def claim(
    connection: Connection,
    *,
    lanes: Sequence[tuple[Lane, Channel]],
    window: int,
    batch_size: int,
    batches: int,
    lease: timedelta,
) -> list[Ticket]:
    """Lease due deliveries: for each lane and channel at most `batches` batches, and at most `window` leases in all."""
    rows = await connection.fetch(
        CLAIM,
        [lane for lane, _ in lanes],
        [channel for _, channel in lanes],
        window,
        batch_size,
        batch_size * batches,
        lease,
    )
    return [Ticket(Lane(row["lane"]), Channel(row["channel"]), row["lease_token"], row["deliveries"]) for row in rows]


async def published(connection: Connection, tokens: Sequence[UUID], lease: timedelta) -> None:
    """Give batches that the broker has taken over the time that they may wait there."""
    await connection.execute(PUBLISHED, list(tokens), lease)


async def hand_back(connection: Connection, tokens: Sequence[UUID]) -> None:
    """End leases that nobody has taken up; their deliveries are due at once."""
    await connection.execute(HAND_BACK, list(tokens))


async def take(connection: Connection, ticket: UUID, lease_token: UUID, lease: timedelta) -> list[Row]:
    """Exchange `ticket` for `lease_token` and read the deliveries that still hold it."""
    return await connection.fetch(TAKE, ticket, lease_token, lease)


async def renew(connection: Connection, lease_token: UUID, lease: timedelta) -> None:
    await connection.execute(RENEW, lease_token, lease)
