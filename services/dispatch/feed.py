"""The event feed's catalogue: every type that agencies read, who reads it, and when it is told."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID, uuid5

from shared.access import Scope

KEPT: Final = timedelta(days=90)

_IDENTIFIERS: Final = UUID("3d0c3f55-8d0e-4d0b-9a77-3c8a1f0d6b52")


class EventType(StrEnum):
    """Types of the feed; the last word but one is what is stored."""

    DISPATCHED = "wian.circular.dispatched.v1"
    HANDED_OVER = "wian.delivery.handed_over.v1"
    UNDELIVERABLE = "wian.delivery.undeliverable.v1"
    REGISTERED = "wian.recipient.registered.v1"
    REJECTED = "wian.recipient.rejected.v1"
    ARRIVED = "wian.letter.arrived.v1"

    @property
    def kind(self) -> str:
        return self.value.split(".")[-2]


@dataclass(frozen=True, slots=True)
class FeedType:
    """One entry of the catalogue: `scope` is what a token needs to read it."""

    type: EventType
    scope: Scope
    meaning: str


CATALOGUE: Final = (
    FeedType(EventType.DISPATCHED, Scope.CIRCULARS_READ, "A circular of yours has set out to its recipients."),
    FeedType(
        EventType.HANDED_OVER,
        Scope.CIRCULARS_READ,
        "A recipient has the letter, or paper is on its way; `hand_over` says how. This is not an acknowledgment.",
    ),
    FeedType(
        EventType.UNDELIVERABLE,
        Scope.CIRCULARS_READ,
        "A recipient could not be reached; `failure` says why. A late pull may still hand the letter over.",
    ),
    FeedType(
        EventType.REGISTERED, Scope.CIRCULARS_READ, "A recipient has registered the letter, with the number in `registration`."
    ),
    FeedType(EventType.REJECTED, Scope.CIRCULARS_READ, "A recipient has refused the letter, for the reason in `rejection`."),
    FeedType(EventType.ARRIVED, Scope.DELIVERIES_READ, "A letter to you has come to the exchange, from `sender`."),
)

OF_KIND: Final[Mapping[str, EventType]] = {event.kind: event for event in EventType}


def event_id(event: EventType, about: UUID, occurred_at: datetime) -> UUID:
    """The identifier of an event, made of what it tells: told twice, it is the same. `about` is a recipient or a circular."""
    return uuid5(_IDENTIFIERS, f"{event.kind}:{about}:{occurred_at.isoformat()}")
