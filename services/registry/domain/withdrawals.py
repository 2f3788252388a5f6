"""What may still be done with a letter that has its number: pure rules of void, supersede, recall and erratum."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from services.registry.domain.letters import LetterState


class Why(StrEnum):
    """Why something is refused; each is the code of a problem."""

    NOT_REGISTERED = "letter_not_registered"
    NOT_DISPATCHED = "letter_not_dispatched"
    DISPATCHED = "letter_dispatched"
    VOIDED = "letter_voided"
    SUPERSEDED = "letter_superseded"
    RECALLED = "letter_recalled"
    TOO_LATE = "recall_too_late"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refusal, with what a person should know."""

    why: Why
    detail: str


@dataclass(frozen=True, slots=True)
class Void:
    """A cancelled number (ยกเลิกเลขที่): it stays in the register."""

    reason: str
    voided_at: datetime


@dataclass(frozen=True, slots=True)
class Successor:
    """The letter that takes another's place, or is to take it while it is a draft."""

    letter_id: UUID
    state: LetterState
    number: str | None

    @property
    def named(self) -> str:
        """The successor for a person: its number, or its identifier while it has none."""
        return f"{self.number or 'a draft'} (letter_id {self.letter_id})"


@dataclass(frozen=True, slots=True)
class Ties:
    """A letter with what was decided on it, and the letters that it is tied to."""

    letter_id: UUID
    agency_id: UUID
    state: LetterState
    number: str | None
    void: Void | None
    supersedes: UUID | None
    follows: UUID | None
    successor: Successor | None
    circular_id: UUID | None


@dataclass(frozen=True, slots=True)
class Asked:
    """The recipients that a recall names, in figures: those recalled before, and of the others those that have received it."""

    recipients: int
    recalled: int
    received: int

    @property
    def left(self) -> int:
        """From how many the letter can be taken back."""
        return self.recipients - self.recalled - self.received


def refusal_to_void(letter: Ties) -> Refusal | None:
    """A number is cancelled once, and only while its letter has not gone round and has no successor."""
    if letter.state is LetterState.DRAFT:
        return Refusal(Why.NOT_REGISTERED, "a draft has no number to cancel: change it instead")
    if letter.state is LetterState.DISPATCHED:
        return Refusal(Why.DISPATCHED, f"circular_id {letter.circular_id}")
    if letter.void is not None:
        return _voided(letter.void)
    if letter.successor is not None:
        return Refusal(Why.SUPERSEDED, f"its place is taken by {letter.successor.named}")
    return None


def refusal_to_supersede(letter: Ties, by: UUID) -> Refusal | None:
    """A letter with a number has one successor; a cancelled one has nothing to be superseded."""
    if letter.state is LetterState.DRAFT:
        return Refusal(Why.NOT_REGISTERED, "a draft is changed, not superseded")
    if letter.void is not None:
        return _voided(letter.void)
    if letter.successor is not None and letter.successor.letter_id != by:
        return Refusal(Why.SUPERSEDED, f"its place is taken by {letter.successor.named}")
    return None


def refusal_to_dispatch(letter: Ties) -> Refusal | None:
    """Neither a cancelled letter goes round, nor one whose successor has its number."""
    if letter.void is not None:
        return _voided(letter.void)
    if letter.successor is not None and letter.successor.state is not LetterState.DRAFT:
        return Refusal(Why.SUPERSEDED, f"its place is taken by {letter.successor.named}")
    return None


def refusal_to_recall(letter: Ties, asked: Asked) -> Refusal | None:
    """A circular is recalled from whoever has not received it, and from each recipient once."""
    if letter.state is not LetterState.DISPATCHED:
        return Refusal(Why.NOT_DISPATCHED, "it has not gone round: void its number instead")
    if asked.left > 0:
        return None
    if asked.recalled > 0:
        return Refusal(Why.RECALLED, f"recalled from {asked.recalled} before; {asked.received} of the others have received it")
    return Refusal(Why.TOO_LATE, f"all {asked.received} of them have received it")


def refusal_to_correct(letter: Ties) -> Refusal | None:
    """A note corrects what others have been told."""
    if letter.state is not LetterState.DISPATCHED:
        return Refusal(Why.NOT_DISPATCHED, "nobody has it yet: void its number and write another letter")
    return None


def _voided(void: Void) -> Refusal:
    return Refusal(Why.VOIDED, f"cancelled at {void.voided_at.isoformat(timespec='seconds')}: {void.reason}")
