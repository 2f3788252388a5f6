"""Bodies of requests and answers."""

from datetime import date, datetime, time
from typing import Annotated, Any, Final, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

from services.ack.acknowledging import Recorded
from services.ack.corrections import CorrectionDraft, DisputeDraft, DisputeReplyDraft, WithdrawalDraft
from services.ack.deadlines import DeadlineBy
from services.ack.decide import AttestationDraft, Draft, Notice, RegistrationDraft, RejectionDraft
from services.ack.facts import Door, Level, Medium, Registration, Rejection, RejectionReason
from services.ack.fold import Entry, State
from services.ack.store.circulars import Circular, Counts
from services.ack.store.recipients import Recipient
from services.ack.view import Matrix, Progress
from shared.contracts.events import Role, Speed
from shared.ids import new_id
from shared.problems import ProblemError

MOST_IN_BULK: Final = 10_000

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
    unit: _Text | None = Field(default=None, description="The unit whose register it is; required below the central registry.")
    level: Level = Field(default=Level.CENTRAL, description="At which desk: a letter gets a number at each that it passes.")
    content_hash: _Text | None = Field(
        default=None, description="SHA-256 of the letter as you have it; refused when the letter that was sent has another."
    )

    def draft(self, attestation: AttestationDraft | None = None) -> RegistrationDraft:
        """What the decision works with."""
        return RegistrationDraft(
            self.receive_number,
            self.receive_date,
            self.receive_time or "",
            self.registrar_name,
            self.registrar_position or "",
            self.unit or "",
            self.level,
            self.content_hash or "",
            attestation,
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
    suggested_agency_code: _Text | None = Field(default=None, description="The agency to which the letter should have gone.")

    def draft(self, attestation: AttestationDraft | None = None) -> RejectionDraft:
        """What the decision works with."""
        return RejectionDraft(
            self.reason,
            self.text,
            self.registrar_name,
            self.registrar_position or "",
            self.suggested_agency_code or "",
            attestation,
        )


class NoticeIn(_Body):
    """Your system has the letter, or somebody has opened it; your registry has not answered yet."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"outcome": "received"}]})

    outcome: Literal[Notice.RECEIVED, Notice.OPENED]

    def draft(self) -> Notice:
        """What the decision works with."""
        return self.outcome


AcknowledgmentIn = Annotated[RegistrationIn | RejectionIn | NoticeIn, Field(discriminator="outcome")]


class AttestedIn(_Body):
    """An answer that the sender's clerk knows from paper or by telephone; it is marked as such for ever."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "medium": "telephone",
                    "informant": "คุณสมหญิง งานสารบรรณ ๐ ๓๔๔๑ ๑๒๕๑",
                    "answer": {
                        "outcome": "registered",
                        "receive_number": "๑๑๐๗๒",
                        "receive_date": "2026-11-23",
                        "registrar_name": "สมหญิง รักงาน",
                    },
                }
            ]
        }
    )

    medium: Medium
    informant: _Text = Field(description="Who said so, or what shows it: up to 200 characters.")
    answer: Annotated[RegistrationIn | RejectionIn, Field(discriminator="outcome")]

    def draft(self) -> Draft:
        """What the decision works with."""
        return self.answer.draft(AttestationDraft(self.medium, self.informant))


class CorrectionIn(_Body):
    """A registration as it should have been written. What was written first is kept."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "reason": "อ่านเลขรับผิด",
                    "registration": {
                        "outcome": "registered",
                        "receive_number": "๑๑๐๗๓",
                        "receive_date": "2026-11-23",
                        "registrar_name": "สมหญิง รักงาน",
                    },
                }
            ]
        }
    )

    reason: _LongText
    registration: RegistrationIn
    answer_id: UUID | None = Field(
        default=None, description="Which entry, when there are several; else that of the highest level."
    )

    def change(self) -> CorrectionDraft:
        """What the decision works with."""
        return CorrectionDraft(self.registration.draft(), self.reason, self.answer_id)


class WithdrawalIn(_Body):
    """An answer was entered by mistake; another may be given afterwards."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "ลงรับผิดฉบับ"}]})

    reason: _LongText
    answer_id: UUID | None = Field(default=None, description="Which answer, when there are several; else the one that counts.")

    def change(self) -> WithdrawalDraft:
        """What the decision works with."""
        return WithdrawalDraft(self.reason, self.answer_id)


