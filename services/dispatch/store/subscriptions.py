"""SQL of status subscriptions: set by agencies, claimed with a lease while one batch is sent, moved when it was taken.

A row is due when the feed was told something behind its position. The sequencer says so in the transaction that gives positions
(`feed.GIVE_POSITIONS`), and whoever reads and sets a row holds its lock: so what is placed meanwhile is never overlooked.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from services.dispatch.delivery.jobs import Endpoint
from services.dispatch.feed import EventType
from services.dispatch.store.endpoints import SEALED_KEYS
from services.dispatch.subscriptions import About
from shared.postgres import Connection, Row

COLUMNS: Final = """agency_id, about, types, batch_size, position, switched_off_at, next_attempt_at, failures, failed_at,
    failure_reason, failure_status, failure_answer, delivered_at, lost_events, lost_until, created_at, updated_at"""

# A subscription that begins while positions are given would not be told of them: it waits for that, and the next turn sees it.
LOCK_ENDS: Final = "SELECT last_position, pruned_position FROM feed_ends FOR UPDATE"

# Set again it goes on where it stood, at once, unless `$5` says where to. What was being sent is made up anew.
SAVE: Final = (
    """
INSERT INTO subscriptions AS s (agency_id, about, types, batch_size, position, told_position)
VALUES ($1, $2, $3, $4, coalesce($5::bigint, $6::bigint), $6::bigint + 1)
ON CONFLICT (agency_id) DO UPDATE SET about = EXCLUDED.about, types = EXCLUDED.types, batch_size = EXCLUDED.batch_size,
    position = coalesce($5::bigint, s.position), told_position = EXCLUDED.told_position, batch_position = NULL,
    switched_off_at = NULL, next_attempt_at = NULL, lease_token = NULL, leased_until = NULL, failures = 0,
    lost_events = 0, lost_until = NULL, updated_at = now()
RETURNING """
    + COLUMNS
)

GET: Final = "SELECT " + COLUMNS + " FROM subscriptions WHERE agency_id = $1"

DELETE_SUBSCRIPTION: Final = "DELETE FROM subscriptions WHERE agency_id = $1"

# Whoever has waited longest is first. While letters wait for an endpoint that is tried after a rest, one of them finds out how it is.
LOCK_DUE: Final = (
    """
SELECT s.agency_id, s.about, s.types, s.batch_size, s.position, s.batch_position, s.failures, e.url,
    """
    + SEALED_KEYS
    + """ AS sealed_keys
FROM subscriptions s JOIN endpoints e ON e.agency_id = s.agency_id LEFT JOIN circuits c ON c.agency_id = s.agency_id
WHERE s.told_position > s.position AND s.switched_off_at IS NULL AND e.state = 'active'
    AND (s.next_attempt_at IS NULL OR s.next_attempt_at <= now()) AND (s.leased_until IS NULL OR s.leased_until < now())
    AND (coalesce(c.state, 'closed') = 'closed' OR c.open_until <= now() AND c.look_at IS NULL
        OR c.state = 'half_open' AND c.look_at IS NULL)
ORDER BY coalesce(s.next_attempt_at, s.delivered_at) NULLS FIRST
LIMIT $1
FOR UPDATE OF s SKIP LOCKED
"""
)

LEASE: Final = """
UPDATE subscriptions SET lease_token = $2, leased_until = now() + $3::interval, batch_position = $4 WHERE agency_id = $1
"""

# Nothing was told behind `$3`, the end of the feed that was read, though a new subscription says so to be looked at.
MOVE_ON: Final = """
UPDATE subscriptions SET position = greatest(position, $2), told_position = least(told_position, $3), batch_position = NULL, next_attempt_at = NULL, lease_token = NULL,
    leased_until = NULL
WHERE agency_id = $1
"""

POSTPONE: Final = "UPDATE subscriptions SET next_attempt_at = $2 WHERE agency_id = $1"

LOCK_LEASED: Final = "SELECT failures FROM subscriptions WHERE agency_id = $1 AND lease_token = $2 FOR UPDATE"

TAKEN: Final = """
UPDATE subscriptions SET position = batch_position, batch_position = NULL, lease_token = NULL, leased_until = NULL,
    next_attempt_at = NULL, failures = 0, delivered_at = now()
WHERE agency_id = $1
"""

FAILED: Final = """
UPDATE subscriptions SET lease_token = NULL, leased_until = NULL, next_attempt_at = $2, failures = failures + 1, failed_at = now(),
    failure_reason = $3, failure_status = $4, failure_answer = $5, switched_off_at = CASE WHEN $2::timestamptz IS NULL THEN now() END
WHERE agency_id = $1
"""

RELEASE: Final = """
UPDATE subscriptions SET lease_token = NULL, leased_until = NULL WHERE lease_token = ANY($1::uuid[])
"""

# Of each subscription that is behind, the first event that waits.
LAG: Final = """
SELECT greatest(0, coalesce(extract(epoch FROM clock_timestamp() - min(first.recorded_at)), 0))::double precision
FROM subscriptions s CROSS JOIN LATERAL unnest($1::text[]) AS wanted (kind) CROSS JOIN LATERAL (
    SELECT f.recorded_at FROM feed_events f WHERE f.agency_id = s.agency_id AND f.kind = wanted.kind AND f.position > s.position
    ORDER BY f.position LIMIT 1
) first
WHERE s.told_position > s.position AND s.switched_off_at IS NULL
"""

# Each kind is an index scan of its own that ends after $4 events.
WAITING: Final = """
SELECT count(*) AS events,
    greatest(0, coalesce(extract(epoch FROM clock_timestamp() - min(found.recorded_at)), 0))::double precision AS seconds
