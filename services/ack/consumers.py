"""Events in: agencies, dispatched circulars, and what became of deliveries."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from services.ack.deadlines import DeadlineBy, Rules, deadline_of, ladder
from services.ack.facts import (
    Bounced,
    HandedOver,
    Recalled,
    RecipientEvent,
    Redirected,
    Relayed,
    Stopped,
    Undeliverable,
    new_event,
)
from services.ack.fold import fold
from services.ack.rescheduling import reschedule
from services.ack.store import agencies, calendars, circulars, decisions, events, paper_codes, recipients, reminders
from shared.broker import Handler
from shared.codes import acknowledgment_code, code_digest
from shared.contracts.events import (
    AgencySaved,
    Bounce,
    Channel,
    CircularDispatched,
    CircularErratum,
    CircularRecalled,
    CircularSuperseded,
    DeliveriesBounced,
    DeliveriesHandedOver,
    DeliveriesRecalled,
    DeliveriesUndeliverable,
    Failure,
    HandOver,
)
from shared.contracts.topology import ACK_EVENTS
from shared.inbox import EventHandler, Meta, route
from shared.postgres import Connection, Database

DISPATCH: Final = "dispatch"
REGISTRY: Final = "registry"


def event_handler(database: Database, link_key: str, rules: Rules) -> Handler:
    """The handler of the queue `ack.events`; under `link_key` the codes on paper are made, by `rules` deadlines."""

    async def expect(connection: Connection, event: CircularDispatched, meta: Meta) -> None:
        await expect_recipients(connection, event, meta, rules)

    async def record_hand_overs(connection: Connection, event: DeliveriesHandedOver, meta: Meta) -> None:
        await record(connection, [_handed_over(item, meta.time) for item in event.items])
        await admit_paper(connection, link_key, event)

    routes = dict(
        [
            route(AgencySaved, save_agency),
            route(CircularDispatched, expect),
            route(DeliveriesHandedOver, record_hand_overs),
            route(DeliveriesBounced, record_bounces),
            route(DeliveriesUndeliverable, record_failures),
            route(DeliveriesRecalled, record_stops),
            route(CircularRecalled, record_recall),
            route(CircularSuperseded, keep_succession),
            route(CircularErratum, keep_erratum),
        ]
    )
    return EventHandler(database, consumer=ACK_EVENTS, routes=routes)


async def save_agency(connection: Connection, event: AgencySaved, _meta: Meta) -> None:
    """Keep the agency's names."""
    await agencies.save(connection, event)


async def expect_recipients(connection: Connection, event: CircularDispatched, meta: Meta, rules: Rules) -> None:
    """Store a chunk's recipients, with whatever is known of them already, and roll a relay up to the circular before."""
    parent = event.relay_of_recipient_id
    redirected = {one.redirected_from: one.recipient_id for one in event.recipients if one.redirected_from is not None}
    before: set[UUID] = set(redirected) | ({parent} if parent is not None else set())
    if before:
        # Row locks come before the lock of early events, here as in `record`.
        await recipients.lock_many(connection, sorted(before))
    await calendars.lock_shared(connection)
    deadline = deadline_of(event.deadline, event.letter.speed, event.dispatched_at, rules)
    if await circulars.insert(connection, event, deadline) and deadline is not None:
        await reminders.add(connection, event.circular_id, ladder(deadline[0], event.dispatched_at, rules))
    new = await recipients.insert_many(connection, event.circular_id, event.recipients)
    if new:
        await recipients.wait_for_early_events(connection)
        await _refold(connection, new)
        if deadline is not None and deadline[1] is DeadlineBy.SPEED:
            await reschedule(connection, new, rules, meta.time)
    if redirected:
        sent_on = {one: Redirected(to) for one, to in redirected.items()}
        await record(
            connection,
            [new_event(one, fact, occurred_at=meta.time, recorded_at=meta.time, actor=REGISTRY) for one, fact in sent_on.items()],
        )
    if parent is not None:
        relayed = Relayed(event.circular_id, event.recipient_count)
        await record(
            connection,
            [new_event(parent, relayed, occurred_at=event.dispatched_at, recorded_at=meta.time, actor=REGISTRY)],
        )


