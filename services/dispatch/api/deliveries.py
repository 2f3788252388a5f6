"""Deliveries and their attempts, for the sender and the recipient."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from services.dispatch.api.dependencies import DEFAULT_PAGE, After, Dispatch, Limit, SenderOrRecipient, SendersClerk
from services.dispatch.api.failures import (
    Because,
    Before,
    BlameIs,
    CauseIs,
    CauseOut,
    RecipientIs,
    RedriveMany,
    RedrivenMany,
    RedrivenOne,
    Since,
    show_redriven,
    show_symptom,
)
from services.dispatch.causes import symptoms_of
from services.dispatch.redrive import redrive_many, redrive_one
from services.dispatch.resources import Resources
from services.dispatch.store import circulars, reading, repair
from services.dispatch.store.reading import StoredAttempt, StoredDelivery
from services.dispatch.store.repair import RedriveOrder, Wanted
from shared.contracts.events import Channel, HandOverGrade
from shared.pages import Page, page_of, read_numbered_cursor, read_timed_cursor, timed_key
from shared.problems import NOT_FOUND, REQUEST_INVALID, FieldError, ProblemError

router = APIRouter(prefix="/v1/deliveries", tags=["deliveries"])


class FailureOut(BaseModel):
    """Why a delivery was given up: a stable reason, and the details for a person."""

    reason: str
    detail: str
    cause: CauseOut | None = Field(default=None, description="What is behind it; given where undeliverable letters are listed.")


class DeliveryOut(BaseModel):
    """One recipient's delivery as its sender sees it. A hand-over is not an acknowledgment."""

    delivery_id: UUID
    recipient_id: UUID
    circular_id: UUID
    agency_id: UUID
    title: str
    position: int
    state: str = Field(description="scheduled, leased, handed_over, undeliverable or recalled")
    channel: Channel | None = Field(description="The channel that is or was being tried; null while none is chosen.")
    attempts: int
    handed_over_at: datetime | None
    hand_over_channel: Channel | None
    hand_over_grade: HandOverGrade | None
    failure: FailureOut | None
    acknowledged_at: datetime | None = Field(
        description="When its registry last answered, or mended its answer; null again when it has taken that back."
    )
    bounced_at: datetime | None = Field(
        description="When the last mail came back that had counted as handed over; the letter then went on to the inbox."
    )
    bounce_reason: str | None
    recalled_at: datetime | None = Field(
        description="When you recalled the letter from this recipient. An answer from before stands. What had been handed over "
        "stays `handed_over`; all else is `recalled`, also what was being sent, whose attempt stays in the log."
    )


class AttemptOut(BaseModel):
    """One attempt; `answer` is the beginning of what the other side said, `status` its HTTP or SMTP code."""

    number: int
    channel: str
    outcome: str = Field(description="delivered, retry_later, refused or gone")
    reason: str | None
    status: int | None
    started_at: datetime
    milliseconds: float
    answer: str
    made_by: Literal["system", "clerk"] = Field(description="`clerk`: a clerk of the sender sent it on paper and said so.")


class AttemptLog(BaseModel):
    """All attempts, oldest first; their number is bounded by the retry schedule."""

    items: list[AttemptOut]
    next: None = None


@router.get("", summary="A circular's deliveries, or what could not be delivered")
async def list_deliveries(
    request: Request,
    response: Response,
    caller: SenderOrRecipient,
    dispatch: Dispatch,
    circular_id: Annotated[
        UUID | None, Query(description="A circular that your agency sent; without it, `state` must be given.")
    ] = None,
    state: Annotated[Literal["undeliverable"] | None, Query(description="Only those that could not be delivered.")] = None,
    recipient_agency_id: RecipientIs = None,
    cause: CauseIs = None,
    blame: BlameIs = None,
    since: Since = None,
    before: Before = None,
    after: After = None,
    limit: Limit = DEFAULT_PAGE,
) -> Page[DeliveryOut]:
    """The deliveries of a circular that your agency sent, in the order of its list.

    With `state=undeliverable`: what of all your agency's circulars could not be delivered, the earliest first, each with its
    cause, who can mend it, and how. What the recipient has acknowledged all the same is left out.
    """
    agency_id = caller.agency()
    if state is not None:
        wanted = Wanted(agency_id, recipient_agency_id, circular_id, since, before, symptoms_of(cause, blame))
        return await _undeliverable(dispatch, wanted, after, limit, request, response)
    if circular_id is None or not (recipient_agency_id is cause is blame is since is before is None):
        raise ProblemError(
            REQUEST_INVALID,
            errors=[FieldError("query state", "missing", "give circular_id alone, or state=undeliverable with conditions")],
        )
    cursor = read_numbered_cursor(after)
    async with dispatch.database.connection() as connection:
        if await circulars.get_sender(connection, circular_id) != agency_id:
            raise ProblemError(NOT_FOUND)
        found = await reading.of_circular(connection, circular_id, cursor, limit + 1)
    return page_of(
        found,
        limit,
        key=lambda delivery: f"{delivery.address.position}:{delivery.address.delivery_id}",
        show=_show,
        request=request,
        response=response,
    )


