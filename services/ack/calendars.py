"""An agency's own days off and extra days of work: what may be declared, and what follows for deadlines."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from services.ack.deadlines import DeadlineBy, Rules, deadline_of
from shared.contracts.events import Speed
from shared.thai.dates import bangkok_date
from shared.thai.working_time import Calendar

COUNTRY: Final = UUID(int=0)
MOST_DAYS_A_YEAR: Final = 60
FARTHEST: Final = timedelta(days=400)
# A flood is declared when the water stands already; nobody excuses its own delay in this way.
PAST_BY_PARENT: Final = timedelta(days=30)
REASONS_MAX: Final = 1000


class Kind(StrEnum):
    """What a day is for the agency."""

    CLOSED = "closed"  # วันหยุด
    OPEN = "open"  # วันทำการชดเชย


@dataclass(frozen=True, slots=True)
class Day:
    """A declared day."""

    day: date
    kind: Kind
    reason: str


@dataclass(frozen=True, slots=True)
class Cause:
    """The change for which deadlines that are set already are looked at again: a day declared, or taken back."""

    day: date
    reason: str


@dataclass(frozen=True, slots=True)
class Move:
    """A recipient's deadline becomes another, because of `reason`."""

    due_at: datetime
    reason: str


def may_declare(day: date, now: datetime, *, by_itself: bool) -> bool:
    """Whether the day lies within the bounds: the agency itself declares no day that has passed."""
    today = bangkok_date(now)
    earliest = today if by_itself else today - PAST_BY_PARENT
    return earliest <= day <= today + FARTHEST


def with_days(calendar: Calendar, days: Iterable[Day]) -> Calendar:
    """The calendar with declared days, which count more than what it says of the same day."""
    kinds = {one.day: one.kind for one in days}
    closed = {day for day, kind in kinds.items() if kind is Kind.CLOSED}
    opened = {day for day, kind in kinds.items() if kind is Kind.OPEN}
    return Calendar((calendar.closed - opened) | closed, (calendar.opened - closed) | opened)


def moved(
    speed: Speed, dispatched_at: datetime, current: datetime, days: Iterable[Day], rules: Rules, cause: Cause | None = None
) -> Move | None:
    """What becomes of a deadline by speed, `current` so far; None when it stays.

    With `cause` the deadline was set before that was declared: it moves for its sake alone, and never earlier.
    """
    declared = sorted(days, key=lambda one: one.day)
    own = Rules(rules.hours, rules.reminders, rules.escalate_after, with_days(rules.calendar, declared))
    found = deadline_of(None, speed, dispatched_at, own)
    if found is None or found[1] is not DeadlineBy.SPEED or found[0] == current or (cause and found[0] < current):
        return None
    first, last = bangkok_date(dispatched_at), bangkok_date(max(found[0], current))
    if cause is not None and not first <= cause.day <= last:
        return None
    # The new deadline heeds all that stands, so all of it is named, and what was taken back too.
    named = {one.day: one.reason for one in declared} | ({} if cause is None else {cause.day: cause.reason})
    reasons = [f"{day.isoformat()} {reason}" for day, reason in sorted(named.items()) if first <= day <= last]
    if not reasons:
        return None  # Settings may have changed since; a deadline moves for declared days alone.
    return Move(found[0], "; ".join(reasons)[:REASONS_MAX])
