"""A circular's matrix and its rows, as every view of the sender tells them."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from services.ack.fold import State
from services.ack.store.circulars import Circular, Counts


class Progress(StrEnum):
    """A circular is complete when every recipient has answered or was recalled, and overdue when the deadline passed before."""

    OPEN = "open"
    COMPLETE = "complete"
    OVERDUE = "overdue"


@dataclass(frozen=True, slots=True)
class Matrix:
    """A circular in figures. The counts by state add up to `recipients`."""

    recipients: int
    by_state: dict[State, int]
    handed_over_total: int
    registered: int
    rejected: int
    recalled: int
    undeliverable: int
    outstanding: int
    overdue: int
    crossed: int
    progress: Progress
    last_hand_over_at: datetime | None
    seconds_to_last_hand_over: float | None


def matrix_of(circular: Circular, counts: Counts, now: datetime) -> Matrix:
    """The figures at `now`; recipients whose chunk is still under way are awaiting. A tie with the deadline is in time."""
    by_state = {state: counts.by_state.get(state, 0) for state in State}
    by_state[State.AWAITING] += circular.recipient_count - sum(counts.by_state.values())
    answered = by_state[State.REGISTERED] + by_state[State.REJECTED]
    outstanding = circular.recipient_count - answered - by_state[State.RECALLED]
    passed = circular.deadline is not None and now > circular.deadline
    own = sum(recipients for _, recipients in counts.own_deadlines)
    overdue = (outstanding - own if passed else 0) + sum(many for due_at, many in counts.own_deadlines if now > due_at)
    last = counts.last_hand_over_at
    return Matrix(
        recipients=circular.recipient_count,
        by_state=by_state,
        handed_over_total=counts.handed_over,
        registered=by_state[State.REGISTERED],
        rejected=by_state[State.REJECTED],
        recalled=by_state[State.RECALLED],
        undeliverable=by_state[State.UNDELIVERABLE],
        outstanding=outstanding,
        overdue=overdue,
        crossed=counts.crossed,
        progress=Progress.COMPLETE if outstanding == 0 else Progress.OVERDUE if overdue else Progress.OPEN,
        last_hand_over_at=last,
        seconds_to_last_hand_over=None if last is None else round((last - circular.dispatched_at).total_seconds(), 3),
    )
