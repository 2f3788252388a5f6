"""SQL of the reminder ladder: what is due, and who has not answered."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from services.ack.deadlines import Rung
from shared.contracts.events import Reminder
from shared.postgres import Connection

ADD: Final = """
INSERT INTO reminders (circular_id, rung, due_at, overdue, escalation, ladder, deadline)
SELECT $1, r.rung, r.due_at, r.overdue, r.escalation, $6, $7
FROM unnest($2::bigint[], $3::timestamptz[], $4::boolean[], $5::boolean[]) AS r (rung, due_at, overdue, escalation)
ON CONFLICT DO NOTHING
"""

# Never early: an answer at the very instant of the deadline is in time, so nobody is told before it has passed.
CLAIM: Final = """
SELECT m.circular_id, m.rung, m.due_at, m.overdue, m.escalation, m.reached, m.ladder, c.sender_agency_id,
    coalesce(m.deadline, c.deadline) AS deadline,
    (c.letter ->> 'letter_id')::uuid AS letter_id, c.letter ->> 'number' AS number
FROM reminders m JOIN circulars c ON c.circular_id = m.circular_id
WHERE m.done_at IS NULL AND m.due_at < $1 ORDER BY m.due_at LIMIT 1 FOR UPDATE OF m SKIP LOCKED
"""

UNANSWERED: Final = """
SELECT r.recipient_id, r.agency_id, r.position, a.parent_id,
    NOT EXISTS (SELECT FROM link_changes l WHERE l.recipient_id = r.recipient_id) AS link_opens
FROM recipients r LEFT JOIN agencies a ON a.agency_id = r.agency_id
WHERE r.circular_id = $1 AND r.position > $2 AND r.ladder = $4 AND r.state NOT IN ('registered', 'rejected', 'recalled')
ORDER BY r.position LIMIT $3
"""

ADVANCE: Final = """
UPDATE reminders SET reached = $3, told = told + $4, done_at = CASE WHEN $5 THEN $6::timestamptz END
WHERE circular_id = $1 AND rung = $2
"""

OLDEST_DUE: Final = "SELECT min(due_at) FROM reminders WHERE done_at IS NULL"


@dataclass(frozen=True, slots=True)
class DueRung:
    """A rung that is due, whose row this transaction holds, and the circular that it is of."""

    circular_id: UUID
    rung: int
    due_at: datetime
    overdue: bool
    escalation: bool
    reached: int
    ladder: int
    sender_agency_id: UUID
    deadline: datetime
    letter_id: UUID
    number: str


async def add(
    connection: Connection, circular_id: UUID, rungs: Sequence[Rung], *, number: int = 0, deadline: datetime | None = None
) -> None:
    """Store a circular's ladder, or that of a later deadline; rungs that are there already stay as they are."""
    await connection.execute(
        ADD,
        circular_id,
        [rung.number for rung in rungs],
        [rung.due_at for rung in rungs],
        [rung.overdue for rung in rungs],
        [rung.escalation for rung in rungs],
        number,
        deadline,
    )


async def claim(connection: Connection, now: datetime) -> DueRung | None:
    """The rung that has been due for longest, locked; those that another transaction works on are passed over."""
    row = await connection.fetchrow(CLAIM, now)
    return None if row is None else DueRung(**dict(row))


async def unanswered(connection: Connection, rung: DueRung, most: int) -> tuple[list[Reminder], int]:
    """The next recipients that have not answered, at most `most`, with whom to tell; and how far the list has been read."""
    rows = await connection.fetch(UNANSWERED, rung.circular_id, rung.reached, most, rung.ladder)
    found = [
        Reminder(
            recipient_id=row["recipient_id"],
            agency_id=row["agency_id"],
            told_agency_id=(row["parent_id"] or row["agency_id"]) if rung.escalation else row["agency_id"],
            link_opens=row["link_opens"],
        )
        for row in rows
    ]
    return found, rows[-1]["position"] if rows else rung.reached


async def advance(connection: Connection, rung: DueRung, reached: int, told: int, *, done: bool, now: datetime) -> None:
    """Note how far the rung has come."""
    await connection.execute(ADVANCE, rung.circular_id, rung.rung, reached, told, done, now)
