"""The scheduler: leases due deliveries in batches, publishes them to their lanes, and ends what waited long enough."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Final
from uuid import UUID, uuid4

import structlog

from services.dispatch import breaker, flow
from services.dispatch.delivery.decide import lease_lost, without_sending
from services.dispatch.flow import Candidate, Limits
from services.dispatch.retry import Policy
from services.dispatch.store import circuits, claims, transitions
from services.dispatch.store.claims import Ticket
from services.dispatch.store.transitions import Deliveries, Move
from services.dispatch.worker import BATCH_TYPE, BatchLeased
from shared import broker, postgres
from shared.broker import Outgoing, Publisher
from shared.contracts.envelope import Envelope
from shared.contracts.topology import SENDING_CHANNELS, Exchange, Lane, lane_queue
from shared.postgres import Connection, Database
from shared.runtime import pause

LANES: Final = tuple((lane, channel) for lane in Lane for channel in SENDING_CHANNELS)
BATCHES_PER_CLAIM: Final = 12
DECISIONS_PER_TURN: Final = 500
LEASES_PER_TURN: Final = 50
LOOKS_PER_TURN: Final = 200
OUTAGE_PAUSE: Final = 2.0
BROKER_PAUSE: Final = 1.0

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """How much is claimed at a time, and for how long; `limits` are those of an agency that has none of its own."""

    window: int
    batch_size: int
    # Until the broker has a batch its lease is short: a scheduler that is killed before has published nothing.
    publish_lease: timedelta
    queue_lease: timedelta
    # Within this time every worker that lives renews its leases.
    renewal: timedelta
    poll_interval: float
    limits: Limits


class Scheduler:
    """Several may run, in as many processes: they take turns to claim, and rows that one has locked the others skip."""

    name = "dispatch scheduler"

    def __init__(self, database: Database, publisher: Publisher, deliveries: Deliveries, policy: Policy, pace: Pace) -> None:
        self._database = database
        self._publisher = publisher
        self._deliveries = deliveries
        self._policy = policy
        self._pace = pace
        self._trusts_leases_from = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        self._distrust_leases()
        while not stop.is_set():
            try:
                if not await self.run_once():
                    await pause(self._pace.poll_interval, stop)
            except postgres.Unavailable as error:
                log.warning("scheduler waits for the database", error=repr(error))
                await pause(OUTAGE_PAUSE, stop)
                self._distrust_leases()
            except broker.UNAVAILABLE as error:
                log.warning("scheduler waits for the broker", error=repr(error))
                await pause(BROKER_PAUSE, stop)

    def _distrust_leases(self) -> None:
        """The database may have been away until now: leases have run out that their workers could not renew.

        So for a while those that are held are not taken for lost, or what living workers send would be sent twice.
        """
        self._trusts_leases_from = time.monotonic() + self._pace.renewal.total_seconds()

    async def run_once(self) -> int:
        """One turn; returns how many deliveries it moved on. Raises when the database or the broker is away."""
        return await self.decide_waiting() + await self.claim_due()

    async def decide_waiting(self) -> int:
        """Decide on leases that ran out and on what is due without being sent."""
        async with self._database.transaction() as connection:
            now = datetime.now(UTC)
            trusted = time.monotonic() >= self._trusts_leases_from
            expired = await claims.lock_expired(connection, LEASES_PER_TURN, held=trusted)
            moves: list[Move] = []
            if expired.held:
                leased = await self._deliveries.lock_leased(connection, expired.held)
                moves += [Move(delivery, lease_lost(delivery.standing, self._policy, now)) for delivery in leased]
            waiting = await self._deliveries.lock_waiting(connection, DECISIONS_PER_TURN)
            waiting += await self._deliveries.lock_parked_over(connection, DECISIONS_PER_TURN)
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
            if expired.held:
                await claims.end_leases(connection, expired.held)
            if expired.waiting:
                # The broker kept or lost the message; nobody has sent anything.
                await claims.hand_back(connection, expired.waiting)
        if len(moves) > len(waiting):
            log.warning("leases ran out: their deliveries are due again", count=len(moves) - len(waiting))
        return len(moves)

    async def claim_due(self) -> int:
        """Lease due deliveries and publish them; a batch that the broker does not take is handed back at once."""
        async with self._database.transaction() as connection:
            if not await claims.try_turn(connection):
                return 0
            unparked = await self._look_at_parked(connection)
            tickets, parked = await self._claim(connection)
        if not tickets:
            return unparked + parked
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
        log.info("claimed", batches=len(tickets), deliveries=moved, parked=parked, unparked=unparked)
        return moved + parked

    async def _claim(self, connection: Connection) -> tuple[list[Ticket], int]:
        pace = self._pace
        due = await claims.lock_due(connection, lanes=LANES, window=pace.window, most=pace.batch_size * BATCHES_PER_CLAIM)
        if not due:
            return [], 0
        flows = await circuits.flows(connection, list({candidate.agency_id for candidate in due}), pace.limits)
        admission = flow.admit(due, flows, datetime.now(UTC))
        batches = _batches(admission.granted, pace.batch_size)
        if batches:
            await claims.lease(connection, batches, pace.publish_lease)
        if admission.parked:
            await claims.park(connection, [candidate.delivery_id for candidate in admission.parked])
        await circuits.watch(connection, admission.look_at, admission.spent_until)
        return list(batches), len(admission.parked)

    async def _look_at_parked(self, connection: Connection) -> int:
        """Let go what was parked for agencies that have room again; returns how many deliveries."""
        agencies = await circuits.to_look_at(connection, LOOKS_PER_TURN)
        if not agencies:
            return 0
        await circuits.lock(connection, agencies)
        flows = await circuits.flows(connection, agencies, self._pace.limits)
        now = datetime.now(UTC)
        opened = {agency_id: one for agency_id, one in flows.items() if one.circuit != breaker.look(one.circuit, now)}
        if opened:
            await circuits.save(connection, {agency_id: breaker.look(one.circuit, now) for agency_id, one in opened.items()})
        rooms = {agency_id: room for agency_id, one in flows.items() if (room := flow.room(one, now))}
        unparked = Counter(await circuits.unpark(connection, rooms) if rooms else [])
        await circuits.looked(
            connection,
            {
                # Fewer than there was room for: nothing is left.
                agency_id: None if unparked[agency_id] < rooms.get(agency_id, 0) else flow.next_look(one, now)
                for agency_id, one in flows.items()
            },
        )
        return unparked.total()

    async def _hand_back(self, tickets: Sequence[Ticket]) -> None:
        async with self._database.transaction() as connection:
            await claims.hand_back(connection, [ticket.lease_token for ticket in tickets])


def _batches(granted: Sequence[Candidate], size: int) -> dict[Ticket, list[UUID]]:
    """Tickets with their deliveries: one lane and channel each, at most `size`, in the order of turns."""
    batches: dict[Ticket, list[UUID]] = {}
    for (lane, channel), candidates in groupby(granted, key=lambda candidate: (candidate.lane, candidate.channel)):
        delivery_ids = [candidate.delivery_id for candidate in candidates]
        for start in range(0, len(delivery_ids), size):
            part = delivery_ids[start : start + size]
            batches[Ticket(lane, channel, uuid4(), len(part))] = part
    return batches


def _message(ticket: Ticket) -> Outgoing:
    batch = BatchLeased(lease_token=ticket.lease_token, deliveries=ticket.deliveries)
    envelope = Envelope(source="wian/dispatch", type=BATCH_TYPE, data=batch.model_dump(mode="json"))
    return Outgoing(
        Exchange.LANES,
        lane_queue(ticket.lane, ticket.channel),
        str(envelope.id),
        envelope.model_dump_json(exclude_none=True).encode(),
    )
