"""SQL of the book of received letters; a page is read in the two ways of the book of sent ones."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from uuid import UUID

from services.registry.domain.books import Acknowledged, Filter, Received, ReceivedEntry, ReceivedState
from services.registry.store.books import HIGHEST, LOWEST, MOST_HITS, NEAR
from shared.contracts.events import Secrecy, Speed
from shared.postgres import Connection, Row
from shared.thai.numbers import MAX_RUNNING
from shared.thai.text import normalise

INSERT: Final = """
INSERT INTO received_letters (received_id, agency_id, unit, year_be, receive_number, number_key, running, number_issued, receive_date,
    receive_time, letter_number, letter_date, sender, sender_agency_id, addressee, subject, speed, secrecy, action, remark,
    search_text, source, recipient_id, circular_id, letter_id, recorded_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26)
ON CONFLICT DO NOTHING RETURNING received_id
"""

UPDATE: Final = """
UPDATE received_letters SET unit = $2, year_be = $3, receive_number = $4, number_key = $5, running = $6, receive_date = $7,
    receive_time = $8, letter_number = $9, letter_date = $10, sender = $11, addressee = $12, subject = $13, speed = $14,
    secrecy = $15, action = $16, remark = $17, search_text = $18, recorded_at = $19, version = version + 1
WHERE received_id = $1
"""

VOID: Final = """
UPDATE received_letters SET state = 'void', void_reason = $2, version = version + 1 WHERE received_id = $1 AND state = 'entered'
"""

# An answer that was given anew after it had been taken back.
REENTER: Final = "UPDATE received_letters SET state = 'entered', void_reason = NULL WHERE received_id = $1 AND state = 'void'"

NOTE_WITHDRAWN: Final = """
INSERT INTO withdrawn_receipts (recipient_id, withdrawn_at, reason) VALUES ($1, $2, $3)
ON CONFLICT (recipient_id) DO UPDATE SET withdrawn_at = excluded.withdrawn_at, reason = excluded.reason
WHERE withdrawn_receipts.withdrawn_at < excluded.withdrawn_at
"""

WITHDRAWN: Final = "SELECT withdrawn_at, reason FROM withdrawn_receipts WHERE recipient_id = $1"

GET: Final = """
SELECT received_id, year_be, running, number_issued, unit, receive_number, receive_date, receive_time, letter_number, letter_date,
    sender, sender_agency_id, addressee, subject, speed, secrecy, action, remark, recipient_id, circular_id, letter_id, recorded_at,
    state, void_reason, version
FROM received_letters WHERE received_id = $1 AND agency_id = $2
"""

GET_FOR_UPDATE: Final = """
SELECT received_id, year_be, running, number_issued, unit, receive_number, receive_date, receive_time, letter_number, letter_date,
    sender, sender_agency_id, addressee, subject, speed, secrecy, action, remark, recipient_id, circular_id, letter_id, recorded_at,
    state, void_reason, version
FROM received_letters WHERE received_id = $1 AND agency_id = $2 FOR UPDATE
"""

GET_BY_RECIPIENT: Final = """
SELECT received_id, year_be, running, number_issued, unit, receive_number, receive_date, receive_time, letter_number, letter_date,
    sender, sender_agency_id, addressee, subject, speed, secrecy, action, remark, recipient_id, circular_id, letter_id, recorded_at,
    state, void_reason, version
FROM received_letters WHERE recipient_id = $1 FOR UPDATE
"""

NUMBERED: Final = """
SELECT received_id FROM received_letters
WHERE agency_id = $1 AND year_be = $2 AND unit = $3 AND number_key = $4 AND received_id <> $5 ORDER BY received_id LIMIT 1
"""

# The row stays locked until the transaction ends, so numbers have no gap and no double.
NEXT_NUMBER: Final = """
INSERT INTO receive_series (agency_id, unit, year_be, last_running) VALUES ($1, $2, $3, 1)
ON CONFLICT (agency_id, unit, year_be) DO UPDATE SET last_running = receive_series.last_running + 1
    WHERE receive_series.last_running < $4
