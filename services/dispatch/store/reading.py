"""SQL of reading: an agency's inbox, a circular's deliveries, a delivery's attempts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from services.dispatch.delivery.jobs import Address
from shared.contracts.events import Channel, HandOverGrade, Role
from shared.postgres import Connection, Row

INBOX: Final = """
SELECT delivery_id, recipient_id, circular_id, agency_id, title, position, relay_duty, role, acknowledgment_link, state,
    channel, attempts, handed_over_at, hand_over_channel, hand_over_grade, failure_reason, failure_detail, acknowledged_at, bounced_at, bounce_reason,
    recalled_at
FROM deliveries
WHERE agency_id = $1 AND acknowledged_at IS NULL AND recalled_at IS NULL AND ($2::uuid IS NULL OR delivery_id > $2)
ORDER BY delivery_id LIMIT $3
"""

GET: Final = """
SELECT delivery_id, recipient_id, circular_id, agency_id, title, position, relay_duty, role, acknowledgment_link, state,
    channel, attempts, handed_over_at, hand_over_channel, hand_over_grade, failure_reason, failure_detail, acknowledged_at, bounced_at, bounce_reason,
    recalled_at
FROM deliveries WHERE delivery_id = $1
"""

GET_MANY: Final = """
SELECT delivery_id, recipient_id, circular_id, agency_id, title, position, relay_duty, role, acknowledgment_link, state,
    channel, attempts, handed_over_at, hand_over_channel, hand_over_grade, failure_reason, failure_detail, acknowledged_at, bounced_at, bounce_reason,
    recalled_at
FROM deliveries WHERE delivery_id = ANY($1::uuid[])
"""

OF_CIRCULAR: Final = """
SELECT delivery_id, recipient_id, circular_id, agency_id, title, position, relay_duty, role, acknowledgment_link, state,
    channel, attempts, handed_over_at, hand_over_channel, hand_over_grade, failure_reason, failure_detail, acknowledged_at, bounced_at, bounce_reason,
    recalled_at
FROM deliveries
WHERE circular_id = $1 AND ($2::bigint IS NULL OR (position, delivery_id) > ($2, $3::uuid))
ORDER BY position, delivery_id LIMIT $4
"""

ATTEMPTS: Final = """
SELECT number, channel, outcome, reason, status, started_at, milliseconds, answer
FROM attempts WHERE delivery_id = $1 ORDER BY number
"""


@dataclass(frozen=True, slots=True)
class StoredDelivery:
    """A delivery as its recipient and its sender see it."""

    address: Address
    circular_id: UUID
    state: str
    channel: Channel | None
    attempts: int
    handed_over_at: datetime | None
    hand_over_channel: Channel | None
    hand_over_grade: HandOverGrade | None
    failure_reason: str | None
    failure_detail: str | None
    acknowledged_at: datetime | None
    bounced_at: datetime | None
    bounce_reason: str | None
    recalled_at: datetime | None


@dataclass(frozen=True, slots=True)
class StoredAttempt:
    """One attempt of the log."""

    number: int
    channel: str
    outcome: str
    reason: str | None
    status: int | None
    started_at: datetime
    milliseconds: float
    answer: str


def address_of(row: Row) -> Address:
    """The addressee in a row that has a delivery's columns."""
    return Address(
        delivery_id=row["delivery_id"],
        recipient_id=row["recipient_id"],
        agency_id=row["agency_id"],
        title=row["title"],
        position=row["position"],
        relay_duty=row["relay_duty"],
        acknowledgment_link=row["acknowledgment_link"],
        role=None if row["role"] is None else Role(row["role"]),
    )


def delivery_of(row: Row) -> StoredDelivery:
    """The delivery in a row that has its columns."""
    return StoredDelivery(
        address=address_of(row),
        circular_id=row["circular_id"],
        state=row["state"],
        channel=None if row["channel"] is None else Channel(row["channel"]),
        attempts=row["attempts"],
        handed_over_at=row["handed_over_at"],
        hand_over_channel=None if row["hand_over_channel"] is None else Channel(row["hand_over_channel"]),
        hand_over_grade=None if row["hand_over_grade"] is None else HandOverGrade(row["hand_over_grade"]),
        failure_reason=row["failure_reason"],
        failure_detail=row["failure_detail"],
        acknowledged_at=row["acknowledged_at"],
        bounced_at=row["bounced_at"],
        bounce_reason=row["bounce_reason"],
        recalled_at=row["recalled_at"],
    )


async def inbox(connection: Connection, agency_id: UUID, after: UUID | None, limit: int) -> list[StoredDelivery]:
    """What the agency has not acknowledged, oldest first, by whichever channel it came."""
    return [delivery_of(row) for row in await connection.fetch(INBOX, agency_id, after, limit)]


async def get(connection: Connection, delivery_id: UUID) -> StoredDelivery | None:
    row = await connection.fetchrow(GET, delivery_id)
    return None if row is None else delivery_of(row)


async def get_many(connection: Connection, delivery_ids: Sequence[UUID]) -> dict[UUID, StoredDelivery]:
    found = [delivery_of(row) for row in await connection.fetch(GET_MANY, list(delivery_ids))]
    return {delivery.address.delivery_id: delivery for delivery in found}


async def of_circular(
    connection: Connection, circular_id: UUID, after: tuple[int, UUID] | None, limit: int
) -> list[StoredDelivery]:
    """The circular's deliveries in list order."""
    position, delivery_id = after or (None, None)
    return [delivery_of(row) for row in await connection.fetch(OF_CIRCULAR, circular_id, position, delivery_id, limit)]


async def attempts(connection: Connection, delivery_id: UUID) -> list[StoredAttempt]:
    return [StoredAttempt(**dict(row)) for row in await connection.fetch(ATTEMPTS, delivery_id)]
