"""Long polls: wakes the calls that wait for an agency's letters, with one question to the database for all of them.

A re-check rather than LISTEN: letters become free to lease also by the passing of time (a lease runs out) and by being given
back, of which no message could tell; and the fan-out of a circular pays nothing for clients that wait. While nobody waits
nothing is asked, and what is asked is one index probe for each waiting agency.
"""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from uuid import UUID

import structlog

from services.dispatch.store import pulls
from shared import postgres
from shared.postgres import Database

log = structlog.stdlib.get_logger(__name__)


class Arrivals:
    """Looks every `interval` seconds while somebody waits."""

    def __init__(self, database: Database, *, interval: float) -> None:
        self._database = database
        self._interval = interval
        self._bells: dict[UUID, set[asyncio.Event]] = {}
        self._watch: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """How many calls wait in this process."""
        return sum(len(bells) for bells in self._bells.values())

    @contextmanager
    def bell(self, agency_id: UUID) -> Generator[asyncio.Event]:
        """An event that is set whenever there is something to lease for the agency; whoever waits for it clears it."""
        bell = asyncio.Event()
        self._bells.setdefault(agency_id, set()).add(bell)
        if self._watch is None or self._watch.done():
            self._watch = asyncio.create_task(self._look())
        try:
            yield bell
        finally:
            self._forget(agency_id, bell)

    def _forget(self, agency_id: UUID, bell: asyncio.Event) -> None:
        self._bells[agency_id].remove(bell)
        if not self._bells[agency_id]:
            del self._bells[agency_id]
        if not self._bells and self._watch is not None:
            self._watch.cancel()
            self._watch = None

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(self._interval)
            try:
                async with self._database.connection() as connection:
                    found = await pulls.waited_for(connection, list(self._bells))
            except postgres.Unavailable as error:
                log.warning("waiting calls are not woken: the database is away", error=repr(error))
                continue
            for agency_id in found:
                for bell in self._bells.get(agency_id, ()):
                    bell.set()
