"""The resender: sends agencies once more what they were handed, because their systems lost it. No delivery moves by it.

Letters go first: it has a loop and slots of its own, holds an agency's limits, rate and circuit with the letters', and waits while any
letter waits for room. What it finds out about an endpoint counts as what letters find out.
"""

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID, uuid4

import structlog
from opentelemetry import metrics

from services.dispatch import flow
from services.dispatch.breaker import BreakerPolicy
from services.dispatch.delivery.jobs import CircularContent
from services.dispatch.delivery.record import judge
from services.dispatch.delivery.send import dice, outcome_name
from services.dispatch.flow import Flow
from services.dispatch.in_hand import InHand, RequestPace, recorded
from services.dispatch.outcomes import GONE_REASON, Gone, Outcome, RetryLater
from services.dispatch.resends import (
    MOST_TOGETHER,
    GivenUp,
    ItemState,
    ResendState,
    Taken,
    TriedAgain,
    decide,
    is_used_up,
    left_out,
)
from services.dispatch.store import circuits, circulars, claims, endpoints, resend_leases, resends
from services.dispatch.store.resend_leases import Attempt, Due, Leased
from services.dispatch.transport import WebhookSender
from shared.postgres import Connection, Database

ORDERS_PER_TURN: Final = 20

log = structlog.stdlib.get_logger(__name__)
_meter = metrics.get_meter("wian.dispatch")
_sent = _meter.create_counter(
    "wian.dispatch.resends", unit="{delivery}", description="Letters that were sent to their agency once more, by outcome."
)


@dataclass(frozen=True, slots=True)
class _Parcel:
    """A leased letter, with its circular."""

    leased: Leased
    circular: CircularContent

    @property
    def lease_token(self) -> UUID:
        return self.leased.lease_token


