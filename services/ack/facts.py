"""What can be recorded of a recipient: the events of the append-only log, as values."""

from dataclasses import dataclass
from datetime import date, datetime, time
from enum import StrEnum
from typing import Final
from uuid import UUID

from shared.contracts.events import Channel, HandOverGrade
from shared.ids import new_id
from shared.thai.text import normalise


class RejectionReason(StrEnum):
    """Why a recipient refuses a letter."""

    MISADDRESSED = "misaddressed"  # ส่งผิดหน่วยงาน (eCMS 3.2.5)
    DUPLICATE = "duplicate"  # ได้รับซ้ำ
    UNREADABLE = "unreadable"  # เปิดอ่านไม่ได้
    NOT_COMPETENT = "not_competent"  # ไม่อยู่ในอำนาจหน้าที่
    OTHER = "other"


class Level(StrEnum):
    """Whose register of incoming letters a number is of: a letter gets one at each desk that it passes."""

    CENTRAL = "central"  # หน่วยสารบรรณกลาง
    DIVISION = "division"  # สำนัก/กอง
    CENTRE = "centre"  # ศูนย์/กลุ่ม/ฝ่าย


class Door(StrEnum):
    """By which way an acknowledgment came in."""

    API = "api"
    LINK = "link"
    PAGE = "page"
    CLERK = "clerk"  # the sender's clerk wrote down what the recipient said


class Evidence(StrEnum):
    """How well it is known who spoke."""

    AUTHENTICATED = "authenticated"  # with the agency's token
    LINK_HOLDER = "link_holder"  # with the link that went to the agency alone
    HEARSAY = "hearsay"  # written down by the sender


EVIDENCE: Final = {
    Door.API: Evidence.AUTHENTICATED,
    Door.LINK: Evidence.LINK_HOLDER,
    Door.PAGE: Evidence.LINK_HOLDER,
    Door.CLERK: Evidence.HEARSAY,
}


class Medium(StrEnum):
    """How a sender's clerk came to know what the recipient says."""

    PAPER = "paper"  # a stamped copy, a receipt book
    TELEPHONE = "telephone"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Attestation:
    """By what, and from whom, a clerk of the sender knows an answer."""

    medium: Medium
    informant: str


@dataclass(frozen=True, slots=True)
class HandedOver:
    """The other system or the mail server took the letter; not an acknowledgment."""

    delivery_id: UUID
    channel: Channel
    grade: HandOverGrade
    attempts: int


@dataclass(frozen=True, slots=True)
class Bounced:
    """A mail that had counted as handed over came back; the letter is on another way. `status` as in RFC 3463."""

    delivery_id: UUID
    status: str
    reason: str
    attempts: int


@dataclass(frozen=True, slots=True)
class Undeliverable:
    """The delivery ended without a hand-over."""

    delivery_id: UUID
    reason: str
    detail: str
    attempts: int


@dataclass(frozen=True, slots=True)
class Opened:
    """Somebody at the recipient has opened the letter."""


@dataclass(frozen=True, slots=True)
class Received:
    """The recipient's system says that the letter has reached it (หนังสือตอบรับ, eCMS 3.2.2)."""


@dataclass(frozen=True, slots=True)
class Registration:
    """The receiving registry has given the letter its number (หนังสือแจ้งเลขรับ, eCMS 3.2.3)."""

    receive_number: str  # as it was written
    receive_date: date
    receive_time: time | None
    registrar_name: str
    registrar_position: str | None
    unit: str | None
    level: Level = Level.CENTRAL
    attestation: Attestation | None = None
    # How many answers the recipient had taken back before: each round of answers has a place of its own.
    turn: int = 0

    @property
    def normalised_number(self) -> str:
        """The form for comparison: Arabic digits, single spaces."""
        return normalise(self.receive_number)


