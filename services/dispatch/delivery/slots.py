"""Room to send in: a request that takes long moves over to a room of its own, so that slow endpoints hold up no others."""

import asyncio
from types import TracebackType
from typing import Final

# A request that takes longer than so many seconds counts as slow.
SLOW_AFTER: Final = 0.25


class Slots:
    """At most `quick` attempts that have just begun, and beside them at most `slow` that take long.

    When both are full, all wait: then the agencies' own limits are set too high for this worker.
    """

    def __init__(self, quick: int, slow: int, *, slow_after: float = SLOW_AFTER) -> None:
        self.quick = asyncio.Semaphore(quick)
        self.slow_free = slow
        self.slow_after = slow_after

    def hold(self) -> "_Slot":
        """A slot for the time of the block."""
        return _Slot(self)


class _Slot:
    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self._is_slow = False
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> None:
        await self._slots.quick.acquire()
        self._timer = asyncio.get_running_loop().call_later(self._slots.slow_after, self._move)

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._is_slow:
            self._slots.slow_free += 1
        else:
            self._slots.quick.release()

    def _move(self) -> None:
        if self._slots.slow_free > 0:
            self._slots.slow_free -= 1
            self._is_slow = True
            self._slots.quick.release()
