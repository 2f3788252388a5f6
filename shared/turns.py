"""Work that is done by turns: as long as there is some, then again after a pause, for as long as the process runs."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from shared.postgres import Unavailable
from shared.runtime import pause

log = structlog.stdlib.get_logger(__name__)


async def by_turns(turn: Callable[[], Awaitable[object]], stop: asyncio.Event, *, every: float, away: str) -> None:
    """Take turns until asked to stop: one after the other while `turn` returns something true, and then every `every` seconds.

    `away` is logged when the database cannot be reached; the turn is taken again after the pause.
    """
    while not stop.is_set():
        try:
            while await turn() and not stop.is_set():
                pass
        except Unavailable as error:
            log.warning(away, error=repr(error))
        await pause(every, stop)
