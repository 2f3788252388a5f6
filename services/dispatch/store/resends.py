"""SQL of the orders to send letters once more: what was ordered, which letters that are, and how far each order is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, LiteralString
from uuid import UUID

from services.dispatch.resends import ItemState, One, Range, ResendState
from shared.postgres import Connection, Row

# What one agency orders happens one after another.
LOCK_AGENCY: Final = "SELECT pg_advisory_xact_lock(hashtextextended($1::uuid::text, 2))"

_COLUMNS: Final[
    LiteralString
] = """resend_id, agency_id, delivery_id, handed_over_from, handed_over_to, why, ordered_by, ordered_at,
    request_sha256, next_at, next_delivery_id, state, ended_at"""

GET: Final[LiteralString] = f"SELECT {_COLUMNS} FROM resends WHERE resend_id = $1"

OF_KEY: Final[LiteralString] = f"SELECT {_COLUMNS} FROM resends WHERE agency_id = $1 AND idempotency_key = $2"

LAST_RANGE: Final[LiteralString] = f"""
SELECT {_COLUMNS} FROM resends WHERE agency_id = $1 AND delivery_id IS NULL ORDER BY resend_id DESC LIMIT 1
"""

LAST_OF_LETTER: Final[LiteralString] = f"""
SELECT {_COLUMNS} FROM resends WHERE delivery_id = $1 ORDER BY resend_id DESC LIMIT 1
"""

LIST: Final[LiteralString] = f"""
SELECT {_COLUMNS} FROM resends WHERE agency_id = $1 AND ($2::uuid IS NULL OR resend_id < $2) ORDER BY resend_id DESC LIMIT $3
"""

COUNT_RUNNING: Final = "SELECT count(*) FROM resends WHERE state = 'running' AND agency_id = $1"

COUNT_ALL_RUNNING: Final = "SELECT count(*) FROM resends WHERE state = 'running'"

ADD: Final[LiteralString] = f"""
INSERT INTO resends (resend_id, agency_id, delivery_id, handed_over_from, handed_over_to, why, ordered_by, idempotency_key,
    request_sha256, next_at, next_delivery_id, runs_until)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, now() + $12::interval)
RETURNING {_COLUMNS}
"""

# Each of the two is a walk along an index that ends after $6 rows. A letter that was handed over twice is found twice.
IN_RANGE: Final = """
(
    SELECT a.delivery_id, a.started_at AS at, d.state, d.recalled_at
    FROM attempts a JOIN deliveries d ON d.delivery_id = a.delivery_id
    WHERE a.agency_id = $1 AND a.started_at >= $2 AND a.started_at < $3 AND a.outcome = 'delivered'
        AND ($4::timestamptz IS NULL OR (a.started_at, a.delivery_id) > ($4, $5::uuid))
    ORDER BY a.started_at, a.delivery_id LIMIT $6
) UNION ALL (
    SELECT d.delivery_id, d.handed_over_at, d.state, d.recalled_at FROM deliveries d
    WHERE d.agency_id = $1 AND d.hand_over_channel = 'inbox' AND d.handed_over_at >= $2 AND d.handed_over_at < $3
        AND ($4::timestamptz IS NULL OR (d.handed_over_at, d.delivery_id) > ($4, $5::uuid))
    ORDER BY d.handed_over_at, d.delivery_id LIMIT $6
)
ORDER BY at, delivery_id LIMIT $6
"""

ADD_ITEMS: Final = """
INSERT INTO resend_deliveries (resend_id, delivery_id, agency_id, position, state, reason, next_attempt_at, settled_at)
SELECT $1, given.delivery_id, $2, given.position, CASE WHEN given.reason IS NULL THEN 'waiting' ELSE 'left_out' END, given.reason,
    CASE WHEN given.reason IS NULL THEN now() END, CASE WHEN given.reason IS NOT NULL THEN now() END