class Resender:
    """Several may run: each leases what the others do not hold."""

    name = "dispatch resender"

    def __init__(self, database: Database, webhooks: WebhookSender, breaker_policy: BreakerPolicy, pace: RequestPace) -> None:
        self._database = database
        self._webhooks = webhooks
        self._breaker_policy = breaker_policy
        self._pace = pace
        self._in_hand = InHand("resends", self._release)

    async def run(self, stop: asyncio.Event) -> None:
        await self._in_hand.run(self._begin_and_pause, stop, poll_interval=self._pace.poll_interval)

    async def _begin_and_pause(self) -> int:
        """As if there were no more: between two turns of this one, whoever claims letters has theirs."""
        await self._begin()
        return 0

    async def run_once(self) -> int:
        """One turn, to the end of what it began; returns how many letters that were."""
        begun = await self._begin()
        await self._in_hand.all_ended()
        return begun

    async def _begin(self) -> int:
        return await self._in_hand.fill(self._pace, self._claim, self._deliver)

    async def _claim(self, most: int) -> list[_Parcel]:
        async with self._database.connection() as connection:
            if not await resend_leases.is_any_due(connection):
                return []
        async with self._database.transaction() as connection:
            # The turn of those who claim letters: an agency's limits hold for both together.
            if not await claims.try_turn(connection):
                return []
            for resend_id in await resend_leases.over(connection):
                await resends.end(connection, resend_id, ResendState.EXPIRED)
            leased = await self._lease(connection, await resend_leases.lock_due(connection, ORDERS_PER_TURN), most)
            contents = await circulars.get_circulars(connection, list({one.circular_id for one in leased}))
        return [_Parcel(one, contents[one.circular_id]) for one in leased]

    async def _lease(self, connection: Connection, due: list[Due], most: int) -> list[Leased]:
        """The letters that may go now, with what they take of their agencies' limits noted; the rest is looked at later."""
        now = datetime.now(UTC)
        agencies = list({one.agency_id for one in due})
        flows = await circuits.flows(connection, agencies, self._pace.limits) if agencies else {}
        taken = dict.fromkeys(agencies, 0)
        found: list[Leased] = []
        for order in due:
            later = _must_wait(order, flows[order.agency_id], now)
            if later is not None:
                await resend_leases.look_at(connection, order.resend_id, later)
                continue
            room = flow.room(flows[order.agency_id], now) - taken[order.agency_id]
            together = min(room, most - len(found), MOST_TOGETHER)
            if together > 0:
                ready = await self._take(connection, order, together)
                taken[order.agency_id] += len(ready)
                found += ready
            following = await resend_leases.next_due(connection, order.resend_id)
            if following is None:
                await resends.end(connection, order.resend_id, ResendState.DONE)
                log.info("resend done", resend_id=str(order.resend_id), agency_id=str(order.agency_id))
            else:
                await resend_leases.look_at(connection, order.resend_id, max(following, now + flow.LOOK_PAUSE))
        spent = {agency_id: flow.spend(flows[agency_id], count, now) for agency_id, count in taken.items() if count}
        await circuits.watch(connection, {}, {agency_id: until for agency_id, until in spent.items() if until is not None})
        return found

    async def _take(self, connection: Connection, order: Due, most: int) -> list[Leased]:
        """Lease up to `most`; what does not go any more is settled instead."""
        found = await resend_leases.lease(connection, order.resend_id, most, uuid4(), self._pace.lease)
        ready: list[Leased] = []
        for one in found:
            # Since the order was given the sender may have recalled it; what is sent by another way meanwhile is sent here as well.
            if left_out(one.state, one.recalled_at) == "recalled":
                await resend_leases.settle(connection, order.resend_id, one.address.delivery_id, ItemState.LEFT_OUT, "recalled")
            elif is_used_up(one.tries, self._pace.schedule):
                await resend_leases.settle(connection, order.resend_id, one.address.delivery_id, ItemState.FAILED, "workers_lost")
            else:
                ready.append(one)
        return ready

    async def _deliver(self, parcel: _Parcel) -> None:
        leased = parcel.leased
        started_at, begun = datetime.now(UTC), time.perf_counter()
        try:
            outcome = await self._webhooks.send_once_more(leased.endpoint, leased.address, parcel.circular)
        except Exception:
            # The edge of one letter: a mistake of ours with it must not stop the others.
            log.exception("sending once more failed", delivery_id=str(leased.address.delivery_id))
            outcome = RetryLater("internal_error")
        attempt = Attempt(
            outcome_name(outcome),
            getattr(outcome, "reason", None),
            getattr(outcome, "status", None),
            started_at,
            round((time.perf_counter() - begun) * 1000, 1),
            getattr(outcome, "answer", ""),
        )
        _sent.add(1, {"outcome": attempt.outcome})
        log.info(
            "resend",
            resend_id=str(leased.resend_id),
            delivery_id=str(leased.address.delivery_id),
            agency_id=str(leased.address.agency_id),
            number=leased.tries,
            outcome=attempt.outcome,
            reason=attempt.reason,
            status=attempt.status,
            milliseconds=attempt.milliseconds,
        )
        lease = self._pace.lease.total_seconds()
        await recorded(lambda: self._record(leased, outcome, attempt), within=lease, resend_id=str(leased.resend_id))

    async def _record(self, leased: Leased, outcome: Outcome, attempt: Attempt) -> None:
        """Tried twice, the second finds the lease gone; so does what ended meanwhile, and its log is complete all the same."""
        now, delivery_id = datetime.now(UTC), leased.address.delivery_id
        async with self._database.transaction() as connection:
            is_held = await resend_leases.lock_leased(connection, leased, now)
            await resend_leases.add_attempt(connection, leased, attempt)
            if not is_held:
                return
            match decide(outcome, leased.tries, self._pace.schedule, now, dice()):
                case Taken():
                    await resend_leases.settle(connection, leased.resend_id, delivery_id, ItemState.SENT, None)
                case TriedAgain(at):
                    await resend_leases.again(connection, leased.resend_id, delivery_id, at)
                case GivenUp(reason):
                    await resend_leases.settle(connection, leased.resend_id, delivery_id, ItemState.FAILED, reason)
            await judge(connection, {leased.address.agency_id: [outcome]}, self._breaker_policy)
            if isinstance(outcome, Gone):
                gone = (leased.address.agency_id, leased.endpoint.url)
                await endpoints.disable(connection, [gone], GONE_REASON)

    async def _release(self, tokens: list[UUID]) -> None:
        async with self._database.connection() as connection:
            await resend_leases.release(connection, tokens)


def _must_wait(order: Due, agency: Flow, now: datetime) -> datetime | None:
    """Until when an order waits whose agency takes nothing, or has letters that wait for room; None: it may go."""
    if not order.is_active:
        return now + flow.PAUSED_LOOK_PAUSE
    if order.letters_wait_until is not None:
        return max(order.letters_wait_until, now + flow.LOOK_PAUSE)
    return flow.next_look(agency, now) if flow.room(agency, now) <= 0 else None
