"""SQL of the event feed: written with the change that it tells of, given its position once that has committed, read, pruned.

A transaction that begins early may commit late: a reader who remembered the last row that he saw, by number or by time, would
never see what such a transaction wrote. So rows get their position after their commit, from one worker at a time, in groups;
positions then become visible in their own order, without gaps, and a cursor is a position.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from services.dispatch.delivery.decide import HandedOver, Recalled, Transition, Undeliverable
from services.dispatch.feed import CATALOGUE, OF_KIND, TO_RECIPIENTS, EventType
from shared.access import Scope
from shared.contracts.events import (
    Channel,
    CircularDispatched,
    HandOverGrade,
    RecipientDisputeAnswered,
    RecipientRegistered,
    RecipientRejected,
    RecipientWithdrawn,
)
from shared.postgres import Connection

ADD: Final = """
INSERT INTO feed_pending (kind, circular_id, agency_id, channel, grade, events, agency_ids, recipient_ids, occurred_at, data)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""

FIND_READER: Final = """
UPDATE feed_pending SET agency_id = $2
WHERE circular_id = $1 AND agency_id IS NULL AND agency_ids IS NULL AND recipient_ids <@ $3::uuid[]
"""

IS_ANY_PENDING: Final = "SELECT EXISTS (SELECT FROM feed_pending WHERE agency_id IS NOT NULL OR agency_ids IS NOT NULL)"

OLDEST_PENDING: Final = """
SELECT coalesce(extract(epoch FROM clock_timestamp() - (
    SELECT added_at FROM feed_pending WHERE agency_id IS NOT NULL OR agency_ids IS NOT NULL ORDER BY pending_id LIMIT 1
)), 0)::double precision
"""

LOCK_END: Final = "SELECT last_position FROM feed_ends FOR UPDATE SKIP LOCKED"

# A row of a transaction that is still open is not seen here, whatever its number; it is taken at a later turn.
GIVE_POSITIONS: Final = """
WITH waiting AS (
    SELECT pending_id, events FROM feed_pending WHERE agency_id IS NOT NULL OR agency_ids IS NOT NULL
    ORDER BY pending_id LIMIT $2
), turn AS (
    SELECT pending_id, sum(events) OVER (ORDER BY pending_id) - events AS events_before FROM waiting
), taken AS (
    DELETE FROM feed_pending
    WHERE pending_id = ANY(ARRAY(SELECT pending_id FROM turn WHERE events_before < $2))
    RETURNING pending_id, kind, circular_id, agency_id, channel, grade, agency_ids, recipient_ids, occurred_at, data
), placed AS (
    INSERT INTO feed_events (position, kind, agency_id, circular_id, recipient_id, occurred_at, channel, grade, data)
    SELECT $1::bigint + row_number() OVER (ORDER BY taken.pending_id, told.nth), taken.kind,
        coalesce(taken.agency_id, told.agency_id), taken.circular_id, told.recipient_id, told.occurred_at, taken.channel,
        taken.grade, told.data
    FROM taken CROSS JOIN LATERAL unnest(taken.agency_ids, taken.recipient_ids, taken.occurred_at, taken.data)
        WITH ORDINALITY AS told (agency_id, recipient_id, occurred_at, data, nth)
    RETURNING position, agency_id
), subscribers_told AS (
    UPDATE subscriptions SET told_position = latest.position
    FROM (SELECT agency_id, max(position) AS position FROM placed GROUP BY agency_id) latest
    WHERE subscriptions.agency_id = latest.agency_id
)
UPDATE feed_ends SET last_position = (SELECT max(position) FROM placed) WHERE EXISTS (SELECT FROM placed)
RETURNING last_position
"""

# One statement, so one moment: every event up to `last_position` is seen. Each kind is an index scan of its own, so that a page
# costs the same however many events of other kinds lie between.
READ: Final = """
SELECT ends.last_position, ends.pruned_position, e.position, e.kind, e.circular_id, e.recipient_id, e.occurred_at, e.channel,
    e.grade, e.data
FROM feed_ends ends LEFT JOIN (
    SELECT found.position, found.kind, found.circular_id, found.recipient_id, found.occurred_at, found.channel, found.grade,
        found.data
    FROM unnest($2::text[]) AS wanted (kind) CROSS JOIN LATERAL (
        SELECT f.position, f.kind, f.circular_id, f.recipient_id, f.occurred_at, f.channel, f.grade, f.data
        FROM feed_events f WHERE f.agency_id = $1 AND f.kind = wanted.kind AND f.position > $3
        ORDER BY f.position LIMIT $4
    ) found
    ORDER BY found.position LIMIT $4
) e ON true
ORDER BY e.position
"""

