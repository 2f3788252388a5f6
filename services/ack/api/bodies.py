"""Bodies of requests and answers."""

from datetime import date, datetime, time
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

from services.ack.acknowledging import Recorded
from services.ack.decide import Draft, RegistrationDraft, RejectionDraft
from services.ack.facts import Registration, Rejection, RejectionReason
from services.ack.fold import State
from services.ack.store.circulars import Circular, Counts
from services.ack.store.recipients import Recipient
from services.ack.view import Matrix, Progress
from shared.contracts.events import Role

# The rules are in `decide`, the same for every door; these bounds only keep nonsense out.
_Text = Annotated[str, Field(max_length=400)]
_LongText = Annotated[str, Field(max_length=4000)]
_Minutes = Annotated[time, PlainSerializer(lambda clock: clock.isoformat("minutes"), return_type=str)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RegistrationIn(_Body):
    """The letter was registered (แจ้งเลขรับ)."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "outcome": "registered",
                    "receive_number": "๑๑๐๗๒",
                    "receive_date": "2026-11-23",
                    "receive_time": "09:30",
                    "registrar_name": "สมหญิง รักงาน",
                    "registrar_position": "เจ้าพนักงานธุรการ",
                    "unit": "งานสารบรรณ",
                }
            ]
        }
    )

    outcome: Literal["registered"]
    receive_number: _Text = Field(description="As in the register of incoming letters: 1 to 50 characters, with a digit.")
    receive_date: _Text = Field(description="2026-11-23, or ๒๓ พฤศจิกายน ๒๕๖๙; from the letter's date to today in Bangkok.")
    receive_time: _Text | None = Field(default=None, description="09:30")
    registrar_name: _Text = Field(description="Who registered the letter: 1 to 200 characters.")
    registrar_position: _Text | None = None
    unit: _Text | None = Field(default=None, description="The unit whose register it is.")

    def draft(self) -> Draft:
        """What the decision works with."""
        return RegistrationDraft(
            self.receive_number,
            self.receive_date,
            self.receive_time or "",
            self.registrar_name,
            self.registrar_position or "",
            self.unit or "",
        )


class RejectionIn(_Body):
    """The letter is refused, or was sent to the wrong agency."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "outcome": "rejected",
                    "reason": "misaddressed",
                    "text": "เรื่องนี้อยู่ในหน้าที่ของสำนักงานที่ดินจังหวัด",
                    "registrar_name": "สมหญิง รักงาน",
                }
            ]
        }
    )

    outcome: Literal["rejected"]
    reason: RejectionReason
    text: _LongText = Field(default="", description="In words, up to 1000 characters; required when the reason is `other`.")
    registrar_name: _Text
    registrar_position: _Text | None = None

    def draft(self) -> Draft:
        """What the decision works with."""
        return RejectionDraft(self.reason, self.text, self.registrar_name, self.registrar_position or "")


AcknowledgmentIn = Annotated[RegistrationIn | RejectionIn, Field(discriminator="outcome")]


class RejectionOut(BaseModel):
    """Why a recipient refused the letter."""

    reason: RejectionReason
    text: str


class RecipientOut(BaseModel):
    """One recipient of a circular, in the sender's list."""

    recipient_id: UUID
    position: int
    title: str
    agency_id: UUID
    agency_name_th: str | None
    in_place_of: UUID | None = Field(description="The closed agency that the list names; the letter went to who follows it.")
    in_place_of_name_th: str | None
    state: State
    handed_over_at: datetime | None = Field(description="The first hand-over. A hand-over is not an acknowledgment.")
    hand_over_channel: str | None
    hand_over_grade: str | None = Field(description="`transport`: the other system took it; `blind`: relayed without proof.")
    failure_reason: str | None
    receive_number: str | None = Field(description="As the registry wrote it.")
    receive_date: date | None
    receive_time: _Minutes | None
    registrar_name: str | None
    registrar_position: str | None
    unit: str | None
    rejection: RejectionOut | None
    recorded_at: datetime | None = Field(description="When the acknowledgment was recorded here.")
    role: Role = Field(description="`action` เพื่อดำเนินการ, `information` เพื่อทราบ, `copy` สำเนาส่ง.")
    relay_duty: bool
    relayed_circular_id: UUID | None
    onward_recipients: int
    recalled_at: datetime | None = Field(description="When the sender recalled the letter; an answer from before stands.")
    recall_reason: str | None
    stopped_at: datetime | None = Field(description="When a delivery was stopped by a recall before it was handed over.")
    late: bool = Field(description="Answered after the deadline, or not answered and the deadline has passed.")

    @classmethod
    def of(cls, recipient: Recipient, deadline: datetime | None, now: datetime) -> Self:
        """The recipient as the API shows it."""
        given = {name: getattr(recipient, name) for name in cls.model_fields if name not in ("rejection", "late")}
        return cls(**given, rejection=_rejection(recipient), late=recipient.is_late(deadline, now))


def _rejection(recipient: Recipient) -> RejectionOut | None:
    if recipient.rejection_reason is None:
        return None
    return RejectionOut(reason=RejectionReason(recipient.rejection_reason), text=recipient.rejection_text or "")


