"""SQL of registers and their number series."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from services.registry.domain.numbering import CircularSeries, Register, Series, SeriesKey
from shared.postgres import Connection, Row

INSERT: Final = """
INSERT INTO registers (register_id, agency_id, unit_code, circular_series) VALUES ($1, $2, $3, $4)
ON CONFLICT ON CONSTRAINT registers_unit_code_unique DO NOTHING RETURNING register_id
"""

# The next positions; a code that another register of the agency has is passed over, and so is missing from the answer.
ADD_UNITS: Final = """
INSERT INTO register_units (register_id, agency_id, unit_code, position)
SELECT $1, $2, new.unit_code, new.place + (SELECT coalesce(max(position), 0) FROM register_units WHERE register_id = $1)
FROM unnest($3::text[]) WITH ORDINALITY AS new (unit_code, place)
ON CONFLICT ON CONSTRAINT register_units_code_unique DO NOTHING RETURNING unit_code
"""

GET: Final = """
SELECT r.register_id, r.agency_id, r.circular_series,
    array(SELECT u.unit_code FROM register_units u WHERE u.register_id = r.register_id ORDER BY u.position) AS unit_codes
FROM registers r WHERE r.register_id = $1 AND r.agency_id = $2
"""

LOCK: Final = "SELECT register_id FROM registers WHERE register_id = $1 AND agency_id = $2 FOR UPDATE"

REGISTER_OF_UNIT: Final = "SELECT register_id FROM register_units WHERE agency_id = $1 AND unit_code = $2"

PAGE: Final = """
SELECT r.register_id, r.agency_id, r.circular_series,
    array(SELECT u.unit_code FROM register_units u WHERE u.register_id = r.register_id ORDER BY u.position) AS unit_codes
FROM registers r
WHERE r.agency_id = $1 AND ($2::uuid IS NULL OR r.register_id > $2) ORDER BY r.register_id LIMIT $3
"""

BEGIN_SERIES: Final = """
INSERT INTO number_series (register_id, year_be, series, last_running)
SELECT $1, $2, first.series, first.number - 1 FROM unnest($3::text[], $4::bigint[]) AS first (series, number)
"""

# One statement: the row stays locked until the caller's transaction ends, so numbers have no gap and no double.
TAKE_NUMBERS: Final = """
INSERT INTO number_series (register_id, year_be, series, last_running) VALUES ($1, $2, $3, $5)
ON CONFLICT (register_id, year_be, series) DO UPDATE SET last_running = number_series.last_running + $5
    WHERE number_series.last_running + $5 <= $4
RETURNING last_running
"""

LAST_NUMBERS: Final = "SELECT year_be, series, last_running FROM number_series WHERE register_id = $1 ORDER BY year_be, series"


@dataclass(frozen=True, slots=True)
class SeriesHead:
    """How far a series has come."""

    year_be: int
    series: Series
    last_running: int


async def insert(connection: Connection, register: Register) -> list[str]:
    """Store a register; returns the unit codes that another register of the agency has, and then the caller gives up."""
    stored = await connection.fetchval(
        INSERT, register.register_id, register.agency_id, register.unit_codes[0], register.circular_series.value
    )
    if stored is None:
        return [register.unit_codes[0]]
    return await add_units(connection, register.register_id, register.agency_id, register.unit_codes)


async def add_units(connection: Connection, register_id: UUID, agency_id: UUID, unit_codes: Sequence[str]) -> list[str]:
    """Let these units share the register; returns the codes that another register of the agency has."""
    rows = await connection.fetch(ADD_UNITS, register_id, agency_id, list(unit_codes))
    added = {row["unit_code"] for row in rows}
    return [code for code in unit_codes if code not in added]


async def begin_series(connection: Connection, register_id: UUID, year_be: int, first: Mapping[Series, int]) -> None:
    """Let the series of one year begin with these numbers."""
    await connection.execute(BEGIN_SERIES, register_id, year_be, [series.value for series in first], list(first.values()))


async def get(connection: Connection, register_id: UUID, agency_id: UUID) -> Register | None:
    """The register, if it is this agency's."""
    row = await connection.fetchrow(GET, register_id, agency_id)
    return None if row is None else _register(row)


async def lock(connection: Connection, register_id: UUID, agency_id: UUID) -> bool:
    """Let nobody else change the register's units until the transaction ends; False when the agency has no such register."""
    return await connection.fetchval(LOCK, register_id, agency_id) is not None


async def register_of_unit(connection: Connection, agency_id: UUID, unit_code: str) -> UUID | None:
    """The agency's register that numbers the letters of `unit_code` (as printed)."""
    return await connection.fetchval(REGISTER_OF_UNIT, agency_id, unit_code)


async def page(connection: Connection, agency_id: UUID, *, after: UUID | None, limit: int) -> list[Register]:
    """Up to `limit` of the agency's registers, oldest first."""
    return [_register(row) for row in await connection.fetch(PAGE, agency_id, after, limit)]


async def take_numbers(connection: Connection, key: SeriesKey, *, most: int, count: int = 1) -> range | None:
    """Take the next `count` running numbers of a series, in the caller's transaction; None when they would go beyond `most`."""
    last: int | None = await connection.fetchval(TAKE_NUMBERS, key.register_id, key.year_be, key.series.value, most, count)
    return None if last is None else range(last - count + 1, last + 1)


async def last_numbers(connection: Connection, register_id: UUID) -> list[SeriesHead]:
    """Every series of the register, by year."""
    rows = await connection.fetch(LAST_NUMBERS, register_id)
    return [SeriesHead(row["year_be"], Series(row["series"]), row["last_running"]) for row in rows]


def _register(row: Row) -> Register:
    return Register(row["register_id"], row["agency_id"], tuple(row["unit_codes"]), CircularSeries(row["circular_series"]))
