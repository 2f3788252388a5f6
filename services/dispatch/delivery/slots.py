"""Room to send in: a request that takes long moves over to a room of its own, so that slow endpoints hold up no others."""

import asyncio
from types import TracebackType
from typing import Final

# A request that takes longer than so many seconds counts as slow.
SLOW_AFTER: Final = 0.25
# Seconds from one look for slow ones to the next.
_LEAST_PAUSE: Final = 0.02


class Slots:
    """At most `quick` attempts that have just begun, and beside them at most `slow` that take long.

    When both are full, all wait: then the agencies' own limits are set too high for this worker.
    """

    def __init__(self, quick: int, slow: int, *, slow_after: float = SLOW_AFTER) -> None:
        self.quick = asyncio.Semaphore(quick)
        self._slow_free = slow
        self._slow_after = slow_after
        # Those in the quick room, in the order in which they began, with the loop's time at which each becomes slow.
        self._begun: dict[_Slot, float] = {}
        # One timer for all: most end long before it runs.
        self._look_to_come: asyncio.TimerHandle | None = None

    def hold(self) -> "_Slot":
        """A slot for the time of the block."""
        return _Slot(self)

    def begin(self, slot: "_Slot") -> None:
        loop = asyncio.get_running_loop()
        self._begun[slot] = loop.time() + self._slow_after
        if self._look_to_come is None:
            self._look_to_come = loop.call_later(self._slow_after, self._look)

    def end(self, slot: "_Slot") -> None:
        if self._begun.pop(slot, None) is not None:
            self.quick.release()
        else:
            self._slow_free += 1

    def _look(self) -> None:
        """Move what has become slow, as far as there is room for it."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        for slot in [slot for slot, slow_at in self._begun.items() if slow_at <= now][: self._slow_free]:
            del self._begun[slot]
            self._slow_free -= 1
            self.quick.release()
        first = next(iter(self._begun.values()), None)
        self._look_to_come = None if first is None else loop.call_at(max(first, now + _LEAST_PAUSE), self._look)


class _Slot:
    __slots__ = ("_slots",)

    def __init__(self, slots: Slots) -> None:
        self._slots = slots

    async def __aenter__(self) -> None:
        await self._slots.quick.acquire()
        self._slots.begin(self)

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._slots.end(self)