class AcknowledgmentOut(BaseModel):
    """What is recorded; the same for the first call and for every repetition."""

    recipient_id: UUID
    circular_id: UUID
    state: State
    receive_number: str | None
    receive_date: date | None
    receive_time: _Minutes | None
    registrar_name: str | None
    registrar_position: str | None
    unit: str | None
    rejection: RejectionOut | None
    recorded_at: datetime | None

    @classmethod
    def of(cls, recorded: Recorded) -> Self:
        """What is recorded of a recipient that has answered."""
        answer = recorded.state.acknowledgment
        registration = answer if isinstance(answer, Registration) else None
        return cls(
            recipient_id=recorded.recipient_id,
            circular_id=recorded.circular_id,
            state=recorded.state.state,
            receive_number=registration and registration.receive_number,
            receive_date=registration and registration.receive_date,
            receive_time=registration and registration.receive_time,
            registrar_name=answer and answer.registrar_name,
            registrar_position=answer and answer.registrar_position,
            unit=registration and registration.unit,
            rejection=RejectionOut(reason=answer.reason, text=answer.text) if isinstance(answer, Rejection) else None,
            recorded_at=recorded.state.recorded_at,
        )


class SuccessorOut(BaseModel):
    """The letter that took a circular's place; `fields` are those in which it differs."""

    circular_id: UUID
    letter_id: UUID
    number: str
    fields: list[str]
    superseded_at: datetime


class ErratumOut(BaseModel):
    """A note that corrects a letter. Of a secret letter the text is read at `GET /v1/letters/{letter_id}/errata`."""

    number: int
    text: str
    fields: list[str]
    issued_at: datetime


class DecidedOut(BaseModel):
    """What the sender has decided on a circular since it went round."""

    superseded_by: SuccessorOut | None
    errata: list[ErratumOut]


def _decided(circular: Circular | None) -> dict[str, Any]:
    if circular is None:
        return {"superseded_by": None, "errata": []}
    return {
        "superseded_by": circular.successor and SuccessorOut.model_validate(circular.successor, from_attributes=True),
        "errata": [ErratumOut.model_validate(one, from_attributes=True) for one in circular.errata],
    }


class OwnRecipientOut(RecipientOut, DecidedOut):
    """A recipient's own row, with the circular and its deadline."""

    circular_id: UUID
    deadline: datetime | None

    @classmethod
    def own(cls, recipient: Recipient, circular: Circular | None, now: datetime) -> Self:
        """The row as its agency sees it."""
        deadline = circular.deadline if circular else None
        row = RecipientOut.of(recipient, deadline, now)
        return cls(**dict(row), circular_id=recipient.circular_id, deadline=deadline, **_decided(circular))


class RelayOut(BaseModel):
    """How many recipients must pass the letter on, how many have, and to how many."""

    duties: int
    relayed: int
    onward_recipients: int


class CircularOut(DecidedOut):
    """A circular in figures."""

    circular_id: UUID
    letter_id: UUID
    number: str
    date: date
    subject: str
    state: Progress
    deadline: datetime | None
    recipients: int
    matrix: dict[State, int] = Field(description="Recipients by state; they add up to `recipients`.")
    handed_over_total: int = Field(description="Ever handed over, with those that have answered since.")
    registered: int
    rejected: int
    recalled: int = Field(description="Taken back before they had answered.")
    outstanding: int = Field(description="Neither registered, rejected nor recalled.")
    overdue: int = Field(description="Outstanding, and the deadline has passed.")
    relay: RelayOut
    dispatched_at: datetime
    last_hand_over_at: datetime | None
    seconds_to_last_hand_over: float | None

    @classmethod
    def of(cls, circular: Circular, counts: Counts, matrix: Matrix) -> Self:
        """The circular as the API shows it."""
        return cls(
            circular_id=circular.circular_id,
            letter_id=circular.letter.letter_id,
            number=circular.letter.number,
            date=circular.letter.date,
            subject=circular.letter.subject,
            state=matrix.progress,
            deadline=circular.deadline,
            recipients=matrix.recipients,
            matrix=matrix.by_state,
            handed_over_total=matrix.handed_over_total,
            registered=matrix.registered,
            rejected=matrix.rejected,
            recalled=matrix.recalled,
            outstanding=matrix.outstanding,
            overdue=matrix.overdue,
            relay=RelayOut(duties=counts.relay_duties, relayed=counts.relayed, onward_recipients=counts.onward_recipients),
            dispatched_at=circular.dispatched_at,
            last_hand_over_at=matrix.last_hand_over_at,
            seconds_to_last_hand_over=matrix.seconds_to_last_hand_over,
            **_decided(circular),
        )


class RecipientPage(BaseModel):
    """A part of the list; `next` is null on the last page."""

    items: list[RecipientOut]
    next: str | None = Field(description="Give it as `after` to read on.")


class TrackingLinkOut(BaseModel):
    """A link to the tracking page; whoever holds it sees the page."""

    tracking_url: str
    expires_at: datetime
