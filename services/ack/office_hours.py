"""An agency's own office hours (เวลาทำการ): what may be declared, and whose count from which day on."""

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from shared.thai.working_time import Hours

MINUTES_IN_DAY: Final = 24 * 60
MOST_SPANS: Final = 4
# Minutes. Nobody puts off its deadlines for weeks by opening for a moment a day.
LEAST_OPEN: Final = 4 * 60

_CLOCK: Final = re.compile(r"(?P<hour>[01][0-9]|2[0-4]):(?P<minute>[0-5][0-9])")


@dataclass(frozen=True, slots=True)
class HoursFrom:
    """Hours that count from `day` on, and why."""

    day: date
    hours: Hours
    reason: str


class HoursError(ValueError):
    """The hours cannot be those of an office; the message says what is wrong."""


def read_hours(spans: Iterable[tuple[str, str]]) -> Hours:
    """The hours of a day that opens and closes at these times of day ("08:30", "24:00"). Raises HoursError."""
    minutes = tuple(_minute(clock) for span in spans for clock in span)
    if not 2 <= len(minutes) <= 2 * MOST_SPANS:
        raise HoursError(f"1 to {MOST_SPANS} spans, got {len(minutes) // 2}")
    if any(later <= earlier for earlier, later in itertools.pairwise(minutes)):
        raise HoursError("each time lies after the one before: spans in order, that neither touch nor overlap nor pass midnight")
    together = sum(minutes[1::2]) - sum(minutes[::2])
    if together < LEAST_OPEN:
        raise HoursError(f"at least {LEAST_OPEN // 60} hours a day together, got {together} minutes")
    return Hours(minutes)


def written(hours: Hours) -> list[tuple[str, str]]:
    """The spans as times of day."""
    clocks = [f"{minute // 60:02}:{minute % 60:02}" for minute in hours.minutes]
    return list(zip(clocks[::2], clocks[1::2], strict=True))


def in_force(levels: Mapping[int, Sequence[HoursFrom]]) -> tuple[HoursFrom, ...]:
    """Which hours count from when on, of those that an agency (level 0) and those above it have declared: always the nearest."""
    steps: list[HoursFrom] = []
    last: HoursFrom | None = None
    for day in sorted({one.day for declared in levels.values() for one in declared}):
        begun = ([one for one in levels[level] if one.day <= day] for level in sorted(levels))
        nearest = max(next(filter(None, begun)), key=lambda one: one.day)
        if nearest != last:
            steps.append(HoursFrom(day, nearest.hours, nearest.reason))
            last = nearest
    return tuple(steps)


def _minute(clock: str) -> int:
    found = _CLOCK.fullmatch(clock)
    minute = found and 60 * int(found["hour"]) + int(found["minute"])
    if minute is None or minute > MINUTES_IN_DAY:
        raise HoursError(f"a time of day such as '08:30', up to '24:00', got {clock[:20]!r}")
    return minute
