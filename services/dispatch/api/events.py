"""The event feed: what happened to the letters that an agency sent, and which letters came to it."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from services.dispatch.api.deliveries import FailureOut
from services.dispatch.api.dependencies import After, Dispatch, Limit, SenderOrRecipient
from services.dispatch.api.inbox import SenderOut
from services.dispatch.delivery.jobs import CircularContent
from services.dispatch.feed import CATALOGUE, EventType, event_id
from services.dispatch.problems import CURSOR_EXPIRED
from services.dispatch.store import circulars, feed
from services.dispatch.store.feed import FeedRecipient, Told
from shared.access import Principal
from shared.contracts.events import Channel, HandOverGrade
from shared.pages import link_next, read_number_cursor, write_cursor
from shared.problems import SCOPE_MISSING, ProblemError

router = APIRouter(prefix="/v1/events", tags=["events"])

DEFAULT_EVENTS: Final = 100


class EventRecipient(BaseModel):
    """The recipient concerned; `position` is its place in the list, from 1."""

    recipient_id: UUID
    delivery_id: UUID
    agency_id: UUID
    title: str
    position: int


class HandOverOut(BaseModel):
    """How a letter was handed over. Neither grade is an acknowledgment."""

    channel: Channel
    grade: HandOverGrade


class RegistrationOut(BaseModel):
    """The receive number of the recipient's registry."""

    receive_number: str
    receive_date: date
    correction: str | None = Field(default=None, description="Why it differs from the one that was told before.")


class RejectionOut(BaseModel):
    """Why the letter was refused."""

    reason: str
    text: str
    suggested_agency_code: str | None = None


class BounceOut(BaseModel):
    """Why the mail came back."""

    reason: str


class WithdrawalOut(BaseModel):
    """Why an answer was taken back."""

    reason: str


class DisputeOut(BaseModel):
    """What the sender doubts, or why the recipient says that it stands."""

    dispute_id: UUID
    text: str


class ReminderOut(BaseModel):
    """By when the letter is to be answered, and whether that is over; `escalation`: the agency above is told."""

    deadline: datetime
    overdue: bool
    escalation: bool
    rung: int


class MovedOut(BaseModel):
    """By when the letter is to be answered now, by when it was, and for which declared days or office hours."""

    deadline: datetime
    before: datetime
    reason: str


class RecallOut(BaseModel):
    """Why a letter was taken back; empty when the letter is secret."""

    recall_id: UUID
    reason: str


class ChangeOut(BaseModel):
    """A field that changed. The values of long fields and of secret letters are not told."""

    field: str
    before: str | None = None
    after: str | None = None


class SuccessorOut(BaseModel):
    """The letter that takes the old one's place; `addressed_again`: it goes to you too."""

    circular_id: UUID
    letter_id: UUID
    number: str
    addressed_again: bool | None = None
    changes: list[ChangeOut]


class ErratumOut(BaseModel):
    """A note that corrects a letter; its text is empty when the letter is secret."""

    number: int
    text: str
    fields: list[str]


class EventData(BaseModel):
    """Which letter, and what is particular to the type; what does not belong to a type is left out."""

    circular_id: UUID
    letter_id: UUID | None = Field(default=None, description="Left out while the letter itself has not come.")
    number: str | None = Field(default=None, description="The letter's number as printed; left out with `letter_id`.")
    recipient: EventRecipient | None = Field(
        default=None, description="All but the types `wian.circular.…`; left out while the recipient itself has not come."
    )
    recipient_count: int | None = Field(default=None, description="`wian.circular.dispatched.v1`")
    sender: SenderOut | None = Field(default=None, description="`wian.letter.arrived.v1`")
    deadline: datetime | None = Field(default=None, description="`wian.letter.arrived.v1`, when the letter has one.")
    hand_over: HandOverOut | None = Field(default=None, description="`wian.delivery.handed_over.v1`")
    bounce: BounceOut | None = Field(default=None, description="`wian.delivery.bounced.v1`")
    failure: FailureOut | None = Field(default=None, description="`wian.delivery.undeliverable.v1`")
    registration: RegistrationOut | None = Field(default=None, description="`wian.recipient.registered.v1`")
    rejection: RejectionOut | None = Field(default=None, description="`wian.recipient.rejected.v1`")
    withdrawal: WithdrawalOut | None = Field(default=None, description="`wian.recipient.withdrawn.v1`")
    dispute: DisputeOut | None = Field(
        default=None, description="`wian.letter.disputed.v1`, `wian.recipient.dispute_answered.v1`"
    )
    reminder: ReminderOut | None = Field(default=None, description="`wian.letter.reminded.v1`")
    moved: MovedOut | None = Field(
        default=None, description="`wian.recipient.deadline_moved.v1`, `wian.letter.deadline_extended.v1`"
    )
    recall: RecallOut | None = Field(default=None, description="`wian.letter.recalled.v1`, `wian.circular.recall_ordered.v1`")
    successor: SuccessorOut | None = Field(
        default=None, description="`wian.letter.superseded.v1`, `wian.circular.replaced.v1`: the new letter and what changed."
    )
    erratum: ErratumOut | None = Field(default=None, description="`wian.letter.erratum.v1`, `wian.circular.corrected.v1`")


