"""Calls that come at the same moment share one piece of work."""

import asyncio
from collections.abc import Sequence

import pytest

from shared import problems
from shared.problems import ProblemError
from shared.together import MOST_TOGETHER, Together


async def test_what_comes_while_a_group_is_under_way_goes_together() -> None:
    groups: list[list[int]] = []
    first, go_on = asyncio.Event(), asyncio.Event()

    async def work(items: Sequence[int]) -> list[int]:
        groups.append(list(items))
        first.set()
        await go_on.wait()
        return [item * 2 for item in items]

    together = Together[int, int](work)
    tasks = [asyncio.create_task(together.ask(0))]
    await first.wait()
    tasks += [asyncio.create_task(together.ask(item)) for item in range(1, 6)]
    await asyncio.sleep(0)
    go_on.set()
    assert await asyncio.gather(*tasks) == [0, 2, 4, 6, 8, 10]
    assert groups == [[0], [1, 2, 3, 4, 5]]


async def test_a_group_that_waits_holds_nobody_up() -> None:
    never = asyncio.Event()

    async def work(items: Sequence[str]) -> list[str]:
        if "waits" in items:
            await never.wait()
        return list(items)

    together = Together[str, str](work)
    waiting = asyncio.create_task(together.ask("waits"))
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        assert await together.ask("comes after") == "comes after"
        assert await together.ask("comes later") == "comes later"
    assert not waiting.done()
    never.set()
    assert await waiting == "waits"


async def test_a_full_group_begins_beside_the_one_under_way() -> None:
    begun: list[int] = []
    both = asyncio.Event()

    async def work(items: Sequence[int]) -> list[int]:
        begun.append(len(items))
        if len(begun) == 2:
            both.set()
        await both.wait()
        return list(items)

    together = Together[int, int](work)
    async with asyncio.timeout(5):
        assert await asyncio.gather(*(together.ask(item) for item in range(1 + MOST_TOGETHER))) == list(range(1 + MOST_TOGETHER))
    assert begun == [1, MOST_TOGETHER]


async def test_what_is_wrong_with_one_does_not_fail_its_neighbours() -> None:
    refusal = ProblemError(problems.NOT_FOUND)

    async def work(items: Sequence[str]) -> list[str | ProblemError]:
        if "spoilt" in items:
            raise ValueError(items)
        return [refusal if item == "refused" else item for item in items]

    together = Together[str, str](work)
    asked = ["first", "sound", "spoilt", "refused", "sound too"]
    found = await asyncio.gather(*map(together.ask, asked), return_exceptions=True)
    assert [found[place] for place in (0, 1, 4)] == ["first", "sound", "sound too"]
    assert isinstance(found[2], ValueError)
    assert found[3] is refusal
    with pytest.raises(ValueError, match="spoilt"):
        await together.ask("spoilt")
