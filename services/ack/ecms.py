"""Our facts in the words of TH e-GIF eCMS, and back: values in, values out, nothing lost.

eCMS tells a letter by its number, date, subject and department, and of an answer it says nothing but the receive number. What it
has no field for travels `beside` the notifier as canonical JSON: only what differs from what the bare notifier means, so that a
peer that knows eCMS alone needs none, and a notifier of such a peer comes back as it was.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final
from uuid import NAMESPACE_URL, UUID, uuid5

import rfc8785
from pydantic import TypeAdapter, ValidationError

from services.ack.facts import Disputed, Fact, Received, Registration, Rejection, RejectionReason
from services.ack.fold import State
from shared.contracts.events import Secrecy, Speed
from shared.thai.dates import bangkok_date
from shared.thai.text import normalise


class Section(StrEnum):
    """The notifiers, by their section of the standard."""

    RECEIVE_LETTER = "3.2.2"  # หนังสือตอบรับ
    ACCEPT_LETTER = "3.2.3"  # หนังสือแจ้งเลขรับ
    REJECT_LETTER = "3.2.4"  # ปฏิเสธหนังสือ
    INVALID_LETTER = "3.2.5"  # แจ้งหนังสือผิด
    INVALID_ACCEPT_ID = "3.2.6"  # แจ้งเลขรับผิด


ELEMENTS: Final = {
    Section.RECEIVE_LETTER: "ReceiveLetterNotifier",
    Section.ACCEPT_LETTER: "AcceptLetterNotifier",
    Section.REJECT_LETTER: "RejectLetterNotifier",
    Section.INVALID_LETTER: "InvalidLetterNotifier",
    Section.INVALID_ACCEPT_ID: "InvalidAcceptIDNotifier",
}
NUMBERED: Final = frozenset({Section.ACCEPT_LETTER, Section.INVALID_ACCEPT_ID})  # these carry an AcceptID

# By which notifiers eCMS hears that a recipient has come to a state. Of the others it knows nothing: they stay in our record.
STATE_SECTIONS: Final[Mapping[State, tuple[Section, ...]]] = {
    State.AWAITING: (),
    State.UNDELIVERABLE: (),
    State.HANDED_OVER: (),
    State.OPENED: (),
    State.RECEIVED: (Section.RECEIVE_LETTER,),
    State.RECALLED: (),
    State.REGISTERED: (Section.ACCEPT_LETTER,),
    State.REJECTED: (Section.REJECT_LETTER, Section.INVALID_LETTER),
}

SPEED_CODES: Final = {Speed.NORMAL: "001", Speed.URGENT: "002", Speed.VERY_URGENT: "003", Speed.MOST_URGENT: "004"}
TOP_SECRET: Final = "004"  # noqa: S105 - ลับที่สุด, which must not travel electronically (ข้อ 29)


class Cause(StrEnum):
    """Why something cannot be said in the other vocabulary."""

    NO_NOTIFIER = "no_notifier"  # eCMS has no message for this fact
    TOP_SECRET = "top_secret"  # noqa: S105 - ลับที่สุด never enters
    CODE_UNKNOWN = "code_unknown"  # never defaulted to normal
    CLASS_UNKNOWN = "class_unknown"  # a personal letter of a class for which eCMS has no code
    ACCEPT_ID_UNKNOWN = "accept_id_unknown"  # a dispute of a number that is not among the answers
    ACCEPT_ID_MISPLACED = "accept_id_misplaced"  # missing where it must stand, or given where it cannot
    BESIDE_INVALID = "beside_invalid"  # what travels beside the notifier is not as we write it


class UntranslatableError(ValueError):
    """A fact, a message or a code that the other side has no words for; `cause` says which."""

    def __init__(self, cause: Cause, detail: str) -> None:
        super().__init__(f"{cause}: {detail}")
        self.cause: Final = cause


@dataclass(frozen=True, slots=True)
class Classification:
    """A letter's secrecy; `personal` is ลับเฉพาะบุคคล, which eCMS has as a class of its own."""

    secrecy: Secrecy
    personal: bool = False


SECRET_CODES: Final = {
    Classification(Secrecy.NORMAL): "001",
    Classification(Secrecy.CONFIDENTIAL): "002",
    Classification(Secrecy.SECRET): "003",
    Classification(Secrecy.CONFIDENTIAL, personal=True): "005",
}


@dataclass(frozen=True, slots=True)
class LetterKey:
    """By what eCMS tells letters apart: LetterID, CorrespondenceDate, Subject and the department that answers."""

    letter_id: str
    correspondence_date: date
    subject: str
    department: str


@dataclass(frozen=True, slots=True)
class Message:
    """A notifier. `at` is when it was said (the gateway's ProcessTime); `beside` is what eCMS has no field for, or None."""

    section: Section
    letter: LetterKey
    at: datetime
    accept_id: str | None = None
    beside: str | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """One of our facts about a letter. `disputed_number` is the receive number that a `Disputed` doubts, as it is quoted."""

    letter: LetterKey
    at: datetime
    fact: Fact
    disputed_number: str | None = None


def to_ecms(report: Report, answers: Mapping[UUID, str] | None = None) -> Message:
    """The notifier that says this; `answers` are the recipient's registrations, by identifier, with their numbers.

    Raises UntranslatableError.
    """
    section, number = _section_of(report)
    bare = _bare(Message(section, report.letter, report.at, number), answers or {})
    said, meant = _values(report.fact), {} if bare is None else _values(bare)
    differing = {name: value for name, value in said.items() if name not in meant or meant[name] != value}
    beside = rfc8785.dumps(differing).decode() if differing else None
    return Message(section, report.letter, report.at, number, beside)


