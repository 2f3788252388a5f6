"""Decides what an acknowledgment is worth: one rule for every door by which it may come in."""

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Final

from services.ack import problems
from services.ack.facts import (
    Acknowledgment,
    Attestation,
    Confirmed,
    Door,
    Level,
    Medium,
    Opened,
    Received,
    Registration,
    Rejection,
    RejectionReason,
)
from services.ack.fold import RANK, Entry, RecipientState, State
from shared.problems import FieldError, Problem
from shared.thai.dates import BANGKOK, ThaiDateError, bangkok_date, parse_date
from shared.thai.digits import to_arabic
from shared.thai.text import has_unsafe_characters, normalise

NUMBER_MAX: Final = 50
NAME_MAX: Final = 200
TEXT_MAX: Final = 1000
CODE_MAX: Final = 64
# Other registries' clocks are not ours.
CLOCK_TOLERANCE: Final = timedelta(minutes=5)

_DIGIT: Final = re.compile("[0-9]")
_MARKUP: Final = re.compile("[<>]")
# Line and paragraph separators, all controls (Cc), and the marks of direction that are no overrides.
_NOT_ON_A_LINE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u061c\u200e\u200f]")
_CLOCK: Final = re.compile(r"([0-9]{1,2})[:.]([0-9]{2})(?::[0-9]{2})?(?:\s*น\.)?")


@dataclass(frozen=True, slots=True)
class LetterFacts:
    """What an answer is held against: the letter's own date, and the hash (lower-case hex) of its frozen content."""

    date: date
    content_hash: str


@dataclass(frozen=True, slots=True)
class AttestationDraft:
    """By what and from whom a clerk knows an answer; nothing is checked yet."""

    medium: str
    informant: str


@dataclass(frozen=True, slots=True)
class RegistrationDraft:
    """What was typed or sent to register the letter; nothing is checked yet, and "" stands for nothing."""

    receive_number: str
    receive_date: str
    receive_time: str
    registrar_name: str
    registrar_position: str
    unit: str
    level: str = Level.CENTRAL
    content_hash: str = ""
    attestation: AttestationDraft | None = None


@dataclass(frozen=True, slots=True)
class RejectionDraft:
    """What was typed or sent to refuse the letter."""

    reason: str
    text: str
    registrar_name: str
    registrar_position: str
    suggested_agency_code: str = ""
    attestation: AttestationDraft | None = None


class Notice(StrEnum):
    """What a recipient's system says before its registry has answered."""

    OPENED = "opened"
    RECEIVED = "received"  # หนังสือตอบรับ, eCMS 3.2.2


Draft = RegistrationDraft | RejectionDraft | Notice


@dataclass(frozen=True, slots=True)
class Accepted:
    """To be recorded."""

    fact: Acknowledgment | Opened | Received


@dataclass(frozen=True, slots=True)
class SameAgain:
    """Recorded before: the first answer is given again. By another door than before, it is more evidence."""

    evidence: Confirmed | None = None


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


def decide_acknowledgment(current: RecipientState, request: Draft, *, letter: LetterFacts, now: datetime, door: Door) -> Decision:
    """What becomes of `request` that comes by `door` at `now`, for a recipient of `letter` that has come to `current`."""
    if current.acknowledgment is None and current.recalled_at is not None:
        return TakenBack(current.recall_reason or "", current.recalled_at)
    if isinstance(request, Notice):
        return _noticed(current, request)
    errors: list[FieldError] = []
    match request:
        case RegistrationDraft():
            fact = read_registration(request, letter, now, errors, turn=current.withdrawals)
        case RejectionDraft():
            fact = _rejection(request, errors, turn=current.withdrawals)
    if fact is None:
        return Invalid(tuple(errors))
    return _weighed(current, fact, door)


def _noticed(current: RecipientState, notice: Notice) -> Decision:
    fact = Opened() if notice is Notice.OPENED else Received()
    said = State.OPENED if notice is Notice.OPENED else State.RECEIVED
    return SameAgain() if RANK[current.state] >= RANK[said] else Accepted(fact)


def _weighed(current: RecipientState, fact: Acknowledgment, door: Door) -> Decision:
    if current.acknowledgment is None:
        return Accepted(fact)
    if isinstance(fact, Registration) and current.entries:
        entry = entry_of(current, fact)
        if entry is None:
            return Accepted(fact)
        recorded, answer_id, first_door = entry.registration, entry.answer_id, entry.door
    else:
        recorded, answer_id, first_door = current.acknowledgment, current.answer_id, current.door
    if not is_same(recorded, fact):
        return Conflict(recorded)
    if door is first_door or answer_id is None:
        return SameAgain()
    return SameAgain(Confirmed(answer_id, fact.attestation))


def entry_of(current: RecipientState, fact: Registration) -> Entry | None:
    """The entry of the register that `fact` is of: one for the central registry, one for each unit below it."""

    def register(one: Registration) -> tuple[Level, str]:
        return one.level, "" if one.level is Level.CENTRAL else normalise(one.unit or "")

    return next((entry for entry in current.entries if register(entry.registration) == register(fact)), None)


