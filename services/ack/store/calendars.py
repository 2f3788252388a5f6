"""SQL of declared days, of their history, and of the deadlines that they move."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from uuid import UUID

from services.ack.calendars import COUNTRY, Day, Kind
from shared.contracts.events import Speed
from shared.postgres import Connection

MOST_LEVELS: Final = 12

# Whoever stores recipients (shared) and whoever declares a day (exclusive) take this lock first: otherwise a recipient that is
# not committed yet would be set a deadline by the old days and be looked at by nobody.
LOCK_SHARED: Final = "SELECT pg_advisory_xact_lock_shared(x'63616c'::int)"
LOCK: Final = "SELECT pg_advisory_xact_lock(x'63616c'::int)"

LINE: Final = """
WITH RECURSIVE line AS (
    SELECT $1::uuid AS agency_id, 0 AS distance
    UNION ALL
    SELECT a.parent_id, l.distance + 1 FROM line l JOIN agencies a ON a.agency_id = l.agency_id
    WHERE a.parent_id IS NOT NULL AND l.distance < $2
)
SELECT agency_id FROM line ORDER BY distance
"""

LIST: Final = """
SELECT day, kind, below, reason, declared_by, declared_at FROM calendar_days WHERE agency_id = $1 ORDER BY day
"""

HISTORY: Final = """
SELECT change_id, day, kind, below, reason, declared_by, actor, recorded_at, minutes FROM calendar_changes
WHERE agency_id = $1 ORDER BY recorded_at DESC, change_id DESC LIMIT $2
"""

SAVE: Final = """
INSERT INTO calendar_days (agency_id, day, kind, below, reason, declared_by, declared_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (agency_id, day) DO UPDATE SET kind = excluded.kind, below = excluded.below, reason = excluded.reason,
    declared_by = excluded.declared_by, declared_at = excluded.declared_at
"""

REMOVE: Final = "DELETE FROM calendar_days WHERE agency_id = $1 AND day = $2"

ADD_CHANGE: Final = """
INSERT INTO calendar_changes (change_id, agency_id, day, kind, below, reason, declared_by, actor, recorded_at, minutes)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""

ADD_WORK: Final = "INSERT INTO calendar_work (change_id) VALUES ($1)"

# Of each agency ($1) itself, those above it up to $2 levels, and the country ($3): all whose declarations may count for it.
DECLARERS: Final = """
line AS (
    SELECT a.of_agency_id, a.of_agency_id AS agency_id, 0 AS distance FROM unnest($1::uuid[]) AS a (of_agency_id)
    UNION ALL
    SELECT l.of_agency_id, a.parent_id, l.distance + 1 FROM line l JOIN agencies a ON a.agency_id = l.agency_id
    WHERE a.parent_id IS NOT NULL AND l.distance < $2
), everybody AS (
    SELECT of_agency_id, agency_id, distance FROM line
    UNION ALL
    SELECT a.of_agency_id, $3::uuid, $2 + 1 FROM unnest($1::uuid[]) AS a (of_agency_id)
)
"""

# Of the days that an agency and those above it have declared, the nearest counts; the country comes last.
EFFECTIVE: Final = (
    "WITH RECURSIVE "
    + DECLARERS
    + """
SELECT DISTINCT ON (e.of_agency_id, d.day) e.of_agency_id, d.day, d.kind, d.reason
FROM everybody e JOIN calendar_days d ON d.agency_id = e.agency_id AND (e.distance = 0 OR d.below)
ORDER BY e.of_agency_id, d.day, e.distance
"""
)

CLAIM: Final = """
SELECT w.change_id, w.reached_agency_id, w.reached_recipient_id, c.agency_id, c.below, c.day, c.reason,
    c.kind IN ('hours', 'hours_withdrawn') AS onwards
FROM calendar_work w JOIN calendar_changes c ON c.change_id = w.change_id
WHERE w.done_at IS NULL ORDER BY w.change_id LIMIT 1 FOR UPDATE OF w SKIP LOCKED
"""

WAITING_SINCE: Final = """
SELECT c.recorded_at FROM calendar_work w JOIN calendar_changes c ON c.change_id = w.change_id
WHERE w.done_at IS NULL ORDER BY w.change_id LIMIT 1
"""

ADVANCE: Final = """
UPDATE calendar_work SET reached_agency_id = $2, reached_recipient_id = $3, moved = moved + $4,
    done_at = CASE WHEN $5 THEN $6::timestamptz END
WHERE change_id = $1
"""

BELOW: Final = """
WITH RECURSIVE below AS (
    SELECT $1::uuid AS agency_id, 0 AS distance
    UNION ALL
    SELECT a.agency_id, b.distance + 1 FROM below b JOIN agencies a ON a.parent_id = b.agency_id WHERE b.distance < $2
)
SELECT DISTINCT agency_id FROM below
"""

OPEN_OF_AGENCIES: Final = """
SELECT agency_id, recipient_id FROM recipients
WHERE agency_id = ANY($1::uuid[]) AND (agency_id, recipient_id) > ($2, $3) AND state NOT IN ('registered', 'rejected', 'recalled')
ORDER BY agency_id, recipient_id LIMIT $4
"""

OPEN: Final = """
SELECT agency_id, recipient_id FROM recipients
WHERE (agency_id, recipient_id) > ($1, $2) AND state NOT IN ('registered', 'rejected', 'recalled')
ORDER BY agency_id, recipient_id LIMIT $3
"""

# Whoever reads these has locked the recipients. A deadline that the sender has set is not moved by a recipient's calendar.
DUE: Final = """
SELECT r.recipient_id, r.circular_id, r.agency_id, c.sender_agency_id, c.dispatched_at, coalesce(r.due_at, c.deadline) AS due_at,
    c.letter ->> 'speed' AS speed
FROM recipients r JOIN circulars c ON c.circular_id = r.circular_id
WHERE r.recipient_id = ANY($1::uuid[]) AND c.deadline_by = 'speed' AND r.state NOT IN ('registered', 'rejected', 'recalled')
ORDER BY r.circular_id, r.recipient_id
"""

NEXT_LADDER: Final = "UPDATE circulars SET ladders = ladders + 1 WHERE circular_id = $1 RETURNING ladders"
NEXT_RUNG: Final = "SELECT coalesce(max(rung), 0) AS rung FROM reminders WHERE circular_id = $1"

MOVE: Final = "UPDATE recipients SET due_at = $2, ladder = $3 WHERE recipient_id = ANY($1::uuid[])"


@dataclass(frozen=True, slots=True)
class Declared:
    """A day that stands in an agency's calendar."""

    day: date
    kind: Kind
    below: bool
    reason: str
    declared_by: UUID
    declared_at: datetime


@dataclass(frozen=True, slots=True)
class Change:
    """One row of the history; `kind` is `withdrawn` when a day was taken back, and `minutes` is of hours alone."""

    change_id: UUID
    day: date
    kind: str
    below: bool
    reason: str
    declared_by: UUID
    actor: str
    recorded_at: datetime
    minutes: list[int] | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """A change whose open recipients are looked at, and how far that has come."""

    change_id: UUID
    reached_agency_id: UUID
    reached_recipient_id: UUID
    agency_id: UUID
    below: bool
    day: date
    reason: str
    onwards: bool


@dataclass(frozen=True, slots=True)
class Due:
    """A recipient that has not answered a letter whose deadline follows from its speed."""

    recipient_id: UUID
    circular_id: UUID
    agency_id: UUID
    sender_agency_id: UUID
    dispatched_at: datetime
    due_at: datetime
    speed: Speed


async def lock_shared(connection: Connection) -> None:
    """Before setting deadlines: no day is declared until the transaction ends."""
    await connection.execute(LOCK_SHARED)


async def lock(connection: Connection) -> None:
    """Before declaring a day: nobody sets deadlines until the transaction ends."""
    await connection.execute(LOCK)


async def line(connection: Connection, agency_id: UUID) -> list[UUID]:
    """The agency and those above it, as far as they are known."""
    return [row["agency_id"] for row in await connection.fetch(LINE, agency_id, MOST_LEVELS)]


async def declared(connection: Connection, agency_id: UUID) -> list[Declared]:
    """The days of the agency's own calendar."""
    return [
        Declared(row["day"], Kind(row["kind"]), row["below"], row["reason"], row["declared_by"], row["declared_at"])
        for row in await connection.fetch(LIST, agency_id)
    ]


async def history(connection: Connection, agency_id: UUID, most: int) -> list[Change]:
    """What was declared and taken back, the newest first."""
    return [Change(**dict(row)) for row in await connection.fetch(HISTORY, agency_id, most)]


async def save(connection: Connection, agency_id: UUID, day: Declared) -> None:
    """Let the day stand."""
    await connection.execute(SAVE, agency_id, day.day, day.kind.value, day.below, day.reason, day.declared_by, day.declared_at)


async def remove(connection: Connection, agency_id: UUID, day: date) -> None:
    """Take the day away."""
    await connection.execute(REMOVE, agency_id, day)


async def add_change(connection: Connection, agency_id: UUID, change: Change) -> None:
    """Keep the change, and have its open recipients looked at."""
    await connection.execute(
        ADD_CHANGE,
        change.change_id,
        agency_id,
        change.day,
        change.kind,
        change.below,
        change.reason,
        change.declared_by,
        change.actor,
        change.recorded_at,
        change.minutes,
    )
    await connection.execute(ADD_WORK, change.change_id)


async def effective(connection: Connection, agency_ids: Sequence[UUID]) -> Mapping[UUID, list[Day]]:
    """The days that count for these agencies, with those of the agencies above and of the country."""
    found: dict[UUID, list[Day]] = defaultdict(list)
    for row in await connection.fetch(EFFECTIVE, sorted(set(agency_ids)), MOST_LEVELS, COUNTRY):
        found[row["of_agency_id"]].append(Day(row["day"], Kind(row["kind"]), row["reason"]))
    return found


async def claim(connection: Connection) -> Work | None:
    """The oldest change whose recipients are still to be looked at, locked."""
    row = await connection.fetchrow(CLAIM)
    return None if row is None else Work(**dict(row))


async def waiting_since(connection: Connection) -> datetime | None:
    """When the oldest change was declared whose recipients are still to be looked at; None when there is none."""
    return await connection.fetchval(WAITING_SINCE)


async def next_open(connection: Connection, work: Work, most: int) -> list[tuple[UUID, UUID]]:
    """The next recipients without an answer that the change may concern: agency and recipient."""
    if work.agency_id == COUNTRY:
        rows = await connection.fetch(OPEN, work.reached_agency_id, work.reached_recipient_id, most)
    else:
        levels = MOST_LEVELS if work.below else 0
        agencies = [row["agency_id"] for row in await connection.fetch(BELOW, work.agency_id, levels)]
        rows = await connection.fetch(OPEN_OF_AGENCIES, agencies, work.reached_agency_id, work.reached_recipient_id, most)
    return [(row["agency_id"], row["recipient_id"]) for row in rows]


async def advance(
    connection: Connection, change_id: UUID, reached: tuple[UUID, UUID], moved: int, *, done: bool, now: datetime
) -> None:
    """Note how far the change's recipients have been looked at."""
    await connection.execute(ADVANCE, change_id, *reached, moved, done, now)


async def due(connection: Connection, recipient_ids: Sequence[UUID]) -> list[Due]:
    """Of these recipients, which the transaction has locked, those whose deadline may move."""
    return [
        Due(
            row["recipient_id"],
            row["circular_id"],
            row["agency_id"],
            row["sender_agency_id"],
            row["dispatched_at"],
            row["due_at"],
            Speed(row["speed"]),
        )
        for row in await connection.fetch(DUE, recipient_ids)
    ]


async def start_ladder(connection: Connection, circular_id: UUID) -> tuple[int, int]:
    """A number for a further ladder of the circular, whose row is locked by this, and the last rung that is taken."""
    return await connection.fetchval(NEXT_LADDER, circular_id), await connection.fetchval(NEXT_RUNG, circular_id)


async def move(connection: Connection, recipient_ids: Sequence[UUID], due_at: datetime, ladder: int) -> None:
    """Give these recipients a deadline of their own."""
    await connection.execute(MOVE, recipient_ids, due_at, ladder)