class EventOut(BaseModel):
    """A CloudEvents 1.0 event. The same `id` is the same event, however often it is read."""

    specversion: str = "1.0"
    id: UUID
    source: str
    type: EventType
    subject: UUID = Field(description="The recipient, or the circular when the event tells of no recipient.")
    time: datetime = Field(description="When it happened; events stand in the order in which they were recorded.")
    datacontenttype: str = "application/json"
    data: EventData


class EventPage(BaseModel):
    """Events in the feed's order. `next` is always given: where to read on, now or tomorrow."""

    items: list[EventOut]
    next: str
    more: bool = Field(description="Whether more events lie behind `next` already.")


@router.get("", summary="What has happened", response_model_exclude_none=True)
async def list_events(
    request: Request,
    response: Response,
    caller: SenderOrRecipient,
    dispatch: Dispatch,
    after: After = None,
    limit: Limit = DEFAULT_EVENTS,
    types: Annotated[list[EventType] | None, Query(description="Only these types; repeat it for several.")] = None,
) -> EventPage:
    """Events of the letters that your agency sent and of those that came to it, of the last 90 days. Keep `next` when you have
    stored a page, and give it as `after`: nothing is skipped, and nothing is lost by reading a page again.
    """
    agency_id, wanted = caller.agency(), _readable(caller, types)
    position = read_number_cursor(after)
    async with dispatch.database.connection() as connection:
        found = await feed.read(connection, agency_id, wanted, position or 0, limit + 1)
        if position is not None and not found.pruned_position <= position <= found.last_position:
            raise ProblemError(CURSOR_EXPIRED)
        shown = found.events[:limit]
        about = await feed.recipients(connection, [told.recipient_id for told in shown if told.recipient_id is not None])
        contents = await circulars.get_circulars(connection, list({told.circular_id for told in shown}))
    more = len(found.events) > limit
    following = write_cursor(str(shown[-1].position if more else found.last_position))
    link_next(request, response, following)
    url = dispatch.settings.public_url
    return EventPage(
        items=[show(told, contents.get(told.circular_id), about, url) for told in shown],
        next=following,
        more=more,
    )


def _readable(caller: Principal, types: list[EventType] | None) -> list[EventType]:
    """The types to read: those asked for, or all that the token's scopes open."""
    opened = [entry.type for entry in CATALOGUE if entry.scope in caller.scopes]
    if types is None:
        return opened
    closed = [entry for entry in CATALOGUE if entry.type in types and entry.type not in opened]
    if closed:
        raise ProblemError(SCOPE_MISSING, f"{closed[0].type} needs {closed[0].scope}")
    return list(dict.fromkeys(types))


def show(told: Told, circular: CircularContent | None, recipients: Mapping[UUID, FeedRecipient], source: str) -> EventOut:
    """The event as agencies get it, read or sent; made of stored values alone, so that it is the same each time."""
    about = told.recipient_id or told.circular_id
    data = EventData(circular_id=told.circular_id)
    if circular is not None:
        data.letter_id, data.number = circular.letter.letter_id, circular.letter.number
    if told.recipient_id is not None and told.recipient_id in recipients:
        data.recipient = EventRecipient.model_validate(recipients[told.recipient_id], from_attributes=True)
    match told.event:
        case EventType.DISPATCHED:
            data.recipient_count = told.data["recipient_count"]
        case EventType.STOPPED:
            pass
        case EventType.RECALLED | EventType.RECALL_ORDERED:
            data.recall = RecallOut.model_validate(told.data)
        case EventType.SUPERSEDED | EventType.REPLACED:
            data.successor = SuccessorOut.model_validate(told.data)
        case EventType.ERRATUM | EventType.CORRECTED:
            data.erratum = ErratumOut.model_validate(told.data)
        case EventType.ARRIVED:
            _show_letter(data, circular)
        case EventType.HANDED_OVER:
            data.hand_over = HandOverOut.model_validate(told, from_attributes=True)
        case EventType.BOUNCED:
            data.bounce = BounceOut.model_validate(told.data)
        case EventType.UNDELIVERABLE:
            data.failure = FailureOut.model_validate(told.data)
        case EventType.REGISTERED:
            data.registration = RegistrationOut.model_validate(told.data)
        case EventType.REJECTED:
            data.rejection = RejectionOut.model_validate(told.data)
        case EventType.REMINDED:
            data.reminder = ReminderOut.model_validate(told.data)
        case EventType.DEADLINE_MOVED | EventType.DEADLINE_EXTENDED:
            data.moved = MovedOut.model_validate(told.data)
        case EventType.WITHDRAWN:
            data.withdrawal = WithdrawalOut.model_validate(told.data)
        case EventType.DISPUTED | EventType.DISPUTE_ANSWERED:
            data.dispute = DisputeOut.model_validate(told.data)
    return EventOut(
        id=event_id(told.event, about, told.occurred_at),
        source=source,
        type=told.event,
        subject=about,
        time=told.occurred_at,
        data=data,
    )


def _show_letter(data: EventData, circular: CircularContent | None) -> None:
    if circular is not None:
        data.deadline = circular.deadline
        data.sender = SenderOut(
            agency_id=circular.sender_agency_id, name_th=circular.sender_name_th, name_en=circular.sender_name_en
        )