async def admit_paper(connection: Connection, link_key: str, event: DeliveriesHandedOver) -> None:
    """Let the codes of letters that were sent on paper open their pages, from now on."""
    sent = [item.recipient_id for item in event.items if item.channel is Channel.PAPER]
    if sent:
        digests = [code_digest(link_key, acknowledgment_code(link_key, recipient_id)) for recipient_id in sent]
        await paper_codes.add(connection, digests, sent)


async def record_bounces(connection: Connection, event: DeliveriesBounced, meta: Meta) -> None:
    """Record that mails came back; no recipient's grade falls by it."""
    await record(connection, [_bounced(item, meta.time) for item in event.items])


async def record_failures(connection: Connection, event: DeliveriesUndeliverable, meta: Meta) -> None:
    """Record that deliveries ended without a hand-over."""
    await record(connection, [_undeliverable(item, meta.time) for item in event.items])


async def record_stops(connection: Connection, event: DeliveriesRecalled, meta: Meta) -> None:
    """Record that a recall has stopped deliveries before a hand-over."""
    stops = [(item, Stopped(item.delivery_id, item.attempts)) for item in event.items]
    await record(
        connection,
        [
            new_event(item.recipient_id, fact, occurred_at=item.recalled_at, recorded_at=meta.time, actor=DISPATCH)
            for item, fact in stops
        ],
    )


async def record_recall(connection: Connection, event: CircularRecalled, meta: Meta) -> None:
    """Record that the sender has taken the letter back from these recipients, as far as they have not answered."""
    fact = Recalled(event.recall_id, event.reason)
    await record(
        connection,
        [
            new_event(one.recipient_id, fact, occurred_at=event.recalled_at, recorded_at=meta.time, actor=REGISTRY)
            for one in event.recipients
        ],
    )


async def keep_succession(connection: Connection, event: CircularSuperseded, _meta: Meta) -> None:
    """Keep which letter took a circular's place; each chunk says the same."""
    await decisions.add_succession(connection, event)


async def keep_erratum(connection: Connection, event: CircularErratum, _meta: Meta) -> None:
    """Keep a note that corrects a circular; each chunk says the same."""
    await decisions.add_erratum(connection, event)


async def record(connection: Connection, found: Sequence[RecipientEvent]) -> None:
    """Append events and fold those of recipients that are there; the others are folded when their recipient comes."""
    wanted = sorted({event.recipient_id for event in found})
    known = await recipients.lock_many(connection, wanted)
    missing = [recipient_id for recipient_id in wanted if recipient_id not in known]
    if missing:
        await recipients.wait_for_new_recipients(connection)
        known |= await recipients.lock_many(connection, missing)
    changed = await events.append(connection, found)
    await _refold(connection, sorted(changed & known))


async def _refold(connection: Connection, recipient_ids: Sequence[UUID]) -> None:
    by_recipient = await events.of_recipients(connection, recipient_ids)
    if by_recipient:
        await recipients.write_summaries(connection, {found: fold(log) for found, log in by_recipient.items()})


def _handed_over(item: HandOver, recorded_at: datetime) -> RecipientEvent:
    fact = HandedOver(item.delivery_id, item.channel, item.grade, item.attempts)
    return new_event(item.recipient_id, fact, occurred_at=item.handed_over_at, recorded_at=recorded_at, actor=DISPATCH)


def _bounced(item: Bounce, recorded_at: datetime) -> RecipientEvent:
    fact = Bounced(item.delivery_id, item.status, item.reason, item.attempts)
    return new_event(item.recipient_id, fact, occurred_at=item.bounced_at, recorded_at=recorded_at, actor=DISPATCH)


def _undeliverable(item: Failure, recorded_at: datetime) -> RecipientEvent:
    fact = Undeliverable(item.delivery_id, item.reason, item.detail, item.attempts)
    return new_event(item.recipient_id, fact, occurred_at=item.failed_at, recorded_at=recorded_at, actor=DISPATCH)
