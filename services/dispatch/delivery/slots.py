"""Room to send in: a request that takes long moves over to a room of its own, so that slow endpoints hold up no others."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Final

# A request that takes longer than this many seconds counts as slow.
SLOW_AFTER: Final = 1.0


class Slots:
    """At most `quick` attempts that have just begun, and beside them at most `slow` that take long.

    When both are full, all wait: then the agencies' own limits are set too high for this worker.
    """

    def __init__(self, quick: int, slow: int, *, slow_after: float = SLOW_AFTER) -> None:
        self._quick = asyncio.Semaphore(quick)
        self._slow_free = slow
        self._slow_after = slow_after

    @asynccontextmanager
    async def hold(self, when_slow: Callable[[], None]) -> AsyncGenerator[None]:
        """Hold a slot for the time of the block; `when_slow` is called if it moves to the slow room."""
        await self._quick.acquire()
        is_slow = False

        def move() -> None:
            nonlocal is_slow
            if self._slow_free > 0:
                self._slow_free -= 1
                is_slow = True
                self._quick.release()
                when_slow()

        timer = asyncio.get_running_loop().call_later(self._slow_after, move)
        try:
            yield
        finally:
            timer.cancel()
            if is_slow:
                self._slow_free += 1
            else:
                self._quick.release()
