"""Whether a letter may be sent on from a recipient that refused it: pure rules."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from services.registry.domain.letters import LetterState
from services.registry.domain.resolution import Resolved
from services.registry.domain.withdrawals import Refusal, Ties
from services.registry.domain.withdrawals import Why as WithdrawalWhy


class Why(StrEnum):
    """Why a letter is not sent on; each is the code of a problem."""

    NOT_REJECTED = "recipient_not_rejected"
    REDIRECTED = "recipient_redirected"
    TAKEN_BACK = "recipient_taken_back"


@dataclass(frozen=True, slots=True)
class Refused:
    """A recipient of a circular: whether a refusal of it is known and stands, whom it suggests, and to whom it was redirected.

    `taken_back`: the letter was recalled from it.
    """

    recipient: Resolved
    rejected: bool
    suggested_agency_code: str | None
    redirected_to: UUID | None
    taken_back: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """What may stand against sending a letter on from one of its recipients, and what a person should know of it."""

    why: Why
    detail: str


def refusal_of_letter(letter: Ties, *, recalled: bool) -> Refusal | None:
    """A letter is sent on while it goes round: neither recalled from everybody nor superseded."""
    if letter.state is not LetterState.DISPATCHED:
        return Refusal(WithdrawalWhy.NOT_DISPATCHED, "nobody has it yet: change its list")
    if recalled:
        return Refusal(WithdrawalWhy.RECALLED, "it was recalled from all recipients")
    if letter.successor is not None and letter.successor.state is LetterState.DISPATCHED:
        return Refusal(WithdrawalWhy.SUPERSEDED, f"its place is taken by {letter.successor.named}: send that one")
    return None


def refusal_of_recipient(recipient: Refused) -> Standing | None:
    """Only who has refused the letter is redirected, and once; what was taken back from it goes nowhere."""
    if recipient.redirected_to is not None:
        return Standing(Why.REDIRECTED, f"to recipient_id {recipient.redirected_to}")
    if recipient.taken_back:
        return Standing(Why.TAKEN_BACK, "it was recalled from this recipient")
    if not recipient.rejected:
        return Standing(Why.NOT_REJECTED, "no refusal of it is known here; one from a moment ago may still be under way")
    return None
