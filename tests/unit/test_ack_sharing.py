"""One reading for all who ask at about the same time."""

import asyncio
from uuid import UUID, uuid4

import pytest

from services.ack.sharing import Shared


async def test_who_asks_meanwhile_or_shortly_after_gets_the_same_reading() -> None:
    key, other, begun = uuid4(), uuid4(), asyncio.Event()
    readings: list[UUID] = []

    async def read(wanted: UUID) -> int:
        readings.append(wanted)
        await begun.wait()
        return len(readings)

    shared = Shared(read, 0.02)
    impatient = asyncio.create_task(shared.get(key))
    asking = [asyncio.create_task(shared.get(key)) for _ in range(5)]
    await asyncio.sleep(0)
    impatient.cancel()
    begun.set()
    assert await asyncio.gather(*asking) == [1] * 5, "and whoever went away took nothing from them"
    assert await shared.get(key) == 1
    assert await shared.get(other) == 2, "another key is another reading"
    over = asyncio.Event()
    asyncio.get_running_loop().call_later(0.06, over.set)
    await over.wait()
    assert await shared.get(key) == 3
    assert readings == [key, other, key]


async def test_a_reading_that_failed_is_not_kept() -> None:
    failing = [True, False]

    async def read(_wanted: UUID) -> str:
        if failing.pop(0):
            raise ConnectionError
        return "read"

    shared = Shared(read, 60)
    key = uuid4()
    with pytest.raises(ConnectionError):
        await shared.get(key)
    assert await shared.get(key) == "read"
