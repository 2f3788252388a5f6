"""Decides what becomes of an answer afterwards: corrected or taken back by its recipient, doubted by its sender."""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from services.ack import problems
from services.ack.decide import Invalid, LetterFacts, RegistrationDraft, read_registration, read_statement
from services.ack.facts import Corrected, DisputeAnswered, Disputed, Registration, Withdrawn
from services.ack.fold import Entry, RecipientState
from shared.problems import FieldError, Problem


@dataclass(frozen=True, slots=True)
class CorrectionDraft:
    """A registration as it should have been written; `answer_id` None means the one of the highest level."""

    registration: RegistrationDraft
    reason: str
    answer_id: UUID | None


@dataclass(frozen=True, slots=True)
class WithdrawalDraft:
    """An answer was entered by mistake; `answer_id` None means the one that counts."""

    reason: str
    answer_id: UUID | None


@dataclass(frozen=True, slots=True)
class DisputeDraft:
    """The sender doubts a receive number."""

    dispute_id: UUID
    text: str
    answer_id: UUID | None


@dataclass(frozen=True, slots=True)
class DisputeReplyDraft:
    """The recipient says that the number stands."""

    text: str


Change = CorrectionDraft | WithdrawalDraft | DisputeDraft | DisputeReplyDraft
ChangeFact = Corrected | Withdrawn | Disputed | DisputeAnswered


@dataclass(frozen=True, slots=True)
class ToRecord:
    """To be appended to the log."""

    fact: ChangeFact


@dataclass(frozen=True, slots=True)
class AsRecorded:
    """It stands so already; nothing is added."""


@dataclass(frozen=True, slots=True)
class Refused:
    """It cannot be done to what is recorded."""

    problem: Problem
    detail: str


ChangeDecision = ToRecord | AsRecorded | Refused | Invalid


def decide_change(
    current: RecipientState, corrections: int, change: Change, *, letter: LetterFacts, now: datetime
) -> ChangeDecision:
    """What becomes of `change` for a recipient that has come to `current`; `corrections` counts those in its log."""
    match change:
        case CorrectionDraft():
            return _correction(current, corrections, change, letter, now)
        case WithdrawalDraft():
            return _withdrawal(current, change)
        case DisputeDraft():
            return _dispute(current, change)
        case DisputeReplyDraft():
            return _reply(current, change)


def _correction(
    current: RecipientState, corrections: int, change: CorrectionDraft, letter: LetterFacts, now: datetime
) -> ChangeDecision:
    entry = _entry(current, change.answer_id)
    if entry is None:
        return Refused(problems.NOT_ANSWERED, "the recipient has not registered the letter")
    errors: list[FieldError] = []
    reason = read_statement("reason", change.reason, errors)
    written = read_registration(change.registration, letter, now, errors, turn=entry.written.turn)
    if written is None or errors:
        return Invalid(tuple(errors))
    # A correction mends what an entry says; of whose register it is, is not changed by it.
    registration = replace(written, level=entry.written.level, attestation=entry.written.attestation)
    if _says_the_same(registration, entry.registration):
        return AsRecorded()
    return ToRecord(Corrected(entry.answer_id, registration, reason, corrections))


def _withdrawal(current: RecipientState, change: WithdrawalDraft) -> ChangeDecision:
    errors: list[FieldError] = []
    reason = read_statement("reason", change.reason, errors)
    if errors:
        return Invalid(tuple(errors))
    entry = _entry(current, change.answer_id)
    if entry is not None:
        return ToRecord(Withdrawn(entry.answer_id, reason))
    if current.answer_id is not None and change.answer_id in (None, current.answer_id):
        return ToRecord(Withdrawn(current.answer_id, reason))
    return Refused(problems.NOT_ANSWERED, "there is no such answer to take back")


def _dispute(current: RecipientState, change: DisputeDraft) -> ChangeDecision:
    errors: list[FieldError] = []
    text = read_statement("text", change.text, errors)
    if errors:
        return Invalid(tuple(errors))
    entry = _entry(current, change.answer_id)
    if entry is None:
        return Refused(problems.NOT_ANSWERED, "there is no receive number to doubt")
    if current.dispute is not None:
        same = (current.dispute.answer_id, current.dispute.text) == (entry.answer_id, text)
        return AsRecorded() if same else Refused(problems.DISPUTE_OPEN, f"it says: {current.dispute.text}")
    return ToRecord(Disputed(change.dispute_id, entry.answer_id, text))


def _reply(current: RecipientState, change: DisputeReplyDraft) -> ChangeDecision:
    errors: list[FieldError] = []
    text = read_statement("text", change.text, errors)
    if errors:
        return Invalid(tuple(errors))
    if current.dispute is None:
        return Refused(problems.DISPUTE_UNKNOWN, "")
    return ToRecord(DisputeAnswered(current.dispute.dispute_id, text))


def _entry(current: RecipientState, answer_id: UUID | None) -> Entry | None:
    return next((entry for entry in current.entries if answer_id in (None, entry.answer_id)), None)


def _says_the_same(one: Registration, other: Registration) -> bool:
    return one == replace(other, turn=one.turn)
