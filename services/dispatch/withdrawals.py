"""What follows here from a sender's recall, succession, erratum or doubt, and from reminders: deliveries stop, whom it concerns is told.

A recall ends every delivery that was not handed over, also one that is being sent: its lease is taken away, so the outcome is
logged as an attempt and moves nothing. What comes before its circular's chunk is kept, and acted on when the chunk comes.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from services.dispatch.delivery.decide import Recalled
from services.dispatch.feed import EventType
from services.dispatch.mail_notices import MailKind, of_reminder
from services.dispatch.store import circulars, feed, mail_notices, notices, transitions
from services.dispatch.store.feed import Entry
from services.dispatch.store.notices import Notice
from services.dispatch.store.transitions import Deliveries, Move
from shared.contracts.events import (
    CircularErratum,
    CircularRecalled,
    CircularSuperseded,
    DeadlinesMoved,
    RecipientDisputed,
    RecipientsReminded,
)
from shared.inbox import Meta
from shared.postgres import Connection


class Withdrawals:
    """Applies what is decided or told of circulars that have gone round."""

    def __init__(self, deliveries: Deliveries, mail_kinds: Collection[MailKind]) -> None:
        self._deliveries = deliveries
        self._mail_kinds = mail_kinds

    async def recalled(self, connection: Connection, event: CircularRecalled, _meta: Meta) -> None:
        data = {"recall_id": str(event.recall_id), "reason": event.reason}
        found = [
            Notice(EventType.RECALLED, one.recipient_id, one.agency_id, event.circular_id, event.recalled_at, data)
            for one in event.recipients
        ]
        if event.chunk == 1:
            found.append(_to_sender(EventType.RECALL_ORDERED, event, event.recalled_at, data))
        await self._take_in(connection, event.circular_id, found)

    async def superseded(self, connection: Connection, event: CircularSuperseded, _meta: Meta) -> None:
        """The values of what changed are told to those whom the new letter goes to as well; to the others only the fields."""
        successor = {
            "circular_id": str(event.successor_circular_id),
            "letter_id": str(event.successor_letter_id),
            "number": event.successor_number,
        }
        whole = successor | {"changes": [change.model_dump() for change in event.changes]}
        named = successor | {"changes": [{"field": change.field, "before": None, "after": None} for change in event.changes]}
        found = [
            Notice(
                EventType.SUPERSEDED,
                one.recipient_id,
                one.agency_id,
                event.circular_id,
                event.superseded_at,
                (whole if one.addressed_again else named) | {"addressed_again": one.addressed_again},
            )
            for one in event.recipients
        ]
        if event.chunk == 1:
            found.append(_to_sender(EventType.REPLACED, event, event.superseded_at, whole))
        await self._take_in(connection, event.circular_id, found)

    async def corrected(self, connection: Connection, event: CircularErratum, _meta: Meta) -> None:
        data = {"number": event.erratum, "text": event.text, "fields": list(event.fields)}
        found = [
            Notice(EventType.ERRATUM, one.recipient_id, one.agency_id, event.circular_id, event.issued_at, data)
            for one in event.recipients
        ]
        if event.chunk == 1:
            found.append(_to_sender(EventType.CORRECTED, event, event.issued_at, data))
        await self._take_in(connection, event.circular_id, found)

    async def disputed(self, connection: Connection, event: RecipientDisputed, _meta: Meta) -> None:
        data = event.model_dump(mode="json", include={"dispute_id", "text"})
        notice = Notice(EventType.DISPUTED, event.recipient_id, event.agency_id, event.circular_id, event.recorded_at, data)
        await self._take_in(connection, event.circular_id, [notice])

    async def reminded(self, connection: Connection, event: RecipientsReminded, _meta: Meta) -> None:
        """Tell whoever is reminded of letters that wait for an answer."""
        data = event.model_dump(mode="json", include={"deadline", "overdue", "escalation", "rung"})
        found = [
            Notice(EventType.REMINDED, one.recipient_id, one.told_agency_id, event.circular_id, event.due_at, data)
            for one in event.recipients
        ]
        await self._take_in(connection, event.circular_id, found)
        if MailKind.REMINDED in self._mail_kinds:
            await mail_notices.add(connection, [of_reminder(event, one) for one in event.recipients])

    async def deadlines_moved(self, connection: Connection, event: DeadlinesMoved, _meta: Meta) -> None:
        """Tell the sender and each recipient."""
        found: list[Notice] = []
        for one in event.recipients:
            data = {"deadline": event.deadline.isoformat(), "before": one.before.isoformat(), "reason": event.reason}
            for kind, told in ((EventType.DEADLINE_MOVED, event.sender_agency_id), (EventType.DEADLINE_EXTENDED, one.agency_id)):
                found.append(Notice(kind, one.recipient_id, told, event.circular_id, event.moved_at, data))
        await self._take_in(connection, event.circular_id, found)

    async def chunk_came(self, connection: Connection, circular_id: UUID, recipient_ids: Sequence[UUID]) -> None:
        """Act on what came before these recipients; the caller holds the lock of a chunk."""
        early = await notices.take(connection, [circular_id, *recipient_ids])
        if early:
            await self._act(connection, early)

    async def _take_in(self, connection: Connection, circular_id: UUID, found: Sequence[Notice]) -> None:
        await circulars.wait_for_chunk(connection, circular_id)
        known = await circulars.known_recipients(connection, [one.about for one in found])
        if await circulars.get_sender(connection, circular_id) is not None:
            known.add(circular_id)
        await notices.keep(connection, [one for one in found if one.about not in known])
        await self._act(connection, [one for one in found if one.about in known])

    async def _act(self, connection: Connection, told: Sequence[Notice]) -> None:
        recalled = {one.about: one.occurred_at for one in told if one.event is EventType.RECALLED}
        if recalled:
            locked = await self._deliveries.lock_recipients(connection, list(recalled))
            # Kept beside an answer too: it counts once that is taken back.
            await notices.set_recalled(connection, {one.delivery_id: recalled[one.recipient_id] for one in locked})
            # Whoever has answered has the letter.
            moves = [
                Move(one, Recalled(recalled[one.recipient_id]))
                for one in locked
                if one.standing.acknowledged_at is None and one.state not in ("handed_over", "recalled")
            ]
            await transitions.apply(connection, moves)
        await feed.add(
            connection,
            [Entry(one.event, one.agency_id, one.circular_id, one.recipient_id, one.occurred_at, data=one.data) for one in told],
        )


def _to_sender(
    event: EventType, decided: CircularRecalled | CircularSuperseded | CircularErratum, at: datetime, data: dict[str, Any]
) -> Notice:
    return Notice(event, decided.circular_id, decided.sender_agency_id, decided.circular_id, at, data)
