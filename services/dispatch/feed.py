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
    BOUNCED = "wian.delivery.bounced.v1"
    UNDELIVERABLE = "wian.delivery.undeliverable.v1"
    REGISTERED = "wian.recipient.registered.v1"
    REJECTED = "wian.recipient.rejected.v1"
    WITHDRAWN = "wian.recipient.withdrawn.v1"
    DISPUTE_ANSWERED = "wian.recipient.dispute_answered.v1"
    DEADLINE_MOVED = "wian.recipient.deadline_moved.v1"
    STOPPED = "wian.delivery.stopped.v1"
    RECALL_ORDERED = "wian.circular.recall_ordered.v1"
    REPLACED = "wian.circular.replaced.v1"
    CORRECTED = "wian.circular.corrected.v1"
    ARRIVED = "wian.letter.arrived.v1"
    RECALLED = "wian.letter.recalled.v1"
    SUPERSEDED = "wian.letter.superseded.v1"
    ERRATUM = "wian.letter.erratum.v1"
    DISPUTED = "wian.letter.disputed.v1"
    REMINDED = "wian.letter.reminded.v1"
    DEADLINE_EXTENDED = "wian.letter.deadline_extended.v1"

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
        EventType.BOUNCED,
        Scope.CIRCULARS_READ,
        "A mail that had been handed over came back, for the reason in `bounce`; the letter is in the recipient's inbox instead.",
    ),
    FeedType(
        EventType.UNDELIVERABLE,
        Scope.CIRCULARS_READ,
        "A recipient could not be reached; `failure` says why. A late pull may still hand the letter over.",
    ),
    FeedType(
        EventType.REGISTERED,
        Scope.CIRCULARS_READ,
        "A recipient has registered the letter, with the number in `registration`; told again, with `correction`, when it corrects it.",
    ),
    FeedType(EventType.REJECTED, Scope.CIRCULARS_READ, "A recipient has refused the letter, for the reason in `rejection`."),
    FeedType(EventType.WITHDRAWN, Scope.CIRCULARS_READ, "A recipient has taken its answer back, for the reason in `withdrawal`."),
    FeedType(
        EventType.DISPUTE_ANSWERED,
        Scope.CIRCULARS_READ,
        "A recipient says that a number stands which you doubted; `dispute` says why.",
    ),
    FeedType(
        EventType.DEADLINE_MOVED,
        Scope.CIRCULARS_READ,
        "A recipient may answer later, because of days or office hours that were declared for it; `moved` says until when and why.",
    ),
    FeedType(EventType.STOPPED, Scope.CIRCULARS_READ, "A recall has stopped a delivery before it was handed over."),
    FeedType(EventType.RECALL_ORDERED, Scope.CIRCULARS_READ, "A circular of yours was recalled, for the reason in `recall`."),
    FeedType(EventType.REPLACED, Scope.CIRCULARS_READ, "A circular of yours was superseded by the letter in `successor`."),
    FeedType(EventType.CORRECTED, Scope.CIRCULARS_READ, "A note has corrected a circular of yours; `erratum` holds it."),
    FeedType(EventType.ARRIVED, Scope.DELIVERIES_READ, "A letter to you has come to the exchange, from `sender`."),
    FeedType(
        EventType.RECALLED,
        Scope.DELIVERIES_READ,
        "The sender has recalled a letter to you. If you had registered it, your record stands; otherwise do not act on it.",
    ),
    FeedType(
        EventType.SUPERSEDED,
        Scope.DELIVERIES_READ,
        "A letter to you was superseded; `successor` names the new one and what changed, whether or not it goes to you too.",
    ),
    FeedType(EventType.ERRATUM, Scope.DELIVERIES_READ, "A note corrects a letter to you; `erratum` holds it."),
    FeedType(
        EventType.DISPUTED,
        Scope.DELIVERIES_READ,
        "The sender doubts the receive number that you gave; `dispute` says why. Correct it, or reply that it stands.",
    ),
    FeedType(
        EventType.REMINDED,
        Scope.DELIVERIES_READ,
        "A letter to you, or to an agency under you, waits for an answer; `reminder` says by when, and whether that is over.",
    ),
    FeedType(
        EventType.DEADLINE_EXTENDED,
        Scope.DELIVERIES_READ,
        "You may answer a letter later, because of days or office hours that were declared for you; `moved` says until when and why.",
    ),
)

# Told to each recipient, and not to the sender.
TO_RECIPIENTS: Final = frozenset(
    {
        EventType.ARRIVED,
        EventType.RECALLED,
        EventType.SUPERSEDED,
        EventType.ERRATUM,
        EventType.DISPUTED,
        EventType.REMINDED,
        EventType.DEADLINE_EXTENDED,
    }
)

OF_KIND: Final[Mapping[str, EventType]] = {event.kind: event for event in EventType}


def event_id(event: EventType, about: UUID, occurred_at: datetime) -> UUID:
    """The identifier of an event, made of what it tells: told twice, it is the same. `about` is a recipient or a circular."""
    return uuid5(_IDENTIFIERS, f"{event.kind}:{about}:{occurred_at.isoformat()}")