async def _undeliverable(
    dispatch: Resources, wanted: Wanted, after: str | None, limit: int, request: Request, response: Response
) -> Page[DeliveryOut]:
    cursor = read_timed_cursor(after)
    async with dispatch.database.connection() as connection:
        found = await repair.undeliverable(connection, wanted, cursor, limit + 1)
    return page_of(
        found,
        limit,
        key=lambda failed: timed_key(failed.failed_at, failed.delivery.address.delivery_id),
        show=lambda failed: _show(failed.delivery, show_symptom(failed.symptom)),
        request=request,
        response=response,
    )


@router.post("/redrive", summary="Set many letters going again")
async def redrive_deliveries(body: RedriveMany, caller: SendersClerk, dispatch: Dispatch) -> RedrivenMany:
    """Set going again what your agency sent and could not be delivered: up to `limit` of those that `filter` finds.

    Each begins at the first open channel of its ladder. Call again while `remaining` is above 0.
    """
    order = RedriveOrder(caller.client_id, by_operator=False, why=body.why)
    done, remaining = await redrive_many(dispatch, body.filter.wanted(caller.agency()), body.limit, order)
    return RedrivenMany(redriven=done, remaining=remaining)


@router.post("/{delivery_id}/redrive", summary="Set one letter going again")
async def redrive_delivery(
    delivery_id: UUID, caller: SendersClerk, dispatch: Dispatch, body: Because | None = None
) -> RedrivenOne:
    """Set an undeliverable letter of your agency going again. Asked twice, it says that the letter is under way."""
    async with dispatch.database.connection() as connection:
        delivery = await reading.get(connection, delivery_id)
        if delivery is None or await circulars.get_sender(connection, delivery.circular_id) != caller.agency():
            raise ProblemError(NOT_FOUND)
    order = RedriveOrder(caller.client_id, by_operator=False, why="" if body is None else body.why)
    return show_redriven(await redrive_one(dispatch, delivery_id, order))


@router.get("/{delivery_id}", summary="One delivery")
async def get_delivery(delivery_id: UUID, caller: SenderOrRecipient, dispatch: Dispatch) -> DeliveryOut:
    """A delivery that your agency sent or is to receive."""
    async with dispatch.database.connection() as connection:
        return _show(await _seen_by(connection, delivery_id, caller.agency()))


@router.get("/{delivery_id}/attempts", summary="A delivery's attempts")
async def list_attempts(delivery_id: UUID, caller: SenderOrRecipient, dispatch: Dispatch) -> AttemptLog:
    """Every attempt to hand the letter over. What a system answered is shown to its own agency alone."""
    async with dispatch.database.connection() as connection:
        delivery = await _seen_by(connection, delivery_id, caller.agency())
        made = await reading.attempts(connection, delivery_id)
    own = caller.agency() == delivery.address.agency_id
    return AttemptLog(items=[_show_attempt(one, own=own) for one in made])


async def _seen_by(connection: reading.Connection, delivery_id: UUID, agency_id: UUID) -> StoredDelivery:
    delivery = await reading.get(connection, delivery_id)
    if delivery is None:
        raise ProblemError(NOT_FOUND)
    if agency_id not in (delivery.address.agency_id, await circulars.get_sender(connection, delivery.circular_id)):
        raise ProblemError(NOT_FOUND)
    return delivery


def _show(delivery: StoredDelivery, cause: CauseOut | None = None) -> DeliveryOut:
    failure: FailureOut | None = None
    if delivery.state == "undeliverable":
        failure = FailureOut(reason=delivery.failure_reason or "", detail=delivery.failure_detail or "", cause=cause)
    return DeliveryOut(
        delivery_id=delivery.address.delivery_id,
        recipient_id=delivery.address.recipient_id,
        circular_id=delivery.circular_id,
        agency_id=delivery.address.agency_id,
        title=delivery.address.title,
        position=delivery.address.position,
        state=delivery.state,
        channel=delivery.channel,
        attempts=delivery.attempts,
        handed_over_at=delivery.handed_over_at,
        hand_over_channel=delivery.hand_over_channel,
        hand_over_grade=delivery.hand_over_grade,
        failure=failure,
        acknowledged_at=delivery.acknowledged_at,
        recalled_at=delivery.recalled_at,
        bounced_at=delivery.bounced_at,
        bounce_reason=delivery.bounce_reason,
    )


def _show_attempt(attempt: StoredAttempt, *, own: bool) -> AttemptOut:
    return AttemptOut(
        number=attempt.number,
        channel=attempt.channel,
        outcome=attempt.outcome,
        reason=attempt.reason,
        status=attempt.status,
        started_at=attempt.started_at,
        milliseconds=attempt.milliseconds,
        answer=attempt.answer if own else "",
        made_by="clerk" if attempt.channel == Channel.PAPER else "system",
    )
