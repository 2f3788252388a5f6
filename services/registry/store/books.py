"""SQL of the book of sent letters, and of the changes of both books' entries.

A page is read in three ways, each for one year. `PEEK_...` looks at the next rows in the book's order: a common word fills a page there.
`FIND_...` takes the rows that the index names and puts them in order: right when they are few. `SCAN_...` walks in the book's
order and passes over what does not match: right when many match, only not here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from services.registry.domain.books import EntryState, Filter, SentEntry, addressee_of, book_subject, search_text, sender_of
from services.registry.domain.letters import Letter
from services.registry.domain.numbering import IssuedNumber, Series
from services.registry.store import counterparts
from shared.contracts.events import Secrecy, Speed
from shared.postgres import Connection, Row
from shared.thai.numbers import MAX_RUNNING

# More hits in a year than this, and walking in the book's order is the shorter way to a page.
MOST_HITS: Final = 2000
NEAR: Final = 2000

LOWEST: Final = UUID(int=0)
HIGHEST: Final = UUID(int=2**128 - 1)

# For this transaction alone: plans for the values at hand, and none that reads the whole table, puts in order what an index has in
# order, or starts processes for what is found sooner without them.
PLAN_FOR_PAGES: Final = """
SELECT set_config('plan_cache_mode', 'force_custom_plan', true), set_config('enable_seqscan', 'off', true),
    set_config('jit', 'off', true), set_config('enable_sort', 'off', true), set_config('max_parallel_workers_per_gather', '0', true)
"""

ENTER: Final = """
INSERT INTO sent_entries (entry_id, agency_id, register_id, year_be, series, running, number, letter_id, letter_date, sender,
    addressee, subject, speed, secrecy, state, state_reason, search_text)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[], $5::text[], $6::bigint[], $7::text[], $8::uuid[],
    $9::date[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::text[], $17::text[])
"""

NOTE_DISPATCHED: Final = """
UPDATE sent_entries SET state = 'dispatched', circular_id = $2, addressee_count = $3, dispatched_at = $4 WHERE letter_id = $1
"""

NOTE_STATE: Final = "UPDATE sent_entries SET state = $2, state_reason = $3 WHERE letter_id = $1"

GET_FOR_UPDATE: Final = """
SELECT entry_id, register_id, year_be, series, running, number, letter_id, letter_date, sender, addressee, addressee_count, subject,
    speed, secrecy, state, state_reason, circular_id, dispatched_at, remark, version
FROM sent_entries WHERE entry_id = $1 AND agency_id = $2 FOR UPDATE
"""

SET_REMARK: Final = "UPDATE sent_entries SET remark = $2, version = version + 1 WHERE entry_id = $1"

# A skip through the index: as many steps as there are years.
YEARS: Final = """
WITH RECURSIVE years AS (
    SELECT min(year_be) AS year_be FROM sent_entries WHERE agency_id = $1
    UNION ALL
    SELECT (SELECT min(e.year_be) FROM sent_entries e WHERE e.agency_id = $1 AND e.year_be > y.year_be) FROM years y
    WHERE y.year_be IS NOT NULL
)
SELECT year_be FROM years WHERE year_be IS NOT NULL ORDER BY year_be
"""

SCAN_UP: Final = """
SELECT entry_id, register_id, year_be, series, running, number, letter_id, letter_date, sender, addressee, addressee_count, subject,
    speed, secrecy, state, state_reason, circular_id, dispatched_at, remark, version
FROM sent_entries
WHERE agency_id = $1 AND year_be = $2 AND (register_id, series, running) > ($3::uuid, $4::text, $5::bigint)
    AND letter_date BETWEEN $6 AND $7 AND search_text LIKE $8 AND facets @> $9::text[]
    AND register_id BETWEEN $10 AND $11
ORDER BY register_id, series, running LIMIT $12
"""

PEEK_UP: Final = """
WITH near AS MATERIALIZED (
    SELECT entry_id, register_id, year_be, series, running, number, letter_id, letter_date, sender, addressee, addressee_count, subject,
        speed, secrecy, state, state_reason, circular_id, dispatched_at, remark, version, search_text, facets
    FROM sent_entries
    WHERE agency_id = $1 AND year_be = $2 AND (register_id, series, running) > ($3::uuid, $4::text, $5::bigint)
    ORDER BY register_id, series, running LIMIT $13
)
SELECT entry_id, register_id, year_be, series, running, number, letter_id, letter_date, sender, addressee, addressee_count, subject,
    speed, secrecy, state, state_reason, circular_id, dispatched_at, remark, version
