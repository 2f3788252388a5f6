"""What is answered about an answer: what was recorded, item by item, and the log of it."""

from datetime import date, datetime, time
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, Field, PlainSerializer

from services.ack.acknowledging import Recorded
from services.ack.facts import Door, Level, Registration, Rejection, RejectionReason
from services.ack.fold import Entry, State
from shared.problems import ProblemError

# Hours and minutes, as registers write them.
Minutes = Annotated[time, PlainSerializer(lambda clock: clock.isoformat("minutes"), return_type=str)]


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
    receive_time: Minutes | None
    registrar_name: str
    registrar_position: str | None
    unit: str | None
    recorded_at: datetime
    corrected_at: datetime | None
    written_number: str = Field(description="As it was written first.")
    door: Door | None


class AcknowledgmentOut(BaseModel):
    """What is recorded; the same for the first call and for every repetition."""

    recipient_id: UUID
    circular_id: UUID
    state: State
    receive_number: str | None
    receive_date: date | None
    receive_time: Minutes | None
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
    crossed: bool = Field(description="The refusal was taken back, and the letter was sent on all the same: both have it.")
    events: list[EventOut]