class DisputeIn(_Body):
    """Why you doubt the receive number (แจ้งเลขรับผิด)."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"text": "เลขรับนี้เป็นของหนังสืออีกฉบับหนึ่ง"}]})

    text: _LongText
    answer_id: UUID | None = Field(
        default=None, description="Which entry, when there are several; else that of the highest level."
    )

    def change(self) -> DisputeDraft:
        """What the decision works with."""
        return DisputeDraft(new_id(), self.text, self.answer_id)


class DisputeReplyIn(_Body):
    """Why the number stands. A number that is wrong is corrected instead."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"text": "ตรวจสอบกับทะเบียนหนังสือรับแล้ว เลขรับถูกต้อง"}]})

    text: _LongText

    def change(self) -> DisputeReplyDraft:
        """What the decision works with."""
        return DisputeReplyDraft(self.text)


class BulkItemIn(_Body):
    """One recipient's acknowledgment."""

    recipient_id: UUID
    acknowledgment: AcknowledgmentIn


class BulkIn(_Body):
    """Up to 10,000 acknowledgments."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "items": [
                        {
                            "recipient_id": "0190f3a0-0000-7000-8000-000000000001",
                            "acknowledgment": {
                                "outcome": "registered",
                                "receive_number": "๑๑๐๗๒",
                                "receive_date": "2026-11-23",
                                "registrar_name": "สมหญิง รักงาน",
                            },
                        }
                    ]
                }
            ]
        }
    )

    items: list[BulkItemIn] = Field(min_length=1, max_length=MOST_IN_BULK)


class RejectionOut(BaseModel):
    """Why a recipient refused the letter."""

    reason: RejectionReason
    text: str
    suggested_agency_code: str | None


class EntryOut(BaseModel):
    """The letter in one register of the recipient, as it stands after corrections."""

    answer_id: UUID
    level: Level
    receive_number: str
    receive_date: date
    receive_time: _Minutes | None
    registrar_name: str
    registrar_position: str | None
    unit: str | None
    recorded_at: datetime
    corrected_at: datetime | None
    written_number: str = Field(description="As it was written first.")
    door: Door | None


class ContactOut(BaseModel):
    """Whom to call at an agency: its unit for correspondence, as the registry of agencies has it."""

    unit: str | None
    telephone: str | None = Field(description="As written, with its extension.")
    email: str | None


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
    answer_id: UUID | None = Field(description="By which a correction names it.")
    door: Door | None = Field(description="By which way it came; `clerk`: written down by the sender, not said by the recipient.")
    entries: list[EntryOut] | None = Field(
        description="All entries from the central registry down, when there are several or one was corrected."
    )
    withdrawals: int = Field(description="Answers that the recipient took back before.")
    dispute_text: str | None = Field(description="What the sender doubts, until it is answered or settled by a correction.")
    role: Role = Field(description="`action` เพื่อดำเนินการ, `information` เพื่อทราบ, `copy` สำเนาส่ง.")
    relay_duty: bool
    relayed_circular_id: UUID | None
    onward_recipients: int
    recalled_at: datetime | None = Field(description="When the sender recalled the letter; an answer from before stands.")
    recall_reason: str | None
    stopped_at: datetime | None = Field(description="When a delivery was stopped by a recall before it was handed over.")
    redirected_from: UUID | None = Field(
        description="The recipient that refused the letter, from which it was sent on to this one."
    )
    redirected_to: UUID | None = Field(description="The recipient to which the letter was sent on, because this one refused it.")
    due_at: datetime | None = Field(
        description="The recipient's own deadline, where declared days make it another than the circular's."
    )
    late: bool = Field(description="Answered after the deadline, or not answered and the deadline has passed.")

    @classmethod
    def of(cls, recipient: Recipient, deadline: datetime | None, now: datetime) -> Self:
        """The recipient as the API shows it."""
        given = {name: getattr(recipient, name) for name in cls.model_fields if name not in ("rejection", "late")}
        return cls(**given, rejection=_rejection(recipient), late=recipient.is_late(deadline, now))


class FollowedRecipientOut(RecipientOut):
    """A recipient with whom to call, for the sender alone: the annex goes round."""

    contact: ContactOut | None = Field(description="Whom to call, as long as no answer has come.")

    @classmethod
    def followed(cls, recipient: Recipient, deadline: datetime | None, now: datetime) -> Self:
        """The row as the sender sees it."""
        contact = ContactOut(unit=recipient.contact_unit, telephone=recipient.telephone, email=recipient.email)
        row = RecipientOut.of(recipient, deadline, now)
        return cls(**dict(row), contact=contact if recipient.is_missing else None)


def _rejection(recipient: Recipient) -> RejectionOut | None:
    if recipient.rejection_reason is None:
        return None
    return RejectionOut(
        reason=RejectionReason(recipient.rejection_reason),
        text=recipient.rejection_text or "",
        suggested_agency_code=recipient.suggested_agency_code,
    )


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
    answer_id: UUID | None
    door: Door | None
    entries: list[EntryOut]
    disputed: bool

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
            rejection=RejectionOut.model_validate(answer, from_attributes=True) if isinstance(answer, Rejection) else None,
            recorded_at=recorded.state.recorded_at,
            answer_id=recorded.state.answer_id,
            door=recorded.state.door,
            entries=[_entry(entry) for entry in recorded.state.entries],
            disputed=recorded.state.dispute is not None,
        )


def _entry(entry: Entry) -> EntryOut:
    given = entry.registration
    return EntryOut(
        answer_id=entry.answer_id,
        level=given.level,
        receive_number=given.receive_number,
        receive_date=given.receive_date,
        receive_time=given.receive_time,
        registrar_name=given.registrar_name,
        registrar_position=given.registrar_position,
        unit=given.unit,
        recorded_at=entry.recorded_at,
        corrected_at=entry.corrected_at,
        written_number=entry.written.receive_number,
        door=entry.door,
    )


class BulkItemOut(BaseModel):
    """What became of one item: 201 recorded, 200 recorded before, else the status and code of a problem."""

    recipient_id: UUID
    status: int
    state: State | None = None
    recorded_at: datetime | None = None
    code: str | None = None
    detail: str | None = None
    errors: list[dict[str, str]] | None = None

    @classmethod
    def of(cls, recipient_id: UUID, result: Recorded | ProblemError) -> Self:
        """The result of one item."""
        if isinstance(result, Recorded):
            status = 201 if result.new else 200
            return cls(recipient_id=recipient_id, status=status, state=result.state.state, recorded_at=result.state.recorded_at)
        faults = [{"pointer": one.pointer, "code": one.code, "detail": one.detail} for one in result.errors]
        return cls(
            recipient_id=recipient_id,
            status=result.problem.status,
            code=result.problem.code,
            detail=result.detail or None,
            errors=faults or None,
        )


class BulkOut(BaseModel):
    """A result for each item, in the order in which they were sent."""

    recorded: int
    repeated: int
    refused: int
    items: list[BulkItemOut]


class EventOut(BaseModel):
    """One event of a recipient's log."""

    event_id: UUID
    type: str
    occurred_at: datetime = Field(description="As whoever told of it says.")
    recorded_at: datetime = Field(description="When it was recorded here.")
    channel: str | None = Field(description="The delivery's channel, or the door by which an answer came.")
    grade: str | None = Field(description="How much it proves.")
    data: dict[str, Any]


