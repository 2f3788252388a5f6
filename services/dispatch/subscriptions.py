"""Status subscriptions: which events an agency has sent to its endpoint, and what follows from an answer. Pure."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID, uuid5

from services.dispatch import retry
from services.dispatch.feed import CATALOGUE, EventType
from services.dispatch.outcomes import Delivered, Gone, Outcome, RetryLater
from shared.access import Scope

# With a batch of these an endpoint needs to take bodies of 1 MB at most, as for letters.
LARGEST_BATCH: Final = 100

_BATCHES: Final = UUID("1d4ce3a4-5a1f-4c55-8b0a-b0a1c3f6f1de")


class About(StrEnum):
    """Whose letters the events are of: those that the agency sent, those that came to it, or both."""

    BOTH = "both"
    SENT = "sent"
    RECEIVED = "received"


_SCOPES: Final = {
    About.BOTH: frozenset({Scope.CIRCULARS_READ, Scope.DELIVERIES_READ}),
    About.SENT: frozenset({Scope.CIRCULARS_READ}),
    About.RECEIVED: frozenset({Scope.DELIVERIES_READ}),
}


@dataclass(frozen=True, slots=True)
class Taken:
    """The endpoint has taken the batch."""


@dataclass(frozen=True, slots=True)
class TriedAgain:
    """It has not, and gets the same at `at`."""

    at: datetime


@dataclass(frozen=True, slots=True)
class SwitchedOff:
    """It wants no more."""


Result = Taken | TriedAgain | SwitchedOff


def scopes_of(about: About) -> frozenset[Scope]:
    """What a token needs to subscribe to it: what it needs to read the same events."""
    return _SCOPES[about]


def wanted(about: About, types: Collection[EventType] | None) -> list[EventType]:
    """The types that are sent, in the catalogue's order."""
    return [entry.type for entry in CATALOGUE if entry.scope in _SCOPES[about] and (types is None or entry.type in types)]


def message_id(events: Sequence[UUID], *, batched: bool) -> UUID:
    """The webhook's identifier, made of the events in it: the event's own when it is sent alone; the same at every retry."""
    return uuid5(_BATCHES, " ".join(map(str, events))) if batched else events[0]


def decide(outcome: Outcome, failures: int, schedule: tuple[float, ...], now: datetime, dice: float) -> Result:
    """What follows from an answer; `failures` counts those in a row before it.

    Nothing is ever given up: when the schedule is used up its last wait is repeated, after a refusal too, for nothing behind
    what was refused may be sent before it.
    """
    if isinstance(outcome, Delivered):
        return Taken()
    if isinstance(outcome, Gone):
        return SwitchedOff()
    after = outcome.after if isinstance(outcome, RetryLater) else None
    wait = retry.wait_before_retry(schedule, min(failures + 1, len(schedule)), after, dice)
    return TriedAgain(now + timedelta(seconds=schedule[-1] if wait is None else wait))