@dataclass(frozen=True, slots=True)
class Rejection:
    """The recipient refuses the letter (eCMS 3.2.4) or says that it is misaddressed (3.2.5)."""

    reason: RejectionReason
    text: str
    registrar_name: str
    registrar_position: str | None
    suggested_agency_code: str | None = None
    attestation: Attestation | None = None
    turn: int = 0


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The same answer again, by another door: more evidence, and nothing else."""

    answer_id: UUID
    attestation: Attestation | None = None


@dataclass(frozen=True, slots=True)
class Corrected:
    """The recipient corrects a registration; `earlier` corrections of it came before. What was written first is kept."""

    answer_id: UUID
    registration: Registration
    reason: str
    earlier: int


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """The recipient takes an answer back: it was entered by mistake."""

    answer_id: UUID
    reason: str


@dataclass(frozen=True, slots=True)
class Disputed:
    """The sender doubts a receive number (แจ้งเลขรับผิด, eCMS 3.2.6)."""

    dispute_id: UUID
    answer_id: UUID
    text: str


@dataclass(frozen=True, slots=True)
class DisputeAnswered:
    """The recipient says that the number stands."""

    dispute_id: UUID
    text: str


@dataclass(frozen=True, slots=True)
class Relayed:
    """The recipient has sent the letter on, as a circular of its own."""

    circular_id: UUID
    recipients: int


@dataclass(frozen=True, slots=True)
class Recalled:
    """The sender has taken the letter back; what had been registered before stands."""

    recall_id: UUID
    reason: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """A recall has stopped the delivery before a hand-over."""

    delivery_id: UUID
    attempts: int


@dataclass(frozen=True, slots=True)
class Redirected:
    """The sender has sent the letter on to another recipient, because this one refused it."""

    recipient_id: UUID


@dataclass(frozen=True, slots=True)
class DeadlineMoved:
    """The recipient's deadline became another, because of days that its calendar or one above it declares."""

    before: datetime
    due_at: datetime
    reason: str


Acknowledgment = Registration | Rejection
Fact = (
    HandedOver
    | Bounced
    | Undeliverable
    | Opened
    | Received
    | Registration
    | Rejection
    | Confirmed
    | Corrected
    | Withdrawn
    | Disputed
    | DisputeAnswered
    | Relayed
    | Recalled
    | Stopped
    | Redirected
    | DeadlineMoved
)


@dataclass(frozen=True, slots=True)
class RecipientEvent:
    """One row of the log. `occurred_at` is claimed by `actor`, `recorded_at` is ours; both are aware."""

    event_id: UUID
    recipient_id: UUID
    occurred_at: datetime
    recorded_at: datetime
    actor: str
    fact: Fact
    door: Door | None = None

    @property
    def dedupe_key(self) -> str:
        """Two events of one recipient with the same key are the same event."""
        match self.fact:
            case HandedOver(delivery_id=delivery, channel=channel):
                return f"handed_over:{delivery}:{channel}"
            case Bounced(delivery_id=delivery, attempts=attempts):
                return f"bounced:{delivery}:{attempts}"
            case Undeliverable(delivery_id=delivery):
                return f"undeliverable:{delivery}"
            case Opened():
                return "opened"
            case Received():
                return "received"
            case Registration(level=Level.CENTRAL, turn=turn) | Rejection(turn=turn):
                # A recipient's registry answers once; whatever the answer is, there is one place for it.
                return f"acknowledgment:{turn}" if turn else "acknowledgment"
            case Registration(level=level, turn=turn):
                return f"acknowledgment:{turn}:{level}:{normalise(self.fact.unit or '')}"
            case Confirmed(answer_id=answer):
                return f"confirmed:{answer}:{self.door}"
            case Corrected(answer_id=answer, earlier=earlier):
                return f"corrected:{answer}:{earlier}"
            case Withdrawn(answer_id=answer):
                return f"withdrawn:{answer}"
            case Disputed(dispute_id=dispute):
                return f"disputed:{dispute}"
            case DisputeAnswered(dispute_id=dispute):
                return f"dispute_answered:{dispute}"
            case Relayed(circular_id=circular):
                return f"relayed:{circular}"
            case Recalled(recall_id=recall):
                return f"recalled:{recall}"
            case Stopped(delivery_id=delivery):
                return f"stopped:{delivery}"
            case Redirected():
                # A letter is sent on from a recipient once.
                return "redirected"
            case DeadlineMoved(due_at=due_at):
                return f"deadline_moved:{due_at.isoformat()}"


def new_event(
    recipient_id: UUID, fact: Fact, *, occurred_at: datetime, recorded_at: datetime, actor: str, door: Door | None = None
) -> RecipientEvent:
    """A fresh event with an identifier of its own."""
    return RecipientEvent(new_id(), recipient_id, occurred_at, recorded_at, actor, fact, door)
