"""Working time of Thai offices: 08:30 to 16:30 in Bangkok unless an office has other hours, on days that are neither weekend nor holiday."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache
from typing import Final

import holidays

from shared.thai.dates import BANGKOK

# Regulation of the Office of the Prime Minister on working hours of government offices (พ.ศ. ๒๕๐๒).
OPENS: Final = 8 * 60 + 30
CLOSES: Final = 16 * 60 + 30
MOST_DAYS: Final = 3660

_SATURDAY: Final = 5
_NOTHING: Final = timedelta(0)


@dataclass(frozen=True, slots=True)
class Hours:
    """The office hours of a working day, in minutes since midnight: opens, closes, opens, closes, and so on, each after the last."""

    minutes: tuple[int, ...]

    def on(self, day: date) -> list[tuple[datetime, datetime]]:
        """From when until when the office is open on that day, in Bangkok."""
        midnight = datetime.combine(day, time(), BANGKOK)
        moments = [midnight + timedelta(minutes=minute) for minute in self.minutes]
        return list(zip(moments[::2], moments[1::2], strict=True))


OFFICE_HOURS: Final = Hours((OPENS, CLOSES))


@dataclass(frozen=True, slots=True)
class Calendar:
    """What differs from the public calendar: days on which offices are closed, or open although they would be closed, and hours.

    `hours` are other hours than the office hours, each from its day on until the next, by day.
    """

    closed: frozenset[date] = frozenset()
    opened: frozenset[date] = frozenset()
    hours: tuple[tuple[date, Hours], ...] = ()

    def is_working(self, day: date) -> bool:
        """Whether offices work on that day."""
        if day in self.opened:
            return True
        return day not in self.closed and free_day(day) is None

    def open_on(self, day: date) -> list[tuple[datetime, datetime]]:
        """From when until when offices work on that day; never, on one that is free."""
        if not self.is_working(day):
            return []
        in_force = OFFICE_HOURS
        for since, hours in self.hours:
            if since > day:
                break
            in_force = hours
        return in_force.on(day)


PUBLIC: Final = Calendar()


def free_day(day: date) -> str | None:
    """Why nobody works on that day in Thailand: a public holiday's name, or the weekend; None for a working day."""
    name = _thai_holidays(day.year).get(day)
    if name is not None:
        return name
    return ("วันเสาร์" if day.weekday() == _SATURDAY else "วันอาทิตย์") if day.weekday() >= _SATURDAY else None


def shift(moment: datetime, by: timedelta, calendar: Calendar = PUBLIC) -> datetime:
    """The aware moment `by` working time after `moment`, or before it when `by` is negative; by nothing, `moment` itself.

    Time outside working hours does not count: from a Friday evening, one hour later is Monday 09:30.
    """
    if by == _NOTHING:
        return moment
    return _later(moment, by, calendar) if by > _NOTHING else _earlier(moment, -by, calendar)


def working_between(first: datetime, last: datetime, calendar: Calendar = PUBLIC) -> timedelta:
    """How much working time lies between two aware moments, `first` not after `last`."""
    total = _NOTHING
    day, end = first.astimezone(BANGKOK).date(), last.astimezone(BANGKOK).date()
    while day <= end:
        for opens, closes in calendar.open_on(day):
            total += max(_NOTHING, min(last, closes) - max(first, opens))
        day += timedelta(days=1)
    return total


def _later(moment: datetime, left: timedelta, calendar: Calendar) -> datetime:
    day = moment.astimezone(BANGKOK).date()
    for _ in range(MOST_DAYS):
        for opens, closes in calendar.open_on(day):
            start = max(moment, opens)
            if start < closes and closes - start >= left:
                return start + left
            left -= max(_NOTHING, closes - start)
        day += timedelta(days=1)
    raise ValueError(f"no working time within {MOST_DAYS} days")


def _earlier(moment: datetime, left: timedelta, calendar: Calendar) -> datetime:
    day = moment.astimezone(BANGKOK).date()
    for _ in range(MOST_DAYS):
        for opens, closes in reversed(calendar.open_on(day)):
            end = min(moment, closes)
            if end > opens and end - opens >= left:
                return end - left
            left -= max(_NOTHING, end - opens)
        day -= timedelta(days=1)
    raise ValueError(f"no working time within {MOST_DAYS} days")


@cache
def _thai_holidays(year: int) -> dict[date, str]:
    return dict(holidays.country_holidays("TH", years=year, language="th").items())
