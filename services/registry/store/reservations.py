"""SQL of numbers that are kept for late papers, and of all numbers of a series in their order."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from services.registry.domain.numbering import ReservedNumber, Series, SeriesKey
from shared.postgres import Connection, Row

INSERT: Final = """
INSERT INTO reserved_numbers (register_id, year_be, series, running, reservation_id, purpose, expires_at)
SELECT $1, $2, $3, running, $5, $6, $7 FROM unnest($4::bigint[]) AS running
"""

GET: Final = """
SELECT n.register_id, n.year_be, n.series, n.running, n.reservation_id, n.purpose, n.expires_at, n.letter_id, n.void_reason
FROM reserved_numbers n JOIN registers r ON r.register_id = n.register_id
WHERE n.reservation_id = $1 AND r.agency_id = $2 AND n.running = $3 FOR UPDATE OF n
"""

# Two letters that are registered at once take different numbers; one that is rolled back leaves its number held.
NEXT: Final = """
SELECT n.register_id, n.year_be, n.series, n.running, n.reservation_id, n.purpose, n.expires_at, n.letter_id, n.void_reason
FROM reserved_numbers n JOIN registers r ON r.register_id = n.register_id
WHERE n.reservation_id = $1 AND r.agency_id = $2 AND n.letter_id IS NULL AND n.voided_at IS NULL
ORDER BY n.running LIMIT 1 FOR UPDATE OF n SKIP LOCKED
"""

OF_RESERVATION: Final = """
SELECT n.register_id, n.year_be, n.series, n.running, n.reservation_id, n.purpose, n.expires_at, n.letter_id, n.void_reason
FROM reserved_numbers n JOIN registers r ON r.register_id = n.register_id
WHERE n.reservation_id = $1 AND r.agency_id = $2 ORDER BY n.running
"""

USE: Final = """
UPDATE reserved_numbers SET letter_id = $5
WHERE register_id = $1 AND year_be = $2 AND series = $3 AND running = $4 AND letter_id IS NULL AND voided_at IS NULL
"""

VOID: Final = """
UPDATE reserved_numbers SET voided_at = now(), void_reason = $5
WHERE register_id = $1 AND year_be = $2 AND series = $3 AND running = $4
"""

# Both tables have the numbers in the order of their keys, so a page is merged, not sorted.
NUMBERS: Final = """
SELECT running, letter_id, number, subject, reservation_id, purpose, expires_at, void_reason FROM (
    SELECT l.running, l.letter_id, l.number, l.content ->> 'subject' AS subject, NULL::uuid AS reservation_id,
        NULL::text AS purpose, NULL::timestamptz AS expires_at, NULL::text AS void_reason
    FROM letters l WHERE l.register_id = $1 AND l.year_be = $2 AND l.series = $3 AND l.running > $4
    UNION ALL
    SELECT n.running, NULL, NULL, NULL, n.reservation_id, n.purpose, n.expires_at, n.void_reason
    FROM reserved_numbers n
    WHERE n.register_id = $1 AND n.year_be = $2 AND n.series = $3 AND n.running > $4 AND n.letter_id IS NULL
) AS numbers ORDER BY running LIMIT $5
"""


@dataclass(frozen=True, slots=True)
class NumberRow:
    """A number of a series: the letter that bears it, or the reservation that holds it."""

    running: int
    letter_id: UUID | None
    number: str | None
    subject: str | None
    reservation: ReservedNumber | None


async def insert(
    connection: Connection, key: SeriesKey, runnings: Sequence[int], *, reservation_id: UUID, purpose: str, expires_at: datetime
) -> None:
    """Keep numbers that this transaction has taken."""
    await connection.execute(
        INSERT, key.register_id, key.year_be, key.series.value, list(runnings), reservation_id, purpose, expires_at
    )


async def get(connection: Connection, reservation_id: UUID, agency_id: UUID, running: int) -> ReservedNumber | None:
    """One number of the agency's reservation, locked until the transaction ends."""
    row = await connection.fetchrow(GET, reservation_id, agency_id, running)
    return None if row is None else _reserved(row)


async def next_free(connection: Connection, reservation_id: UUID, agency_id: UUID) -> ReservedNumber | None:
    """The lowest number of the agency's reservation that is neither used nor void, locked; nobody else gets the same."""
    row = await connection.fetchrow(NEXT, reservation_id, agency_id)
    return None if row is None else _reserved(row)


async def of_reservation(connection: Connection, reservation_id: UUID, agency_id: UUID) -> list[ReservedNumber]:
    """The numbers of the agency's reservation."""
    return [_reserved(row) for row in await connection.fetch(OF_RESERVATION, reservation_id, agency_id)]


async def use(connection: Connection, number: ReservedNumber, letter_id: UUID) -> None:
    """Note which letter bears the number."""
    key = number.key
    await connection.execute(USE, key.register_id, key.year_be, key.series.value, number.running, letter_id)


async def void(connection: Connection, number: ReservedNumber, reason: str) -> None:
    """Cancel a number that no letter bears."""
    key = number.key
    await connection.execute(VOID, key.register_id, key.year_be, key.series.value, number.running, reason)


async def numbers(connection: Connection, key: SeriesKey, *, after: int, limit: int) -> list[NumberRow]:
    """Up to `limit` numbers of the series above `after`."""
    rows = await connection.fetch(NUMBERS, key.register_id, key.year_be, key.series.value, after, limit)
    return [_number(key, row) for row in rows]


def _number(key: SeriesKey, row: Row) -> NumberRow:
    reservation = None
    if row["reservation_id"] is not None:
        reservation = ReservedNumber(
            row["reservation_id"], key, row["running"], row["purpose"], row["expires_at"], None, row["void_reason"]
        )
    return NumberRow(row["running"], row["letter_id"], row["number"], row["subject"], reservation)


def _reserved(row: Row) -> ReservedNumber:
    key = SeriesKey(row["register_id"], row["year_be"], Series(row["series"]))
    return ReservedNumber(
        row["reservation_id"], key, row["running"], row["purpose"], row["expires_at"], row["letter_id"], row["void_reason"]
    )
