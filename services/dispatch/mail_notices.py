"""Mails about a letter beside the one that hands it over: which there are, and which go when their turn comes. Pure."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, assert_never
from uuid import UUID, uuid5

from services.dispatch import retry
from services.dispatch.outcomes import Deferred, Delivered, Gone, NoRoute, Outcome, Refused, RetryLater
from shared.contracts.events import (
    RecipientRegistered,
    RecipientRejected,
    RecipientsReminded,
    RecipientWithdrawn,
    Reminder,
    Secrecy,
)
from shared.mailboxes import is_mailbox

_IDENTIFIERS: Final = UUID("8f5f6a0c-41c6-4d0e-9a52-5b1f1f7e2c64")

# By these somebody answers who has shown no token of the agency's: whoever holds the link, or the sender's clerk.
MAILED_DOORS: Final = frozenset({"page", "clerk"})


class MailKind(StrEnum):
    """What a mail tells."""

    REMINDED = "reminded"
    ANSWERED = "answered"


class DropReason(StrEnum):
    """Why a mail did not go."""

    SWITCHED_OFF = "switched_off"  # by the operator or by the agency
    NO_MAILBOX = "no_mailbox"
    SECRET = "secret"  # letters of this class do not go by e-mail  # noqa: S105
    ANSWERED = "answered"  # nobody need be reminded any more
    RECALLED = "recalled"
    OVER = "over"  # the deadline that it names has passed; that it has is told by a mail of its own


@dataclass(frozen=True, slots=True)
class MailNotice:
    """A mail to write to the agency `agency_id`, about a recipient that is itself or stands below it."""

    notice_id: UUID
    kind: MailKind
    circular_id: UUID
    recipient_id: UUID
    agency_id: UUID
    occurred_at: datetime
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is known when a mail's turn comes."""

    wanted: bool
    email: str | None
    secrecy: Secrecy
    acknowledged_at: datetime | None
    recalled_at: datetime | None


@dataclass(frozen=True, slots=True)
class Sent:
    """The mail server has taken it."""


@dataclass(frozen=True, slots=True)
class Again:
    """It goes at `at`; `tried`: an attempt was made."""

    at: datetime
    tried: bool


@dataclass(frozen=True, slots=True)
class Failed:
    """It will not go."""


Result = Sent | Again | Failed


def of_reminder(event: RecipientsReminded, one: Reminder) -> MailNotice:
    """The mail to whoever is reminded: of each rung one, however often the event comes."""
    told = {
        "deadline": event.deadline.isoformat(),
        "overdue": event.overdue,
        "escalation": event.escalation,
        "link_opens": one.link_opens,
    }
    identifier = uuid5(
        _IDENTIFIERS, f"{MailKind.REMINDED}:{one.recipient_id}:{one.told_agency_id}:{event.rung}:{event.due_at.isoformat()}"
    )
    return MailNotice(identifier, MailKind.REMINDED, event.circular_id, one.recipient_id, one.told_agency_id, event.due_at, told)


def of_answer(event: RecipientRegistered | RecipientRejected | RecipientWithdrawn) -> MailNotice | None:
    """The mail to an agency in whose name somebody has answered, or taken an answer back; None when it was the agency itself, by its own system."""
    if event.door not in MAILED_DOORS:
        return None
    told = event.model_dump(mode="json", exclude={"recipient_id", "circular_id", "agency_id", "letter_id", "recorded_at"})
    told["event"] = event.TYPE
    identifier = uuid5(_IDENTIFIERS, f"{MailKind.ANSWERED}:{event.recipient_id}:{event.recorded_at.isoformat()}")
    return MailNotice(
        identifier, MailKind.ANSWERED, event.circular_id, event.recipient_id, event.agency_id, event.recorded_at, told
    )


def why_not(
    notice: MailNotice, found: Circumstances, switched_on: Collection[MailKind], *, email_secret_letters: bool, now: datetime
) -> DropReason | None:
    """Why the mail does not go, None when it does. Secret letters stay out of e-mail as their deliveries do."""
    if not found.wanted or notice.kind not in switched_on:
        return DropReason.SWITCHED_OFF
    if found.email is None or not is_mailbox(found.email):
        return DropReason.NO_MAILBOX
    if found.secrecy is not Secrecy.NORMAL and not email_secret_letters:
        return DropReason.SECRET
    if notice.kind is MailKind.ANSWERED:
        return None
    if found.recalled_at is not None:
        return DropReason.RECALLED
    # An answer from before may have been taken back since: that there was none when it was due, the reminder itself says.
    if found.acknowledged_at is not None and found.acknowledged_at >= notice.occurred_at:
        return DropReason.ANSWERED
    if not notice.data["overdue"] and now > datetime.fromisoformat(notice.data["deadline"]):
        return DropReason.OVER
    return None


def decide(outcome: Outcome, attempts: int, schedule: tuple[float, ...], now: datetime, dice: float) -> Result:
    """What follows from an attempt, before which there were `attempts`. What was not tried does not count."""
    match outcome:
        case Delivered():
            return Sent()
        case RetryLater(after=after):
            wait = retry.wait_before_retry(schedule, attempts + 1, after, dice)
            return Failed() if wait is None else Again(now + timedelta(seconds=wait), tried=True)
        case Deferred(after=after):
            return Again(now + timedelta(seconds=after), tried=False)
        case Refused() | Gone() | NoRoute():
            return Failed()
        case _:
            assert_never(outcome)