RETURNING last_running
"""

# What the entry of an acknowledged letter says of it, from the registry's own tables.
ACKNOWLEDGED_LETTER: Final = """
SELECT l.number, l.content ->> 'date' AS letter_date, l.content ->> 'subject' AS subject, l.content ->> 'speed' AS speed,
    l.content ->> 'secrecy' AS secrecy, a.name_th AS sender, l.agency_id AS sender_agency_id, r.title
FROM recipients r
JOIN circulars c ON c.circular_id = r.circular_id
JOIN letters l ON l.letter_id = c.letter_id
JOIN agencies a ON a.agency_id = l.agency_id
WHERE r.recipient_id = $1 AND r.agency_id = $2 AND c.letter_id = $3
"""

YEARS: Final = """
WITH RECURSIVE years AS (
    SELECT min(year_be) AS year_be FROM received_letters WHERE agency_id = $1
    UNION ALL
    SELECT (SELECT min(e.year_be) FROM received_letters e WHERE e.agency_id = $1 AND e.year_be > y.year_be) FROM years y
    WHERE y.year_be IS NOT NULL
)
SELECT year_be FROM years WHERE year_be IS NOT NULL ORDER BY year_be
"""

SCAN_UP: Final = """
SELECT received_id, year_be, running, number_issued, unit, receive_number, receive_date, receive_time, letter_number, letter_date,
    sender, sender_agency_id, addressee, subject, speed, secrecy, action, remark, recipient_id, circular_id, letter_id, recorded_at,
    state, void_reason, version
FROM received_letters
WHERE agency_id = $1 AND year_be = $2 AND (receive_date, running, received_id) > ($3::date, $4::bigint, $5::uuid)
    AND receive_date BETWEEN $6 AND $7 AND search_text LIKE $8 AND facets @> $9::text[]
ORDER BY receive_date, running, received_id LIMIT $10
"""

PEEK_UP: Final = """
WITH near AS MATERIALIZED (
    SELECT received_id, year_be, running, number_issued, unit, receive_number, receive_date, receive_time, letter_number, letter_date,
        sender, sender_agency_id, addressee, subject, speed, secrecy, action, remark, recipient_id, circular_id, letter_id, recorded_at,
        state, void_reason, version, search_text, facets
    FROM received_letters
    WHERE agency_id = $1 AND year_be = $2 AND (receive_date, running, received_id) > ($3::date, $4::bigint, $5::uuid)
    ORDER BY receive_date, running, received_id LIMIT $11
)
SELECT received_id, year_be, running, number_issued, unit, receive_number, receive_date, receive_time, letter_number, letter_date,
    sender, sender_agency_id, addressee, subject, speed, secrecy, action, remark, recipient_id, circular_id, letter_id, recorded_at,
    state, void_reason, version
FROM near
WHERE receive_date BETWEEN $6 AND $7 AND search_text LIKE $8 AND facets @> $9::text[]
ORDER BY receive_date, running, received_id LIMIT $10
"""

PEEK_DOWN: Final = """
WITH near AS MATERIALIZED (
    SELECT received_id, year_be, running, number_issued, unit, receive_number, receive_date, receive_time, letter_number, letter_date,
        sender, sender_agency_id, addressee, subject, speed, secrecy, action, remark, recipient_id, circular_id, letter_id, recorded_at,
        state, void_reason, version, search_text, facets
    FROM received_letters
    WHERE agency_id = $1 AND year_be = $2 AND (receive_date, running, received_id) < ($3::date, $4::bigint, $5::uuid)
    ORDER BY receive_date DESC, running DESC, received_id DESC LIMIT $11
)
SELECT received_id, year_be, running, number_issued, unit, receive_number, receive_date, receive_time, letter_number, letter_date,
    sender, sender_agency_id, addressee, subject, speed, secrecy, action, remark, recipient_id, circular_id, letter_id, recorded_at,
    state, void_reason, version
