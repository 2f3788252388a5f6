"""SQL of registers and their number series."""

from collections.abc import Mapping
from typing import Final
from uuid import UUID

from services.registry.domain.numbering import CircularSeries, Register, Series, SeriesKey
from shared.postgres import Connection, Row

INSERT: Final = """
INSERT INTO registers (register_id, agency_id, unit_code, circular_series) VALUES ($1, $2, $3, $4)
ON CONFLICT ON CONSTRAINT registers_unit_code_unique DO NOTHING RETURNING register_id
"""

GET: Final = """
SELECT register_id, agency_id, unit_code, circular_series FROM registers WHERE register_id = $1 AND agency_id = $2
"""

GET_BY_UNIT_CODE: Final = """
SELECT register_id, agency_id, unit_code, circular_series FROM registers WHERE agency_id = $1 AND unit_code = $2
"""

PAGE: Final = """
SELECT register_id, agency_id, unit_code, circular_series FROM registers
WHERE agency_id = $1 AND ($2::uuid IS NULL OR register_id > $2) ORDER BY register_id LIMIT $3
"""

BEGIN_SERIES: Final = """
INSERT INTO number_series (register_id, year_be, series, last_running)
SELECT $1, $2, first.series, first.number - 1 FROM unnest($3::text[], $4::bigint[]) AS first (series, number)
"""

# One statement: the row stays locked until the letter's transaction ends, so numbers have no gap and no double.
NEXT_NUMBER: Final = """
INSERT INTO number_series (register_id, year_be, series, last_running) VALUES ($1, $2, $3, 1)
ON CONFLICT (register_id, year_be, series) DO UPDATE SET last_running = number_series.last_running + 1
    WHERE number_series.last_running < $4
RETURNING last_running
"""


async def insert(connection: Connection, register: Register) -> bool:
    """Store a register; False when the agency has one for the unit code already."""
    stored = await connection.fetchval(
        INSERT, register.register_id, register.agency_id, register.unit_code, register.circular_series.value
    )
    return stored is not None


async def begin_series(connection: Connection, register_id: UUID, year_be: int, first: Mapping[Series, int]) -> None:
    """Let the series of one year begin with these numbers."""
    await connection.execute(BEGIN_SERIES, register_id, year_be, [series.value for series in first], list(first.values()))


async def get(connection: Connection, register_id: UUID, agency_id: UUID) -> Register | None:
    """The register, if it is this agency's."""
    row = await connection.fetchrow(GET, register_id, agency_id)
    return None if row is None else _register(row)


async def get_by_unit_code(connection: Connection, agency_id: UUID, unit_code: str) -> Register | None:
    """The agency's register for `unit_code` (as printed)."""
    row = await connection.fetchrow(GET_BY_UNIT_CODE, agency_id, unit_code)
    return None if row is None else _register(row)


async def page(connection: Connection, agency_id: UUID, *, after: UUID | None, limit: int) -> list[Register]:
    """Up to `limit` of the agency's registers, oldest first."""
    return [_register(row) for row in await connection.fetch(PAGE, agency_id, after, limit)]


async def next_number(connection: Connection, key: SeriesKey, *, most: int) -> int | None:
    """Take the next running number of a series, in the caller's transaction; None when `most` has been issued."""
    return await connection.fetchval(NEXT_NUMBER, key.register_id, key.year_be, key.series.value, most)


def _register(row: Row) -> Register:
    return Register(row["register_id"], row["agency_id"], row["unit_code"], CircularSeries(row["circular_series"]))