FROM near
WHERE letter_date BETWEEN $6 AND $7 AND search_text LIKE $8 AND facets @> $9::text[]
    AND register_id BETWEEN $10 AND $11
ORDER BY register_id, series, running LIMIT $12
"""

PEEK_DOWN: Final = """
WITH near AS MATERIALIZED (
    SELECT entry_id, register_id, year_be, series, running, number, letter_id, letter_date, sender, addressee, addressee_count, subject,
        speed, secrecy, state, state_reason, circular_id, dispatched_at, remark, version, search_text, facets
    FROM sent_entries
    WHERE agency_id = $1 AND year_be = $2 AND (register_id, series, running) < ($3::uuid, $4::text, $5::bigint)
    ORDER BY register_id DESC, series DESC, running DESC LIMIT $13
)
SELECT entry_id, register_id, year_be, series, running, number, letter_id, letter_date, sender, addressee, addressee_count, subject,
    speed, secrecy, state, state_reason, circular_id, dispatched_at, remark, version
FROM near
WHERE letter_date BETWEEN $6 AND $7 AND search_text LIKE $8 AND facets @> $9::text[]
    AND register_id BETWEEN $10 AND $11
ORDER BY register_id DESC, series DESC, running DESC LIMIT $12
"""

FIND_UP: Final = """
WITH hits AS MATERIALIZED (
    SELECT entry_id, register_id, year_be, series, running, number, letter_id, letter_date, sender, addressee, addressee_count, subject,
        speed, secrecy, state, state_reason, circular_id, dispatched_at, remark, version
    FROM sent_entries
    WHERE book_tokens(agency_id, year_be, search_text, facets) @> book_tokens($1, $2, '', $14::text[])
        AND agency_id::text = $1::uuid::text AND year_be + 0 = $2 AND (register_id, series, running) > ($3::uuid, $4::text, $5::bigint)
        AND letter_date BETWEEN $6 AND $7 AND search_text LIKE $8 AND facets @> $9::text[]
        AND register_id BETWEEN $10 AND $11
        AND ($15::uuid IS NULL OR EXISTS (
            SELECT FROM sent_counterparts c
            WHERE c.agency_id = $1 AND c.counterpart_id IN ($15, '00000000-0000-0000-0000-000000000000') AND c.year_be = $2
                AND c.register_id = sent_entries.register_id AND c.series = sent_entries.series
                AND c.running = sent_entries.running AND (c.counterpart_id = $15 OR EXISTS (
                    SELECT FROM recipients r WHERE r.circular_id = sent_entries.circular_id AND r.agency_id = $15
                ))
        ))
    LIMIT $13
)
SELECT entry_id, register_id, year_be, series, running, number, letter_id, letter_date, sender, addressee, addressee_count, subject,
    speed, secrecy, state, state_reason, circular_id, dispatched_at, remark, version,
    (SELECT count(*) FROM hits) AS hits
FROM hits ORDER BY register_id, series, running LIMIT $12
"""

SCAN_DOWN: Final = """
SELECT entry_id, register_id, year_be, series, running, number, letter_id, letter_date, sender, addressee, addressee_count, subject,
    speed, secrecy, state, state_reason, circular_id, dispatched_at, remark, version
FROM sent_entries
WHERE agency_id = $1 AND year_be = $2 AND (register_id, series, running) < ($3::uuid, $4::text, $5::bigint)
    AND letter_date BETWEEN $6 AND $7 AND search_text LIKE $8 AND facets @> $9::text[]
    AND register_id BETWEEN $10 AND $11