FROM near
WHERE receive_date BETWEEN $6 AND $7 AND search_text LIKE $8 AND facets @> $9::text[]
ORDER BY receive_date DESC, running DESC, received_id DESC LIMIT $10
"""

FIND_UP: Final = """
WITH hits AS MATERIALIZED (
    SELECT received_id, year_be, running, number_issued, unit, receive_number, receive_date, receive_time, letter_number, letter_date,
        sender, sender_agency_id, addressee, subject, speed, secrecy, action, remark, recipient_id, circular_id, letter_id, recorded_at,
        state, void_reason, version
    FROM received_letters
    WHERE book_tokens(agency_id, year_be, search_text, facets) @> book_tokens($1, $2, '', $12::text[])
        AND agency_id::text = $1::uuid::text AND year_be + 0 = $2 AND (receive_date, running, received_id) > ($3::date, $4::bigint, $5::uuid)
        AND receive_date BETWEEN $6 AND $7 AND search_text LIKE $8 AND facets @> $9::text[]
    LIMIT $11
)
SELECT received_id, year_be, running, number_issued, unit, receive_number, receive_date, receive_time, letter_number, letter_date,
    sender, sender_agency_id, addressee, subject, speed, secrecy, action, remark, recipient_id, circular_id, letter_id, recorded_at,
    state, void_reason, version,
    (SELECT count(*) FROM hits) AS hits
FROM hits ORDER BY receive_date, running, received_id LIMIT $10
"""

SCAN_DOWN: Final = """
SELECT received_id, year_be, running, number_issued, unit, receive_number, receive_date, receive_time, letter_number, letter_date,
    sender, sender_agency_id, addressee, subject, speed, secrecy, action, remark, recipient_id, circular_id, letter_id, recorded_at,
    state, void_reason, version
FROM received_letters
WHERE agency_id = $1 AND year_be = $2 AND (receive_date, running, received_id) < ($3::date, $4::bigint, $5::uuid)
    AND receive_date BETWEEN $6 AND $7 AND search_text LIKE $8 AND facets @> $9::text[]
ORDER BY receive_date DESC, running DESC, received_id DESC LIMIT $10
"""

FIND_DOWN: Final = """
WITH hits AS MATERIALIZED (
    SELECT received_id, year_be, running, number_issued, unit, receive_number, receive_date, receive_time, letter_number, letter_date,
        sender, sender_agency_id, addressee, subject, speed, secrecy, action, remark, recipient_id, circular_id, letter_id, recorded_at,
        state, void_reason, version
    FROM received_letters
    WHERE book_tokens(agency_id, year_be, search_text, facets) @> book_tokens($1, $2, '', $12::text[])
        AND agency_id::text = $1::uuid::text AND year_be + 0 = $2 AND (receive_date, running, received_id) < ($3::date, $4::bigint, $5::uuid)
        AND receive_date BETWEEN $6 AND $7 AND search_text LIKE $8 AND facets @> $9::text[]
    LIMIT $11
)
SELECT received_id, year_be, running, number_issued, unit, receive_number, receive_date, receive_time, letter_number, letter_date,
    sender, sender_agency_id, addressee, subject, speed, secrecy, action, remark, recipient_id, circular_id, letter_id, recorded_at,
    state, void_reason, version,
    (SELECT count(*) FROM hits) AS hits
