"""The ladder of channels: which way a letter goes to an agency, and which way is next."""

from dataclasses import dataclass
from typing import Final

from shared.contracts.events import Channel, HandOverGrade, Secrecy, Speed
from shared.contracts.topology import Lane
from shared.mailboxes import is_mailbox

LADDER: Final = (Channel.WEBHOOK, Channel.EMAIL, Channel.INBOX, Channel.PAPER)
BULK_RECIPIENTS: Final = 5000


@dataclass(frozen=True, slots=True)
class Routes:
    """Which channels can reach a recipient with this letter; the inbox and paper always can."""

    webhook: bool
    email: bool


def routes_to(*, has_endpoint: bool, email: str | None, secrecy: Secrecy, email_secret_letters: bool) -> Routes:
    """What can reach an agency. ลับ and ลับมาก do not go by e-mail unless the operator allows it."""
    may_mail = secrecy is Secrecy.NORMAL or email_secret_letters
    return Routes(webhook=has_endpoint, email=may_mail and email is not None and is_mailbox(email))


def first_channel(routes: Routes) -> Channel:
    """The best channel there is: webhook, then e-mail, then the inbox."""
    return next(channel for channel in LADDER if _is_open(channel, routes))


def next_channel(current: Channel, routes: Routes) -> Channel | None:
    """The channel to try when `current` has failed for good; None when there is none left."""
    below = LADDER[LADDER.index(current) + 1 :]
    return next((channel for channel in below if _is_open(channel, routes)), None)


def _is_open(channel: Channel, routes: Routes) -> bool:
    match channel:
        case Channel.WEBHOOK:
            return routes.webhook
        case Channel.EMAIL:
            return routes.email
        case Channel.INBOX | Channel.PAPER:
            return True


def grade_of(channel: Channel) -> HandOverGrade:
    """What a successful hand-over on `channel` proves: mail and paper are sent off without proof of arrival."""
    return HandOverGrade.BLIND if channel in (Channel.EMAIL, Channel.PAPER) else HandOverGrade.TRANSPORT


def lane_of(speed: Speed, recipient_count: int) -> Lane:
    """ด่วนที่สุด and ด่วนมาก do not queue behind others, and very long lists not before them."""
    if speed in (Speed.MOST_URGENT, Speed.VERY_URGENT):
        return Lane.EXPRESS
    return Lane.BULK if recipient_count > BULK_RECIPIENTS else Lane.NORMAL
