"""Repair for the operator: undeliverable deliveries of all agencies, without their letters, and how many of each cause."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from services.dispatch.api.dependencies import DEFAULT_PAGE, After, Dispatch, Limit, Operator
from services.dispatch.api.failures import (
    Because,
    Before,
    BlameIs,
    CauseIs,
    CauseOut,
    OperatorsRedriveMany,
    RecipientIs,
    RedrivenMany,
    RedrivenOne,
    Since,
    show_cause,
    show_redriven,
    show_symptom,
)
from services.dispatch.causes import BY_CODE, cause_of, symptoms_of
from services.dispatch.redrive import redrive_many, redrive_one
from services.dispatch.store import repair
from services.dispatch.store.repair import FailedDelivery, RedriveOrder, Wanted
from shared.pages import Page, page_of, read_timed_cursor, timed_key

router = APIRouter(prefix="/v1/repair/deliveries", tags=["repair"])

SenderIs = Annotated[UUID | None, Query(description="Only letters that this agency sent.")]
CircularIs = Annotated[UUID | None, Query(description="Only those of this circular.")]


class FailedOut(BaseModel):
    """An undeliverable delivery: nothing of its letter."""

    delivery_id: UUID
    circular_id: UUID
    sender_agency_id: UUID
    recipient_agency_id: UUID
    attempts: int
    failed_at: datetime
    reason: str
    cause: CauseOut


class CauseTotal(BaseModel):
    """How many deliveries failed of one cause."""

    cause: CauseOut
    deliveries: int


class CauseTotals(BaseModel):
    """The causes that there are, the most frequent first."""

    items: list[CauseTotal]
    deliveries: int = Field(description="All together.")
    next: None = None


@router.get("", summary="What could not be delivered")
async def list_failed(
    request: Request,
    response: Response,
    caller: Operator,  # noqa: ARG001 - the right to call
    dispatch: Dispatch,
    sender_agency_id: SenderIs = None,
    recipient_agency_id: RecipientIs = None,
    circular_id: CircularIs = None,
    cause: CauseIs = None,
    blame: BlameIs = None,
    since: Since = None,
    before: Before = None,
    after: After = None,
    limit: Limit = DEFAULT_PAGE,
) -> Page[FailedOut]:
    """Undeliverable deliveries of all agencies, the earliest first, each with its cause, who can mend it, and how."""
    wanted = Wanted(sender_agency_id, recipient_agency_id, circular_id, since, before, symptoms_of(cause, blame))
    cursor = read_timed_cursor(after)
    async with dispatch.database.connection() as connection:
        found = await repair.undeliverable(connection, wanted, cursor, limit + 1)
    return page_of(
        found,
        limit,
        key=lambda failed: timed_key(failed.failed_at, failed.delivery.address.delivery_id),
        show=_show,
        request=request,
        response=response,
    )


@router.get("/totals", summary="How many of each cause")
async def count_failed(
    caller: Operator,  # noqa: ARG001 - the right to call
    dispatch: Dispatch,
    sender_agency_id: SenderIs = None,
    recipient_agency_id: RecipientIs = None,
    circular_id: CircularIs = None,
    since: Since = None,
    before: Before = None,
) -> CauseTotals:
    """How many undeliverable deliveries each cause has."""
    async with dispatch.database.connection() as connection:
        found = await repair.totals(connection, Wanted(sender_agency_id, recipient_agency_id, circular_id, since, before))
    counted: dict[str, int] = {}
    for symptom, count in found.items():
        code = cause_of(symptom).code
        counted[code] = counted.get(code, 0) + count
    items = [CauseTotal(cause=show_cause(BY_CODE[code]), deliveries=count) for code, count in counted.items()]
    return CauseTotals(items=sorted(items, key=lambda item: -item.deliveries), deliveries=sum(counted.values()))


@router.post("/redrive", summary="Set many letters of one agency or circular going again")
async def redrive_failed(body: OperatorsRedriveMany, caller: Operator, dispatch: Dispatch) -> RedrivenMany:
    """Set up to `limit` of the deliveries that `filter` finds going again; it must name one agency or one circular."""
    order = RedriveOrder(caller.client_id, by_operator=True, why=body.why)
    wanted = body.filter.wanted(body.filter.sender_agency_id)
    done, remaining = await redrive_many(dispatch, wanted, body.limit, order)
    return RedrivenMany(redriven=done, remaining=remaining)


@router.post("/{delivery_id}/redrive", summary="Set one letter going again")
async def redrive_one_failed(delivery_id: UUID, caller: Operator, dispatch: Dispatch, body: Because | None = None) -> RedrivenOne:
    """Set an undeliverable delivery going again. Asked twice, it says that the letter is under way."""
    order = RedriveOrder(caller.client_id, by_operator=True, why="" if body is None else body.why)
    return show_redriven(await redrive_one(dispatch, delivery_id, order))


def _show(failed: FailedDelivery) -> FailedOut:
    delivery = failed.delivery
    return FailedOut(
        delivery_id=delivery.address.delivery_id,
        circular_id=delivery.circular_id,
        sender_agency_id=failed.sender_agency_id,
        recipient_agency_id=delivery.address.agency_id,
        attempts=delivery.attempts,
        failed_at=failed.failed_at,
        reason=delivery.failure_reason or "",
        cause=show_symptom(failed.symptom),
    )
