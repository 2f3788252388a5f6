"""Letters sent to an agency's own endpoint once more: for a system that lost them, such as one that restored an old backup."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.dispatch.api.dependencies import DEFAULT_PAGE, After, Dispatch, EndpointOwner, Limit
from services.dispatch.api.failures import Moment, Said, Why
from services.dispatch.resending import cancel, order, own
from services.dispatch.resends import MOST_RESENT, ItemState, One, Range, ResendState
from services.dispatch.resources import Resources
from services.dispatch.store import resends
from services.dispatch.store.resends import Item, Order, Resend
from shared.idempotency import OptionalIdempotencyKey, request_sha256
from shared.pages import Page, page_of, read_id_cursor, read_number_cursor, read_timed_cursor, timed_key, write_cursor

router = APIRouter(prefix="/v1/endpoints/resends", tags=["endpoints"])


class ResendIn(Said):
    """One letter (`delivery_id`), or those that your agency was handed in a range of time (`from`, `to`)."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"from": "2026-11-20T00:00:00+07:00", "to": "2026-11-23T12:00:00+07:00", "why": "กู้คืนฐานข้อมูลจากสำเนาวันที่ ๒๐"},
                {"delivery_id": "0190f3a0-0000-7000-8000-000000000000", "why": "แฟ้มเสียหาย"},
            ]
        }
    )

    delivery_id: UUID | None = None
    since: Moment | None = Field(default=None, alias="from", description="Handed over then or later.")
    before: Moment | None = Field(default=None, alias="to", description="Handed over before.")
    after: str | None = Field(default=None, max_length=400, description="`next` of the order before, when the range held more.")
    limit: Annotated[int, Field(ge=1, le=MOST_RESENT, description="Most letters of this order.")] = MOST_RESENT
    why: Why = ""

    @model_validator(mode="after")
    def _one_or_a_range(self) -> Self:
        if (self.delivery_id is None) != (self.since is not None and self.before is not None):
            raise ValueError("name either delivery_id, or both from and to")
        if self.delivery_id is not None and not (self.since is self.before is self.after is None):
            raise ValueError("name either delivery_id, or both from and to")
        if self.since is not None and self.before is not None and self.since >= self.before:
            raise ValueError("to must be later than from")
        return self

    def asked(self) -> One | Range:
        if self.delivery_id is not None:
            return One(self.delivery_id)
        if self.since is None or self.before is None:
            raise AssertionError("the validator asks for one of them")
        return Range(self.since, self.before, read_timed_cursor(self.after), self.limit)


class ResendOut(BaseModel):
    """An order, and how far it is."""

    resend_id: UUID
    state: ResendState
    delivery_id: UUID | None
    handed_over_from: datetime | None
    handed_over_to: datetime | None
    total: int = Field(description="Letters of this order.")
    waiting: int
    sent: int = Field(description="Your endpoint took them (2xx).")
    failed: int = Field(description="Your endpoint refused them, or failed to the end.")
    left_out: int = Field(description="Recalled by their sender, or not with you: what is under way comes by itself.")
    not_sent: int = Field(description="The order ended before they were sent.")
    why: str
    ordered_by: str
    ordered_at: datetime
    ended_at: datetime | None
    next: str | None = Field(description="The range holds more: order it again with this as `after`.")


class ResendItemOut(BaseModel):
    """A letter of an order."""

    delivery_id: UUID
    position: int
    state: ItemState
    reason: str | None
    tries: int
    settled_at: datetime | None


@router.post("", status_code=202, summary="Have letters sent to your endpoint once more")
async def order_resend(body: ResendIn, caller: EndpointOwner, dispatch: Dispatch, key: OptionalIdempotencyKey) -> ResendOut:
    """Send what your agency was handed, one letter or a range of time, to your webhook endpoint again: same `webhook-id`, same bytes.

    Nothing changes for the sender, and each letter's delivery stays as it is. Repeated under the same Idempotency-Key, the call answers
    with the order that it made, as it stands.
    """
    digest = request_sha256(body.model_dump(mode="json", by_alias=True))
    given = Order(caller.agency(), caller.client_id, body.why, key, digest)
    (shown,) = await _show(dispatch, [await order(dispatch, body.asked(), given)])
    return shown


