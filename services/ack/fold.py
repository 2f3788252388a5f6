"""Folds a recipient's events into its state; the order and the number of their arrivals do not count."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final, TypeVar
from uuid import UUID

from services.ack.facts import (
    Acknowledgment,
    Bounced,
    Confirmed,
    Corrected,
    DeadlineMoved,
    DisputeAnswered,
    Disputed,
    Door,
    Fact,
    HandedOver,
    Level,
    Opened,
    Recalled,
    Received,
    RecipientEvent,
    Redirected,
    Registration,
    Rejection,
    Relayed,
    Stopped,
    Undeliverable,
    Withdrawn,
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
# counts for whoever has not answered: an answer that was recorded before it came stands, and after it none is taken. An answer
# that its recipient took back does not count; that the letter had reached it does.
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
# What a recipient does not keep: it gave the letter back, or it was taken from it.
NOT_KEPT: Final = frozenset({State.REJECTED, State.RECALLED})

LEVEL_RANK: Final = {Level.CENTRAL: 0, Level.DIVISION: 1, Level.CENTRE: 2}

F = TypeVar("F", bound=Fact)


@dataclass(frozen=True, slots=True)
class Entry:
    """The letter in one register of the recipient: as it was written first, and as it stands after corrections."""

    answer_id: UUID
    registration: Registration
    written: Registration
    recorded_at: datetime
    corrected_at: datetime | None
    door: Door | None


@dataclass(frozen=True, slots=True)
class RecipientState:
    """What the events together say. `handed_over_at` is the first hand-over, `hand_over` the one that proves most.

    `acknowledgment` is the rejection, or the registration of the highest level; `entries` are all of them from there down.
    """

    state: State = State.AWAITING
    handed_over_at: datetime | None = None
    hand_over: HandedOver | None = None
    failure: Undeliverable | None = None
    acknowledgment: Acknowledgment | None = None
    answer_id: UUID | None = None  # the event that holds it
    door: Door | None = None
    recorded_at: datetime | None = None  # when the first answer that stands was recorded
    entries: tuple[Entry, ...] = ()
    withdrawals: int = 0  # answers that the recipient took back
    dispute: Disputed | None = None  # of the sender, while it is neither answered nor settled by a correction
    relayed_circular_id: UUID | None = None
    onward_recipients: int = 0
    recalled_at: datetime | None = None  # the first recall, also beside an answer that stands
    recall_reason: str | None = None
    stopped_at: datetime | None = None
    redirected_to: UUID | None = None  # the recipient that got the letter instead


def fold(events: Iterable[RecipientEvent]) -> RecipientState:
    """The state of one recipient by all its events, in any order and however often each is given."""
    ordered = sorted(events, key=lambda event: (event.recorded_at, event.event_id))
    once = _each_once(ordered)
    withdrawn = {fact.answer_id for _, fact in _of(once, Withdrawn)}
    # Only what is an answer can be taken back.
    standing = [
        event for event in once if event.event_id not in withdrawn or not isinstance(event.fact, Registration | Rejection)
    ]
    # A registry either takes a letter or refuses it: of two answers that say otherwise, the first recorded.
    answer = next((event for event in standing if isinstance(event.fact, Registration | Rejection)), None)
    entries = _entries(standing, once) if answer is not None and isinstance(answer.fact, Registration) else ()
    # Of these the first and the best count, so a repeated one needs no care.
    hand_overs = _of(ordered, HandedOver)
    best = max(hand_overs, key=lambda found: GRADE_RANK[found[1].grade], default=None)
    failures = _of(once, Undeliverable)
    relays = _of(once, Relayed)
    recall = min(_of(once, Recalled), key=lambda found: (found[0].occurred_at, found[1].recall_id), default=None)
    return RecipientState(
        state=max((_state_of(event.fact) for event in standing), key=RANK.__getitem__, default=State.AWAITING),
        handed_over_at=min((event.occurred_at for event, _ in hand_overs), default=None),
        hand_over=None if best is None else best[1],
        failure=failures[0][1] if failures else None,
        acknowledgment=entries[0].registration if entries else _refusal(answer),
        answer_id=entries[0].answer_id if entries else None if answer is None else answer.event_id,
        door=entries[0].door if entries else None if answer is None else answer.door,
        recorded_at=None if answer is None else answer.recorded_at,
        entries=entries,
        withdrawals=len(withdrawn),
        dispute=_open_dispute(once),
        relayed_circular_id=relays[0][1].circular_id if relays else None,
        onward_recipients=sum(relay.recipients for _, relay in relays),
        recalled_at=None if recall is None else recall[0].occurred_at,
        recall_reason=None if recall is None else recall[1].reason,
        # What is stopped while it is sent again had been handed over before: the recipient has the letter.
        stopped_at=None if hand_overs else min((event.occurred_at for event, _ in _of(once, Stopped)), default=None),
        redirected_to=next((fact.recipient_id for _, fact in _of(once, Redirected)), None),
    )


def answered(state: RecipientState, answer: RecipientEvent) -> RecipientState:
    """The state of a recipient that had not answered, after this answer: what the fold of the whole log would say."""
    fact = answer.fact
    if state.acknowledgment is not None or not isinstance(fact, Registration | Rejection):
        raise ValueError("this is not the first answer")
    return replace(
        state,
        state=_state_of(fact),
        acknowledgment=fact,
        answer_id=answer.event_id,
        door=answer.door,
        recorded_at=answer.recorded_at,
        entries=_entries([answer], [answer]),
    )


def _entries(standing: Iterable[RecipientEvent], once: Sequence[RecipientEvent]) -> tuple[Entry, ...]:
    corrections: dict[UUID, tuple[datetime, Registration]] = {}
    for event, fact in _of(once, Corrected):
        corrections[fact.answer_id] = event.recorded_at, fact.registration
    found: list[Entry] = []
    for event, written in _of(standing, Registration):
        corrected_at, registration = corrections.get(event.event_id, (None, written))
        found.append(Entry(event.event_id, registration, written, event.recorded_at, corrected_at, event.door))
    return tuple(sorted(found, key=lambda entry: (LEVEL_RANK[entry.registration.level], entry.recorded_at, entry.answer_id)))


def _refusal(answer: RecipientEvent | None) -> Rejection | None:
    return answer.fact if answer is not None and isinstance(answer.fact, Rejection) else None


def _open_dispute(once: Sequence[RecipientEvent]) -> Disputed | None:
    found: Disputed | None = None
    for event in once:
        match event.fact:
            case Disputed():
                found = event.fact
            case DisputeAnswered(dispute_id=dispute) if found is not None and dispute == found.dispute_id:
                found = None
            case Corrected(answer_id=answer) | Withdrawn(answer_id=answer) if found is not None and answer == found.answer_id:
                found = None
            case _:
                pass
    return found


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
        case Received() | Withdrawn():
            # Whoever takes an answer back had the letter.
            return State.RECEIVED
        case Registration():
            return State.REGISTERED
        case Rejection():
            return State.REJECTED
        case Recalled():
            return State.RECALLED
        case (
            Relayed()
            | Bounced()
            | Stopped()
            | Confirmed()
            | Corrected()
            | Disputed()
            | DisputeAnswered()
            | Redirected()
            | DeadlineMoved()
        ):
            # Passing a letter on does not say that it was registered; and a grade never falls, whatever comes back.
            return State.AWAITING
