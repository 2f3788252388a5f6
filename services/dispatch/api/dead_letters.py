"""Dead letters for the operator: what the broker gave up, without its content, to be published again or discarded."""

from datetime import datetime
from typing import Annotated, Final, Literal, Self
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from services.dispatch import problems
from services.dispatch.api.dependencies import DEFAULT_PAGE, After, Dispatch, Limit, Operator
from services.dispatch.api.failures import Because, Before, CauseOut, Moment, Said, Since, Why, safe_line, show_symptom
from services.dispatch.dead_letters import LONGEST_NAME, discard_many
from services.dispatch.resources import Resources
from services.dispatch.store import dead_letters
from services.dispatch.store.dead_letters import DeadLetter, WantedDead
from shared import broker
from shared.pages import Page, page_of, read_id_cursor
from shared.problems import NOT_FOUND, UNAVAILABLE, ProblemError

# In one call; bodies that are published pass through memory a few at a time.
MOST_PUBLISHED: Final = 1000
RETRY_AFTER: Final = 5

router = APIRouter(prefix="/v1/repair/dead-letters", tags=["repair"])

Name = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_NAME), AfterValidator(safe_line)]
State = Literal["kept", "redriven", "discarded"]


class DeadLetterOut(BaseModel):
    """A message that the broker gave up: nothing of its content."""

    dead_letter_id: UUID
    message_id: str
    type: str | None = Field(description="Null when it cannot be read.")
    queue: str
    exchange: str
    routing_key: str
    cause: CauseOut
    size: int = Field(description="Bytes of its body.")
    first_died_at: datetime
    kept_at: datetime
    deaths: int = Field(description="More than 1 when it died again after it was published again.")
    state: State
    settled_at: datetime | None
    settled_by: str | None
    settled_why: str | None


class DeadLetterFilter(Said):
    """Which dead letters: every condition that is given must hold."""

    type: Name | None = None
    queue: Name | None = None
    since: Moment | None = Field(default=None, alias="from", description="Died then or later.")
    before: Moment | None = Field(default=None, alias="to", description="Died before.")

    @model_validator(mode="after")
    def _something_is_named(self) -> Self:
        if self.type is self.queue is self.since is self.before is None:
            raise ValueError("name at least one condition")
        return self

    def kept(self) -> WantedDead:
        """Those of them that wait for somebody."""
        return WantedDead("kept", self.type, self.queue, self.since, self.before)


class RedriveDead(Said):
    """An order to publish many again."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"filter": {"queue": "ack.events"}, "why": "อัปเกรดครบแล้ว"}]})

    filter: DeadLetterFilter
    limit: Annotated[int, Field(ge=1, le=MOST_PUBLISHED, description="Most in one call.")] = MOST_PUBLISHED
    why: Why = ""


class RedrivenDead(BaseModel):
    """How many the broker took over, how many it did not, and how many the filter still finds."""

    redriven: int
    refused: int
    remaining: int


class DiscardMany(Said):
    """An order to discard many."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"filter": {"queue": "ack.events", "to": "2026-11-20T00:00:00+07:00"}, "why": "ข้อมูลทดสอบ"}]
        }
    )

    filter: DeadLetterFilter
    limit: Annotated[int, Field(ge=1, le=MOST_PUBLISHED, description="Most in one call.")] = MOST_PUBLISHED
    why: Annotated[Why, StringConstraints(min_length=1)]


class DiscardedDead(BaseModel):
    """How many were discarded, and how many the filter still finds."""

    discarded: int
    remaining: int