FROM unnest($2::text[]) AS wanted (kind) CROSS JOIN LATERAL (
    SELECT f.recorded_at FROM feed_events f WHERE f.agency_id = $1 AND f.kind = wanted.kind AND f.position > $3
    ORDER BY f.position LIMIT $4
) found
"""


@dataclass(frozen=True, slots=True)
class Ends:
    """Between which positions the feed holds events."""

    last_position: int
    pruned_position: int


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription as its agency sees it; `types` is None when it takes all of `about`."""

    agency_id: UUID
    about: About
    types: tuple[EventType, ...] | None
    batch_size: int
    position: int
    switched_off_at: datetime | None
    next_attempt_at: datetime | None
    failures: int
    failed_at: datetime | None
    failure_reason: str | None
    failure_status: int | None
    failure_answer: str | None
    delivered_at: datetime | None
    lost_events: int
    lost_until: datetime | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Due:
    """A subscription with something to look for, locked; `batch_position` is the end of what was sent before, if it failed."""

    agency_id: UUID
    about: About
    types: tuple[EventType, ...] | None
    batch_size: int
    position: int
    batch_position: int | None
    failures: int
    endpoint: Endpoint


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a batch was not taken; `at` is when it is sent again, None: it is not."""

    at: datetime | None
    reason: str
    status: int | None
    answer: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many events wait, and for how many seconds the first of them has."""

    events: int
    seconds: float


def _types(values: Sequence[str] | None) -> tuple[EventType, ...] | None:
    # What another version knew is not sent by this one.
    return None if values is None else tuple(event for event in EventType if event.value in values)


def _subscription(row: Row) -> Subscription:
    given: dict[str, Any] = dict(row) | {"about": About(row["about"]), "types": _types(row["types"])}
    return Subscription(**given)


async def lock_ends(connection: Connection) -> Ends:
    """The ends of the feed, which stay while this transaction lasts."""
    row = await connection.fetchrow(LOCK_ENDS)
    if row is None:
        raise RuntimeError("the feed has its ends in one row")
    return Ends(**dict(row))


async def save(
    connection: Connection,
    agency_id: UUID,
    about: About,
    types: Collection[EventType] | None,
    batch_size: int,
    *,
    position: int | None,
    ends: Ends,
) -> Subscription:
    """Set the subscription. It begins behind `position`: when that is None, where it stood, or else at the feed's end."""
    stored = None if types is None else [event.value for event in types]
    row = await connection.fetchrow(SAVE, agency_id, about, stored, batch_size, position, ends.last_position)
    if row is None:
        raise RuntimeError("an upsert returns its row")
    return _subscription(row)


async def get(connection: Connection, agency_id: UUID) -> Subscription | None:
    row = await connection.fetchrow(GET, agency_id)
    return None if row is None else _subscription(row)


async def delete(connection: Connection, agency_id: UUID) -> None:
    await connection.execute(DELETE_SUBSCRIPTION, agency_id)


async def lock_due(connection: Connection, most: int) -> list[Due]:
    """Up to `most` subscriptions for which there may be something to send, locked; those that others look at are passed over."""
    return [
        Due(
            agency_id=row["agency_id"],
            about=About(row["about"]),
            types=_types(row["types"]),
            batch_size=row["batch_size"],
            position=row["position"],
            batch_position=row["batch_position"],
            failures=row["failures"],
            endpoint=Endpoint(row["url"], tuple(row["sealed_keys"])),
        )
        for row in await connection.fetch(LOCK_DUE, most)
    ]


async def lease(connection: Connection, agency_id: UUID, token: UUID, lasting: timedelta, batch_position: int) -> None:
    """Note that everything wanted up to `batch_position` is being sent."""
    await connection.execute(LEASE, agency_id, token, lasting, batch_position)


async def pass_over(connection: Connection, agency_id: UUID, position: int, last_position: int) -> None:
    """Note that nothing up to `position` was wanted, in a feed that was read up to `last_position`."""
    await connection.execute(MOVE_ON, agency_id, position, last_position)


async def postpone(connection: Connection, looks: Mapping[UUID, datetime]) -> None:
    """Note when agencies that have no room now are looked at again."""
    await connection.executemany(POSTPONE, list(looks.items()))


async def lock_leased(connection: Connection, agency_id: UUID, token: UUID) -> int | None:
    """The failures in a row so far, locked; None when the lease is lost."""
    return await connection.fetchval(LOCK_LEASED, agency_id, token)


async def taken(connection: Connection, agency_id: UUID) -> None:
    """Move to the end of what was sent."""
    await connection.execute(TAKEN, agency_id)


async def failed(connection: Connection, agency_id: UUID, failure: Failure) -> None:
    """Stay, and note why."""
    await connection.execute(FAILED, agency_id, failure.at, failure.reason, failure.status, failure.answer)


async def release(connection: Connection, tokens: Sequence[UUID]) -> None:
    """Give leases back under which nothing was recorded."""
    await connection.execute(RELEASE, list(tokens))


async def waiting(connection: Connection, agency_id: UUID, events: Sequence[EventType], position: int, most: int) -> Waiting:
    """What waits behind `position`, of each type up to `most`."""
    row = await connection.fetchrow(WAITING, agency_id, [event.kind for event in events], position, most)
    if row is None:
        raise RuntimeError("an aggregate returns its row")
    return Waiting(**dict(row))


async def lag(connection: Connection) -> float:
    """For how many seconds the event has waited that waits for longest; 0 when there is none. What a subscriber left out counts too."""
    return await connection.fetchval(LAG, [event.kind for event in EventType])
