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


class Door(StrEnum):
    """By which way an acknowledgment came in."""

    API = "api"
    LINK = "link"
    PAGE = "page"


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


Acknowledgment = Registration | Rejection
Fact = HandedOver | Bounced | Undeliverable | Opened | Received | Registration | Rejection | Relayed | Recalled | Stopped

# A recipient answers once; whatever the answer is, there is one place for it.
ACKNOWLEDGMENT_KEY: Final = "acknowledgment"


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
            case Registration() | Rejection():
                return ACKNOWLEDGMENT_KEY
            case Relayed(circular_id=circular):
                return f"relayed:{circular}"
            case Recalled(recall_id=recall):
                return f"recalled:{recall}"
            case Stopped(delivery_id=delivery):
                return f"stopped:{delivery}"


def new_event(
    recipient_id: UUID, fact: Fact, *, occurred_at: datetime, recorded_at: datetime, actor: str, door: Door | None = None
) -> RecipientEvent:
    """A fresh event with an identifier of its own."""
    return RecipientEvent(new_id(), recipient_id, occurred_at, recorded_at, actor, fact, door)
