"""SQL of repair: undeliverable deliveries with what they failed of, and who set them going again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString
from uuid import UUID

from services.dispatch.causes import ANY, Symptoms
from services.dispatch.store.reading import StoredDelivery, delivery_of
from shared.postgres import Connection, Row

# The symptom (`causes`) is read off the last attempt that failed since the delivery was last set going, a clerk's word when
# paper was the end; without any, it is why the delivery ended.
_FAILED: Final[LiteralString] = """
FROM deliveries d JOIN circulars c ON c.circular_id = d.circular_id
LEFT JOIN LATERAL (
    SELECT a.channel, a.outcome, a.reason FROM attempts a
    WHERE a.delivery_id = d.delivery_id AND (a.channel = 'paper') = (d.failure_reason = 'paper_failed')
        AND a.number > coalesce((SELECT max(r.attempts) FROM redrives r WHERE r.delivery_id = d.delivery_id), 0)
    ORDER BY a.number DESC LIMIT 1
) last ON true
CROSS JOIN LATERAL (
    SELECT coalesce(
        CASE WHEN last.outcome = 'gone' THEN 'http_410'
            WHEN last.channel = 'paper' THEN 'paper_' || last.reason
            ELSE split_part(last.reason, ':', 1) END,
        d.failure_reason
    ) AS symptom
) said
WHERE d.state = 'undeliverable' AND d.acknowledged_at IS NULL
    AND ($1::uuid IS NULL OR c.sender_agency_id = $1)
    AND ($2::uuid IS NULL OR d.agency_id = $2)
    AND ($3::uuid IS NULL OR d.circular_id = $3)
    AND ($4::timestamptz IS NULL OR d.failed_at >= $4)
    AND ($5::timestamptz IS NULL OR d.failed_at < $5)
    AND (said.symptom = ANY($6::text[])) = $7::boolean
"""

LIST: Final[LiteralString] = f"""
SELECT d.delivery_id, d.recipient_id, d.circular_id, d.agency_id, d.title, d.position, d.relay_duty, d.role, d.acknowledgment_link,
    d.state, d.channel, d.attempts, d.handed_over_at, d.hand_over_channel, d.hand_over_grade, d.failure_reason,
    d.failure_detail, d.acknowledged_at, d.bounced_at, d.bounce_reason, d.recalled_at, d.failed_at, c.sender_agency_id, said.symptom
{_FAILED} AND ($8::timestamptz IS NULL OR (d.failed_at, d.delivery_id) > ($8, $9::uuid))
ORDER BY d.failed_at, d.delivery_id LIMIT $10
"""

# What another is setting going at this instant is passed over.
PICK: Final[LiteralString] = f"""
SELECT d.delivery_id
{_FAILED}
ORDER BY d.failed_at, d.delivery_id LIMIT $8 FOR UPDATE OF d SKIP LOCKED
"""

COUNT: Final[LiteralString] = f"SELECT count(*) {_FAILED}"

TOTALS: Final[LiteralString] = f"SELECT said.symptom, count(*) AS deliveries {_FAILED} GROUP BY said.symptom"

# Before the delivery moves on, so that the failure is its latest.
ADD_REDRIVES: Final = """
INSERT INTO redrives (delivery_id, failed_at, failure_reason, attempts, redriven_by, by_operator, why)
SELECT delivery_id, failed_at, failure_reason, attempts, $2, $3, $4 FROM deliveries WHERE delivery_id = ANY($1::uuid[])
"""

LAST_REDRIVE: Final = "SELECT max(redriven_at) FROM redrives WHERE delivery_id = $1"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which undeliverable deliveries: every condition that is given must hold. `since` and `before` bound the time of failure."""

    sender_agency_id: UUID | None = None
    recipient_agency_id: UUID | None = None
    circular_id: UUID | None = None
    since: datetime | None = None
    before: datetime | None = None
    symptoms: Symptoms = ANY

    @property
    def values(self) -> tuple[object, ...]:
        """The first seven parameters of every statement here."""
        return (
            self.sender_agency_id,
            self.recipient_agency_id,
            self.circular_id,
            self.since,
            self.before,
            self.symptoms.values,
            self.symptoms.wanted,
        )


@dataclass(frozen=True, slots=True)
class FailedDelivery:
    """An undeliverable delivery, its circular's sender, and what it failed of."""

    delivery: StoredDelivery
    sender_agency_id: UUID
    symptom: str
    failed_at: datetime


@dataclass(frozen=True, slots=True)
class RedriveOrder:
    """Who has deliveries set going again, and why."""

    client_id: str
    by_operator: bool
    why: str


async def undeliverable(
    connection: Connection, wanted: Wanted, after: tuple[datetime, UUID] | None, limit: int
) -> list[FailedDelivery]:
    """Undeliverable deliveries, the earliest failure first; those that were acknowledged all the same need no repair."""
    failed_at, delivery_id = after or (None, None)
    return [_failed(row) for row in await connection.fetch(LIST, *wanted.values, failed_at, delivery_id, limit)]


async def pick(connection: Connection, wanted: Wanted, limit: int) -> list[UUID]:
    """The first of them, locked."""
    return [row["delivery_id"] for row in await connection.fetch(PICK, *wanted.values, limit)]


async def count(connection: Connection, wanted: Wanted) -> int:
    """How many there are."""
    return await connection.fetchval(COUNT, *wanted.values)


async def totals(connection: Connection, wanted: Wanted) -> dict[str, int]:
    """How many there are of each symptom."""
    return {row["symptom"]: row["deliveries"] for row in await connection.fetch(TOTALS, *wanted.values)}


async def add_redrives(connection: Connection, delivery_ids: Sequence[UUID], order: RedriveOrder) -> None:
    """Write down who sets these going again; in the same transaction, before they move."""
    await connection.execute(ADD_REDRIVES, list(delivery_ids), order.client_id, order.by_operator, order.why)


async def last_redrive(connection: Connection, delivery_id: UUID) -> datetime | None:
    """When the delivery was last set going again."""
    return await connection.fetchval(LAST_REDRIVE, delivery_id)


def _failed(row: Row) -> FailedDelivery:
    return FailedDelivery(delivery_of(row), row["sender_agency_id"], row["symptom"], row["failed_at"])
