"""By when a recipient should have answered, and when it is reminded: in working time, from the letter's deadline or its speed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from shared.contracts.events import Speed
from shared.thai.working_time import Calendar, shift

# A deadline that lies further away is a slip of the keyboard: it stands as it was sent, and nobody is reminded of it.
FARTHEST: Final = timedelta(days=3 * 366)


class DeadlineBy(StrEnum):
    """Where a deadline comes from."""

    LETTER = "letter"  # the sender said so
    SPEED = "speed"  # what the letter's class of speed leaves


@dataclass(frozen=True, slots=True)
class Rung:
    """One reminder of a circular's ladder; `overdue` ones come when the deadline has passed, `escalation` goes one agency up."""

    number: int
    due_at: datetime
    overdue: bool
    escalation: bool


@dataclass(frozen=True, slots=True)
class Rules:
    """What an installation has set. Hours are working hours; 0 for a class of speed means that it has no deadline."""

    hours: Mapping[Speed, float]
    reminders: Sequence[float]  # from the deadline, negative ones before it
    escalate_after: float
    calendar: Calendar


def deadline_of(said: datetime | None, speed: Speed, dispatched_at: datetime, rules: Rules) -> tuple[datetime, DeadlineBy] | None:
    """The instant by which an answer is in time, and where it comes from; None when there is none."""
    if said is not None:
        return said, DeadlineBy.LETTER
    hours = rules.hours[speed]
    if hours <= 0:
        return None
    return shift(dispatched_at, timedelta(hours=hours), rules.calendar), DeadlineBy.SPEED


def ladder(deadline: datetime, dispatched_at: datetime, rules: Rules) -> list[Rung]:
    """The reminders of a circular, by time. Rungs that would stand before its dispatch are left out."""
    if not dispatched_at < deadline <= dispatched_at + FARTHEST:
        return []
    moments = [(shift(deadline, timedelta(hours=hours), rules.calendar), hours) for hours in sorted(set(rules.reminders))]
    due = [(at, hours) for at, hours in moments if at > dispatched_at]
    return [
        Rung(number, at, overdue=hours >= 0, escalation=hours >= rules.escalate_after)
        for number, (at, hours) in enumerate(due, start=1)
    ]
