"""Numbers are contiguous and unique whatever transactions run at once, and whichever of them fail."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.registry.domain.numbering import CircularSeries, Register, Series, SeriesKey
from services.registry.store import registers
from shared import postgres
from shared.ids import new_id
from shared.postgres import Database


class _GivesUpError(Exception):
    pass


@pytest.fixture
async def database(database_dsn: str) -> AsyncGenerator[Database]:
    async with postgres.open_database(database_dsn, service="registry", pool_size=8) as opened:
        yield opened


attempts = st.lists(
    st.tuples(
        st.sampled_from([2568, 2569]),
        st.sampled_from(Series),
        st.booleans(),
        st.integers(0, 3),
        st.integers(0, 3),
        st.integers(1, 3),
    ),
    min_size=1,
    max_size=16,
)


async def _register(database: Database) -> Register:
    async with database.transaction() as connection:
        agency_id = new_id()
        await connection.execute(
            "INSERT INTO agencies (agency_id, code, name_th, name_en, kind, search_text) VALUES ($1, $2, 'ก', 'a', 'x', 'a')",
            agency_id,
            str(agency_id),
        )
        register = Register(new_id(), agency_id, ("สค ๑",), CircularSeries.OWN)
        await registers.insert(connection, register)
    return register


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(attempts=attempts)
async def test_committed_numbers_run_from_one_without_gap_or_double(
    database: Database, attempts: list[tuple[int, Series, bool, int, int, int]]
) -> None:
    register = await _register(database)
    issued: dict[SeriesKey, list[int]] = defaultdict(list)

    async def attempt(year: int, series: Series, commits: bool, before: int, after: int, count: int) -> None:
        key = SeriesKey(register.register_id, year, series)
        for _ in range(before):
            await asyncio.sleep(0)
        try:
            async with database.transaction() as connection:
                taken = await registers.take_numbers(connection, key, most=999, count=count)
                for _ in range(after):
                    await connection.execute("SELECT 1")
                if not commits:
                    raise _GivesUpError
        except _GivesUpError:
            return
        assert taken is not None
        issued[key].extend(taken)

    await asyncio.gather(*(attempt(*one) for one in attempts))
    for numbers in issued.values():
        assert sorted(numbers) == list(range(1, len(numbers) + 1))
