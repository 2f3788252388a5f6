"""SQL of dead letters: what the broker gave up, kept until it is published again or discarded."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString
from uuid import UUID

from shared.ids import new_id
from shared.postgres import Connection, Row

# A second copy of a death changes nothing; a message that died again after it was published again is kept again.
KEEP: Final = """
INSERT INTO dead_letters (dead_letter_id, message_id, type, queue, exchange, routing_key, reason, headers, body, body_sha256,
    first_died_at, died_of)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
ON CONFLICT ON CONSTRAINT dead_letters_once DO UPDATE
SET state = 'kept', deaths = dead_letters.deaths + 1, died_of = excluded.died_of, reason = excluded.reason, kept_at = now(),
    settled_at = NULL, settled_by = NULL, settled_why = NULL
WHERE dead_letters.died_of IS DISTINCT FROM excluded.died_of
RETURNING dead_letter_id
"""

_COLUMNS: Final[LiteralString] = """dead_letter_id, message_id, type, queue, exchange, routing_key, reason,
    octet_length(body)::bigint AS size, first_died_at, kept_at, deaths, state, settled_at, settled_by, settled_why"""
_WANTED: Final[LiteralString] = """state = $1 AND ($2::text IS NULL OR type = $2) AND ($3::text IS NULL OR queue = $3)
    AND ($4::timestamptz IS NULL OR first_died_at >= $4) AND ($5::timestamptz IS NULL OR first_died_at < $5)"""

LIST: Final[LiteralString] = f"""
SELECT {_COLUMNS} FROM dead_letters WHERE {_WANTED} AND ($6::uuid IS NULL OR dead_letter_id > $6)
ORDER BY dead_letter_id LIMIT $7
"""

GET: Final[LiteralString] = f"SELECT {_COLUMNS} FROM dead_letters WHERE dead_letter_id = $1"

COUNT: Final[LiteralString] = f"SELECT count(*) FROM dead_letters WHERE {_WANTED}"

COUNT_KEPT: Final = "SELECT count(*) FROM dead_letters WHERE state = 'kept'"

# Noted before it is published, so that a death under this order is known as such.
ORDER_REDRIVE: Final = """
UPDATE dead_letters SET redrive_order = $2 WHERE dead_letter_id = ANY($1::uuid[]) AND state = 'kept'
RETURNING dead_letter_id, message_id, queue, headers, body
"""

# Unless it has died of this very order meanwhile.
SET_REDRIVEN: Final = """
UPDATE dead_letters SET state = 'redriven', settled_at = now(), settled_by = $3, settled_why = $4
WHERE dead_letter_id = ANY($1::uuid[]) AND state = 'kept' AND redrive_order = $2 AND died_of IS DISTINCT FROM redrive_order
"""

DISCARD: Final = """
UPDATE dead_letters SET state = 'discarded', settled_at = now(), settled_by = $2, settled_why = $3
WHERE dead_letter_id = $1 AND state = 'kept'
"""

# What another settles at this instant is passed over.
DISCARD_MANY: Final[LiteralString] = f"""
WITH chosen AS (
    SELECT dead_letter_id FROM dead_letters WHERE {_WANTED} ORDER BY dead_letter_id LIMIT $6 FOR UPDATE SKIP LOCKED
)
UPDATE dead_letters SET state = 'discarded', settled_at = now(), settled_by = $7, settled_why = $8
FROM chosen WHERE dead_letters.dead_letter_id = chosen.dead_letter_id
"""


@dataclass(frozen=True, slots=True)
class Dead:
    """A message that the broker gave up; `died_of` is the order under which it was last published again."""

    message_id: str
    type: str | None
    queue: str
    exchange: str
    routing_key: str
    reason: str
    headers: dict[str, str]
    body: bytes
    died_at: datetime
    died_of: UUID | None


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A dead letter without its content; `size` is that of its body in bytes."""

    dead_letter_id: UUID
    message_id: str
    type: str | None
    queue: str
    exchange: str
    routing_key: str
    reason: str
    size: int
    first_died_at: datetime
    kept_at: datetime
    deaths: int
    state: str
    settled_at: datetime | None
    settled_by: str | None
    settled_why: str | None


@dataclass(frozen=True, slots=True)
class Ordered:
    """A dead letter that is to be published again, as it was."""

    dead_letter_id: UUID
    message_id: str
    queue: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class WantedDead:
    """Which dead letters: every condition that is given must hold."""

    state: str = "kept"
    type: str | None = None
    queue: str | None = None
    since: datetime | None = None
    before: datetime | None = None

    @property
    def values(self) -> tuple[object, ...]:
        """The first five parameters of the listing and the count."""
        return self.state, self.type, self.queue, self.since, self.before


async def keep(connection: Connection, dead: Dead) -> UUID | None:
    """Keep a dead letter; None when this death was known."""
    return await connection.fetchval(
        KEEP,
        new_id(),
        dead.message_id,
        dead.type,
        dead.queue,
        dead.exchange,
        dead.routing_key,
        dead.reason,
        dead.headers,
        dead.body,
        hashlib.sha256(dead.body).digest(),
        dead.died_at,
        dead.died_of,
    )


async def wanted(connection: Connection, asked: WantedDead, after: UUID | None, limit: int) -> list[DeadLetter]:
    """Dead letters, the oldest first."""
    return [_dead_letter(row) for row in await connection.fetch(LIST, *asked.values, after, limit)]


async def get(connection: Connection, dead_letter_id: UUID) -> DeadLetter | None:
    row = await connection.fetchrow(GET, dead_letter_id)
    return None if row is None else _dead_letter(row)


async def count(connection: Connection, asked: WantedDead) -> int:
    return await connection.fetchval(COUNT, *asked.values)


async def count_kept(connection: Connection) -> int:
    """How many wait for somebody."""
    return await connection.fetchval(COUNT_KEPT)


async def order_redrive(connection: Connection, dead_letter_ids: Sequence[UUID], order: UUID) -> list[Ordered]:
    """Note the order and read what is to be published; what is settled is left out."""
    return [Ordered(**dict(row)) for row in await connection.fetch(ORDER_REDRIVE, list(dead_letter_ids), order)]


async def set_redriven(connection: Connection, dead_letter_ids: Sequence[UUID], order: UUID, by: str, why: str) -> None:
    """Settle what the broker has confirmed under this order."""
    await connection.execute(SET_REDRIVEN, list(dead_letter_ids), order, by, why)


async def discard(connection: Connection, dead_letter_id: UUID, by: str, why: str) -> None:
    """Settle one that nobody needs; what is settled already stays as it is."""
    await connection.execute(DISCARD, dead_letter_id, by, why)


async def discard_many(connection: Connection, asked: WantedDead, limit: int, by: str, why: str) -> int:
    """Settle the first `limit` of those asked for, which nobody needs; returns how many. Ask for kept ones alone."""
    return int((await connection.execute(DISCARD_MANY, *asked.values, limit, by, why)).rpartition(" ")[2])


def _dead_letter(row: Row) -> DeadLetter:
    return DeadLetter(**dict(row))