ORDER BY register_id DESC, series DESC, running DESC LIMIT $12
"""

FIND_DOWN: Final = """
WITH hits AS MATERIALIZED (
    SELECT entry_id, register_id, year_be, series, running, number, letter_id, letter_date, sender, addressee, addressee_count, subject,
        speed, secrecy, state, state_reason, circular_id, dispatched_at, remark, version
    FROM sent_entries
    WHERE book_tokens(agency_id, year_be, search_text, facets) @> book_tokens($1, $2, '', $14::text[])
        AND agency_id::text = $1::uuid::text AND year_be + 0 = $2 AND (register_id, series, running) < ($3::uuid, $4::text, $5::bigint)
        AND letter_date BETWEEN $6 AND $7 AND search_text LIKE $8 AND facets @> $9::text[]
        AND register_id BETWEEN $10 AND $11
        AND ($15::uuid IS NULL OR EXISTS (
            SELECT FROM sent_counterparts c
            WHERE c.agency_id = $1 AND c.counterpart_id IN ($15, '00000000-0000-0000-0000-000000000000') AND c.year_be = $2
                AND c.register_id = sent_entries.register_id AND c.series = sent_entries.series
                AND c.running = sent_entries.running AND (c.counterpart_id = $15 OR EXISTS (
                    SELECT FROM recipients r WHERE r.circular_id = sent_entries.circular_id AND r.agency_id = $15
                ))
        ))
    LIMIT $13
)
SELECT entry_id, register_id, year_be, series, running, number, letter_id, letter_date, sender, addressee, addressee_count, subject,
    speed, secrecy, state, state_reason, circular_id, dispatched_at, remark, version,
    (SELECT count(*) FROM hits) AS hits
FROM hits ORDER BY register_id DESC, series DESC, running DESC LIMIT $12
"""

NOTE_CHANGE: Final = """
INSERT INTO book_changes (entry_id, version, before, changed_by) VALUES ($1, $2, $3, $4)
"""

CHANGES: Final = "SELECT version, before, changed_by, changed_at FROM book_changes WHERE entry_id = $1 ORDER BY version"


@dataclass(frozen=True, slots=True)
class Change:
    """What an entry said in `version`, and who changed it when."""

    version: int
    before: Mapping[str, Any]
    changed_by: str
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class SentPlace:
    """A place between two entries of one year."""

    register_id: UUID
    series: str
    running: int


BEFORE_ALL: Final = SentPlace(LOWEST, "", 0)
BEHIND_ALL: Final = SentPlace(HIGHEST, "~", MAX_RUNNING + 1)


async def plan_for_pages(connection: Connection) -> None:
    """Keep the planner to what the pages of the books need, until the transaction ends."""
    await connection.execute(PLAN_FOR_PAGES)


async def enter(connection: Connection, numbered: Sequence[tuple[Letter, IssuedNumber]]) -> None:
    """Enter letters that have just got their numbers."""
    if numbered:
        await connection.execute(ENTER, *zip(*(_new_entry(letter, number) for letter, number in numbered), strict=True))


def _new_entry(letter: Letter, number: IssuedNumber) -> Sequence[object]:
    draft = letter.draft
    if draft.date is None:
        raise ValueError("a numbered letter has its date")
    sender, addressee, subject = sender_of(draft), addressee_of(draft), book_subject(draft.subject, draft.secrecy)
    return (
        letter.letter_id,
        letter.agency_id,
        number.key.register_id,
        number.key.year_be,
        number.key.series.value,
        number.running,
        number.printed,
        letter.letter_id,
        draft.date,
        sender,
        addressee,
        subject,
        draft.speed.value,
        draft.secrecy.value,
        EntryState.REGISTERED.value,
        None,
        search_text(number.printed, subject, sender, addressee),
    )


async def enter_cancelled(
    connection: Connection, *, entry_id: UUID, agency_id: UUID, number: IssuedNumber, day: date, reason: str
) -> None:
    """Enter a number that was voided before it became a letter: it stays in the book, as cancelled."""
    await connection.execute(
        ENTER,
        [entry_id],
        [agency_id],
        [number.key.register_id],
        [number.key.year_be],
        [number.key.series.value],
        [number.running],
        [number.printed],
        [None],
        [day],
        [""],
        [""],
        [""],
        [Speed.NORMAL.value],
        [Secrecy.NORMAL.value],
        [EntryState.CANCELLED.value],
        [reason],
        [search_text(number.printed, reason)],
    )


async def note_dispatched(
    connection: Connection, letter_id: UUID, circular_id: UUID, addressee_count: int, dispatched_at: datetime
) -> None:
    """Note in the book that the letter has gone round."""
    await connection.execute(NOTE_DISPATCHED, letter_id, circular_id, addressee_count, dispatched_at)


async def note_state(connection: Connection, letter_id: UUID, state: EntryState, reason: str | None) -> None:
    """Note in the book what became of a letter afterwards."""
    await connection.execute(NOTE_STATE, letter_id, state.value, reason)


async def get_for_update(connection: Connection, entry_id: UUID, agency_id: UUID) -> SentEntry | None:
    """The entry, if it is in this agency's book, locked."""
    row = await connection.fetchrow(GET_FOR_UPDATE, entry_id, agency_id)
    return None if row is None else _entry(row)


