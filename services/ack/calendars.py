"""An agency's own days off, extra days of work and office hours: what may be declared, and what follows for deadlines."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from services.ack.deadlines import DeadlineBy, Rules, deadline_of
from services.ack.office_hours import HoursFrom
from shared.contracts.events import Speed
from shared.thai.dates import bangkok_date
from shared.thai.working_time import Calendar

COUNTRY: Final = UUID(int=0)
MOST_DAYS_A_YEAR: Final = 60
MOST_HOURS_A_YEAR: Final = 12
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
class Own:
    """What counts for one agency beside the public calendar: days, and hours each from its day on until the next, by day."""

    days: tuple[Day, ...] = ()
    hours: tuple[HoursFrom, ...] = ()


@dataclass(frozen=True, slots=True)
class Cause:
    """The change for which deadlines that are set already are looked at again: something declared, or taken back.

    `onwards`: it is about hours, and so about the days after it too.
    """

    day: date
    reason: str
    onwards: bool = False


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


def with_own(calendar: Calendar, own: Own) -> Calendar:
    """The calendar with declared days, which count more than what it says of the same day, and with declared hours."""
    kinds = {one.day: one.kind for one in own.days}
    closed = {day for day, kind in kinds.items() if kind is Kind.CLOSED}
    opened = {day for day, kind in kinds.items() if kind is Kind.OPEN}
    hours = tuple((one.day, one.hours) for one in own.hours)
    return Calendar((calendar.closed - opened) | closed, (calendar.opened - closed) | opened, hours)


def moved(
    speed: Speed, dispatched_at: datetime, current: datetime, own: Own, rules: Rules, cause: Cause | None = None
) -> Move | None:
    """What becomes of a deadline by speed, `current` so far; None when it stays.

    With `cause` the deadline was set before that was declared: it moves for its sake alone, and never earlier.
    """
    calendar = with_own(rules.calendar, own)
    found = deadline_of(None, speed, dispatched_at, replace(rules, calendar=calendar))
    if found is None or found[1] is not DeadlineBy.SPEED or found[0] == current or (cause and found[0] < current):
        return None
    first, last = bangkok_date(dispatched_at), bangkok_date(max(found[0], current))
    if cause is not None and (cause.day > last or (cause.day < first and not cause.onwards)):
        return None
    # The new deadline heeds all that stands, so all of it is named, and what was taken back too.
    named = {(one.day, False): one.reason for one in own.days if first <= one.day <= last}
    named |= {(one.day, True): one.reason for one in _counting(own.hours, first, last)}
    named |= {} if cause is None else {(cause.day, cause.onwards): cause.reason}
    reasons = [f"{day.isoformat()} {reason}" for (day, _), reason in sorted(named.items())]
    if not reasons:
        return None  # Settings may have changed since; a deadline moves for what is declared alone.
    return Move(found[0].astimezone(UTC), "; ".join(reasons)[:REASONS_MAX])


def _counting(hours: Sequence[HoursFrom], first: date, last: date) -> list[HoursFrom]:
    """Those of the hours that count on some day from `first` to `last`."""
    begun = [one for one in hours if one.day <= last]
    # The last that had begun before counts on the first day too.
    return [one for one in begun if one.day > first] + [one for one in begun if one.day <= first][-1:]