RECIPIENTS: Final = """
SELECT recipient_id, delivery_id, agency_id, title, position FROM deliveries WHERE recipient_id = ANY($1::uuid[])
"""

LOCK_BEGINNING: Final = "SELECT pruned_position FROM feed_ends FOR UPDATE"

PRUNE: Final = """
WITH oldest AS (
    SELECT position, recorded_at FROM feed_events WHERE position > $1 ORDER BY position LIMIT $3
), gone AS (
    DELETE FROM feed_events USING oldest
    WHERE feed_events.position = oldest.position AND oldest.recorded_at < now() - $2::interval
    RETURNING feed_events.position, feed_events.agency_id, feed_events.kind, feed_events.recorded_at
), lost AS (
    SELECT g.agency_id, count(*) AS events, max(g.recorded_at) AS until
    FROM gone g JOIN unnest($4::text[], $5::text[], $6::text[]) AS named (kind, type, about) ON named.kind = g.kind
    JOIN subscriptions s ON s.agency_id = g.agency_id AND s.position < g.position
    WHERE (s.types IS NULL OR named.type = ANY(s.types)) AND s.about IN ('both', named.about)
    GROUP BY g.agency_id
), noted AS (
    UPDATE subscriptions SET lost_events = subscriptions.lost_events + lost.events, lost_until = lost.until
    FROM lost WHERE subscriptions.agency_id = lost.agency_id
), moved AS (
    UPDATE feed_ends SET pruned_position = (SELECT max(position) FROM gone) WHERE EXISTS (SELECT FROM gone)
)
SELECT count(*) FROM gone
"""

# Acknowledgments of circulars that never came.
PRUNE_EARLY: Final = """
DELETE FROM feed_pending WHERE agency_id IS NULL AND agency_ids IS NULL AND occurred_at[1] < now() - $1::interval
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """Something to tell one agency; `agency_id` is None while the circular's sender is not known."""

    event: EventType
    agency_id: UUID | None
    circular_id: UUID
    recipient_id: UUID | None
    occurred_at: datetime
    channel: Channel | None = None
    grade: HandOverGrade | None = None
    data: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """An event of the feed, at its position."""

    position: int
    event: EventType
    circular_id: UUID
    recipient_id: UUID | None
    occurred_at: datetime
    channel: Channel | None
    grade: HandOverGrade | None
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of the feed, and the positions between which events are kept."""

    events: tuple[Told, ...]
    last_position: int
    pruned_position: int


@dataclass(frozen=True, slots=True)
class FeedRecipient:
    """Of whom an event tells."""

    recipient_id: UUID
    delivery_id: UUID
    agency_id: UUID
    title: str
    position: int


def of_circular(event: CircularDispatched) -> list[Entry]:
    """What a chunk tells: its recipients that a letter has come and, once a circular, the sender that it has set out."""
    circular_id, at = event.circular_id, event.dispatched_at
    told = [
        Entry(EventType.ARRIVED, recipient.agency_id, circular_id, recipient.recipient_id, at) for recipient in event.recipients
    ]
    if event.chunk == 1:
        data = {"recipient_count": event.recipient_count}
        told.insert(0, Entry(EventType.DISPATCHED, event.sender_agency_id, circular_id, None, at, data=data))
    return told


def of_acknowledgment(event: RecipientRegistered | RecipientRejected, sender_agency_id: UUID | None) -> Entry:
    """What an acknowledgment tells the sender."""
    if isinstance(event, RecipientRegistered):
        kept = {"receive_number", "receive_date", "correction"}
    else:
        kept = {"reason", "text", "suggested_agency_code"}
    return Entry(
        EventType.REGISTERED if isinstance(event, RecipientRegistered) else EventType.REJECTED,
        sender_agency_id,
        event.circular_id,
        event.recipient_id,
        event.recorded_at,
        data=event.model_dump(mode="json", include=kept),
    )


def of_change(event: RecipientWithdrawn | RecipientDisputeAnswered, sender_agency_id: UUID | None) -> Entry:
    """What becomes of an answer: this is told to the sender, and a doubt to the recipient (`withdrawals`)."""
    match event:
        case RecipientWithdrawn():
            kind, kept = EventType.WITHDRAWN, {"reason"}
        case RecipientDisputeAnswered():
            kind, kept = EventType.DISPUTE_ANSWERED, {"dispute_id", "text"}
    data = event.model_dump(mode="json", include=kept)
    return Entry(kind, sender_agency_id, event.circular_id, event.recipient_id, event.recorded_at, data=data)


def of_transition(transition: Transition, sender_agency_id: UUID, circular_id: UUID, recipient_id: UUID) -> Entry | None:
    """What a delivery's transition tells the sender; None when it is not an end."""
    match transition:
        case HandedOver(channel, grade, at):
            return Entry(EventType.HANDED_OVER, sender_agency_id, circular_id, recipient_id, at, channel, grade)
        case Undeliverable(reason, detail, at):
            data = {"reason": reason, "detail": detail}
            return Entry(EventType.UNDELIVERABLE, sender_agency_id, circular_id, recipient_id, at, data=data)
        case Recalled(at):
            return Entry(EventType.STOPPED, sender_agency_id, circular_id, recipient_id, at)
        case _:
            return None