@router.get("", summary="Your orders to have letters sent once more")
async def list_resends(
    request: Request,
    response: Response,
    caller: EndpointOwner,
    dispatch: Dispatch,
    after: After = None,
    limit: Limit = DEFAULT_PAGE,
) -> Page[ResendOut]:
    """The orders of the last 90 days, the latest first."""
    cursor = read_id_cursor(after)
    async with dispatch.database.connection() as connection:
        found = await resends.listed(connection, caller.agency(), cursor, limit + 1)
    shown = await _show(dispatch, found)
    return page_of(shown, limit, key=lambda one: str(one.resend_id), show=lambda one: one, request=request, response=response)


@router.get("/{resend_id}", summary="How far an order is")
async def get_resend(resend_id: UUID, caller: EndpointOwner, dispatch: Dispatch) -> ResendOut:
    """An order with the number of its letters in each state."""
    async with dispatch.database.connection() as connection:
        found = await own(connection, caller.agency(), resend_id)
    (shown,) = await _show(dispatch, [found])
    return shown


@router.get("/{resend_id}/deliveries", summary="The letters of an order")
async def list_resent_deliveries(
    resend_id: UUID,
    request: Request,
    response: Response,
    caller: EndpointOwner,
    dispatch: Dispatch,
    state: Annotated[ItemState | None, Query(description="Only those that stand there.")] = None,
    after: After = None,
    limit: Limit = DEFAULT_PAGE,
) -> Page[ResendItemOut]:
    """Each letter of the order, in the order in which they are sent; the attempts are in `GET /v1/endpoints/attempts`."""
    cursor = read_number_cursor(after)
    async with dispatch.database.connection() as connection:
        await own(connection, caller.agency(), resend_id)
        found = await resends.items(connection, resend_id, state, cursor, limit + 1)
    return page_of(found, limit, key=lambda one: str(one.position), show=_show_item, request=request, response=response)


@router.post("/{resend_id}/cancel", summary="Cancel an order")
async def cancel_resend(resend_id: UUID, caller: EndpointOwner, dispatch: Dispatch) -> ResendOut:
    """Send no more of it. A request that is under way at that moment may still reach your endpoint; an order that has ended stays so."""
    (shown,) = await _show(dispatch, [await cancel(dispatch, caller.agency(), resend_id)])
    return shown


async def _show(dispatch: Resources, found: list[Resend]) -> list[ResendOut]:
    async with dispatch.database.connection() as connection:
        counts = await resends.counts(connection, [one.resend_id for one in found])
    return [_out(one, counts[one.resend_id]) for one in found]


def _out(found: Resend, counts: dict[ItemState, int]) -> ResendOut:
    following = None
    if found.next_at is not None and found.next_delivery_id is not None:
        following = write_cursor(timed_key(found.next_at, found.next_delivery_id))
    return ResendOut(
        resend_id=found.resend_id,
        state=found.state,
        delivery_id=found.delivery_id,
        handed_over_from=found.handed_over_from,
        handed_over_to=found.handed_over_to,
        total=sum(counts.values()),
        waiting=counts.get(ItemState.WAITING, 0),
        sent=counts.get(ItemState.SENT, 0),
        failed=counts.get(ItemState.FAILED, 0),
        left_out=counts.get(ItemState.LEFT_OUT, 0),
        not_sent=counts.get(ItemState.NOT_SENT, 0),
        why=found.why,
        ordered_by=found.ordered_by,
        ordered_at=found.ordered_at,
        ended_at=found.ended_at,
        next=following,
    )


def _show_item(item: Item) -> ResendItemOut:
    return ResendItemOut(
        delivery_id=item.delivery_id,
        position=item.position,
        state=item.state,
        reason=item.reason,
        tries=item.tries,
        settled_at=item.settled_at,
    )
