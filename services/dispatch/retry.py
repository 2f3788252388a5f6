"""When a failed attempt is made again: a plain list of waits, jitter, and what the other side asks for."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from services.dispatch.steps import StepLimits
from shared.contracts.topology import Lane

JITTER: Final = 0.2
# An endpoint may ask for this long a pause even when the schedule's own wait is short.
LONGEST_REQUESTED_PAUSE: Final = 3600.0


@dataclass(frozen=True, slots=True)
class LanePolicy:
    """One urgency's: `schedule` holds the seconds before each retry on one channel, so attempts on it are at most one more.

    A step ends when the schedule is used up or its limit has passed, whichever is first.
    """

    schedule: tuple[float, ...]
    limits: StepLimits


@dataclass(frozen=True, slots=True)
class Policy:
    """How patient we are, by urgency; `agency_patience` is the wait for news of an agency that is not known."""

    lanes: Mapping[Lane, LanePolicy]
    agency_patience: timedelta


def wait_before_retry(schedule: tuple[float, ...], failed_attempts: int, retry_after: float | None, dice: float) -> float | None:
    """Seconds to wait after the `failed_attempts`-th failure on a channel (from 1), or None when the budget is used up.

    `dice` is a random number from 0 to 1: the wait varies by ±20 %, so that what failed together does not come back
    together. A Retry-After of the other side lengthens the wait, to twice its length or to an hour, whichever is more;
    it never shortens it.
    """
    if failed_attempts > len(schedule):
        return None
    planned = schedule[failed_attempts - 1]
    wait = planned * (1 - JITTER + 2 * JITTER * dice)
    if retry_after is None:
        return wait
    return max(wait, min(retry_after, max(2 * planned, LONGEST_REQUESTED_PAUSE)))
