"""SQL of receipts, their chains and the keys that sign them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from services.ack.evidence.form import Sealed
from shared.postgres import Connection, Row
from shared.signing import StoredKey

# Whoever signs holds the lock shared until the commit, whoever changes the key holds it alone: nothing is signed with a retired key.
LOCK_TO_SIGN: Final = "SELECT pg_advisory_xact_lock_shared(hashtextextended('ack.evidence_keys', 0))"
LOCK_TO_CHANGE_KEY: Final = "SELECT pg_advisory_xact_lock(hashtextextended('ack.evidence_keys', 0))"

CURRENT_KEY: Final = "SELECT kid, public_jwk, private_encrypted FROM evidence_keys WHERE retired_at IS NULL"

RETIRE_KEYS: Final = "UPDATE evidence_keys SET retired_at = $1 WHERE retired_at IS NULL"

INSERT_KEY: Final = "INSERT INTO evidence_keys (kid, public_jwk, private_encrypted, created_at) VALUES ($1, $2, $3, $4)"

KEYS: Final = "SELECT public_jwk, created_at, retired_at FROM evidence_keys ORDER BY created_at, kid"

# Events whose recipient is not there yet are left where they are.
WAITING: Final = """
SELECT u.event_id, r.circular_id FROM unsealed_events u JOIN recipients r ON r.recipient_id = u.recipient_id
ORDER BY u.event_id LIMIT $1
"""

BEGIN_CHAINS: Final = """
INSERT INTO chains (circular_id) SELECT c FROM unnest($1::uuid[]) AS c ORDER BY c ON CONFLICT (circular_id) DO NOTHING
"""

LOCK_CHAINS: Final = """
SELECT circular_id, sequence, head_sha256 FROM chains WHERE circular_id = ANY($1::uuid[]) ORDER BY circular_id
FOR UPDATE SKIP LOCKED
"""

# Asked again under the lock: another sealer may have taken them meanwhile. What a recipient's server answered is its own business.
TAKE: Final = """
WITH taken AS (
    DELETE FROM unsealed_events u USING recipients r
    WHERE u.event_id = ANY($1::uuid[]) AND r.recipient_id = u.recipient_id AND r.circular_id = ANY($2::uuid[])
    RETURNING u.event_id, r.recipient_id, r.circular_id, r.agency_id, r.title
)
SELECT t.event_id, t.recipient_id, t.circular_id, t.agency_id, t.title, e.type, e.occurred_at, e.recorded_at, e.actor,
    e.channel, e.grade, e.data - 'detail' AS data, c.letter ->> 'number' AS number, c.letter ->> 'content_hash' AS content_hash
FROM taken t JOIN recipient_events e ON e.event_id = t.event_id JOIN circulars c ON c.circular_id = t.circular_id
ORDER BY e.recorded_at, e.event_id
"""

INSERT_RECEIPTS: Final = """
INSERT INTO receipts (circular_id, sequence, event_id, recipient_id, body, sha256, previous_sha256, kid, jws, sealed_at)
SELECT circular_id, sequence, event_id, recipient_id, body, sha256, previous_sha256, $9, jws, $10
FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::uuid[], $5::bytea[], $6::text[], $7::text[], $8::text[])
    AS r (circular_id, sequence, event_id, recipient_id, body, sha256, previous_sha256, jws)
"""

ADVANCE_CHAINS: Final = """
UPDATE chains SET sequence = h.sequence, head_sha256 = h.head FROM unnest($1::uuid[], $2::bigint[], $3::text[])
    AS h (circular_id, sequence, head)
WHERE chains.circular_id = h.circular_id
"""

HEAD: Final = "SELECT circular_id, sequence, head_sha256 FROM chains WHERE circular_id = $1"

OF_RECIPIENT: Final = "SELECT body, sha256, jws FROM receipts WHERE recipient_id = $1 ORDER BY sequence"

OF_CHAIN: Final = """
SELECT body, sha256, jws FROM receipts WHERE circular_id = $1 AND sequence > $2 AND sequence <= $3 ORDER BY sequence LIMIT $4
"""

# Where a chain is read page by page.
PAGE: Final = 500


@dataclass(frozen=True, slots=True)
class Chain:
    """How far a circular's chain goes."""

    circular_id: UUID
    sequence: int
    head_sha256: str | None


