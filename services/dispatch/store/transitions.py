"""SQL of transitions: deliveries locked for a decision, their new states, their attempts, and the events that tell of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, assert_never
from uuid import UUID

from services.dispatch import ladder
from services.dispatch.delivery.decide import Again, HandedOver, LostLease, Recalled, Standing, Take, Transition, Undeliverable
from services.dispatch.delivery.jobs import Sent
from services.dispatch.delivery.send import outcome_name
from services.dispatch.outcomes import was_tried
from services.dispatch.store import feed
from shared import outbox
from shared.contracts.envelope import Event
from shared.contracts.events import (
    Channel,
    DeliveriesHandedOver,
    DeliveriesRecalled,
    DeliveriesUndeliverable,
    Failure,
    HandOver,
    Secrecy,
    Stop,
)
from shared.contracts.topology import Lane
from shared.postgres import Connection, Row

ITEMS_PER_EVENT: Final = 500

STANDING: Final = """
SELECT d.delivery_id, d.recipient_id, d.circular_id, c.sender_agency_id, d.agency_id, d.state, d.lease_token, d.lane, d.channel,
    d.step_until, d.channel_attempts, d.attempts, d.lost_leases, d.acknowledged_at, d.recalled_at, d.created_at, c.secrecy, c.deadline,
    a.agency_id IS NOT NULL AS agency_known, a.email,
    e.agency_id IS NOT NULL AS has_endpoint
FROM deliveries d JOIN circulars c ON c.circular_id = d.circular_id
LEFT JOIN agencies a ON a.agency_id = d.agency_id
LEFT JOIN endpoints e ON e.agency_id = d.agency_id AND e.state IN ('active', 'paused')
"""

LOCK_LEASED: Final = (
    STANDING
    + """
WHERE d.lease_token = ANY($1::uuid[])
ORDER BY d.delivery_id FOR UPDATE OF d SKIP LOCKED
"""
)

LOCK_WAITING: Final = (
    STANDING
    + """
WHERE d.state = 'scheduled' AND (d.channel IS NULL OR d.channel IN ('inbox', 'paper')) AND d.next_attempt_at <= now()
ORDER BY d.next_attempt_at LIMIT $1 FOR UPDATE OF d SKIP LOCKED
"""
)

LOCK_PARKED_OVER: Final = (
    STANDING
    + """
WHERE d.parked AND d.step_until <= now()
ORDER BY d.step_until LIMIT $1 FOR UPDATE OF d SKIP LOCKED
"""
)

LOCK_DELIVERIES: Final = (
    STANDING
    + """
WHERE d.delivery_id = ANY($1::uuid[])
ORDER BY d.delivery_id FOR UPDATE OF d
"""
)

LOCK_RECIPIENTS: Final = (
    STANDING
    + """
WHERE d.recipient_id = ANY($1::uuid[])
ORDER BY d.delivery_id FOR UPDATE OF d
"""
)

SET_ACKNOWLEDGED: Final = """
UPDATE deliveries SET acknowledged_at = given.acknowledged_at
FROM unnest($1::uuid[], $2::timestamptz[]) AS given (recipient_id, acknowledged_at)
WHERE deliveries.recipient_id = given.recipient_id
    AND (deliveries.acknowledged_at IS NULL OR deliveries.acknowledged_at < given.acknowledged_at)