FROM hits ORDER BY receive_date DESC, running DESC, received_id DESC LIMIT $10
"""


@dataclass(frozen=True, slots=True)
class ReceivedPlace:
    """A place between two entries of one year."""

    day: date
    running: int
    received_id: UUID


@dataclass(frozen=True, slots=True)
class LetterFacts:
    """What the registry knows of a letter that went to a recipient."""

    number: str
    letter_date: date
    subject: str
    speed: Speed
    secrecy: Secrecy
    sender: str
    sender_agency_id: UUID
    title: str


BEFORE_ALL: Final = ReceivedPlace(date.min, 0, LOWEST)
BEHIND_ALL: Final = ReceivedPlace(date.max, MAX_RUNNING + 1, HIGHEST)


async def insert(connection: Connection, agency_id: UUID, entry: ReceivedEntry) -> bool:
    """Enter a letter; False when its recipient, or its number by hand, is in the book already."""
    said, known = entry.said, entry.acknowledged
    stored = await connection.fetchval(
        INSERT,
        entry.received_id,
        agency_id,
        said.unit,
        entry.year_be,
        said.receive_number,
        normalise(said.receive_number),
        entry.running,
        entry.number_issued,
        said.receive_date,
        said.receive_time,
        said.letter_number,
        said.letter_date,
        said.sender,
        said.sender_agency_id,
        said.addressee,
        said.subject,
        said.speed.value,
        said.secrecy.value,
        said.action,
        said.remark,
        said.search_text,
        entry.source.value,
        known and known.recipient_id,
        known and known.circular_id,
        known and known.letter_id,
        known and known.recorded_at,
    )
    return stored is not None


async def update(connection: Connection, entry: ReceivedEntry) -> None:
    """Store what the entry says now."""
    said = entry.said
    await connection.execute(
        UPDATE,
        entry.received_id,
        said.unit,
        entry.year_be,
        said.receive_number,
        normalise(said.receive_number),
        entry.running,
        said.receive_date,
        said.receive_time,
        said.letter_number,
        said.letter_date,
        said.sender,
        said.addressee,
        said.subject,
        said.speed.value,
        said.secrecy.value,
        said.action,
        said.remark,
        said.search_text,
        entry.acknowledged and entry.acknowledged.recorded_at,
    )


async def void(connection: Connection, received_id: UUID, reason: str) -> None:
    """Void an entry; it keeps its number."""
    await connection.execute(VOID, received_id, reason)


async def reenter(connection: Connection, received_id: UUID) -> None:
    """Let a void entry count again."""
    await connection.execute(REENTER, received_id)


async def note_withdrawn(connection: Connection, recipient_id: UUID, at: datetime, reason: str) -> None:
    """Keep when the recipient last took its answer back."""
    await connection.execute(NOTE_WITHDRAWN, recipient_id, at, reason)


async def withdrawn(connection: Connection, recipient_id: UUID) -> tuple[datetime, str] | None:
    """When the recipient last took its answer back, and why."""
    row = await connection.fetchrow(WITHDRAWN, recipient_id)
    return None if row is None else (row["withdrawn_at"], row["reason"])


async def get(connection: Connection, received_id: UUID, agency_id: UUID) -> ReceivedEntry | None:
    """The entry, if it is in this agency's book."""
    row = await connection.fetchrow(GET, received_id, agency_id)
    return None if row is None else _entry(row)


async def get_for_update(connection: Connection, received_id: UUID, agency_id: UUID) -> ReceivedEntry | None:
    """The same, locked."""
    row = await connection.fetchrow(GET_FOR_UPDATE, received_id, agency_id)
    return None if row is None else _entry(row)


async def get_by_recipient(connection: Connection, recipient_id: UUID) -> ReceivedEntry | None:
    """The entry that was made from this recipient's acknowledgment, locked."""
    row = await connection.fetchrow(GET_BY_RECIPIENT, recipient_id)
    return None if row is None else _entry(row)


async def numbered(
    connection: Connection, agency_id: UUID, year_be: int, unit: str, number: str, *, other_than: UUID = LOWEST
) -> UUID | None:
    """The entry that bears this receive number."""
    return await connection.fetchval(NUMBERED, agency_id, year_be, unit, normalise(number), other_than)


