"""How an agency's endpoint fares, for the agency itself: a test event, its health, and its attempts."""

import time
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from services.dispatch.api.dependencies import DEFAULT_PAGE, After, Dispatch, EndpointOwner, Limit
from services.dispatch.api.endpoints import RemedyOut, State, mend, show_remedy, state_of
from services.dispatch.delivery.jobs import Endpoint
from services.dispatch.delivery.send import outcome_name
from services.dispatch.outcomes import Delivered
from services.dispatch.payload import TEST_TYPE, endpoint_event
from services.dispatch.store import endpoints, health
from services.dispatch.store.health import LoggedAttempt
from shared import problems
from shared.pages import Page, page_of, read_numbered_cursor
from shared.problems import NOT_FOUND, ProblemError

HEALTH_SPAN: Final = timedelta(hours=24)
LAST_FAILURES: Final = 10
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

router = APIRouter(prefix="/v1/endpoints", tags=["endpoints"])


class TestOut(BaseModel):
    """What came of a test event; `remedy` says what to mend when it was not taken."""

    webhook_id: str
    outcome: str = Field(description="delivered, retry_later, refused or gone")
    reason: str | None
    status: int | None
    milliseconds: float
    answer: str = Field(description="The beginning of what the endpoint answered.")
    remedy: RemedyOut | None


class LatenciesOut(BaseModel):
    """Milliseconds within which so many of the attempts that got an answer ended."""

    p50: float
    p90: float
    p99: float


class ReasonOut(BaseModel):
    """Failures for one reason."""

    reason: str
    count: int
    last_at: datetime
    remedy: RemedyOut


class LoggedAttemptOut(BaseModel):
    """One attempt to hand one letter to your agency."""

    delivery_id: UUID
    number: int
    channel: str
    outcome: str
    reason: str | None
    status: int | None
    started_at: datetime
    milliseconds: float
    answer: str
    resend_id: UUID | None = Field(description="The order by which the letter was sent once more; it counts apart.")


class HealthOut(BaseModel):
    """An endpoint's last 24 hours; of a very busy one, its latest attempts in them."""

    state: State
    circuit: str = Field(
        description="`closed`: letters go; `open`: it failed again and again, and rests; `half_open`: it is tried."
    )
    rests_until: datetime | None
    remedy: RemedyOut | None = Field(description="What to mend when the endpoint is unverified or disabled.")
    since: datetime = Field(description="From here on attempts were counted.")
    attempts: int
    delivered: int
    success_rate: float | None = Field(description="From 0 to 1; null when there was no attempt.")
    milliseconds: LatenciesOut | None
    failures: list[ReasonOut] = Field(description="By reason, the most frequent first.")
    last_failures: list[LoggedAttemptOut]


@router.post("/test", summary="Send a test event")
async def send_test(caller: EndpointOwner, dispatch: Dispatch) -> TestOut:
    """Send a signed event of type `wian.endpoint.test.v1` to your endpoint now, whatever its state, and say what came of it."""
    agency_id, public_url = caller.agency(), dispatch.settings.public_url
    async with dispatch.database.connection() as connection:
        stored = await endpoints.get(connection, agency_id)
    if stored is None:
        raise ProblemError(NOT_FOUND, "your agency has no endpoint")
    event = endpoint_event(TEST_TYPE, agency_id, {}, public_url, datetime.now(UTC))
    begun = time.perf_counter()
    outcome, _ = await dispatch.webhooks.post_event(Endpoint(stored.url, tuple(stored.sealed_keys)), event)
    milliseconds = (time.perf_counter() - begun) * 1000
    reason, status = getattr(outcome, "reason", None), getattr(outcome, "status", None)
    return TestOut(
        webhook_id=event.message_id,
        outcome=outcome_name(outcome),
        reason=reason,
        status=status,
        milliseconds=round(milliseconds, 1),
        answer=getattr(outcome, "answer", ""),
        remedy=None if isinstance(outcome, Delivered) else show_remedy(reason, status),
    )


@router.get("/health", summary="The endpoint's health")
async def get_health(caller: EndpointOwner, dispatch: Dispatch) -> HealthOut:
    """How your endpoint has fared in the last 24 hours, and what to mend."""
    agency_id, since = caller.agency(), datetime.now(UTC) - HEALTH_SPAN
    async with dispatch.database.connection() as connection:
        stored = await endpoints.get(connection, agency_id)
        if stored is None:
            raise ProblemError(NOT_FOUND, "your agency has no endpoint")
        circuit = await health.circuit(connection, agency_id)
        summary = await health.summary(connection, agency_id, since)
        reasons = await health.reasons(connection, agency_id, since)
        failures = await health.failures(connection, agency_id, since, LAST_FAILURES)
    latencies = summary.milliseconds
    return HealthOut(
        state=state_of(stored),
        circuit=circuit.state,
        rests_until=circuit.open_until,
        remedy=mend(stored),
        since=summary.since or since,
        attempts=summary.attempts,
        delivered=summary.delivered,
        success_rate=summary.delivered / summary.attempts if summary.attempts else None,
        milliseconds=None if latencies is None else LatenciesOut(p50=latencies[0], p90=latencies[1], p99=latencies[2]),
        failures=[
            ReasonOut(reason=one.reason, count=one.count, last_at=one.last_at, remedy=show_remedy(one.reason, None))
            for one in reasons
        ],
        last_failures=[_show(attempt) for attempt in failures],
    )


@router.get("/attempts", summary="The agency's attempt log")
async def list_attempts(
    request: Request,
    response: Response,
    caller: EndpointOwner,
    dispatch: Dispatch,
    after: After = None,
    limit: Limit = DEFAULT_PAGE,
) -> Page[LoggedAttemptOut]:
    """Every attempt to hand a letter to your agency, by whichever channel, the latest first."""
    behind = _read_place(after)
    async with dispatch.database.connection() as connection:
        found = await health.attempts(connection, caller.agency(), behind, limit + 1)
    return page_of(found, limit, key=_place, show=_show, request=request, response=response)


def _place(attempt: LoggedAttempt) -> str:
    return f"{(attempt.started_at - EPOCH) // timedelta(microseconds=1)}:{attempt.delivery_id}"


def _read_place(cursor: str | None) -> tuple[datetime, UUID] | None:
    place = read_numbered_cursor(cursor)
    if place is None:
        return None
    try:
        return EPOCH + timedelta(microseconds=place[0]), place[1]
    except OverflowError as error:
        raise ProblemError(problems.CURSOR_INVALID) from error


def _show(attempt: LoggedAttempt) -> LoggedAttemptOut:
    return LoggedAttemptOut(
        delivery_id=attempt.delivery_id,
        number=attempt.number,
        channel=attempt.channel,
        outcome=attempt.outcome,
        reason=attempt.reason,
        status=attempt.status,
        started_at=attempt.started_at,
        milliseconds=attempt.milliseconds,
        answer=attempt.answer,
        resend_id=attempt.resend_id,
    )