def is_same(recorded: Acknowledgment, fact: Acknowledgment) -> bool:
    """Whether two answers say the same: a number and its day, or a reason. Names and times may be spelt otherwise."""
    match recorded, fact:
        case Registration(), Registration():
            return (recorded.normalised_number, recorded.receive_date) == (fact.normalised_number, fact.receive_date)
        case Rejection(), Rejection():
            return recorded.reason is fact.reason
        case _:
            return False


def read_registration(
    draft: RegistrationDraft, letter: LetterFacts, now: datetime, errors: list[FieldError], *, turn: int
) -> Registration | None:
    """The registration that `draft` says, or None with its `errors`. A day is one from the letter's own to today in Bangkok."""
    today = bangkok_date(now)
    number = _number(draft.receive_number, errors)
    day = _day(draft.receive_date, letter.date, today, errors)
    clock = _clock(draft.receive_time, errors)
    if day == today and clock is not None and datetime.combine(today, clock, BANGKOK) > now + CLOCK_TOLERANCE:
        _note(errors, "receive_time", problems.RECEIVE_TIME_INVALID, f"{clock:%H:%M} of {day} is still to come")
    name, position = _registrar(draft.registrar_name, draft.registrar_position, errors)
    unit = _line("unit", draft.unit, errors)
    level = next((known for known in Level if known == draft.level), None)
    if level is None:
        _note(errors, "level", problems.LEVEL_INVALID, f"one of: {', '.join(Level)}")
    elif level is not Level.CENTRAL and not unit:
        _note(errors, "unit", problems.LEVEL_INVALID, f"which {level} it is")
    if draft.content_hash and draft.content_hash.lower() != letter.content_hash:
        _note(errors, "content_hash", problems.CONTENT_HASH_DIFFERS, f"the letter's is {letter.content_hash}")
    attestation = _attestation(draft.attestation, errors)
    if errors or day is None or level is None:
        return None
    return Registration(number, day, clock, name, position or None, unit or None, level, attestation, turn)


def _rejection(draft: RejectionDraft, errors: list[FieldError], *, turn: int) -> Rejection | None:
    text = draft.text.strip()
    suggested = draft.suggested_agency_code.strip()
    if len(suggested) > CODE_MAX or hides_something(suggested):
        _note(errors, "suggested_agency_code", problems.REJECTION_INVALID, f"at most {CODE_MAX} characters on one line")
    reason = next((known for known in RejectionReason if known == draft.reason), None)
    if reason is None:
        _note(errors, "reason", problems.REJECTION_INVALID, f"one of: {', '.join(RejectionReason)}")
    elif reason is RejectionReason.OTHER and not text:
        _note(errors, "text", problems.REJECTION_INVALID, "say why: the reason is `other`")
    if len(text) > TEXT_MAX or hides_something(text.replace("\n", " ").replace("\t", " ").replace("\r", " ")):
        _note(errors, "text", problems.REJECTION_INVALID, f"at most {TEXT_MAX} characters, none of them invisible")
    name, position = _registrar(draft.registrar_name, draft.registrar_position, errors)
    attestation = _attestation(draft.attestation, errors)
    if errors or reason is None:
        return None
    return Rejection(reason, text, name, position or None, suggested or None, attestation, turn)


def _attestation(draft: AttestationDraft | None, errors: list[FieldError]) -> Attestation | None:
    if draft is None:
        return None
    medium = next((known for known in Medium if known == draft.medium), None)
    if medium is None:
        _note(errors, "medium", problems.ATTESTATION_INVALID, f"one of: {', '.join(Medium)}")
    informant = draft.informant.strip()
    if not 1 <= len(informant) <= NAME_MAX or hides_something(informant):
        _note(errors, "informant", problems.ATTESTATION_INVALID, f"who said so, or what shows it: 1 to {NAME_MAX} characters")
    return None if medium is None else Attestation(medium, informant)


def read_statement(field: str, text: str, errors: list[FieldError]) -> str:
    """A reason or a note in words: 1 to TEXT_MAX characters, several lines of them if need be, none invisible."""
    said = text.strip()
    if not 1 <= len(said) <= TEXT_MAX or hides_something(said.replace("\n", " ").replace("\t", " ").replace("\r", " ")):
        _note(errors, field, problems.STATEMENT_INVALID, f"1 to {TEXT_MAX} characters, none of them invisible")
    return said


def hides_something(text: str) -> bool:
    """Whether a text for one line holds a line break, a control character, or a mark that changes the writing direction."""
    return has_unsafe_characters(text) or _NOT_ON_A_LINE.search(text) is not None


def _number(text: str, errors: list[FieldError]) -> str:
    number = text.strip()
    if not 1 <= len(number) <= NUMBER_MAX:
        _note(errors, "receive_number", problems.RECEIVE_NUMBER_INVALID, f"1 to {NUMBER_MAX} characters, got {len(number)}")
    elif hides_something(number):
        _note(errors, "receive_number", problems.RECEIVE_NUMBER_INVALID, "no line breaks, control or direction characters")
    elif _MARKUP.search(number):
        _note(errors, "receive_number", problems.RECEIVE_NUMBER_INVALID, "a receive number holds no < or >")
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
