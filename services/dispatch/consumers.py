"""AMQP in: agencies, dispatched circulars, and acknowledgments, from the queue of dispatch's events."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from services.dispatch import ladder
from services.dispatch.delivery.decide import Take, first_step, reached, unanswered_again
from services.dispatch.mail_notices import MailKind, MailNotice, of_answer
from services.dispatch.retry import Policy
from services.dispatch.store import agencies, circulars, feed, mail_notices, transitions
from services.dispatch.store.agencies import Reachability
from services.dispatch.store.circulars import Acknowledgment, NewDelivery
from services.dispatch.store.transitions import Deliveries, Locked, Move
from services.dispatch.withdrawals import Withdrawals
from shared.contracts.events import (
    AgencySaved,
    CircularDispatched,
    CircularErratum,
    CircularRecalled,
    CircularSuperseded,
    DeadlinesMoved,
    FrozenRecipient,
    RecipientDisputeAnswered,
    RecipientDisputed,
    RecipientRegistered,
    RecipientRejected,
    RecipientsReminded,
    RecipientWithdrawn,
)
from shared.contracts.topology import Lane
from shared.ids import new_id
from shared.inbox import EventHandler, Meta, Route, route
from shared.links import LinkSigner, Purpose
from shared.postgres import Connection, Database

CONSUMER: Final = "dispatch"


class Consumers:
    """Applies what the other services tell; each event in one transaction, in any order, any number of times."""

    def __init__(
        self,
        signer: LinkSigner,
        deliveries: Deliveries,
        policy: Policy,
        *,
        email_secret_letters: bool,
        mail_kinds: Collection[MailKind],
    ) -> None:
        self._signer = signer
        self._deliveries = deliveries
        self._withdrawals = Withdrawals(deliveries, mail_kinds)
        self._mail_kinds = mail_kinds
        self._policy = policy
        self._email_secret_letters = email_secret_letters

    def handler(self, database: Database) -> EventHandler:
        return EventHandler(database, consumer=CONSUMER, routes=self.routes())

    def routes(self) -> Mapping[str, Route]:
        return dict(
            (
                route(AgencySaved, self.agency_saved),
                route(CircularDispatched, self.circular_dispatched),
                route(CircularRecalled, self._withdrawals.recalled),
                route(CircularSuperseded, self._withdrawals.superseded),
                route(CircularErratum, self._withdrawals.corrected),
                route(RecipientRegistered, self.acknowledged),
                route(RecipientRejected, self.acknowledged),
                route(RecipientWithdrawn, self.withdrawn),
                route(RecipientDisputed, self._withdrawals.disputed),
                route(RecipientDisputeAnswered, self.dispute_answered),
                route(RecipientsReminded, self._withdrawals.reminded),
                route(DeadlinesMoved, self._withdrawals.deadlines_moved),
            )
        )

    async def agency_saved(self, connection: Connection, event: AgencySaved, _meta: Meta) -> None:
        await agencies.save_agency(connection, event)

    async def circular_dispatched(self, connection: Connection, event: CircularDispatched, meta: Meta) -> None:
        """Make a delivery for each recipient of the chunk, on the first channel of its ladder."""
        lane = ladder.lane_of(event.letter.speed, event.recipient_count)
        await circulars.add_circular(connection, event, lane, meta.traceparent)
        known = await agencies.reachability(connection, list({recipient.agency_id for recipient in event.recipients}))
        now = datetime.now(UTC)
        new = [self._new_delivery(event, recipient, lane, known.get(recipient.agency_id), now) for recipient in event.recipients]
        await circulars.add_deliveries(connection, event.circular_id, event.sender_agency_id, lane, new)
        await feed.add(connection, feed.of_circular(event))
        recipient_ids = [recipient.recipient_id for recipient in event.recipients]
        await feed.find_reader(connection, event.circular_id, event.sender_agency_id, recipient_ids)
        early = await circulars.early_acknowledgments(connection, recipient_ids)
        if early:
            await self._end_acknowledged(connection, early)
        await self._withdrawals.chunk_came(connection, event.circular_id, recipient_ids)

    def _new_delivery(
        self, event: CircularDispatched, recipient: FrozenRecipient, lane: Lane, agency: Reachability | None, now: datetime
    ) -> NewDelivery:
        routes = agency and ladder.routes_to(
            has_endpoint=agency.has_endpoint,
            email=agency.email,
            secrecy=event.letter.secrecy,
            email_secret_letters=self._email_secret_letters,
        )
        step = first_step(routes, lane, event.deadline, self._policy, now)
        channel, until = (step.channel, step.until) if isinstance(step, Take) else (None, None)
        link = self._signer.sign(Purpose.ACKNOWLEDGE, recipient.recipient_id)
        return NewDelivery(new_id(), recipient, link, channel, step.at, until)

    async def acknowledged(self, connection: Connection, event: RecipientRegistered | RecipientRejected, _meta: Meta) -> None:
        """Stop the ladder: whoever has registered or refused the letter has it."""
        known = await circulars.add_acknowledgment(connection, event.circular_id, event.recipient_id, event.recorded_at)
        locked = await self._end_acknowledged(connection, {event.recipient_id: known})
        await feed.add(connection, [feed.of_acknowledgment(event, _sender(locked))])
        await self._mail(connection, of_answer(event))

    async def withdrawn(self, connection: Connection, event: RecipientWithdrawn, _meta: Meta) -> None:
        """Let the letter wait for an answer again. It has reached its recipient: nothing is sent again by itself."""
        known = await circulars.add_withdrawal(connection, event.circular_id, event.recipient_id, event.recorded_at)
        locked = await self._deliveries.lock_recipients(connection, [event.recipient_id])
        if known.standing_at is None:
            await transitions.apply(
                connection,
                [
                    Move(delivery, following)
                    for delivery in locked
                    if (following := unanswered_again(delivery.standing, delivery.state)) is not None
                ],
            )
            await transitions.set_unacknowledged(connection, event.recipient_id)
        await feed.add(connection, [feed.of_change(event, _sender(locked))])
        await self._mail(connection, of_answer(event))

    async def dispute_answered(self, connection: Connection, event: RecipientDisputeAnswered, _meta: Meta) -> None:
        locked = await self._deliveries.lock_recipients(connection, [event.recipient_id])
        await feed.add(connection, [feed.of_change(event, _sender(locked))])

    async def _mail(self, connection: Connection, notice: MailNotice | None) -> None:
        if notice is not None and MailKind.ANSWERED in self._mail_kinds:
            await mail_notices.add(connection, [notice])

    async def _end_acknowledged(self, connection: Connection, known: Mapping[UUID, Acknowledgment]) -> list[Locked]:
        """End what is still to be sent, also by an answer that was taken back since: whoever gave it had the letter."""
        locked = await self._deliveries.lock_recipients(connection, list(known))
        standing = {recipient_id: at for recipient_id, one in known.items() if (at := one.standing_at) is not None}
        await transitions.set_acknowledged(connection, standing)
        # One that is being sent now ends when its outcome is recorded, so that the attempt is not lost.
        moves = [
            Move(delivery, reached(delivery.standing, at))
            for delivery in locked
            if delivery.state == "scheduled" and (at := known[delivery.recipient_id].answered_at) is not None
        ]
        await transitions.apply(connection, moves)
        return locked


def _sender(locked: Sequence[Locked]) -> UUID | None:
    """Who sent the letter of these deliveries; None while none has come here."""
    return next((delivery.sender_agency_id for delivery in locked), None)
