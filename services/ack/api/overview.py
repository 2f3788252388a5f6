"""The routes by which an agency looks across circulars: its own, and in figures those of the agencies below it."""

from datetime import date, datetime, time, timedelta
from typing import Annotated, Final, Self
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from services.ack import problems
from services.ack.api.dependencies import Ack, CircularReader
from services.ack.api.views import CircularOut
from services.ack.store import circulars, overview
from services.ack.store.overview import Sender, Wanted
from services.ack.view import matrix_of
from shared.pages import Page, link_next, read_cursor, read_timed_cursor, timed_key, write_cursor
from shared.problems import ProblemError
from shared.thai.dates import BANGKOK, bangkok_date

router = APIRouter(prefix="/v1/circulars", tags=["circulars"])

DAYS: Final = 90
MOST_DAYS: Final = 366
EARLIEST: Final = date(1900, 1, 1)
LATEST: Final = date(2999, 12, 31)

After = Annotated[str | None, Query(max_length=300, description="`next` of the page before.")]
Limit = Annotated[int, Query(ge=1, le=50, description="Most items of the page; one that has much to count may have fewer.")]
Day = Annotated[date, Field(ge=EARLIEST, le=LATEST)]
Since = Annotated[Day | None, Query(description="The first Bangkok day of dispatch.")]
Until = Annotated[Day | None, Query(description="The last Bangkok day of dispatch.")]


class SenderOut(BaseModel):
    """An agency below, and its circulars of the period added up."""

    model_config = ConfigDict(from_attributes=True)

    agency_id: UUID
    code: str
    name_th: str
    name_en: str
    circulars: int
    last_dispatched_at: datetime
    recipients: int
    handed_over: int = Field(description="Ever handed over, with those that have answered since.")
    registered: int
    rejected: int
    recalled: int
    undeliverable: int
    outstanding: int = Field(description="Neither registered, rejected nor recalled.")
    overdue: int = Field(description="Outstanding, and the deadline of their circular has passed.")


class SenderPage(Page[SenderOut]):
    """A part of the agencies below that sent circulars, by their codes, and the period that was counted."""

    since: date
    until: date

    @classmethod
    def of(cls, found: list[Sender], following: str | None, since: date, until: date) -> Self:
        """The page as the API shows it."""
        return cls(items=[SenderOut.model_validate(sender) for sender in found], next=following, since=since, until=until)


@router.get("", summary="List the circulars that you sent")
async def list_circulars(
    caller: CircularReader,
    ack: Ack,
    request: Request,
    response: Response,
    since: Since = None,
    until: Until = None,
    overdue: Annotated[bool, Query(description="Only those whose deadline has passed while somebody has not answered.")] = False,
    after: After = None,
    limit: Limit = 20,
) -> Page[CircularOut]:
    """Newest first, each with its figures. A hand-over is not an acknowledgment."""
    now = ack.now()
    wanted = Wanted(
        None if since is None else _midnight(since),
        None if until is None else _midnight(until + timedelta(days=1)),
        now if overdue else None,
    )
    async with ack.database.connection() as connection:
        ids, more = await overview.own(
            connection,
            caller.agency(),
            wanted,
            after=read_timed_cursor(after),
            limit=limit,
            most=ack.settings.ack_overview_recipients,
        )
        found = await circulars.get_many(connection, ids)
        counts = await circulars.counts_of_many(connection, ids)
    following = None
    if more:
        following = write_cursor(timed_key(found[ids[-1]].dispatched_at, ids[-1]))
        link_next(request, response, following)
    items = [CircularOut.of(found[one], counts[one], matrix_of(found[one], counts[one], now)) for one in ids]
    return Page(items=items, next=following)


@router.get("/by-sender", summary="Add up the circulars of the agencies below yours")
async def add_up_by_sender(
    caller: CircularReader,
    ack: Ack,
    request: Request,
    response: Response,
    since: Since = None,
    until: Until = None,
    after: After = None,
    limit: Limit = 20,
) -> SenderPage:
    """Figures and nothing else: no letter, no number, no recipient. Without days, the last 90; at most 366.

    Every agency below is counted, however deep, that sent a circular in those days.
    """
    now = ack.now()
    last = until or bangkok_date(now)
    first = since or last - timedelta(days=DAYS - 1)
    if not 0 < (last - first).days + 1 <= MOST_DAYS:
        raise ProblemError(problems.PERIOD_INVALID, f"from {first} to {last}; at most {MOST_DAYS} days")
    async with ack.database.connection() as connection:
        found, more = await overview.below(
            connection,
            caller.agency(),
            since=_midnight(first),
            until=_midnight(last + timedelta(days=1)),
            now=now,
            after=read_cursor(after),
            limit=limit,
            most=ack.settings.ack_overview_recipients,
        )
    following = write_cursor(found[-1].code) if more else None
    if following is not None:
        link_next(request, response, following)
    return SenderPage.of(found, following, first, last)


def _midnight(day: date) -> datetime:
    """The instant at which the day begins in Bangkok."""
    return datetime.combine(day, time(), BANGKOK)