async def next_number(connection: Connection, agency_id: UUID, unit: str, year_be: int) -> int | None:
    """Take the next number of a receive register, in the caller's transaction; None when all have been issued."""
    return await connection.fetchval(NEXT_NUMBER, agency_id, unit, year_be, MAX_RUNNING)


async def acknowledged_letter(connection: Connection, recipient_id: UUID, agency_id: UUID, letter_id: UUID) -> LetterFacts | None:
    """What is known of the letter that this recipient was sent; None when it was not."""
    row = await connection.fetchrow(ACKNOWLEDGED_LETTER, recipient_id, agency_id, letter_id)
    if row is None:
        return None
    return LetterFacts(
        number=row["number"],
        letter_date=date.fromisoformat(row["letter_date"]),
        subject=row["subject"],
        speed=Speed(row["speed"]),
        secrecy=Secrecy(row["secrecy"]),
        sender=row["sender"],
        sender_agency_id=row["sender_agency_id"],
        title=row["title"],
    )


async def years(connection: Connection, agency_id: UUID) -> list[int]:
    """The Buddhist years in which the agency has received letters, in order."""
    return [row["year_be"] for row in await connection.fetch(YEARS, agency_id)]


def _arguments(where: Filter, year_be: int, after: ReceivedPlace, limit: int) -> list[object]:
    place = (after.day, after.running, after.received_id)
    return [where.agency_id, year_be, *place, where.first_day, where.last_day, where.pattern, where.words, limit]


async def scan(
    connection: Connection, where: Filter, year_be: int, *, after: ReceivedPlace, limit: int, down: bool
) -> list[ReceivedEntry]:
    """Up to `limit` entries of one year behind `after`, in the book's order or, `down`, against it."""
    rows = await connection.fetch(SCAN_DOWN if down else SCAN_UP, *_arguments(where, year_be, after, limit))
    return [_entry(row) for row in rows]


async def peek(
    connection: Connection, where: Filter, year_be: int, *, after: ReceivedPlace, limit: int, down: bool
) -> list[ReceivedEntry]:
    """The same among the NEAR entries next to `after` alone."""
    rows = await connection.fetch(PEEK_DOWN if down else PEEK_UP, *_arguments(where, year_be, after, limit), NEAR)
    return [_entry(row) for row in rows]


async def find(
    connection: Connection, where: Filter, year_be: int, *, after: ReceivedPlace, limit: int, down: bool
) -> list[ReceivedEntry] | None:
    """The same by way of the index; None when more than MOST_HITS match."""
    arguments = [*_arguments(where, year_be, after, limit), MOST_HITS + 1, where.pieces]
    rows = await connection.fetch(FIND_DOWN if down else FIND_UP, *arguments)
    return None if rows and rows[0]["hits"] > MOST_HITS else [_entry(row) for row in rows]


def _entry(row: Row) -> ReceivedEntry:
    known = row["recipient_id"] and Acknowledged(row["recipient_id"], row["circular_id"], row["letter_id"], row["recorded_at"])
    return ReceivedEntry(
        received_id=row["received_id"],
        year_be=row["year_be"],
        running=row["running"],
        number_issued=row["number_issued"],
        said=Received(
            unit=row["unit"],
            receive_number=row["receive_number"],
            receive_date=row["receive_date"],
            receive_time=row["receive_time"],
            letter_number=row["letter_number"],
            letter_date=row["letter_date"],
            sender=row["sender"],
            sender_agency_id=row["sender_agency_id"],
            addressee=row["addressee"],
            subject=row["subject"],
            speed=Speed(row["speed"]),
            secrecy=Secrecy(row["secrecy"]),
            action=row["action"],
            remark=row["remark"],
        ),
        acknowledged=known,
        state=ReceivedState(row["state"]),
        void_reason=row["void_reason"],
        version=row["version"],
    )
