"""Deliveries and their attempts, for the sender and the recipient."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from services.dispatch.api.dependencies import DEFAULT_PAGE, After, Dispatch, Limit, SenderOrRecipient
from services.dispatch.store import circulars, reading
from services.dispatch.store.reading import StoredAttempt, StoredDelivery
from shared.contracts.events import Channel, HandOverGrade
from shared.pages import Page, page_of, read_numbered_cursor
from shared.problems import NOT_FOUND, ProblemError

router = APIRouter(prefix="/v1/deliveries", tags=["deliveries"])


class FailureOut(BaseModel):
    """Why a delivery was given up: a stable reason, and the details for a person."""

    reason: str
    detail: str


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
    acknowledged_at: datetime | None
    bounced_at: datetime | None = Field(
        description="When the last mail came back that had counted as handed over; the letter then went on to the inbox."
    )
    bounce_reason: str | None


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


@router.get("", summary="A circular's deliveries")
async def list_deliveries(
    circular_id: Annotated[UUID, Query(description="A circular that your agency sent.")],
    request: Request,
    response: Response,
    caller: SenderOrRecipient,
    dispatch: Dispatch,
    after: After = None,
    limit: Limit = DEFAULT_PAGE,
) -> Page[DeliveryOut]:
    """The deliveries of a circular that your agency sent, in the order of its list."""
    cursor = read_numbered_cursor(after)
    agency_id = caller.agency()
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


def _show(delivery: StoredDelivery) -> DeliveryOut:
    failed = delivery.state == "undeliverable"
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
        failure=FailureOut(reason=delivery.failure_reason or "", detail=delivery.failure_detail or "") if failed else None,
        acknowledged_at=delivery.acknowledged_at,
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