async def set_remark(connection: Connection, entry_id: UUID, remark: str) -> None:
    """Write what stands under หมายเหตุ."""
    await connection.execute(SET_REMARK, entry_id, remark)


async def years(connection: Connection, agency_id: UUID) -> list[int]:
    """The Buddhist years in which the agency has sent letters, in order."""
    return [row["year_be"] for row in await connection.fetch(YEARS, agency_id)]


def _arguments(where: Filter, year_be: int, after: SentPlace, limit: int) -> list[object]:
    low, high = (LOWEST, HIGHEST) if where.register_id is None else (where.register_id, where.register_id)
    place = (after.register_id, after.series, after.running)
    days = (where.first_day, where.last_day)
    return [where.agency_id, year_be, *place, *days, where.pattern, where.words, low, high, limit]


async def scan(
    connection: Connection, where: Filter, year_be: int, *, after: SentPlace, limit: int, down: bool
) -> list[SentEntry]:
    """Up to `limit` entries of one year behind `after`, in the book's order or, `down`, against it."""
    arguments = _arguments(where, year_be, after, limit)
    if where.counterpart_id is not None:
        rows = await counterparts.walk(connection, arguments, where.counterpart_id, near=None, down=down)
    else:
        rows = await connection.fetch(SCAN_DOWN if down else SCAN_UP, *arguments)
    return [_entry(row) for row in rows]


async def peek(
    connection: Connection, where: Filter, year_be: int, *, after: SentPlace, limit: int, down: bool
) -> list[SentEntry]:
    """The same among the NEAR entries next to `after` alone, or among the NEAR letters to the counterpart."""
    arguments = _arguments(where, year_be, after, limit)
    if where.counterpart_id is not None:
        rows = await counterparts.walk(connection, arguments, where.counterpart_id, near=NEAR, down=down)
    else:
        rows = await connection.fetch(PEEK_DOWN if down else PEEK_UP, *arguments, NEAR)
    return [_entry(row) for row in rows]


async def find(
    connection: Connection, where: Filter, year_be: int, *, after: SentPlace, limit: int, down: bool
) -> list[SentEntry] | None:
    """The same by way of the index; None when more than MOST_HITS match, or when few letters went to the counterpart."""
    to = where.counterpart_id
    if to is not None and not await counterparts.has_more_than(connection, where.agency_id, to, year_be, MOST_HITS):
        return None
    arguments = [*_arguments(where, year_be, after, limit), MOST_HITS + 1, where.pieces, to]
    rows = await connection.fetch(FIND_DOWN if down else FIND_UP, *arguments)
    return None if rows and rows[0]["hits"] > MOST_HITS else [_entry(row) for row in rows]


async def note_change(connection: Connection, entry_id: UUID, version: int, before: Mapping[str, Any], changed_by: str) -> None:
    """Keep what an entry said in `version`, in the transaction that changes it."""
    await connection.execute(NOTE_CHANGE, entry_id, version, before, changed_by)


async def changes(connection: Connection, entry_id: UUID) -> Sequence[Change]:
    """The changes of an entry of either book, oldest first."""
    rows = await connection.fetch(CHANGES, entry_id)
    return [Change(row["version"], row["before"], row["changed_by"], row["changed_at"]) for row in rows]


def _entry(row: Row) -> SentEntry:
    return SentEntry(
        entry_id=row["entry_id"],
        register_id=row["register_id"],
        year_be=row["year_be"],
        series=Series(row["series"]),
        running=row["running"],
        number=row["number"],
        letter_id=row["letter_id"],
        letter_date=row["letter_date"],
        sender=row["sender"],
        addressee=row["addressee"],
        addressee_count=row["addressee_count"],
        subject=row["subject"],
        speed=Speed(row["speed"]),
        secrecy=Secrecy(row["secrecy"]),
        state=EntryState(row["state"]),
        state_reason=row["state_reason"],
        circular_id=row["circular_id"],
        dispatched_at=row["dispatched_at"],
        remark=row["remark"],
        version=row["version"],
    )
