"""The notifier: sends subscribed agencies their part of the event feed, one batch at a time for each, and never loses its place.

Letters come first: it has a loop and slots of its own, asks the agency's limits and circuit as a claim of letters does, and sends
an agency no more than one request at a time. It never changes the circuit: an endpoint that takes letters and fails on events must
not make its letters wait.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid4

import orjson
import structlog
from opentelemetry import metrics
from pydantic import BaseModel

from services.dispatch import flow
from services.dispatch.delivery.jobs import CircularContent, Endpoint
from services.dispatch.delivery.send import dice, outcome_name
from services.dispatch.feed import event_id
from services.dispatch.in_hand import InHand, RequestPace, recorded
from services.dispatch.outcomes import Outcome, RetryLater
from services.dispatch.payload import BATCH_CONTENT_TYPE, CONTENT_TYPE, EndpointEvent
from services.dispatch.store import circuits, circulars, feed, subscriptions
from services.dispatch.store.feed import FeedRecipient, Told
from services.dispatch.store.subscriptions import Due, Failure
from services.dispatch.subscriptions import SwitchedOff, Taken, TriedAgain, decide, message_id, wanted
from services.dispatch.transport import WebhookSender
from shared.postgres import Connection, Database

log = structlog.stdlib.get_logger(__name__)
_meter = metrics.get_meter("wian.dispatch")
_sent = _meter.create_counter(
    "wian.dispatch.notices", unit="{event}", description="Events of the feed that were sent to subscribers, by outcome."
)

Show = Callable[[Told, CircularContent | None, Mapping[UUID, FeedRecipient], str], BaseModel]


@dataclass(frozen=True, slots=True)
class Parcel:
    """One request to one agency, held under a lease."""

    agency_id: UUID
    lease_token: UUID
    endpoint: Endpoint
    event: EndpointEvent
    events: int


class Notifier:
    """Several may run: each claims what the others do not hold."""

    name = "dispatch notifier"

    def __init__(
        self,
        database: Database,
        webhooks: WebhookSender,
        show: Show,
        *,
        pace: RequestPace,
        public_url: str,
    ) -> None:
        self._database = database
        self._webhooks = webhooks
        self._show = show
        self._pace = pace
        self._public_url = public_url
        self._in_hand = InHand("notices", self._release)

    async def run(self, stop: asyncio.Event) -> None:
        await self._in_hand.run(self._begin, stop, poll_interval=self._pace.poll_interval)

    async def run_once(self) -> int:
        """Send one batch to each agency for which there is one; returns how many."""
        begun = await self._begin()
        await self._in_hand.all_ended()
        return begun

    async def _begin(self) -> int:
        return await self._in_hand.fill(self._pace, self._claim, self._deliver)

    async def _claim(self, most: int) -> list[Parcel]:
        async with self._database.transaction() as connection:
            due = await subscriptions.lock_due(connection, most)
            if not due:
                return []
            now = datetime.now(UTC)
            flows = await circuits.flows(connection, [one.agency_id for one in due], self._pace.limits)
            ready = [one for one in due if flow.room(flows[one.agency_id], now) > 0]
            waiting = {one.agency_id for one in due} - {one.agency_id for one in ready}
            await subscriptions.postpone(connection, {one: flow.next_look(flows[one], now) for one in waiting})
            parcels = [parcel for one in ready for parcel in await self._pack(connection, one)]
            spent = {parcel.agency_id: flow.spend(flows[parcel.agency_id], 1, now) for parcel in parcels}
            await circuits.watch(connection, {}, {agency_id: until for agency_id, until in spent.items() if until is not None})
        return parcels

    async def _pack(self, connection: Connection, due: Due) -> list[Parcel]:
        """What the agency gets now, leased; nothing when nothing that it wants has been told."""
        found = await feed.read(connection, due.agency_id, wanted(due.about, due.types), due.position, due.batch_size)
        until = due.batch_position
        told = [one for one in found.events if until is None or one.position <= until]
        if not told:
            position = found.last_position if until is None else until
            await subscriptions.pass_over(connection, due.agency_id, position, found.last_position)
            return []
        about = await feed.recipients(connection, [one.recipient_id for one in told if one.recipient_id is not None])
        contents = await circulars.get_circulars(connection, list({one.circular_id for one in told}))
        shown = [
            self._show(one, contents.get(one.circular_id), about, self._public_url).model_dump(mode="json", exclude_none=True)
            for one in told
        ]
        batched = due.batch_size > 1
        identifier = message_id(
            [event_id(one.event, one.recipient_id or one.circular_id, one.occurred_at) for one in told], batched=batched
        )
        body = orjson.dumps(shown if batched else shown[0])
        event = EndpointEvent(str(identifier), body, BATCH_CONTENT_TYPE if batched else CONTENT_TYPE)
        token = uuid4()
        await subscriptions.lease(connection, due.agency_id, token, self._pace.lease, told[-1].position)
        return [Parcel(due.agency_id, token, due.endpoint, event, len(told))]

    async def _deliver(self, parcel: Parcel) -> None:
        try:
            outcome, _ = await self._webhooks.post_event(parcel.endpoint, parcel.event)
        except Exception:
            # The edge of one notice: a mistake of ours with it must not stop the others.
            log.exception("sending a notice failed", agency_id=str(parcel.agency_id))
            outcome = RetryLater("internal_error")
        name = outcome_name(outcome)
        _sent.add(parcel.events, {"outcome": name})
        log.info(
            "notice",
            agency_id=str(parcel.agency_id),
            webhook_id=parcel.event.message_id,
            events=parcel.events,
            outcome=name,
            reason=getattr(outcome, "reason", None),
            status=getattr(outcome, "status", None),
        )
        lease = self._pace.lease.total_seconds()
        await recorded(lambda: self._record(parcel, outcome), within=lease, agency_id=str(parcel.agency_id))

    async def _record(self, parcel: Parcel, outcome: Outcome) -> None:
        """Tried twice, the second finds the lease gone."""
        async with self._database.transaction() as connection:
            failures = await subscriptions.lock_leased(connection, parcel.agency_id, parcel.lease_token)
            if failures is None:
                return
            match decide(outcome, failures, self._pace.schedule, datetime.now(UTC), dice()):
                case Taken():
                    await subscriptions.taken(connection, parcel.agency_id)
                case TriedAgain(at):
                    await subscriptions.failed(connection, parcel.agency_id, _failure(outcome, at))
                case SwitchedOff():
                    await subscriptions.failed(connection, parcel.agency_id, _failure(outcome, None))

    async def _release(self, tokens: list[UUID]) -> None:
        async with self._database.connection() as connection:
            await subscriptions.release(connection, tokens)


def _failure(outcome: Outcome, at: datetime | None) -> Failure:
    status: int | None = getattr(outcome, "status", None)
    reason: str = getattr(outcome, "reason", f"http_{status}")
    return Failure(at, reason, status, getattr(outcome, "answer", ""))
