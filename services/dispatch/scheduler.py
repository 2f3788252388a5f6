"""The scheduler: leases due deliveries in batches, publishes them to their lanes, and ends what waited long enough."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from services.dispatch.delivery.decide import lease_lost, without_sending
from services.dispatch.retry import Policy
from services.dispatch.store import claims, transitions
from services.dispatch.store.claims import Ticket
from services.dispatch.store.transitions import Deliveries, Move
from services.dispatch.worker import BATCH_TYPE, BatchLeased
from shared import broker, postgres
from shared.broker import Outgoing, Publisher
from shared.contracts.envelope import Envelope
from shared.contracts.topology import SENDING_CHANNELS, Exchange, Lane, lane_queue
from shared.postgres import Database
from shared.runtime import pause

LANES: Final = tuple((lane, channel) for lane in Lane for channel in SENDING_CHANNELS)
BATCHES_PER_CLAIM: Final = 5
DECISIONS_PER_TURN: Final = 500
# Longer than a recorder's (`record.OUTAGE_PAUSE`): what was sent is recorded before it is claimed anew.
OUTAGE_PAUSE: Final = 2.0
BROKER_PAUSE: Final = 1.0

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """How much is claimed at a time, and for how long."""

    window: int
    batch_size: int
    # Until the broker has a batch its lease is short: a scheduler that is killed before has published nothing.
    publish_lease: timedelta
    queue_lease: timedelta
    poll_interval: float


class Scheduler:
    """Several may run, in as many processes: rows that one has locked the others skip."""

    name = "dispatch scheduler"

    def __init__(self, database: Database, publisher: Publisher, deliveries: Deliveries, policy: Policy, pace: Pace) -> None:
        self._database = database
        self._publisher = publisher
        self._deliveries = deliveries
        self._policy = policy
        self._pace = pace

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                if not await self.run_once():
                    await pause(self._pace.poll_interval, stop)
            except postgres.Unavailable as error:
                log.warning("scheduler waits for the database", error=repr(error))
                await pause(OUTAGE_PAUSE, stop)
            except broker.UNAVAILABLE as error:
                log.warning("scheduler waits for the broker", error=repr(error))
                await pause(BROKER_PAUSE, stop)

    async def run_once(self) -> int:
        """One turn; returns how many deliveries it moved on. Raises when the database or the broker is away."""
        return await self.decide_waiting() + await self.claim_due()

    async def decide_waiting(self) -> int:
        """Decide on leases that ran out and on what is due without being sent."""
        async with self._database.transaction() as connection:
            now = datetime.now(UTC)
            expired = await self._deliveries.lock_expired(connection, DECISIONS_PER_TURN)
            waiting = await self._deliveries.lock_waiting(connection, DECISIONS_PER_TURN)
            moves = [Move(delivery, lease_lost(delivery.standing, self._policy, now)) for delivery in expired]
            moves += [
                Move(
                    delivery,
                    without_sending(
                        delivery.standing,
                        agency_known=delivery.agency_known,
                        created_at=delivery.created_at,
                        policy=self._policy,
                        now=now,
                    ),
                )
                for delivery in waiting
            ]
            await transitions.apply(connection, moves)
        if expired:
            log.warning("leases ran out: their deliveries are due again", count=len(expired))
        return len(moves)

    async def claim_due(self) -> int:
        """Lease due deliveries and publish them; a batch that the broker does not take is handed back at once."""
        async with self._database.connection() as connection:
            tickets = await claims.claim(
                connection,
                lanes=LANES,
                window=self._pace.window,
                batch_size=self._pace.batch_size,
                batches=BATCHES_PER_CLAIM,
                lease=self._pace.publish_lease,
            )
        if not tickets:
            return 0
        try:
            outcomes = await self._publisher.publish([_message(ticket) for ticket in tickets])
        except broker.UNAVAILABLE:
            await self._hand_back(tickets)
            raise
        taken_over = [ticket.lease_token for ticket, error in zip(tickets, outcomes, strict=True) if error is None]
        async with self._database.connection() as connection:
            await claims.published(connection, taken_over, self._pace.queue_lease)
        failed = [(ticket, error) for ticket, error in zip(tickets, outcomes, strict=True) if error is not None]
        if failed:
            log.warning("batches not published", count=len(failed), error=repr(failed[0][1]))
            await self._hand_back([ticket for ticket, _ in failed])
        moved = sum(ticket.deliveries for ticket in tickets) - sum(ticket.deliveries for ticket, _ in failed)
        log.info("claimed", batches=len(tickets), deliveries=moved)
        return moved

    async def _hand_back(self, tickets: Sequence[Ticket]) -> None:
        async with self._database.connection() as connection:
            await claims.hand_back(connection, [ticket.lease_token for ticket in tickets])


def _message(ticket: Ticket) -> Outgoing:
    batch = BatchLeased(lease_token=ticket.lease_token, deliveries=ticket.deliveries)
    envelope = Envelope(source="wian/dispatch", type=BATCH_TYPE, data=batch.model_dump(mode="json"))
    return Outgoing(
        Exchange.LANES,
        lane_queue(ticket.lane, ticket.channel),
        str(envelope.id),
        envelope.model_dump_json(exclude_none=True).encode(),
    )
