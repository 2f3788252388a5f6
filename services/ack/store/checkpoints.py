"""SQL of checkpoints: the chains that have grown, the signed hash over their heads, and the time-stamps of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from services.ack.evidence.form import Sealed
from services.ack.store.evidence import Chain
from shared.postgres import Connection, Row

# One process makes a checkpoint at a time; another does not wait for it, it has nothing to do then.
TRY_LOCK: Final = "SELECT pg_try_advisory_xact_lock(hashtextextended('ack.checkpoints', 0))"

LAST: Final = "SELECT sequence, sha256, made_at FROM checkpoints ORDER BY sequence DESC LIMIT 1"

GROWN: Final = """
SELECT circular_id, sequence, head_sha256 FROM chains WHERE sequence > checkpointed ORDER BY circular_id LIMIT $1
"""

INSERT: Final = """
INSERT INTO checkpoints (sequence, body, sha256, previous_sha256, kid, jws, made_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
"""

INSERT_LEAVES: Final = """
INSERT INTO checkpoint_leaves (checkpoint, position, circular_id, sequence, head_sha256, path)
SELECT $1, position - 1, circular_id, sequence, head_sha256, path
FROM unnest($2::uuid[], $3::bigint[], $4::text[], $5::bytea[]) WITH ORDINALITY
    AS l (circular_id, sequence, head_sha256, path, position)
"""

MARK: Final = """
UPDATE chains SET checkpointed = l.sequence FROM unnest($1::uuid[], $2::bigint[]) AS l (circular_id, sequence)
WHERE chains.circular_id = l.circular_id
"""

UNSTAMPED: Final = "SELECT sequence, body FROM checkpoints WHERE time_stamp IS NULL ORDER BY sequence LIMIT 1"

STAMP: Final = "UPDATE checkpoints SET time_stamp = $2 WHERE sequence = $1 AND time_stamp IS NULL"

PAGE: Final = "SELECT sequence, body, sha256, jws FROM checkpoints WHERE sequence > $1 ORDER BY sequence LIMIT $2"

TIME_STAMP: Final = "SELECT time_stamp FROM checkpoints WHERE sequence = $1"

NEWEST_OF: Final = """
SELECT c.body, c.sha256, c.jws, c.time_stamp, l.position, l.sequence, l.head_sha256, l.path
FROM checkpoint_leaves l JOIN checkpoints c ON c.sequence = l.checkpoint
WHERE l.circular_id = $1 ORDER BY l.checkpoint DESC LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class Last:
    """The newest checkpoint."""

    sequence: int
    sha256: str
    made_at: datetime


@dataclass(frozen=True, slots=True)
class Covered:
    """A checkpoint with the leaf of one chain; `time_stamp` is the authority's answer in DER."""

    checkpoint: Sealed
    time_stamp: bytes | None
    position: int
    chain: Chain
    path: bytes


async def try_lock(connection: Connection) -> bool:
    """Make checkpoints alone until the transaction ends; False when somebody else does."""
    return await connection.fetchval(TRY_LOCK)


async def last(connection: Connection) -> Last | None:
    """The newest checkpoint."""
    row = await connection.fetchrow(LAST)
    return None if row is None else Last(row["sequence"], row["sha256"], row["made_at"])


async def grown(connection: Connection, most: int) -> list[Row]:
    """Chains with receipts that no checkpoint covers: `circular_id`, `sequence`, `head_sha256`."""
    return await connection.fetch(GROWN, most)


async def insert(
    connection: Connection,
    sequence: int,
    sealed: Sealed,
    *,
    previous_sha256: str | None,
    kid: str,
    made_at: datetime,
    heads: Sequence[Row],
    paths: Sequence[bytes],
) -> None:
    """Store a checkpoint with its leaves, and note in the chains how far they are covered."""
    await connection.execute(INSERT, sequence, sealed.body, sealed.sha256, previous_sha256, kid, sealed.jws, made_at)
    circular_ids, sequences = [one["circular_id"] for one in heads], [one["sequence"] for one in heads]
    await connection.execute(INSERT_LEAVES, sequence, circular_ids, sequences, [one["head_sha256"] for one in heads], paths)
    await connection.execute(MARK, circular_ids, sequences)


async def unstamped(connection: Connection) -> tuple[int, bytes] | None:
    """The oldest checkpoint without a time-stamp, and its body."""
    row = await connection.fetchrow(UNSTAMPED)
    return None if row is None else (row["sequence"], row["body"])


async def stamp(connection: Connection, sequence: int, time_stamp: bytes) -> None:
    """Keep a time-stamp; the first one stays."""
    await connection.execute(STAMP, sequence, time_stamp)


async def page(connection: Connection, after: int, limit: int) -> list[tuple[int, Sealed]]:
    """Up to `limit` checkpoints behind the one with the number `after`."""
    rows = await connection.fetch(PAGE, after, limit)
    return [(row["sequence"], Sealed(row["body"], row["sha256"], row["jws"])) for row in rows]


async def time_stamp(connection: Connection, sequence: int) -> bytes | None:
    """The time-stamp of a checkpoint, if it has one."""
    return await connection.fetchval(TIME_STAMP, sequence)


async def newest_of(connection: Connection, circular_id: UUID) -> Covered | None:
    """The newest checkpoint that covers the circular's chain."""
    row = await connection.fetchrow(NEWEST_OF, circular_id)
    if row is None:
        return None
    chain = Chain(circular_id, row["sequence"], row["head_sha256"])
    return Covered(Sealed(row["body"], row["sha256"], row["jws"]), row["time_stamp"], row["position"], chain, row["path"])
