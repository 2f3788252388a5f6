"""Decides what an acknowledgment is worth: one rule for every door by which it may come in."""

import re
import unicodedata
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Final

from services.ack import problems
from services.ack.facts import Acknowledgment, Registration, Rejection, RejectionReason
from services.ack.fold import RecipientState
from shared.problems import FieldError, Problem
from shared.thai.dates import ThaiDateError, bangkok_date, parse_date
from shared.thai.digits import to_arabic
from shared.thai.text import has_unsafe_characters, normalise

NUMBER_MAX: Final = 50
NAME_MAX: Final = 200
TEXT_MAX: Final = 1000

_DIGIT: Final = re.compile("[0-9]")
_CLOCK: Final = re.compile(r"([0-9]{1,2})[:.]([0-9]{2})(?::[0-9]{2})?(?:\s*น\.)?")


@dataclass(frozen=True, slots=True)
class RegistrationDraft:
    """What was typed or sent to register the letter; nothing is checked yet, and "" stands for nothing."""

    receive_number: str
    receive_date: str
    receive_time: str
    registrar_name: str
    registrar_position: str
    unit: str


@dataclass(frozen=True, slots=True)
class RejectionDraft:
    """What was typed or sent to refuse the letter."""

    reason: str
    text: str
    registrar_name: str
    registrar_position: str


Draft = RegistrationDraft | RejectionDraft


@dataclass(frozen=True, slots=True)
class Accepted:
    """To be recorded."""

    fact: Acknowledgment


@dataclass(frozen=True, slots=True)
class SameAgain:
    """Recorded before: the first answer is given again."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """Recorded before, and otherwise."""

    recorded: Acknowledgment


@dataclass(frozen=True, slots=True)
class Invalid:
    """Cannot be recorded; at least one error, each with the code of a problem."""

    errors: tuple[FieldError, ...]


@dataclass(frozen=True, slots=True)
class TakenBack:
    """The sender recalled the letter before it was answered: no answer is taken."""

    reason: str
    recalled_at: datetime


Decision = Accepted | SameAgain | Conflict | Invalid | TakenBack


def decide_acknowledgment(current: RecipientState, request: Draft, *, letter_date: date, now: datetime) -> Decision:
    """What becomes of `request` at `now` for a recipient of a letter of `letter_date` that has come to `current`."""
    if current.acknowledgment is None and current.recalled_at is not None:
        return TakenBack(current.recall_reason or "", current.recalled_at)
    errors: list[FieldError] = []
    match request:
        case RegistrationDraft():
            fact = _registration(request, letter_date, bangkok_date(now), errors)
        case RejectionDraft():
            fact = _rejection(request, errors)
    if fact is None:
        return Invalid(tuple(errors))
    if current.acknowledgment is None:
        return Accepted(fact)
    return SameAgain() if is_same(current.acknowledgment, fact) else Conflict(current.acknowledgment)


def is_same(recorded: Acknowledgment, fact: Acknowledgment) -> bool:
    """Whether two answers say the same: a number and its day, or a reason. Names and times may be spelt otherwise."""
    match recorded, fact:
        case Registration(), Registration():
            return (recorded.normalised_number, recorded.receive_date) == (fact.normalised_number, fact.receive_date)
        case Rejection(), Rejection():
            return recorded.reason is fact.reason
        case _:
            return False


def _registration(draft: RegistrationDraft, letter_date: date, today: date, errors: list[FieldError]) -> Registration | None:
    number = _number(draft.receive_number, errors)
    day = _day(draft.receive_date, letter_date, today, errors)
    clock = _clock(draft.receive_time, errors)
    name, position = _registrar(draft.registrar_name, draft.registrar_position, errors)
    unit = _line("unit", draft.unit, errors)
    if errors or day is None:
        return None
    return Registration(number, day, clock, name, position or None, unit or None)


def _rejection(draft: RejectionDraft, errors: list[FieldError]) -> Rejection | None:
    text = draft.text.strip()
    reason = next((known for known in RejectionReason if known == draft.reason), None)
    if reason is None:
        _note(errors, "reason", problems.REJECTION_INVALID, f"one of: {', '.join(RejectionReason)}")
    elif reason is RejectionReason.OTHER and not text:
        _note(errors, "text", problems.REJECTION_INVALID, "say why: the reason is `other`")
    if len(text) > TEXT_MAX or hides_something(text.replace("\n", " ").replace("\t", " ").replace("\r", " ")):
        _note(errors, "text", problems.REJECTION_INVALID, f"at most {TEXT_MAX} characters, none of them invisible")
    name, position = _registrar(draft.registrar_name, draft.registrar_position, errors)
    if errors or reason is None:
        return None
    return Rejection(reason, text, name, position or None)


def hides_something(text: str) -> bool:
    """Whether a text for one line holds a line break, a control character, or a mark that changes the writing direction."""
    directions = "\u061c\u200e\u200f"
    return has_unsafe_characters(text) or any(
        character in directions or unicodedata.category(character) in ("Cc", "Zl", "Zp") for character in text
    )


def _number(text: str, errors: list[FieldError]) -> str:
    number = text.strip()
    if not 1 <= len(number) <= NUMBER_MAX:
        _note(errors, "receive_number", problems.RECEIVE_NUMBER_INVALID, f"1 to {NUMBER_MAX} characters, got {len(number)}")
    elif hides_something(number):
        _note(errors, "receive_number", problems.RECEIVE_NUMBER_INVALID, "no line breaks, control or direction characters")
    elif not _DIGIT.search(normalise(number)):
        _note(errors, "receive_number", problems.RECEIVE_NUMBER_INVALID, "a receive number holds a digit")
    return number


def _day(text: str, letter_date: date, today: date, errors: list[FieldError]) -> date | None:
    try:
        day = parse_date(text.strip())
    except ThaiDateError as error:
        _note(errors, "receive_date", problems.RECEIVE_DATE_INVALID, str(error))
        return None
    if day > today:
        _note(errors, "receive_date", problems.RECEIVE_DATE_INVALID, f"{day} is after today, {today} in Bangkok")
    elif day < letter_date:
        _note(errors, "receive_date", problems.RECEIVE_DATE_INVALID, f"{day} is before the letter's date, {letter_date}")
    return day


def _clock(text: str, errors: list[FieldError]) -> time | None:
    written = to_arabic(text.strip())
    if not written:
        return None
    match = _CLOCK.fullmatch(written)
    if match is None or int(match[1]) > 23 or int(match[2]) > 59:
        _note(errors, "receive_time", problems.RECEIVE_TIME_INVALID, "a time of day such as 09:30")
        return None
    return time(int(match[1]), int(match[2]))


def _registrar(name: str, position: str, errors: list[FieldError]) -> tuple[str, str]:
    if not name.strip():
        _note(errors, "registrar_name", problems.REGISTRAR_INVALID, "the name of the person who registered the letter")
    return _line("registrar_name", name, errors), _line("registrar_position", position, errors)


def _line(field: str, text: str, errors: list[FieldError]) -> str:
    line = text.strip()
    if len(line) > NAME_MAX or hides_something(line):
        _note(errors, field, problems.REGISTRAR_INVALID, f"one line of at most {NAME_MAX} characters, none of them invisible")
    return line


def _note(errors: list[FieldError], field: str, problem: Problem, detail: str) -> None:
    errors.append(FieldError(f"/{field}", problem.code, detail))