class TimelineOut(BaseModel):
    """All that was recorded of a recipient, in the order in which it was recorded."""

    recipient_id: UUID
    circular_id: UUID
    events: list[EventOut]


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
        deadline = recipient.due_at or (circular.deadline if circular else None)
        row = RecipientOut.of(recipient, deadline, now)
        return cls(**dict(row), circular_id=recipient.circular_id, deadline=deadline, **_decided(circular))


class WaitingLetterOut(BaseModel):
    """The letter that waits for an answer; of a secret one the subject is empty."""

    letter_id: UUID
    number: str
    date: date
    subject: str
    sender_name_th: str
    speed: Speed


class WaitingOut(OwnRecipientOut):
    """A letter that the caller's agency has not answered."""

    letter: WaitingLetterOut | None

    @classmethod
    def waiting(cls, recipient: Recipient, circular: Circular | None, now: datetime) -> Self:
        """The row with its letter."""
        letter = None
        if circular is not None:
            told = circular.letter
            letter = WaitingLetterOut(
                letter_id=told.letter_id,
                number=told.number,
                date=told.date,
                subject=told.subject,
                sender_name_th=circular.sender_name_th,
                speed=told.speed,
            )
        return cls(**dict(OwnRecipientOut.own(recipient, circular, now)), letter=letter)


class WaitingPage(BaseModel):
    """A part of the list; `next` is null on the last page."""

    items: list[WaitingOut]
    next: str | None = Field(description="Give it as `after` to read on.")


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
    deadline_by: DeadlineBy | None = Field(
        description="`letter`: the sender set it; `speed`: it follows from the class of speed."
    )
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
            deadline_by=circular.deadline_by,
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

    items: list[FollowedRecipientOut]
    next: str | None = Field(description="Give it as `after` to read on.")


class TrackingLinkOut(BaseModel):
    """A link to the tracking page; whoever holds it sees the page."""

    tracking_url: str
    expires_at: datetime


class RotatedKeyOut(BaseModel):
    """The key that signs receipts from now on."""

    kid: str