"""

SET_UNACKNOWLEDGED: Final = """
UPDATE deliveries SET acknowledged_at = NULL WHERE recipient_id = $1 AND acknowledged_at IS NOT NULL
"""

MOVE: Final = """
UPDATE deliveries SET state = move.state, channel = move.channel, step_until = move.step_until,
    next_attempt_at = move.next_attempt_at,
    lease_token = NULL, parked = false, turn_at = coalesce(move.next_attempt_at, deliveries.turn_at),
    lost_leases = move.lost_leases, channel_attempts = move.channel_attempts, attempts = move.attempts,
    handed_over_at = move.handed_over_at, hand_over_channel = move.hand_over_channel, hand_over_grade = move.hand_over_grade,
    failure_reason = coalesce(move.failure_reason, deliveries.failure_reason),
    failure_detail = coalesce(move.failure_detail, deliveries.failure_detail),
    failed_at = coalesce(move.failed_at, deliveries.failed_at)
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[], $5::bigint[], $6::bigint[], $7::timestamptz[], $8::text[],
        $9::text[], $10::text[], $11::text[], $12::timestamptz[], $13::timestamptz[], $14::bigint[])
    AS move (delivery_id, state, channel, next_attempt_at, channel_attempts, attempts, handed_over_at, hand_over_channel,
        hand_over_grade, failure_reason, failure_detail, failed_at, step_until, lost_leases)
WHERE deliveries.delivery_id = move.delivery_id
"""

# A record that is made again after a lost connection finds its attempts there.
ADD_ATTEMPTS: Final = """
INSERT INTO attempts (delivery_id, number, channel, outcome, reason, status, started_at, milliseconds, answer, agency_id)
SELECT delivery_id, number, channel, outcome, reason, status, started_at, milliseconds, answer, agency_id
FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::timestamptz[],
        $8::double precision[], $9::text[], $10::uuid[])
    AS made (delivery_id, number, channel, outcome, reason, status, started_at, milliseconds, answer, agency_id)
ON CONFLICT (delivery_id, number) DO NOTHING
"""

# The columns follow the rows: an attempt that was logged after the delivery had ended is counted like any other.
COUNT_ATTEMPTS: Final = """
UPDATE deliveries SET attempts = made.attempts, channel_attempts = made.channel_attempts
FROM (
    SELECT d.delivery_id, count(a.number) AS attempts, count(a.number) FILTER (WHERE a.channel = d.channel) AS channel_attempts
    FROM deliveries d JOIN attempts a ON a.delivery_id = d.delivery_id
    WHERE d.delivery_id = ANY($1::uuid[]) GROUP BY d.delivery_id
) made
WHERE deliveries.delivery_id = made.delivery_id
"""


@dataclass(frozen=True, slots=True)
class Locked:
    """A delivery that this transaction has locked, as it stands."""

    delivery_id: UUID
    recipient_id: UUID
    circular_id: UUID
    sender_agency_id: UUID
    agency_id: UUID
    state: str
    lease_token: UUID | None
    standing: Standing
    agency_known: bool
    created_at: datetime

    @property
    def has_ended(self) -> bool:
        return self.state not in ("scheduled", "leased")


@dataclass(frozen=True, slots=True)
class Move:
    """A decided transition; `tried` when an attempt led to it."""

    delivery: Locked
    transition: Transition
    tried: bool = False

    @property
    def attempts(self) -> int:
        return self.delivery.standing.attempts + self.tried


class Deliveries:
    """Locks deliveries; `email_secret_letters` decides what may go by mail."""

    def __init__(self, *, email_secret_letters: bool) -> None:
        self._email_secret_letters = email_secret_letters

    def _locked(self, row: Row) -> Locked:
        routes = ladder.routes_to(
            has_endpoint=row["has_endpoint"],
            email=row["email"],
            secrecy=Secrecy(row["secrecy"]),
            email_secret_letters=self._email_secret_letters,
        )
        standing = Standing(
            lane=Lane(row["lane"]),
            channel=None if row["channel"] is None else Channel(row["channel"]),
            step_until=row["step_until"],
            channel_attempts=row["channel_attempts"],
            attempts=row["attempts"],
            routes=routes,
            deadline=row["deadline"],
            acknowledged_at=row["acknowledged_at"],
            lost_leases=row["lost_leases"],
            recalled_at=row["recalled_at"],
        )
        return Locked(
            delivery_id=row["delivery_id"],
            recipient_id=row["recipient_id"],
            circular_id=row["circular_id"],
            sender_agency_id=row["sender_agency_id"],
            agency_id=row["agency_id"],
            state=row["state"],
            lease_token=row["lease_token"],
            standing=standing,
            agency_known=row["agency_known"],
            created_at=row["created_at"],
        )

    async def lock_leased(self, connection: Connection, lease_tokens: Sequence[UUID]) -> list[Locked]:
        """What is held under these leases, but for what is being recorded at this instant."""
        return [self._locked(row) for row in await connection.fetch(LOCK_LEASED, list(lease_tokens))]

    async def lock_waiting(self, connection: Connection, limit: int) -> list[Locked]:
        """What is due without being sent: steps in the inbox and on paper, and letters whose agency was not known."""
        return [self._locked(row) for row in await connection.fetch(LOCK_WAITING, limit)]

    async def lock_parked_over(self, connection: Connection, limit: int) -> list[Locked]:
        """What waited for its agency until the time for the channel was over."""
        return [self._locked(row) for row in await connection.fetch(LOCK_PARKED_OVER, limit)]

    async def lock(self, connection: Connection, delivery_ids: Sequence[UUID]) -> list[Locked]:
        return [self._locked(row) for row in await connection.fetch(LOCK_DELIVERIES, list(delivery_ids))]

    async def lock_recipients(self, connection: Connection, recipient_ids: Sequence[UUID]) -> list[Locked]:
        return [self._locked(row) for row in await connection.fetch(LOCK_RECIPIENTS, list(recipient_ids))]


async def set_acknowledged(connection: Connection, acknowledged: dict[UUID, datetime]) -> None:
    """Mark deliveries (by recipient) as acknowledged; the newest time stays."""
    await connection.execute(SET_ACKNOWLEDGED, list(acknowledged), list(acknowledged.values()))


async def set_unacknowledged(connection: Connection, recipient_id: UUID) -> None:
    """Mark the recipient's delivery as one that waits for an answer again."""
    await connection.execute(SET_UNACKNOWLEDGED, recipient_id)