async def add(connection: Connection, entries: Iterable[Entry]) -> None:
    """Write what is to be told, in the transaction of the change: one row for what differs in recipient and time alone."""
    alike: dict[tuple[EventType, UUID, UUID | None, Channel | None, HandOverGrade | None], list[Entry]] = {}
    for entry in entries:
        reader = None if entry.event in TO_RECIPIENTS else entry.agency_id
        alike.setdefault((entry.event, entry.circular_id, reader, entry.channel, entry.grade), []).append(entry)
    if not alike:
        return
    await connection.executemany(
        ADD,
        [
            (
                event.kind,
                circular_id,
                reader,
                channel,
                grade,
                len(told),
                [entry.agency_id for entry in told] if event in TO_RECIPIENTS else None,
                [entry.recipient_id for entry in told],
                [entry.occurred_at for entry in told],
                [entry.data for entry in told if entry.data is not None],
            )
            for (event, circular_id, reader, channel, grade), told in alike.items()
        ],
    )


async def find_reader(connection: Connection, circular_id: UUID, sender_agency_id: UUID, recipient_ids: Sequence[UUID]) -> None:
    """Tell the sender of acknowledgments that came before the recipients themselves."""
    await connection.execute(FIND_READER, circular_id, sender_agency_id, list(recipient_ids))


async def is_any_pending(connection: Connection) -> bool:
    return await connection.fetchval(IS_ANY_PENDING)


async def age_of_pending(connection: Connection) -> float:
    """For how many seconds the oldest event without a position has waited for one; 0 when there is none."""
    return await connection.fetchval(OLDEST_PENDING)


async def give_positions(connection: Connection, most: int) -> int:
    """Place about `most` committed events at the end of the feed; returns how many. 0 also when another is doing so."""
    end = await connection.fetchval(LOCK_END)
    if end is None:
        return 0
    last = await connection.fetchval(GIVE_POSITIONS, end, most)
    return 0 if last is None else last - end


async def read(connection: Connection, agency_id: UUID, events: Sequence[EventType], after: int, limit: int) -> Stretch:
    """The agency's events of those types behind the position `after`, in the feed's order."""
    rows = await connection.fetch(READ, agency_id, [event.kind for event in events], after, limit)
    told = tuple(
        Told(
            position=row["position"],
            event=OF_KIND[row["kind"]],
            circular_id=row["circular_id"],
            recipient_id=row["recipient_id"],
            occurred_at=row["occurred_at"],
            channel=None if row["channel"] is None else Channel(row["channel"]),
            grade=None if row["grade"] is None else HandOverGrade(row["grade"]),
            data=row["data"] or {},
        )
        for row in rows
        if row["position"] is not None
    )
    return Stretch(told, rows[0]["last_position"], rows[0]["pruned_position"])


async def recipients(connection: Connection, recipient_ids: Sequence[UUID]) -> dict[UUID, FeedRecipient]:
    """Who those recipients are."""
    rows = await connection.fetch(RECIPIENTS, list(recipient_ids))
    return {row["recipient_id"]: FeedRecipient(**dict(row)) for row in rows}


async def prune(connection: Connection, older_than: timedelta, most: int) -> int:
    """Forget up to `most` of the oldest events; returns how many. Cursors that stand among them are expired from here on.

    What a subscriber wanted and could not be told is noted with its subscription.
    """
    begin = await connection.fetchval(LOCK_BEGINNING)
    kinds = [entry.type.kind for entry in CATALOGUE]
    types = [entry.type.value for entry in CATALOGUE]
    about = ["sent" if entry.scope is Scope.CIRCULARS_READ else "received" for entry in CATALOGUE]
    return await connection.fetchval(PRUNE, begin, older_than, most, kinds, types, about)


async def prune_early(connection: Connection, older_than: timedelta) -> None:
    """Forget what has waited too long for its circular."""
    await connection.execute(PRUNE_EARLY, older_than)