FROM unnest($3::uuid[], $4::text[]) WITH ORDINALITY AS given (delivery_id, reason, position)
"""

COUNTS: Final = (
    "SELECT resend_id, state, count(*) AS letters FROM resend_deliveries WHERE resend_id = ANY($1::uuid[]) GROUP BY 1, 2"
)

ITEMS: Final = """
SELECT delivery_id, position, state, reason, tries, settled_at FROM resend_deliveries
WHERE resend_id = $1 AND ($2::text IS NULL OR state = $2) AND ($3::bigint IS NULL OR position > $3) ORDER BY position LIMIT $4
"""

# What is under way is recorded by whoever has it in hand, as an attempt.
END: Final = """
WITH ended AS (
    UPDATE resends SET state = $2, ended_at = now() WHERE resend_id = $1 AND state = 'running' RETURNING resend_id
)
UPDATE resend_deliveries i SET state = 'not_sent', next_attempt_at = NULL, lease_token = NULL, settled_at = now()
FROM ended WHERE i.resend_id = ended.resend_id AND i.state = 'waiting'
"""

PRUNE: Final = """
DELETE FROM resends WHERE resend_id = ANY(ARRAY(
    SELECT resend_id FROM resends WHERE ended_at < now() - $1::interval ORDER BY ended_at LIMIT $2
))
"""


@dataclass(frozen=True, slots=True)
class Resend:
    """An order; `next_at` and `next_delivery_id` are set when its range holds more."""

    resend_id: UUID
    agency_id: UUID
    delivery_id: UUID | None
    handed_over_from: datetime | None
    handed_over_to: datetime | None
    why: str
    ordered_by: str
    ordered_at: datetime
    request_sha256: bytes
    next_at: datetime | None
    next_delivery_id: UUID | None
    state: ResendState
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Order:
    """Who orders, why, and under which Idempotency-Key."""

    agency_id: UUID
    ordered_by: str
    why: str
    key: str | None
    request_sha256: bytes


@dataclass(frozen=True, slots=True)
class Found:
    """A letter that was handed over in a range, at `at`, and how it stands."""

    delivery_id: UUID
    at: datetime
    state: str
    recalled_at: datetime | None


@dataclass(frozen=True, slots=True)
class Item:
    """A letter of an order; `tries` counts the requests, and leases that were lost."""

    delivery_id: UUID
    position: int
    state: ItemState
    reason: str | None
    tries: int
    settled_at: datetime | None


def _resend(row: Row) -> Resend:
    given: dict[str, Any] = dict(row) | {"state": ResendState(row["state"])}
    return Resend(**given)


async def _one(connection: Connection, statement: LiteralString, *values: object) -> Resend | None:
    row = await connection.fetchrow(statement, *values)
    return None if row is None else _resend(row)


async def lock_agency(connection: Connection, agency_id: UUID) -> None:
    """Let no other order of the agency be made while this transaction lasts."""
    await connection.execute(LOCK_AGENCY, agency_id)


async def get(connection: Connection, resend_id: UUID) -> Resend | None:
    return await _one(connection, GET, resend_id)


async def of_key(connection: Connection, agency_id: UUID, key: str) -> Resend | None:
    """The order that was made under the agency's Idempotency-Key."""
    return await _one(connection, OF_KEY, agency_id, key)


async def last_range(connection: Connection, agency_id: UUID) -> Resend | None:
    return await _one(connection, LAST_RANGE, agency_id)


async def last_of_letter(connection: Connection, delivery_id: UUID) -> Resend | None:
    return await _one(connection, LAST_OF_LETTER, delivery_id)


async def listed(connection: Connection, agency_id: UUID, after: UUID | None, limit: int) -> list[Resend]:
    """The agency's orders, the latest first."""
    return [_resend(row) for row in await connection.fetch(LIST, agency_id, after, limit)]


async def count_running(connection: Connection, agency_id: UUID) -> int:
    return await connection.fetchval(COUNT_RUNNING, agency_id)


async def count_all_running(connection: Connection) -> int:
    return await connection.fetchval(COUNT_ALL_RUNNING)


async def add(
    connection: Connection, resend_id: UUID, asked: One | Range, order: Order, following: Found | None, lasting: timedelta
) -> Resend:
    """Write an order down; `following` is the last letter that it holds when the range holds more."""
    delivery_id, since, before = (asked.delivery_id, None, None) if isinstance(asked, One) else (None, asked.since, asked.before)
    row = await connection.fetchrow(
        ADD,
        resend_id,
        order.agency_id,
        delivery_id,
        since,
        before,
        order.why,
        order.ordered_by,
        order.key,
        order.request_sha256,
        None if following is None else following.at,
        None if following is None else following.delivery_id,
        lasting,
    )
    if row is None:
        raise RuntimeError("an insert returns its row")
    return _resend(row)


async def in_range(connection: Connection, agency_id: UUID, asked: Range, limit: int) -> list[Found]:
    """What the agency was handed in the range, in this order; a letter that was handed over twice is there twice."""
    at, delivery_id = asked.after or (None, None)
    rows = await connection.fetch(IN_RANGE, agency_id, asked.since, asked.before, at, delivery_id, limit)
    return [Found(**dict(row)) for row in rows]


async def add_items(connection: Connection, resend_id: UUID, agency_id: UUID, letters: Mapping[UUID, str | None]) -> None:
    """Put letters into an order, each with why it is left out (None: it is sent)."""
    await connection.execute(ADD_ITEMS, resend_id, agency_id, list(letters), list(letters.values()))


async def counts(connection: Connection, resend_ids: Sequence[UUID]) -> dict[UUID, dict[ItemState, int]]:
    """How many letters of each order stand where."""
    found: dict[UUID, dict[ItemState, int]] = {resend_id: {} for resend_id in resend_ids}
    for row in await connection.fetch(COUNTS, list(resend_ids)):
        found[row["resend_id"]][ItemState(row["state"])] = row["letters"]
    return found


async def items(connection: Connection, resend_id: UUID, state: ItemState | None, after: int | None, limit: int) -> list[Item]:
    """The order's letters, in the order in which they are sent."""
    rows = await connection.fetch(ITEMS, resend_id, state, after, limit)
    found: list[dict[str, Any]] = [dict(row) | {"state": ItemState(row["state"])} for row in rows]
    return [Item(**one) for one in found]


async def end(connection: Connection, resend_id: UUID, state: ResendState) -> None:
    """End an order, unless it has ended: what waits is not sent."""
    await connection.execute(END, resend_id, state)


async def prune(connection: Connection, older_than: timedelta, most: int) -> int:
    """Forget orders that ended so long ago, with their letters and attempts; returns how many orders."""
    return int((await connection.execute(PRUNE, older_than, most)).rpartition(" ")[2])
