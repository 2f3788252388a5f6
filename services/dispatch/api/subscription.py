"""The status subscription: an agency has its part of the event feed sent to its endpoint, and sees how that fares."""

from datetime import datetime
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from services.dispatch.api.dependencies import Dispatch, EndpointOwner
from services.dispatch.api.endpoints import RemedyOut, mend, show_remedy
from services.dispatch.feed import EventType
from services.dispatch.problems import CURSOR_EXPIRED, SUBSCRIPTION_EMPTY
from services.dispatch.store import endpoints, subscriptions
from services.dispatch.store.endpoints import StoredEndpoint
from services.dispatch.store.subscriptions import Subscription, Waiting
from services.dispatch.subscriptions import LARGEST_BATCH, About, scopes_of, wanted
from shared.pages import read_number_cursor, write_cursor
from shared.problems import NOT_FOUND, SCOPE_MISSING, ProblemError

MOST_COUNTED: Final = 1000

router = APIRouter(prefix="/v1/events/subscription", tags=["events"])

Size = Annotated[int, Field(ge=1, le=LARGEST_BATCH)]

_NO_ENDPOINT: Final = RemedyOut(
    en="Your agency has no endpoint: set one with PUT /v1/endpoints.", th="หน่วยงานยังไม่มีปลายทาง ให้กำหนดด้วย PUT /v1/endpoints"
)
_PAUSED: Final = RemedyOut(
    en="Your endpoint is paused: call POST /v1/endpoints/resume.", th="ปลายทางถูกพักไว้ ให้เรียก POST /v1/endpoints/resume"
)
_SWITCHED_OFF: Final = RemedyOut(
    en="Your endpoint answered 410: let it answer 2xx, then call PUT /v1/events/subscription again; nothing is skipped.",
    th="ปลายทางตอบ 410 ให้แก้ไขให้ตอบ 2xx แล้วเรียก PUT /v1/events/subscription อีกครั้ง ระบบจะส่งต่อจากเดิมโดยไม่ข้าม",
)
_NO_BATCHES: Final = RemedyOut(
    en="Let the endpoint take application/cloudevents-batch+json, or set `batch_size` to 1.",
    th="ให้ระบบปลายทางรับชนิดข้อมูล application/cloudevents-batch+json หรือกำหนด batch_size เป็น 1",
)


