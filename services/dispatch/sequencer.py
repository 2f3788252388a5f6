"""The feed's workers: one gives committed events their positions, the other forgets what need not be kept."""

import asyncio
from datetime import timedelta
from typing import Final

import structlog
from opentelemetry import metrics

from services.dispatch.feed import KEPT
from services.dispatch.resends import KEPT as RESENDS_KEPT
from services.dispatch.store import feed, mail_notices, notices, pulls, resends
from shared import postgres
from shared.postgres import Database
from shared.runtime import pause
from shared.turns import by_turns

EVENTS_PER_TURN: Final = 5000
OUTAGE_PAUSE: Final = 1.0
PRUNE_INTERVAL: Final = 3600.0
PRUNED_PER_TURN: Final = 10_000
# Each with up to `resends.MOST_RESENT` letters and their attempts.
RESENDS_PRUNED_PER_TURN: Final = 5
# Whoever comes with a pull lease later than that is told that it is unknown.
LEASES_KEPT: Final = timedelta(days=7)

log = structlog.stdlib.get_logger(__name__)
_meter = metrics.get_meter("wian.dispatch")
_placed = _meter.create_counter("wian.dispatch.feed.events", unit="{event}", description="Events placed in the agencies' feed.")


class Sequencer:
    """Several may run: whichever holds the feed's end places a group of events, and the others skip that turn."""

    name = "dispatch feed sequencer"

    def __init__(self, database: Database, *, poll_interval: float) -> None:
        self._database = database
        self._poll_interval = poll_interval

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                if await self.run_once() < EVENTS_PER_TURN:
                    await pause(self._poll_interval, stop)
            except postgres.Unavailable as error:
                log.warning("the feed waits for the database", error=repr(error))
                await pause(OUTAGE_PAUSE, stop)

    async def run_once(self) -> int:
        """Place one group; returns how many events it had."""
        async with self._database.connection() as connection:
            if not await feed.is_any_pending(connection):
                return 0
        async with self._database.transaction() as connection:
            placed = await feed.give_positions(connection, EVENTS_PER_TURN)
        _placed.add(placed)
        return placed


class FeedPruner:
    """Forgets, once an hour and in small transactions, events and early notices older than `feed.KEPT`, and pull leases and resends long over."""

    name = "dispatch feed pruner"

    def __init__(self, database: Database) -> None:
        self._database = database

    async def run(self, stop: asyncio.Event) -> None:
        await by_turns(self.run_once, stop, every=PRUNE_INTERVAL, away="old events are kept: the database is away")

    async def run_once(self) -> int:
        """Forget a bounded number; returns how many, 0 when nothing is old."""
        async with self._database.transaction() as connection:
            events = await feed.prune(connection, KEPT, PRUNED_PER_TURN)
        async with self._database.connection() as connection:
            await feed.prune_early(connection, KEPT)
            early = await notices.prune(connection, KEPT, PRUNED_PER_TURN)
            mails = await mail_notices.prune(connection, KEPT, PRUNED_PER_TURN)
            ended = await resends.prune(connection, RESENDS_KEPT, RESENDS_PRUNED_PER_TURN)
            leases = await pulls.prune(connection, LEASES_KEPT, PRUNED_PER_TURN)
            return events + early + mails + ended + leases