@dataclass(frozen=True, slots=True)
class Placed:
    """A receipt with its place in its chain."""

    chain: Chain
    event_id: UUID
    recipient_id: UUID
    previous_sha256: str | None
    sealed: Sealed


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key with the time in which it signed."""

    jwk: dict[str, Any]
    created_at: datetime
    retired_at: datetime | None


async def lock_to_sign(connection: Connection) -> None:
    """Keep the key from being changed until the transaction ends."""
    await connection.execute(LOCK_TO_SIGN)


async def lock_to_change_key(connection: Connection) -> None:
    """Wait until nobody signs, and keep others from it until the transaction ends."""
    await connection.execute(LOCK_TO_CHANGE_KEY)


async def current_key(connection: Connection) -> StoredKey | None:
    """The key that signs now."""
    row = await connection.fetchrow(CURRENT_KEY)
    return None if row is None else StoredKey(row["kid"], row["public_jwk"], row["private_encrypted"])


async def replace_key(connection: Connection, key: StoredKey, now: datetime) -> None:
    """Retire the key that signs, if there is one, and let this one sign."""
    await connection.execute(RETIRE_KEYS, now)
    await connection.execute(INSERT_KEY, key.kid, key.public_jwk, key.private_encrypted, now)


async def keys(connection: Connection) -> list[PublicKey]:
    """All keys that ever signed, oldest first."""
    rows = await connection.fetch(KEYS)
    return [PublicKey(row["public_jwk"], row["created_at"], row["retired_at"]) for row in rows]


async def waiting(connection: Connection, most: int) -> list[tuple[UUID, UUID]]:
    """Events without a receipt, oldest first, each with its circular."""
    return [(row["event_id"], row["circular_id"]) for row in await connection.fetch(WAITING, most)]


async def begin_chains(connection: Connection, circular_ids: Sequence[UUID]) -> None:
    """Make the chains that are not there, without receipts."""
    await connection.execute(BEGIN_CHAINS, circular_ids)


async def lock_chains(connection: Connection, circular_ids: Sequence[UUID]) -> dict[UUID, Chain]:
    """The chains that no other sealer has in hand."""
    rows = await connection.fetch(LOCK_CHAINS, circular_ids)
    return {row["circular_id"]: Chain(row["circular_id"], row["sequence"], row["head_sha256"]) for row in rows}


async def take(connection: Connection, event_ids: Sequence[UUID], circular_ids: Sequence[UUID]) -> list[Row]:
    """Take the events of these circulars out of the queue, in the order in which they were recorded."""
    return await connection.fetch(TAKE, event_ids, circular_ids)


async def insert_receipts(connection: Connection, placed: Sequence[Placed], kid: str, sealed_at: datetime) -> None:
    """Store receipts."""
    await connection.execute(
        INSERT_RECEIPTS,
        [one.chain.circular_id for one in placed],
        [one.chain.sequence for one in placed],
        [one.event_id for one in placed],
        [one.recipient_id for one in placed],
        [one.sealed.body for one in placed],
        [one.sealed.sha256 for one in placed],
        [one.previous_sha256 for one in placed],
        [one.sealed.jws for one in placed],
        kid,
        sealed_at,
    )


async def advance(connection: Connection, chains: Sequence[Chain]) -> None:
    """Note how far the chains go now."""
    await connection.execute(
        ADVANCE_CHAINS, [c.circular_id for c in chains], [c.sequence for c in chains], [c.head_sha256 for c in chains]
    )


async def head(connection: Connection, circular_id: UUID) -> Chain:
    """How far the circular's chain goes; a chain without receipts when nothing was sealed yet."""
    row = await connection.fetchrow(HEAD, circular_id)
    return Chain(circular_id, 0, None) if row is None else Chain(row["circular_id"], row["sequence"], row["head_sha256"])


async def of_recipient(connection: Connection, recipient_id: UUID) -> list[Sealed]:
    """The recipient's receipts, in the order of the chain."""
    return [Sealed(row["body"], row["sha256"], row["jws"]) for row in await connection.fetch(OF_RECIPIENT, recipient_id)]


async def of_chain(connection: Connection, chain: Chain, after: int) -> list[Sealed]:
    """The next page of a chain, up to the receipt that was its head."""
    rows = await connection.fetch(OF_CHAIN, chain.circular_id, after, chain.sequence, PAGE)
    return [Sealed(row["body"], row["sha256"], row["jws"]) for row in rows]
