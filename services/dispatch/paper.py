"""Letters on paper: what a clerk of the sender may say of them, and when it happened."""

from datetime import date, datetime, time
from enum import StrEnum
from typing import Final

from shared.thai.dates import BANGKOK, bangkok_date

# When the post leaves an office; of an earlier day no more is known.
OFFICE_CLOSES: Final = time(16, 30)


class How(StrEnum):
    """How paper was sent."""

    POST = "post"
    MESSENGER = "messenger"
    BY_HAND = "by_hand"


class PaperFailure(StrEnum):
    """Why paper does not reach the recipient."""

    ADDRESS_UNKNOWN = "address_unknown"
    RETURNED = "returned"
    REFUSED = "refused"
    LOST = "lost"
    OTHER = "other"


def is_possible_day(sent_on: date, dispatched_at: datetime, now: datetime) -> bool:
    """Whether the letter can have been sent on that day in Bangkok: not before its dispatch, not in the future."""
    return bangkok_date(dispatched_at) <= sent_on <= bangkok_date(now)


def sent_at(sent_on: date, dispatched_at: datetime, now: datetime) -> datetime:
    """The time of a hand-over of which only the day is known: when the office closed, or now while it is open."""
    closing = datetime.combine(sent_on, OFFICE_CLOSES, BANGKOK).astimezone(now.tzinfo)
    return max(dispatched_at, min(now, closing))
