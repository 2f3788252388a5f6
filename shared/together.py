"""Calls that come at the same moment share one piece of work: a transaction for sixty of them costs little more than for one."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from typing import Final, Generic, TypeVar

from shared.postgres import Unavailable
from shared.problems import ProblemError

MOST_TOGETHER: Final = 64
# A group that waits for something which somebody else changes does not hold up the calls that come after it.
GROUPS_AT_ONCE: Final = 3
# Seconds. Until then, what comes while a group is under way gathers into the next: larger groups cost less an item.
HELD_UP: Final = 0.02

T = TypeVar("T")
R = TypeVar("R")


class Together(Generic[T, R]):
    """Does `work` for groups of items. It returns for each what came of it, or the ProblemError by which it is refused.

    A failure of a group is tried again item by item, so that what is wrong with one does not fail its neighbours; only when the
    database is away all of them fail, and then each may have been done.
    """

    def __init__(self, work: Callable[[Sequence[T]], Awaitable[Sequence[R | ProblemError]]]) -> None:
        self._work = work
        self._waiting: deque[tuple[T, asyncio.Future[R]]] = deque()
        self._groups: set[asyncio.Task[None]] = set()
        self._held_up: asyncio.TimerHandle | None = None

    async def ask(self, item: T) -> R:
        """What came of this item. Raises ProblemError, Unavailable, or what `work` raises for it alone."""
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        self._begin()
        return await future

    def _begin(self, *, held_up: bool = False) -> None:
        while self._waiting and len(self._groups) < GROUPS_AT_ONCE:
            if self._groups and len(self._waiting) < MOST_TOGETHER and not held_up:
                self._held_up = self._held_up or asyncio.get_running_loop().call_later(HELD_UP, self._begin_beside)
                return
            group = [self._waiting.popleft() for _ in range(min(MOST_TOGETHER, len(self._waiting)))]
            # A group belongs to no request: it must not log under the identity of the first.
            task = asyncio.get_running_loop().create_task(self._run(group), context=Context())
            self._groups.add(task)
            task.add_done_callback(self._ended)

    def _begin_beside(self) -> None:
        self._held_up = None
        self._begin(held_up=True)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._groups.discard(task)
        self._begin()

    async def _run(self, group: Sequence[tuple[T, "asyncio.Future[R]"]]) -> None:
        try:
            done = await self._work([item for item, _ in group])
        except Unavailable as error:
            for _, future in group:
                _fail(future, error)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one item must not fail its neighbours
            if len(group) == 1:
                _fail(group[0][1], error)
                return
            for one in group:
                await self._run([one])
        except BaseException:
            for _, future in group:
                future.cancel()
            raise
        else:
            for (_, future), result in zip(group, done, strict=True):
                if isinstance(result, ProblemError):
                    _fail(future, result)
                elif not future.done():
                    future.set_result(result)


def _fail(future: "asyncio.Future[R]", error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
