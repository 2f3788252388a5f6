"""SQL of paper: what waits for a sender's clerk, and what clerks have recorded."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from uuid import UUID

from services.dispatch.delivery.jobs import Address
from services.dispatch.store.reading import address_of
from services.dispatch.store.transitions import Locked
from shared.postgres import Connection, Row

WAITING: Final = """
SELECT d.delivery_id, d.recipient_id, d.circular_id, d.agency_id, d.title, d.position, d.relay_duty, d.role, d.acknowledgment_link,
    d.state, d.channel, d.step_until, a.name_th AS agency_name_th
FROM deliveries d JOIN circulars c ON c.circular_id = d.circular_id
LEFT JOIN agencies a ON a.agency_id = d.agency_id
WHERE c.sender_agency_id = $1 AND ($2::uuid IS NULL OR c.circular_id = $2) AND d.channel = 'paper' AND d.state = 'scheduled'
    AND ($3::uuid IS NULL OR d.delivery_id > $3)
ORDER BY d.delivery_id LIMIT $4
"""

# In the order of the list, for the clerk who works through it.
WAITING_OF_CIRCULAR: Final = """
SELECT d.delivery_id, d.recipient_id, d.circular_id, d.agency_id, d.title, d.position, d.relay_duty, d.role, d.acknowledgment_link,
    d.state, d.channel, d.step_until, a.name_th AS agency_name_th
FROM deliveries d LEFT JOIN agencies a ON a.agency_id = d.agency_id
WHERE d.circular_id = $1 AND d.channel = 'paper' AND d.state = 'scheduled'
    AND ($2::bigint IS NULL OR (d.position, d.delivery_id) > ($2, $3::uuid))
ORDER BY d.position, d.delivery_id LIMIT $4
"""

GET: Final = """
SELECT d.delivery_id, d.recipient_id, d.circular_id, d.agency_id, d.title, d.position, d.relay_duty, d.role, d.acknowledgment_link,
    d.state, d.channel, d.step_until, a.name_th AS agency_name_th
FROM deliveries d JOIN circulars c ON c.circular_id = d.circular_id
LEFT JOIN agencies a ON a.agency_id = d.agency_id
WHERE d.delivery_id = $1 AND c.sender_agency_id = $2
"""

ADD_ATTEMPT: Final = """
INSERT INTO attempts (delivery_id, number, channel, outcome, reason, status, started_at, milliseconds, answer, agency_id)
SELECT delivery_id, $2, 'paper', $3, $4, NULL, $5, 0, '', agency_id FROM deliveries WHERE delivery_id = $1
"""

ADD_RECORD: Final = """
INSERT INTO paper_records (delivery_id, number, sent_on, how, reference, reason, note, recorded_by, recorded_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""

LAST_RECORD: Final = """
SELECT number, sent_on, how, reference, reason, note, recorded_by, recorded_at
FROM paper_records WHERE delivery_id = $1 ORDER BY number DESC LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class PaperDelivery:
    """A delivery on paper, or at least of the caller's; the agency's name is None until it is known here."""

    address: Address
    circular_id: UUID
    state: str
    channel: str | None
    step_until: datetime | None
    agency_name_th: str | None


@dataclass(frozen=True, slots=True)
class Record:
    """What a clerk said: sent (`sent_on`, `how`, `reference`) or failed (`reason`, `note`); `recorded_by` is the client."""

    sent_on: date | None
    how: str | None
    reference: str
    reason: str | None
    note: str
    recorded_by: str
    recorded_at: datetime

    def says_the_same_as(self, other: "Record") -> bool:
        mine, theirs = ((record.sent_on, record.how, record.reference, record.reason, record.note) for record in (self, other))
        return mine == theirs


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A record under the number of its attempt."""

    number: int
    record: Record


def _delivery(row: Row) -> PaperDelivery:
    return PaperDelivery(
        address_of(row), row["circular_id"], row["state"], row["channel"], row["step_until"], row["agency_name_th"]
    )


async def waiting(
    connection: Connection, sender_agency_id: UUID, circular_id: UUID | None, after: UUID | None, limit: int
) -> list[PaperDelivery]:
    """What waits for a clerk of the sender, oldest first; of one circular or of all."""
    rows = await connection.fetch(WAITING, sender_agency_id, circular_id, after, limit)
    return [_delivery(row) for row in rows]


async def waiting_of_circular(
    connection: Connection, circular_id: UUID, after: tuple[int, UUID] | None, limit: int
) -> list[PaperDelivery]:
    """The same of one circular, in list order."""
    position, delivery_id = after or (None, None)
    rows = await connection.fetch(WAITING_OF_CIRCULAR, circular_id, position, delivery_id, limit)
    return [_delivery(row) for row in rows]


async def get(connection: Connection, delivery_id: UUID, sender_agency_id: UUID) -> PaperDelivery | None:
    """The delivery if that agency sent it."""
    row = await connection.fetchrow(GET, delivery_id, sender_agency_id)
    return None if row is None else _delivery(row)


async def last_record(connection: Connection, delivery_id: UUID) -> StoredRecord | None:
    """What was said last."""
    row = await connection.fetchrow(LAST_RECORD, delivery_id)
    if row is None:
        return None
    record = Record(
        row["sent_on"], row["how"], row["reference"], row["reason"], row["note"], row["recorded_by"], row["recorded_at"]
    )
    return StoredRecord(row["number"], record)


async def add_record(connection: Connection, delivery: Locked, record: Record) -> StoredRecord:
    """Log an attempt that a clerk made; the delivery is locked, and its counters are the caller's to move."""
    number = delivery.standing.attempts + 1
    outcome = "delivered" if record.reason is None else "refused"
    await connection.execute(ADD_ATTEMPT, delivery.delivery_id, number, outcome, record.reason, record.recorded_at)
    await connection.execute(
        ADD_RECORD,
        delivery.delivery_id,
        number,
        record.sent_on,
        record.how,
        record.reference,
        record.reason,
        record.note,
        record.recorded_by,
        record.recorded_at,
    )
    return StoredRecord(number, record)