class Discard(Said):
    """Why nobody needs the message; kept with it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"why": "ข้อความทดสอบ"}]})

    why: Annotated[Why, StringConstraints(min_length=1)]


@router.get("", summary="Dead letters")
async def list_dead_letters(
    request: Request,
    response: Response,
    caller: Operator,  # noqa: ARG001 - the right to call
    dispatch: Dispatch,
    state: State = "kept",
    type_: Annotated[Name | None, Query(alias="type", description="Only of this event type.")] = None,
    queue: Annotated[Name | None, Query(description="Only those that died in this queue.")] = None,
    since: Since = None,
    before: Before = None,
    after: After = None,
    limit: Limit = DEFAULT_PAGE,
) -> Page[DeadLetterOut]:
    """Messages that could not be applied, the oldest first, each with its cause and remedy."""
    cursor = read_id_cursor(after)
    asked = WantedDead(state, type_, queue, since, before)
    async with dispatch.database.connection() as connection:
        found = await dead_letters.wanted(connection, asked, cursor, limit + 1)
    return page_of(found, limit, key=lambda one: str(one.dead_letter_id), show=_show, request=request, response=response)


@router.post("/redrive", summary="Publish many dead letters again")
async def redrive_dead_letters(body: RedriveDead, caller: Operator, dispatch: Dispatch) -> RedrivenDead:
    """Publish up to `limit` of those that `filter` finds back to the queues that they died in.

    What the broker does not take over is kept.
    """
    try:
        published, remaining = await dispatch.redriver.redrive_many(body.filter.kept(), body.limit, caller.client_id, body.why)
    except broker.UNAVAILABLE as error:
        raise _broker_is_away() from error
    return RedrivenDead(redriven=published.redriven, refused=published.refused, remaining=remaining)


@router.post("/discard", summary="Discard many dead letters")
async def discard_dead_letters(body: DiscardMany, caller: Operator, dispatch: Dispatch) -> DiscardedDead:
    """Settle up to `limit` of those that `filter` finds as needed by nobody. They stay readable here, with who discarded them and
    why; what was settled before stays as it was, so the call can be repeated.
    """
    discarded, remaining = await discard_many(dispatch.database, body.filter.kept(), body.limit, caller.client_id, body.why)
    return DiscardedDead(discarded=discarded, remaining=remaining)


@router.post("/{dead_letter_id}/redrive", summary="Publish a dead letter again")
async def redrive_dead_letter(
    dead_letter_id: UUID, caller: Operator, dispatch: Dispatch, body: Because | None = None
) -> DeadLetterOut:
    """Publish it back to the queue that it died in. Asked twice, it shows that this was done."""
    found = await _get(dispatch, dead_letter_id)
    if found.state == "discarded":
        raise ProblemError(problems.DEAD_LETTER_SETTLED, "it was discarded")
    if found.state == "kept":
        try:
            published = await dispatch.redriver.redrive([dead_letter_id], caller.client_id, "" if body is None else body.why)
        except broker.UNAVAILABLE as error:
            raise _broker_is_away() from error
        if published.refused:
            raise ProblemError(problems.DEAD_LETTER_NOT_TAKEN, found.queue)
    return _show(await _get(dispatch, dead_letter_id))


@router.post("/{dead_letter_id}/discard", summary="Discard a dead letter")
async def discard_dead_letter(dead_letter_id: UUID, body: Discard, caller: Operator, dispatch: Dispatch) -> DeadLetterOut:
    """Settle a message that nobody needs. It stays readable here; asked twice, it shows the first reason."""
    await _get(dispatch, dead_letter_id)
    async with dispatch.database.connection() as connection:
        await dead_letters.discard(connection, dead_letter_id, caller.client_id, body.why)
    found = await _get(dispatch, dead_letter_id)
    if found.state == "redriven":
        raise ProblemError(problems.DEAD_LETTER_SETTLED, "it was published again")
    return _show(found)


async def _get(dispatch: Resources, dead_letter_id: UUID) -> DeadLetter:
    async with dispatch.database.connection() as connection:
        found = await dead_letters.get(connection, dead_letter_id)
    if found is None:
        raise ProblemError(NOT_FOUND)
    return found


def _broker_is_away() -> ProblemError:
    return ProblemError(UNAVAILABLE, "the broker cannot be reached; the dead letters are kept", retry_after=RETRY_AFTER)


def _show(found: DeadLetter) -> DeadLetterOut:
    return DeadLetterOut(
        dead_letter_id=found.dead_letter_id,
        message_id=found.message_id,
        type=found.type,
        queue=found.queue,
        exchange=found.exchange,
        routing_key=found.routing_key,
        cause=show_symptom(f"dead_{found.reason}"),
        size=found.size,
        first_died_at=found.first_died_at,
        kept_at=found.kept_at,
        deaths=found.deaths,
        state=_state(found.state),
        settled_at=found.settled_at,
        settled_by=found.settled_by,
        settled_why=found.settled_why,
    )


def _state(text: str) -> State:
    match text:
        case "redriven":
            return "redriven"
        case "discarded":
            return "discarded"
        case _:
            return "kept"
