"""What operators watch: the age of the backlog, its size by state of work, and violations of the rule that nothing is forgotten."""

import asyncio
from dataclasses import dataclass
from typing import Final

import structlog
from opentelemetry import metrics

from services.dispatch.scheduler import LANES
from services.dispatch.store import circuits, dead_letters, feed, resends, subscriptions
from shared import postgres
from shared.postgres import Connection, Database
from shared.runtime import pause

# Deliveries that have not ended and have neither a time of next action nor a lease. Constraints forbid it; this looks.
COUNT_FORGOTTEN: Final = """
SELECT count(*) FROM deliveries
WHERE state IN ('scheduled', 'leased') AND next_attempt_at IS NULL AND lease_token IS NULL
"""

BACKLOG: Final = """
SELECT wanted.lane, wanted.channel,
    coalesce(extract(epoch FROM now() - (
        SELECT d.next_attempt_at FROM deliveries d
        WHERE d.state = 'scheduled' AND NOT d.parked AND d.lane = wanted.lane AND d.channel = wanted.channel
            AND d.next_attempt_at <= now()
        ORDER BY d.turn_at LIMIT 1
    )), 0)::double precision AS age,
    (
        SELECT coalesce(sum(l.deliveries), 0)::bigint FROM leases l
        WHERE l.lane = wanted.lane AND l.channel = wanted.channel
    ) AS leased
FROM unnest($1::text[], $2::text[]) AS wanted (lane, channel)
"""

COUNT_OPEN_CIRCUITS: Final = "SELECT count(*) FROM circuits WHERE state <> 'closed'"
COUNT_AGENCIES_PARKED: Final = "SELECT count(*) FROM circuits WHERE look_at IS NOT NULL"

log = structlog.stdlib.get_logger(__name__)
_meter = metrics.get_meter("wian.dispatch")
_forgotten = _meter.create_gauge(
    "wian.dispatch.forgotten", unit="{delivery}", description="Deliveries without an end, a next action or a lease; must be 0."
)
_age = _meter.create_gauge(
    "wian.dispatch.backlog.age",
    unit="s",
    description="How long the longest waiting due delivery has been due, by lane and channel.",
)
_leased = _meter.create_gauge("wian.dispatch.leased", unit="{delivery}", description="Deliveries in work, by lane and channel.")
_open_circuits = _meter.create_gauge(
    "wian.dispatch.circuits.open",
    unit="{agency}",
    description="Agencies whose endpoint fails, so that nothing is sent to it for a while.",
)
_agencies_parked = _meter.create_gauge(
    "wian.dispatch.agencies.parked", unit="{agency}", description="Agencies for which letters wait until they have room."
)
_feed_age = _meter.create_gauge(
    "wian.dispatch.feed.age", unit="s", description="How long the oldest event that no agency can read yet has waited."
)

_notices_lag = _meter.create_gauge(
    "wian.dispatch.notices.lag", unit="s", description="How long the oldest event that a subscriber has not taken has waited."
)

_dead_letters = _meter.create_gauge(
    "wian.dispatch.dead_letters", unit="{message}", description="Messages that could not be applied and wait for a person."
)

_resends = _meter.create_gauge(
    "wian.dispatch.resends.running",
    unit="{order}",
    description="Orders of agencies to have letters sent to them once more that run.",
)


@dataclass(frozen=True, slots=True)
class Backlog:
    """One lane and channel: `age` is the seconds by which its oldest due delivery is late (0 when none is)."""

    lane: str
    channel: str
    age: float
    leased: int


async def count_forgotten(connection: Connection) -> int:
    """Violations of "not ended, so a next action or a lease": 0."""
    return await connection.fetchval(COUNT_FORGOTTEN)


async def backlogs(connection: Connection) -> list[Backlog]:
    """The backlog of each lane and channel."""
    rows = await connection.fetch(BACKLOG, [lane for lane, _ in LANES], [channel for _, channel in LANES])
    return [Backlog(row["lane"], row["channel"], max(0.0, row["age"]), row["leased"]) for row in rows]


class Observer:
    """Measures every `interval` seconds."""

    name = "dispatch observer"

    def __init__(self, database: Database, *, interval: float) -> None:
        self._database = database
        self._interval = interval

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                await self.run_once()
            except postgres.Unavailable as error:
                log.warning("nothing measured: the database is away", error=repr(error))
            await pause(self._interval, stop)

    async def run_once(self) -> int:
        """Measure; returns the number of violations."""
        async with self._database.connection() as connection:
            forgotten = await count_forgotten(connection)
            for backlog in await backlogs(connection):
                attributes = {"lane": backlog.lane, "channel": backlog.channel}
                _age.set(backlog.age, attributes)
                _leased.set(backlog.leased, attributes)
            _open_circuits.set(await connection.fetchval(COUNT_OPEN_CIRCUITS))
            _agencies_parked.set(await connection.fetchval(COUNT_AGENCIES_PARKED))
            _feed_age.set(await feed.age_of_pending(connection))
            _notices_lag.set(await subscriptions.lag(connection))
            _dead_letters.set(await dead_letters.count_kept(connection))
            _resends.set(await resends.count_all_running(connection))
            unwatched = await circuits.watch_forgotten(connection)
        _forgotten.set(forgotten)
        if forgotten:
            log.error("deliveries are forgotten", count=forgotten)
        if unwatched:
            log.error("parked deliveries were not looked after", agencies=unwatched)
        return forgotten + unwatched
