"""Letters sent to their agency once more because its system lost them: what an order may be, and what follows from an answer. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Literal, assert_never
from uuid import UUID

from services.dispatch import retry
from services.dispatch.outcomes import Deferred, Delivered, Gone, NoRoute, Outcome, Refused, RetryLater

# In one order; what a range holds beyond is ordered behind `next`.
MOST_RESENT: Final = 10_000
# Orders of one agency that run at a time, all but one of them of single letters.
MOST_RUNNING: Final = 100
# An order whose endpoint does not come back within this time ends; what it has not sent is shown.
RUNS_FOR: Final = timedelta(days=7)
# Requests of one order that are begun together.
MOST_TOGETHER: Final = 20
# Orders that have ended, with their attempts, are kept as long as the feed's events.
KEPT: Final = timedelta(days=90)

LeftOut = Literal["recalled", "under_way", "undeliverable"]


class ResendState(StrEnum):
    """Where an order stands. Expired: its time was over before all was sent."""

    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class ItemState(StrEnum):
    """Where a letter of an order stands. Not sent: the order ended before."""

    WAITING = "waiting"
    SENT = "sent"
    FAILED = "failed"
    LEFT_OUT = "left_out"
    NOT_SENT = "not_sent"


@dataclass(frozen=True, slots=True)
class One:
    """A single letter."""

    delivery_id: UUID


@dataclass(frozen=True, slots=True)
class Range:
    """What was handed over from `since` on and before `before`, behind `after` (a hand-over and its delivery), in this order."""

    since: datetime
    before: datetime
    after: tuple[datetime, UUID] | None
    limit: int


@dataclass(frozen=True, slots=True)
class Taken:
    """The endpoint has the letter."""


@dataclass(frozen=True, slots=True)
class TriedAgain:
    """It is sent again at `at`."""

    at: datetime


@dataclass(frozen=True, slots=True)
class GivenUp:
    """It is not sent again by this order."""

    reason: str


Result = Taken | TriedAgain | GivenUp


def decide(outcome: Outcome, tries: int, schedule: tuple[float, ...], now: datetime, dice: float) -> Result:
    """What follows from the answer to the `tries`-th request (from 1); the waits are those of the lane for long lists."""
    match outcome:
        case Delivered():
            return Taken()
        case RetryLater():
            wait = retry.wait_before_retry(schedule, tries, outcome.after, dice)
            return GivenUp(outcome.reason) if wait is None else TriedAgain(now + timedelta(seconds=wait))
        case Refused() | NoRoute():
            return GivenUp(outcome.reason)
        case Gone():
            return GivenUp(f"http_{outcome.status}")
        case Deferred():
            return TriedAgain(now + timedelta(seconds=outcome.after))
        case _:
            assert_never(outcome)


def is_used_up(tries: int, schedule: tuple[float, ...]) -> bool:
    """Whether the `tries`-th request is one more than the schedule has: workers were lost with the letter in hand."""
    return tries > len(schedule) + 1


def left_out(state: str, recalled_at: datetime | None) -> LeftOut | None:
    """Why a delivery is not sent once more; None when it is: the agency has the letter, and it still counts."""
    if recalled_at is not None or state == "recalled":
        return "recalled"
    match state:
        case "handed_over":
            return None
        case "undeliverable":
            return "undeliverable"
        case _:
            return "under_way"