@dataclass(frozen=True, slots=True)
class _Columns:
    """The columns that a transition decides."""

    state: str
    channel: Channel | None
    channel_attempts: int
    step_until: datetime | None
    next_attempt_at: datetime | None = None
    handed_over: HandedOver | None = None
    failed: Undeliverable | None = None
    lost_leases: int = 0


def _columns(move: Move) -> _Columns:
    standing, transition = move.delivery.standing, move.transition
    tried, until = standing.channel_attempts + move.tried, standing.step_until
    match transition:
        case HandedOver():
            return _Columns("handed_over", standing.channel or transition.channel, tried, until, handed_over=transition)
        case Again():
            return _Columns("scheduled", standing.channel, tried, until, transition.at)
        case LostLease():
            lost = standing.lost_leases + 1
            return _Columns("scheduled", standing.channel, tried, until, transition.at, lost_leases=lost)
        case Take():
            return _Columns("scheduled", transition.channel, 0, transition.until, transition.at)
        case Undeliverable():
            return _Columns("undeliverable", standing.channel, tried, until, failed=transition)
        case Recalled():
            return _Columns("recalled", standing.channel, tried, until)
        case _:
            assert_never(transition)


async def apply(connection: Connection, moves: Sequence[Move]) -> None:
    """Store the new states and, in the same transaction, the events that tell of the ends."""
    if not moves:
        return
    changed = [(move, _columns(move)) for move in moves]
    await connection.execute(
        MOVE,
        [move.delivery.delivery_id for move, _ in changed],
        [columns.state for _, columns in changed],
        [columns.channel for _, columns in changed],
        [columns.next_attempt_at for _, columns in changed],
        [columns.channel_attempts for _, columns in changed],
        [move.attempts for move, _ in changed],
        [None if columns.handed_over is None else columns.handed_over.at for _, columns in changed],
        [None if columns.handed_over is None else columns.handed_over.channel for _, columns in changed],
        [None if columns.handed_over is None else columns.handed_over.grade for _, columns in changed],
        [None if columns.failed is None else columns.failed.reason for _, columns in changed],
        [None if columns.failed is None else columns.failed.detail for _, columns in changed],
        [None if columns.failed is None else columns.failed.at for _, columns in changed],
        [columns.step_until for _, columns in changed],
        [columns.lost_leases for _, columns in changed],
    )
    await outbox.add(connection, "dispatch", _events(moves))
    await feed.add(connection, [entry for move in moves if (entry := _told(move)) is not None])