class SubscriptionSet(BaseModel):
    """What is sent, and how."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={"examples": [{"about": "both", "types": None, "batch_size": 50}]},
    )

    about: About = Field(default=About.BOTH, description="Events of letters that you `sent`, of those you `received`, or `both`.")
    types: Annotated[tuple[EventType, ...], Field(min_length=1, max_length=100)] | None = Field(
        default=None, description="Only these types; null: all, also those that come later."
    )
    batch_size: Size = Field(
        default=1,
        description="Most events in one request. 1: each is sent alone (`application/cloudevents+json`), its `id` is the `webhook-id`; "
        "more: as a list in the feed's order (`application/cloudevents-batch+json`).",
    )
    after: Annotated[str, Field(max_length=400)] | None = Field(
        default=None,
        description="A cursor of `GET /v1/events`: what stands behind it is sent, also what was sent before. Null: a new "
        "subscription begins with what happens from now on, an old one goes on where it stood.",
    )


class FailureShown(BaseModel):
    """The last request that was not taken."""

    at: datetime
    reason: str | None
    status: int | None
    answer: str | None = Field(description="The beginning of what the endpoint answered.")


class SubscriptionOut(BaseModel):
    """A subscription and how it fares; `remedy` says what to mend when nothing is sent."""

    about: About
    types: list[EventType] = Field(description="The types that are sent.")
    batch_size: int
    state: Literal["active", "switched_off"] = Field(
        description="`switched_off`: the endpoint answered 410; set the subscription again, and it goes on where it stood."
    )
    cursor: str = Field(description="Everything up to here was taken; good as `after` of `GET /v1/events`.")
    waiting: int = Field(description=f"Events that wait to be sent; counted to {MOST_COUNTED}.")
    lag_seconds: float = Field(description="For how long the first of them has waited; 0 when there is none.")
    lost_events: int = Field(
        description="Events that were forgotten after 90 days without having been taken; set the subscription again when you have "
        "seen to it (`GET /v1/circulars/{id}` and `GET /v1/inbox` tell how the letters stand)."
    )
    lost_until: datetime | None = Field(description="When the last of those was recorded.")
    failures: int = Field(description="Requests in a row that were not taken.")
    next_attempt_at: datetime | None = Field(description="Not before then; null: as soon as there is something.")
    last_delivered_at: datetime | None
    last_failure: FailureShown | None
    remedy: RemedyOut | None
    created_at: datetime
    updated_at: datetime


@router.put("", summary="Subscribe to events")
async def put_subscription(body: SubscriptionSet, caller: EndpointOwner, dispatch: Dispatch) -> SubscriptionOut:
    """Have the events of `GET /v1/events` sent to your agency's endpoint as signed webhooks, in the feed's order, until each is taken.

    The next is sent when the one before was answered with 2xx; a retry has the same `webhook-id` and the same contents. Set again,
    the subscription goes on where it stood, at once. Your token needs the scopes that reading these events needs.
    """
    agency_id = caller.agency()
    missing = sorted(scopes_of(body.about) - caller.scopes)
    if missing:
        raise ProblemError(SCOPE_MISSING, f"`about: {body.about}` needs {missing[0]}")
    if not wanted(body.about, body.types):
        raise ProblemError(SUBSCRIPTION_EMPTY)
    position = read_number_cursor(body.after)
    async with dispatch.database.transaction() as connection:
        ends = await subscriptions.lock_ends(connection)
        if position is not None and not ends.pruned_position <= position <= ends.last_position:
            raise ProblemError(CURSOR_EXPIRED)
        await subscriptions.save(connection, agency_id, body.about, body.types, body.batch_size, position=position, ends=ends)
    return await get_subscription(caller, dispatch)


@router.get("", summary="Read the subscription and its health")
async def get_subscription(caller: EndpointOwner, dispatch: Dispatch) -> SubscriptionOut:
    """What your agency has subscribed to, how far it was sent, and what to mend when it is not taken."""
    agency_id = caller.agency()
    async with dispatch.database.connection() as connection:
        found = await subscriptions.get(connection, agency_id)
        if found is None:
            raise ProblemError(NOT_FOUND, "your agency has no subscription")
        types = wanted(found.about, found.types)
        waiting = await subscriptions.waiting(connection, agency_id, types, found.position, MOST_COUNTED)
        endpoint = await endpoints.get(connection, agency_id)
    return _show(found, types, waiting, endpoint)


@router.delete("", status_code=204, summary="End the subscription")
async def delete_subscription(caller: EndpointOwner, dispatch: Dispatch) -> Response:
    """Send no more events. `GET /v1/events` still has them; a new subscription begins anew. Doing it again changes nothing."""
    async with dispatch.database.transaction() as connection:
        await subscriptions.delete(connection, caller.agency())
    return Response(status_code=204)


def _show(found: Subscription, types: list[EventType], waiting: Waiting, endpoint: StoredEndpoint | None) -> SubscriptionOut:
    failure = None
    if found.failed_at is not None:
        failure = FailureShown(
            at=found.failed_at, reason=found.failure_reason, status=found.failure_status, answer=found.failure_answer
        )
    return SubscriptionOut(
        about=found.about,
        types=types,
        batch_size=found.batch_size,
        state="active" if found.switched_off_at is None else "switched_off",
        cursor=write_cursor(str(found.position)),
        waiting=min(waiting.events, MOST_COUNTED),
        lag_seconds=waiting.seconds,
        lost_events=found.lost_events,
        lost_until=found.lost_until,
        failures=found.failures,
        next_attempt_at=found.next_attempt_at,
        last_delivered_at=found.delivered_at,
        last_failure=failure,
        remedy=_remedy(found, endpoint),
        created_at=found.created_at,
        updated_at=found.updated_at,
    )


def _remedy(found: Subscription, endpoint: StoredEndpoint | None) -> RemedyOut | None:
    if endpoint is None:
        return _NO_ENDPOINT
    if endpoint.state != "active":
        return _PAUSED if endpoint.state == "paused" else mend(endpoint)
    if found.switched_off_at is not None:
        return _SWITCHED_OFF
    if not found.failures:
        return None
    if found.failure_status == 415 and found.batch_size > 1:
        return _NO_BATCHES
    return show_remedy(found.failure_reason, found.failure_status)