def from_ecms(message: Message, answers: Mapping[UUID, str] | None = None) -> Report:
    """What the notifier says in our words; the way back from `to_ecms`. Raises UntranslatableError."""
    if (message.accept_id is not None) != (message.section in NUMBERED):
        raise UntranslatableError(Cause.ACCEPT_ID_MISPLACED, ELEMENTS[message.section])
    number = message.accept_id if message.section is Section.INVALID_ACCEPT_ID else None
    bare = _bare(message, answers or {})
    fact = bare if message.beside is None else _read(message, bare)
    if fact is None:
        raise UntranslatableError(Cause.ACCEPT_ID_UNKNOWN, f"{message.accept_id!r} is not the number of exactly one answer")
    report = Report(message.letter, message.at, fact, number)
    try:
        faithful = to_ecms(report, answers) == message
    except ValueError:
        faithful = False
    if not faithful:
        raise UntranslatableError(Cause.BESIDE_INVALID, "it is not written as we write it, or contradicts the notifier")
    return report


def speed_code(speed: Speed) -> str:
    """SpeedCode of our speed."""
    return SPEED_CODES[speed]


def speed_of(code: str) -> Speed:
    """Our speed of a SpeedCode; raises UntranslatableError for an unknown one."""
    for speed, known in SPEED_CODES.items():
        if known == code:
            return speed
    raise UntranslatableError(Cause.CODE_UNKNOWN, f"SpeedCode {code!r}")


def secret_code(classification: Classification) -> str:
    """SecretCode of our class; raises UntranslatableError for a personal letter that is not of class ลับ."""
    code = SECRET_CODES.get(classification)
    if code is None:
        raise UntranslatableError(Cause.CLASS_UNKNOWN, f"a personal letter of class {classification.secrecy}")
    return code


def classification_of(code: str) -> Classification:
    """Our class of a SecretCode; raises UntranslatableError, for ลับที่สุด with a cause of its own."""
    if code == TOP_SECRET:
        raise UntranslatableError(Cause.TOP_SECRET, "ลับที่สุด must not travel electronically")
    for classification, known in SECRET_CODES.items():
        if known == code:
            return classification
    raise UntranslatableError(Cause.CODE_UNKNOWN, f"SecretCode {code!r}")


def _section_of(report: Report) -> tuple[Section, str | None]:
    match report.fact:
        case Received():
            section, number = Section.RECEIVE_LETTER, None
        case Registration(receive_number=written):
            section, number = Section.ACCEPT_LETTER, written
        case Rejection(reason=RejectionReason.MISADDRESSED):
            section, number = Section.INVALID_LETTER, None
        case Rejection():
            section, number = Section.REJECT_LETTER, None
        case Disputed():
            if report.disputed_number is None:
                raise UntranslatableError(Cause.ACCEPT_ID_MISPLACED, "a dispute names the number that it doubts")
            return Section.INVALID_ACCEPT_ID, report.disputed_number
        case _:
            raise UntranslatableError(Cause.NO_NOTIFIER, type(report.fact).__name__)
    if report.disputed_number is not None:
        raise UntranslatableError(Cause.ACCEPT_ID_MISPLACED, "only a dispute doubts a number")
    return section, number


def _bare(message: Message, answers: Mapping[UUID, str]) -> Fact | None:
    """What the notifier says to who sees nothing beside it; None for a dispute of a number that cannot be told."""
    department = message.letter.department
    match message.section:
        case Section.RECEIVE_LETTER:
            return Received()
        case Section.ACCEPT_LETTER:
            # eCMS names no person: the department stands for its registrar.
            return Registration(message.accept_id or "", bangkok_date(message.at), None, department, None, None)
        case Section.REJECT_LETTER:
            return Rejection(RejectionReason.OTHER, "", department, None)
        case Section.INVALID_LETTER:
            return Rejection(RejectionReason.MISADDRESSED, "", department, None)
        case Section.INVALID_ACCEPT_ID:
            wanted = normalise(message.accept_id or "")
            found = [answer_id for answer_id, number in answers.items() if normalise(number) == wanted]
            if len(found) != 1:
                return None
            # The same dispute that comes twice is one dispute.
            return Disputed(uuid5(NAMESPACE_URL, f"ecms-dispute:{found[0]}:{message.at.isoformat()}"), found[0], "")


_KINDS: Final[dict[Section, TypeAdapter[Any]]] = {
    Section.RECEIVE_LETTER: TypeAdapter(Received),
    Section.ACCEPT_LETTER: TypeAdapter(Registration),
    Section.REJECT_LETTER: TypeAdapter(Rejection),
    Section.INVALID_LETTER: TypeAdapter(Rejection),
    Section.INVALID_ACCEPT_ID: TypeAdapter(Disputed),
}


def _values(fact: Fact) -> dict[str, Any]:
    return TypeAdapter(type(fact)).dump_python(fact, mode="json")


def _read(message: Message, bare: Fact | None) -> Fact:
    try:
        given = json.loads(message.beside or "")
        if not isinstance(given, dict):
            raise UntranslatableError(Cause.BESIDE_INVALID, "it is not a JSON object")
        meant = {} if bare is None else _values(bare)
        return _KINDS[message.section].validate_python(meant | given)
    except (ValueError, RecursionError, ValidationError) as error:
        raise UntranslatableError(Cause.BESIDE_INVALID, type(error).__name__) from error
