"""SQL of dispatch orders, their frozen recipients, and idempotency keys."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from services.registry.domain.resolution import Resolved
from shared.contracts.events import Role
from shared.postgres import Connection, Row

CLAIM_KEY: Final = """
INSERT INTO idempotency_keys (agency_id, key, request_sha256) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING key
"""

ANSWER_OF_KEY: Final = "SELECT request_sha256, response FROM idempotency_keys WHERE agency_id = $1 AND key = $2"

KEEP_ANSWER: Final = "UPDATE idempotency_keys SET response = $3 WHERE agency_id = $1 AND key = $2"

INSERT: Final = """
INSERT INTO circulars (circular_id, letter_id, agency_id, list_id, list_version, recipient_count, deadline,
    relay_of_recipient_id, dispatched_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""

FREEZE: Final = "UPDATE circulars SET recipient_count = $2, list_hash = $3, copy_count = $4 WHERE circular_id = $1"

AMONG: Final = "SELECT DISTINCT agency_id FROM recipients WHERE circular_id = $1 AND agency_id = ANY($2::uuid[])"

# Without the copies, which are the letter's and not the list's, and without whom the letter was redirected to.
RESOLVED: Final = """
SELECT r.agency_id, r.title, r.relay_duty, r.role, r.relay_target, r.succeeded_agency_id
FROM recipients r JOIN circulars c ON c.circular_id = r.circular_id
WHERE r.circular_id = $1 AND r.position <= c.recipient_count - c.copy_count - c.redirected_count ORDER BY r.position
"""

# By the names and in the forms of the event.
FROZEN: Final = """
SELECT recipient_id::text, position, agency_id::text, title, relay_duty, role, relay_target,
    succeeded_agency_id::text AS in_place_of
FROM recipients
WHERE circular_id = $1 ORDER BY position
"""

LATEST_OF_LIST: Final = """
SELECT circular_id, list_version, list_hash, dispatched_at FROM circulars
WHERE list_id = $1 AND agency_id = $2 AND ($3::bigint IS NULL OR list_version = $3) ORDER BY dispatched_at DESC LIMIT 1
"""

GET: Final = """
SELECT circular_id, letter_id, agency_id, list_id, list_version, deadline, relay_of_recipient_id, dispatched_at
FROM circulars WHERE circular_id = $1
"""

CIRCULAR_OF_LETTER: Final = "SELECT circular_id FROM circulars WHERE letter_id = $1"

IS_RECIPIENT: Final = """
SELECT EXISTS (
    SELECT FROM circulars c JOIN recipients r ON r.circular_id = c.circular_id WHERE c.letter_id = $1 AND r.agency_id = $2
)
"""

HAS_RELAY_DUTY: Final = "SELECT EXISTS (SELECT FROM recipients WHERE recipient_id = $1 AND agency_id = $2 AND relay_duty)"


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """What was answered under an Idempotency-Key, and the hash of the request."""

    request_sha256: bytes
    response: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Circular:
    """A dispatch order."""

    circular_id: UUID
    letter_id: UUID
    agency_id: UUID
    list_id: UUID
    list_version: int
    deadline: datetime | None
    relay_of_recipient_id: UUID | None
    dispatched_at: datetime


async def claim_key(connection: Connection, agency_id: UUID, key: str, request_sha256: bytes) -> bool:
    """Take an Idempotency-Key for this transaction, waiting for another that holds it; False when it has an answer."""
    return await connection.fetchval(CLAIM_KEY, agency_id, key, request_sha256) is not None


async def answer_of_key(connection: Connection, agency_id: UUID, key: str) -> KeptAnswer | None:
    """What was answered under the key."""
    row = await connection.fetchrow(ANSWER_OF_KEY, agency_id, key)
    return None if row is None else KeptAnswer(row["request_sha256"], row["response"])


async def keep_answer(connection: Connection, agency_id: UUID, key: str, response: dict[str, Any]) -> None:
    """Keep the answer under the key that this transaction has claimed."""
    await connection.execute(KEEP_ANSWER, agency_id, key, response)


async def insert(connection: Connection, circular: Circular) -> None:
    """Store an order; `freeze` gives it its count and hash when its recipients are stored."""
    await connection.execute(
        INSERT,
        circular.circular_id,
        circular.letter_id,
        circular.agency_id,
        circular.list_id,
        circular.list_version,
        1,
        circular.deadline,
        circular.relay_of_recipient_id,
        circular.dispatched_at,
    )


async def add_recipients(
    connection: Connection, circular_id: UUID, first: int, recipients: Sequence[tuple[UUID, Resolved]]
) -> None:
    """Store recipients with their identifiers, from position `first` on."""
    await connection.copy_records_to_table(
        "recipients",
        records=(
            (
                recipient_id,
                circular_id,
                position,
                one.agency_id,
                one.title,
                one.relay_duty,
                one.role.value,
                one.relay_target,
                one.in_place_of,
            )
            for position, (recipient_id, one) in enumerate(recipients, start=first)
        ),
        columns=(
            "recipient_id",
            "circular_id",
            "position",
            "agency_id",
            "title",
            "relay_duty",
            "role",
            "relay_target",
            "succeeded_agency_id",
        ),
    )


async def freeze(connection: Connection, circular_id: UUID, recipient_count: int, list_hash: str, copy_count: int) -> None:
    """Note how many recipients the order has, how many of them get a copy, and the hash of what the list resolved to."""
    await connection.execute(FREEZE, circular_id, recipient_count, list_hash, copy_count)


async def among(connection: Connection, circular_id: UUID, agency_ids: Sequence[UUID]) -> set[UUID]:
    """Those of the agencies that are recipients of the order."""
    return {row["agency_id"] for row in await connection.fetch(AMONG, circular_id, agency_ids)}


async def frozen(connection: Connection, circular_id: UUID, piece: int) -> AsyncGenerator[list[Row]]:
    """The order's recipients in list order, as the event tells of them, at most `piece` at once."""
    cursor = await connection.cursor(FROZEN, circular_id)
    while rows := await cursor.fetch(piece):
        yield rows


async def resolved(connection: Connection, circular_id: UUID) -> list[Resolved]:
    """What the order's list resolved to."""
    return [
        Resolved(
            row["agency_id"],
            row["title"],
            row["relay_duty"],
            Role(row["role"]),
            row["relay_target"],
            row["succeeded_agency_id"],
        )
        for row in await connection.fetch(RESOLVED, circular_id)
    ]


async def latest_of_list(connection: Connection, list_id: UUID, agency_id: UUID, version: int | None) -> Row | None:
    """The last order that went to this list, or to this version of it."""
    return await connection.fetchrow(LATEST_OF_LIST, list_id, agency_id, version)


async def get(connection: Connection, circular_id: UUID) -> Circular | None:
    """The order."""
    row = await connection.fetchrow(GET, circular_id)
    return None if row is None else Circular(**dict(row))


async def circular_of_letter(connection: Connection, letter_id: UUID) -> UUID | None:
    """The order under which the letter went round."""
    return await connection.fetchval(CIRCULAR_OF_LETTER, letter_id)


async def is_recipient(connection: Connection, letter_id: UUID, agency_id: UUID) -> bool:
    """Whether the letter went to this agency."""
    return await connection.fetchval(IS_RECIPIENT, letter_id, agency_id)


async def has_relay_duty(connection: Connection, recipient_id: UUID, agency_id: UUID) -> bool:
    """Whether this recipient is the agency itself, with a duty to pass the circular on."""
    return await connection.fetchval(HAS_RELAY_DUTY, recipient_id, agency_id)