def _told(move: Move) -> feed.Entry | None:
    delivery = move.delivery
    return feed.of_transition(move.transition, delivery.sender_agency_id, delivery.circular_id, delivery.recipient_id)


def _events(moves: Sequence[Move]) -> list[Event]:
    handed_over: list[HandOver] = []
    failed: list[Failure] = []
    stopped: list[Stop] = []
    for move in moves:
        delivery, transition = move.delivery, move.transition
        if isinstance(transition, HandedOver):
            handed_over.append(
                HandOver(
                    delivery_id=delivery.delivery_id,
                    recipient_id=delivery.recipient_id,
                    circular_id=delivery.circular_id,
                    channel=transition.channel,
                    grade=transition.grade,
                    handed_over_at=transition.at,
                    attempts=move.attempts,
                )
            )
        elif isinstance(transition, Undeliverable):
            failed.append(
                Failure(
                    delivery_id=delivery.delivery_id,
                    recipient_id=delivery.recipient_id,
                    circular_id=delivery.circular_id,
                    reason=transition.reason,
                    detail=transition.detail,
                    failed_at=transition.at,
                    attempts=move.attempts,
                )
            )
        elif isinstance(transition, Recalled):
            stopped.append(
                Stop(
                    delivery_id=delivery.delivery_id,
                    recipient_id=delivery.recipient_id,
                    circular_id=delivery.circular_id,
                    recalled_at=transition.at,
                    attempts=move.attempts,
                )
            )
    starts = range(0, max(len(handed_over), len(failed), len(stopped)), ITEMS_PER_EVENT)
    events: list[Event] = [
        DeliveriesHandedOver(items=tuple(items)) for start in starts if (items := handed_over[start : start + ITEMS_PER_EVENT])
    ]
    events += [
        DeliveriesUndeliverable(items=tuple(items)) for start in starts if (items := failed[start : start + ITEMS_PER_EVENT])
    ]
    events += [DeliveriesRecalled(items=tuple(items)) for start in starts if (items := stopped[start : start + ITEMS_PER_EVENT])]
    return events


async def add_attempts(connection: Connection, made: Sequence[Sent]) -> None:
    """Log attempts, numbered after those that the delivery had when it was taken."""
    rows = [sent for sent in made if was_tried(sent.outcome)]
    if not rows:
        return
    await connection.execute(
        ADD_ATTEMPTS,
        [sent.job.address.delivery_id for sent in rows],
        [sent.job.standing.attempts + 1 for sent in rows],
        [sent.job.standing.channel for sent in rows],
        [outcome_name(sent.outcome) for sent in rows],
        [getattr(sent.outcome, "reason", None) for sent in rows],
        [getattr(sent.outcome, "status", None) for sent in rows],
        [sent.started_at for sent in rows],
        [sent.milliseconds for sent in rows],
        [getattr(sent.outcome, "answer", "") for sent in rows],
        [sent.job.address.agency_id for sent in rows],
    )


async def count_attempts(connection: Connection, delivery_ids: Sequence[UUID]) -> None:
    """Set the counters of deliveries that have ended to what the log holds."""
    if delivery_ids:
        await connection.execute(COUNT_ATTEMPTS, list(delivery_ids))
