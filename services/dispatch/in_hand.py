"""What a worker has begun and not ended, each piece under a lease: how it goes on, ends, and is given back when the process must end."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Protocol, TypeVar
from uuid import UUID

import structlog

from services.dispatch.delivery.slots import SLOW_AFTER
from services.dispatch.flow import Limits
from shared import postgres
from shared.runtime import pause

OUTAGE_PAUSE: Final = 0.25
# To give leases back when the grace period is over and the process must end.
LAST_PATIENCE: Final = 3.0

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RequestPace:
    """How much at a time (requests that have just begun, and beside them those that take long), how long one piece is held, and
    the seconds before each retry.
    """

    quick: int
    slow: int
    lease: timedelta
    schedule: tuple[float, ...]
    limits: Limits
    poll_interval: float


class Piece(Protocol):
    """Something to do under a lease."""

    @property
    def lease_token(self) -> UUID: ...


P = TypeVar("P", bound=Piece)


@dataclass(frozen=True, slots=True)
class _Held:
    lease_token: UUID
    begun: float


class InHand:
    """The pieces of work of one worker, called `what` in logs; `release` gives leases back under which nothing was recorded."""

    def __init__(self, what: str, release: Callable[[list[UUID]], Awaitable[None]]) -> None:
        self._what = what
        self._release = release
        self._held: dict[asyncio.Task[None], _Held] = {}

    def __len__(self) -> int:
        return len(self._held)

    async def fill(
        self, pace: RequestPace, claim: Callable[[int], Awaitable[Sequence[P]]], do: Callable[[P], Coroutine[Any, Any, None]]
    ) -> int:
        """Claim as many as there is room for, and begin with them; returns how many."""
        room = self._room(pace)
        if room <= 0:
            # Until one has ended, or has taken so long that it is out of the way of the others.
            await self.one_ended(SLOW_AFTER)
            return 0
        claimed = await claim(room)
        for piece in claimed:
            self.add(do(piece), piece.lease_token)
        return len(claimed)

    def _room(self, pace: RequestPace) -> int:
        """How many more may begin: those that take long hold up no others until they fill a room of their own."""
        since = time.monotonic() - SLOW_AFTER
        begun = sum(held.begun > since for held in self._held.values())
        return min(pace.quick - begun, pace.quick + pace.slow - len(self))

    def add(self, work: Coroutine[Any, Any, None], lease_token: UUID) -> None:
        """Begin with one."""
        task = asyncio.create_task(work)
        self._held[task] = _Held(lease_token, time.monotonic())
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._held.pop(task, None)
        if not task.cancelled() and task.exception() is not None:
            log.error("work in hand failed", what=self._what, error=repr(task.exception()))

    async def one_ended(self, within: float | None = None) -> None:
        """Wait until one of them has ended, or until the time is over."""
        await asyncio.wait(self._held, return_when=asyncio.FIRST_COMPLETED, timeout=within)

    async def all_ended(self) -> None:
        """Wait for all, and take them along when the waiting is cancelled; raises what one of them failed of."""
        await asyncio.gather(*self._held)

    async def run(self, begin: Callable[[], Awaitable[int]], stop: asyncio.Event, *, poll_interval: float) -> None:
        """Begin and begin again until `stop`, then wait for what is under way; when even that is cut off, give it back."""
        try:
            while not stop.is_set():
                try:
                    if not await begin():
                        await pause(poll_interval, stop)
                except postgres.Unavailable as error:
                    log.warning("work waits for the database", what=self._what, error=repr(error))
                    await pause(OUTAGE_PAUSE, stop)
            await asyncio.gather(*self._held, return_exceptions=True)
        finally:
            await self._abandon()

    async def _abandon(self) -> None:
        tokens = [held.lease_token for held in self._held.values()]
        if not tokens:
            return
        for task in list(self._held):
            task.cancel()
        try:
            async with asyncio.timeout(LAST_PATIENCE):
                await self._release(tokens)
        except (postgres.Unavailable, TimeoutError) as error:
            log.warning("not handed back: the leases will run out", what=self._what, error=repr(error))


async def recorded(write: Callable[[], Awaitable[None]], *, within: float, **about: str) -> None:
    """Have `write` done once the database is there, however often that takes, for as long as the lease holds."""
    try:
        async with asyncio.timeout(within):
            while True:
                try:
                    await write()
                except postgres.Unavailable as error:
                    log.warning("not recorded yet", error=repr(error), **about)
                    await asyncio.sleep(OUTAGE_PAUSE)
                else:
                    return
    except TimeoutError:
        log.warning("not recorded: it is sent again", **about)
