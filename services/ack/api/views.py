"""Circulars and their recipients as routes show them: to the sender, to the recipient, in the annex."""

from datetime import date, datetime
from typing import Any, Self
from uuid import UUID

from pydantic import BaseModel, Field

from services.ack.api.answers import EntryOut, Minutes, RejectionOut
from services.ack.deadlines import DeadlineBy
from services.ack.facts import Door, RejectionReason
from services.ack.fold import State
from services.ack.store.circulars import Circular, Counts
from services.ack.store.recipients import Recipient
from services.ack.view import Matrix, Progress
from shared.contracts.events import Role, Speed


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
    receive_time: Minutes | None
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
    crossed: bool = Field(
        description="It took its refusal back while, or after, the letter was sent on: both have it, and either may register it."
    )
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
    crossed: int = Field(
        description="Of `recipients`, those that keep a letter which was sent on from them; counted in `matrix` as what they are."
    )
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
            crossed=matrix.crossed,
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
