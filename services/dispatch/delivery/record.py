"""Recording what was sent: attempts, states, circuits and events in one transaction for many, fenced by their leases."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import structlog

from services.dispatch import breaker
from services.dispatch.breaker import HEALTHY, BreakerPolicy
from services.dispatch.delivery.decide import decide
from services.dispatch.delivery.jobs import Sent
from services.dispatch.delivery.send import dice
from services.dispatch.outcomes import GONE_REASON, Gone, Outcome, was_tried
from services.dispatch.retry import Policy
from services.dispatch.store import circuits, endpoints, transitions
from services.dispatch.store.transitions import Deliveries, Move
from shared import postgres
from shared.contracts.events import Channel
from shared.postgres import Connection, Database

# Outcomes that come within this time of each other are recorded together.
LINGER: Final = 0.01
MOST_AT_ONCE: Final = 500
# Short beside the time for which a scheduler does not trust leases after an outage (`scheduler.Pace.renewal`): outcomes that
# waited in memory are recorded before their leases, which ran out meanwhile, are claimed anew.
OUTAGE_PAUSE: Final = 0.25

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Entry:
    """An outcome, and the lease under which it may be recorded; `recorded` tells whether it was."""

    lease_token: UUID
    sent: Sent
    recorded: asyncio.Future[bool]


class Recorder:
    """Records outcomes; the sends have happened, so it waits for a database that is away as long as it takes."""

    def __init__(self, database: Database, deliveries: Deliveries, policy: Policy, breaker_policy: BreakerPolicy) -> None:
        self._database = database
        self._deliveries = deliveries
        self._policy = policy
        self._breaker_policy = breaker_policy
        self._waiting: list[Entry] = []
        self._writing: asyncio.Task[None] | None = None

    async def record(self, lease_token: UUID, sent: Sent) -> bool:
        """Record `sent` with whatever else there is to record; whether the lease still held it."""
        recorded = asyncio.get_running_loop().create_future()
        self._waiting.append(Entry(lease_token, sent, recorded))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())
        return await recorded

    async def _write(self) -> None:
        await asyncio.sleep(LINGER)
        while self._waiting:
            group = self._waiting[:MOST_AT_ONCE]
            del self._waiting[:MOST_AT_ONCE]
            await self._write_group(group)
        self._writing = None

    async def _write_group(self, group: Sequence[Entry]) -> None:
        while True:
            try:
                held = await self.record_once([(entry.lease_token, entry.sent) for entry in group])
            except postgres.Unavailable as error:
                log.warning("outcomes wait for the database", count=len(group), error=repr(error))
                await asyncio.sleep(OUTAGE_PAUSE)
            except Exception as error:
                if len(group) == 1:
                    # The edge of one delivery: its lease runs out, and what it has that cannot be recorded stops no other.
                    log.exception("outcome cannot be recorded", delivery_id=str(group[0].sent.job.address.delivery_id))
                    if not group[0].recorded.done():
                        group[0].recorded.set_exception(error)
                    return
                half = len(group) // 2
                await self._write_group(group[:half])
                await self._write_group(group[half:])
                return
            else:
                for entry, was_held in zip(group, held, strict=True):
                    if not entry.recorded.done():
                        entry.recorded.set_result(was_held)
                return

    async def record_once(self, given: Sequence[tuple[UUID, Sent]]) -> list[bool]:
        """One try; which of `given` were held and so moved. Those that lost their lease are left alone.

        Raises `postgres.Unavailable`, after which the commit may or may not have happened: a second try is harmless.
        """
        async with self._database.transaction() as connection:
            locked = {
                delivery.delivery_id: delivery
                for delivery in await self._deliveries.lock(connection, [sent.job.address.delivery_id for _, sent in given])
            }
            standing = [(token, sent, locked.get(sent.job.address.delivery_id)) for token, sent in given]
            held = [(sent, delivery) for token, sent, delivery in standing if delivery and delivery.lease_token == token]
            # What ended meanwhile (pulled from the inbox, say) keeps its end, and its log is complete all the same.
            ended = [sent for _, sent, delivery in standing if delivery and delivery.has_ended]
            await transitions.add_attempts(connection, [*(sent for sent, _ in held), *ended])
            if ended:
                await transitions.count_attempts(connection, [sent.job.address.delivery_id for sent in ended])
            moves = [
                Move(
                    delivery,
                    decide(sent.outcome, delivery.standing, self._policy, sent.ended_at, dice()),
                    tried=was_tried(sent.outcome),
                )
                for sent, delivery in held
            ]
            await transitions.apply(connection, moves)
            await self._judge_endpoints(connection, [sent for sent, _ in held])
        if len(held) < len(given):
            log.warning("outcomes came too late: the lease was lost", recorded=len(held), sent=len(given))
        return [delivery is not None and delivery.lease_token == token for token, _, delivery in standing]

    async def _judge_endpoints(self, connection: Connection, held: Sequence[Sent]) -> None:
        """Let the circuits of the agencies follow their attempts, and switch off what answered 410."""
        outcomes: dict[UUID, list[Outcome]] = {}
        for sent in sorted(held, key=lambda sent: sent.ended_at):
            if sent.job.standing.channel is Channel.WEBHOOK and was_tried(sent.outcome):
                outcomes.setdefault(sent.job.address.agency_id, []).append(sent.outcome)
        await judge(connection, outcomes, self._breaker_policy)
        gone = [sent for sent in held if isinstance(sent.outcome, Gone)]
        await endpoints.disable(
            connection,
            [(sent.job.address.agency_id, sent.job.endpoint.url) for sent in gone if sent.job.endpoint is not None],
            GONE_REASON,
        )


async def judge(connection: Connection, outcomes: Mapping[UUID, Sequence[Outcome]], policy: BreakerPolicy) -> None:
    """Let the circuits of agencies follow what came of requests to them, in the order in which these ended."""
    known = await circuits.lock(connection, list(outcomes))
    now = datetime.now(UTC)
    judged = {
        agency_id: breaker.after(known.get(agency_id, HEALTHY), made, policy, now, dice()) for agency_id, made in outcomes.items()
    }
    changed = {agency_id: one for agency_id, one in judged.items() if one != known.get(agency_id, HEALTHY)}
    if changed:
        await circuits.save(connection, changed)
