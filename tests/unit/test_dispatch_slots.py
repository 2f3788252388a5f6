"""Room to send in: what takes long leaves the quick room to others, as far as there is a slow one."""

import asyncio

from services.dispatch.delivery.slots import Slots

PATIENCE = 5.0


class Request:
    """One that holds a slot until it is told to end."""

    def __init__(self, slots: Slots) -> None:
        self.begun, self._end = asyncio.Event(), asyncio.Event()
        self._task = asyncio.create_task(self._run(slots))

    async def _run(self, slots: Slots) -> None:
        async with slots.hold():
            self.begun.set()
            await self._end.wait()

    async def end(self) -> None:
        self._end.set()
        await self._task


async def begin(slots: Slots, count: int) -> list[Request]:
    requests = [Request(slots) for _ in range(count)]
    async with asyncio.timeout(PATIENCE):
        for request in requests:
            await request.begun.wait()
    return requests


async def test_as_many_begin_as_the_quick_and_the_slow_room_hold_and_no_more() -> None:
    slots = Slots(2, 3, slow_after=0.01)
    under_way = await begin(slots, 5)
    waiting = Request(slots)
    looked = asyncio.Event()
    # Two looks for slow ones have passed by then, and neither found room.
    asyncio.get_running_loop().call_later(0.06, looked.set)
    await looked.wait()
    assert not waiting.begun.is_set(), "both rooms are full"
    await under_way[0].end()
    async with asyncio.timeout(PATIENCE):
        await waiting.begun.wait()
    for request in (*under_way[1:], waiting):
        await request.end()
    for request in await begin(slots, 5):
        await request.end()


async def test_a_quick_one_leaves_its_slot_and_no_other_s() -> None:
    slots = Slots(1, 0, slow_after=60)
    for _ in range(3):
        (request,) = await begin(slots, 1)
        next_one = Request(slots)
        await asyncio.sleep(0)
        assert not next_one.begun.is_set()
        await request.end()
        async with asyncio.timeout(PATIENCE):
            await next_one.begun.wait()
        await next_one.end()
