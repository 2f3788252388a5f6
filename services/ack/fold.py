"""Folds a recipient's events into its state; the order and the number of their arrivals do not count."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final, TypeVar
from uuid import UUID

from services.ack.facts import (
    Acknowledgment,
    Bounced,
    Fact,
    HandedOver,
    Opened,
    Recalled,
    Received,
    RecipientEvent,
    Registration,
    Rejection,
    Relayed,
    Stopped,
    Undeliverable,
)
from shared.contracts.events import HandOverGrade


class State(StrEnum):
    """How far a recipient has come."""

    AWAITING = "awaiting"
    UNDELIVERABLE = "undeliverable"
    HANDED_OVER = "handed_over"
    OPENED = "opened"
    RECEIVED = "received"
    RECALLED = "recalled"
    REGISTERED = "registered"
    REJECTED = "rejected"


# A state never gives way to one of a lower rank. Registered and rejected are both the end; the first recorded stays. A recall
# counts for whoever has not answered: an answer that was recorded before it came stands, and after it none is taken.
RANK: Final = {
    State.AWAITING: 0,
    State.UNDELIVERABLE: 1,
    State.HANDED_OVER: 2,
    State.OPENED: 3,
    State.RECEIVED: 4,
    State.RECALLED: 5,
    State.REGISTERED: 6,
    State.REJECTED: 6,
}
GRADE_RANK: Final = {HandOverGrade.BLIND: 0, HandOverGrade.TRANSPORT: 1}
ANSWERED: Final = frozenset({State.REGISTERED, State.REJECTED})

F = TypeVar("F", bound=Fact)


@dataclass(frozen=True, slots=True)
class RecipientState:
    """What the events together say. `handed_over_at` is the first hand-over, `hand_over` the one that proves most."""

    state: State = State.AWAITING
    handed_over_at: datetime | None = None
    hand_over: HandedOver | None = None
    failure: Undeliverable | None = None
    acknowledgment: Acknowledgment | None = None
    recorded_at: datetime | None = None  # when the acknowledgment was recorded
    relayed_circular_id: UUID | None = None
    onward_recipients: int = 0
    recalled_at: datetime | None = None  # the first recall, also beside an answer that stands
    recall_reason: str | None = None
    stopped_at: datetime | None = None


def fold(events: Iterable[RecipientEvent]) -> RecipientState:
    """The state of one recipient by all its events, in any order and however often each is given."""
    ordered = sorted(events, key=lambda event: (event.recorded_at, event.event_id))
    once = _each_once(ordered)
    # Registration and rejection share one dedupe key, so there is at most one answer: the first recorded.
    answer = next(((event.recorded_at, event.fact) for event in once if isinstance(event.fact, Registration | Rejection)), None)
    # Of these the first and the best count, so a repeated one needs no care.
    hand_overs = _of(ordered, HandedOver)
    best = max(hand_overs, key=lambda found: GRADE_RANK[found[1].grade], default=None)
    failures = _of(once, Undeliverable)
    relays = _of(once, Relayed)
    recall = min(_of(once, Recalled), key=lambda found: (found[0].occurred_at, found[1].recall_id), default=None)
    return RecipientState(
        state=max((_state_of(event.fact) for event in once), key=RANK.__getitem__, default=State.AWAITING),
        handed_over_at=min((event.occurred_at for event, _ in hand_overs), default=None),
        hand_over=None if best is None else best[1],
        failure=failures[0][1] if failures else None,
        acknowledgment=None if answer is None else answer[1],
        recorded_at=None if answer is None else answer[0],
        relayed_circular_id=relays[0][1].circular_id if relays else None,
        onward_recipients=sum(relay.recipients for _, relay in relays),
        recalled_at=None if recall is None else recall[0].occurred_at,
        recall_reason=None if recall is None else recall[1].reason,
        stopped_at=min((event.occurred_at for event, _ in _of(once, Stopped)), default=None),
    )


def answered(state: RecipientState, acknowledgment: Acknowledgment, recorded_at: datetime) -> RecipientState:
    """The state after the first answer: what the fold of the whole log with this answer would say."""
    if state.acknowledgment is not None:
        return state
    return replace(state, state=_state_of(acknowledgment), acknowledgment=acknowledgment, recorded_at=recorded_at)


def _each_once(ordered: Iterable[RecipientEvent]) -> list[RecipientEvent]:
    """The first of each dedupe key."""
    first: dict[str, RecipientEvent] = {}
    for event in ordered:
        first.setdefault(event.dedupe_key, event)
    return list(first.values())


def _of(events: Iterable[RecipientEvent], kind: type[F]) -> list[tuple[RecipientEvent, F]]:
    return [(event, event.fact) for event in events if isinstance(event.fact, kind)]


def _state_of(fact: Fact) -> State:
    match fact:
        case HandedOver():
            return State.HANDED_OVER
        case Undeliverable():
            return State.UNDELIVERABLE
        case Opened():
            return State.OPENED
        case Received():
            return State.RECEIVED
        case Registration():
            return State.REGISTERED
        case Rejection():
            return State.REJECTED
        case Recalled():
            return State.RECALLED
        case Relayed() | Bounced() | Stopped():
            # Passing a letter on does not say that it was registered; and a grade never falls, whatever comes back.
            return State.AWAITING
