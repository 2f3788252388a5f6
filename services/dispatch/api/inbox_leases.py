"""Leases on the pull inbox: many letters at a time, acknowledged one by one in any order."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from services.dispatch import pull
from services.dispatch.api.dependencies import Dispatch, Recipient, Stopping, Waiting
from services.dispatch.api.inbox import InboxLetter, show_letter
from services.dispatch.delivery.decide import pulled
from services.dispatch.pull import PullLease, Result
from services.dispatch.resources import Resources
from services.dispatch.store import circulars, pulls, reading, transitions
from services.dispatch.store.transitions import Move
from shared.contracts.events import Channel, HandOverGrade

router = APIRouter(prefix="/v1/inbox", tags=["inbox"])

MOST_LETTERS: Final = 100
MOST_LEASES: Final = 500
LONGEST_WAIT: Final = 20.0
# Long enough to store a letter and fetch its files; an agency that needs more says so, or extends.
VISIBILITY: Final = 300
LONGEST_VISIBILITY: Final = 43_200

VisibilitySeconds = Annotated[
    int, Field(ge=5, le=LONGEST_VISIBILITY, description="How long the letters stay hidden from further leases of your agency.")
]
LeaseIds = Annotated[
    list[UUID], Field(min_length=1, max_length=MOST_LEASES, description="Any leases of your agency, in any order.")
]


class LeaseIn(BaseModel):
    """How many letters, for how long, and how long to wait for the first of them."""

    max: int = Field(default=10, ge=1, le=MOST_LETTERS, description="Most letters of the answer.")
    visibility_seconds: VisibilitySeconds = VISIBILITY
    wait_seconds: float = Field(
        default=0, ge=0, le=LONGEST_WAIT, description="How long the call may wait while there is nothing; 0: answer at once."
    )


class LeasedLetter(InboxLetter):
    """A letter with its lease. Nothing is handed over until the lease is acknowledged."""

    lease_id: UUID
    leased_until: datetime


class LeasedLetters(BaseModel):
    """What was leased, oldest first; empty when nothing came in time."""

    items: list[LeasedLetter]


class LeasesIn(BaseModel):
    """Leases to end."""

    lease_ids: LeaseIds


class ExtensionIn(BaseModel):
    """Leases that need more time; it counts from now."""

    lease_ids: LeaseIds
    visibility_seconds: VisibilitySeconds = VISIBILITY


class LeaseResult(BaseModel):
    """What became of one lease."""

    lease_id: UUID
    delivery_id: UUID | None = Field(description="The letter's delivery; null when there is no such lease.")
    result: Result = Field(
        description="`done`; `already`: it was so before; `lease_expired`: the visibility time-out passed or the lease was given "
        "back, so the letter may be leased again; `unknown`: your agency has no such lease, or the letter was recalled."
    )


class Results(BaseModel):
    """One result for each lease of the request, in its order."""

    items: list[LeaseResult]


class Acknowledged(Results):
    """What was recorded: a hand-over, not a registration. That one needs the letter's receive number, at `acknowledgment_url`."""

    recorded: str = Field(default="handed_over", description="What `done` and `already` mean: never `registered`.")
    channel: Channel = Channel.INBOX
    grade: HandOverGrade = HandOverGrade.TRANSPORT


class Extended(Results):
    """Until when the leases that are `done` run."""

    leased_until: datetime | None


@router.post("/lease", summary="Lease letters that wait for you")
async def lease(
    body: LeaseIn, request: Request, caller: Recipient, dispatch: Dispatch, waiting: Waiting, stopping: Stopping
) -> LeasedLetters:
    """Take letters that have not been handed over, each under a lease of its own: no other lease of your agency gets it until
    the visibility time-out passes. A lease is not a hand-over: acknowledge what you have stored.
    """
    agency_id = caller.agency()
    loop = asyncio.get_running_loop()
    until = loop.time() + body.wait_seconds
    leased = await _lease(dispatch, agency_id, body)
    if leased or not body.wait_seconds:
        return LeasedLetters(items=leased)
    with waiting.bell(agency_id) as bell:
        gone = asyncio.create_task(_disconnected(request))
        try:
            while not leased and await _rings(bell, (stopping, gone), until - loop.time()):
                bell.clear()
                leased = await _lease(dispatch, agency_id, body)
        finally:
            gone.cancel()
    return LeasedLetters(items=leased)


@router.post("/acknowledge", summary="Acknowledge leased letters")
async def acknowledge(body: LeasesIn, caller: Recipient, dispatch: Dispatch) -> Acknowledged:
    """The letters are with your system: handed over by the inbox, grade `transport`. This does NOT register them: for that, POST
    the receive number to each letter's `acknowledgment_url`. Repeating the call changes nothing.
    """
    async with dispatch.database.transaction() as connection:
        held = await pulls.get(connection, caller.agency(), body.lease_ids)
        locked = await dispatch.deliveries.lock(connection, list({lease.delivery_id for lease in held.values()}))
        states = {delivery.delivery_id: delivery.state for delivery in locked}

        def judge(lease: PullLease | None) -> Result:
            return pull.acknowledged(lease, None if lease is None else states.get(lease.delivery_id))

        results = _results(body.lease_ids, held, judge)
        handed_over = {result.delivery_id for result in results if result.result is Result.DONE}
        now = datetime.now(UTC)
        await transitions.apply(
            connection, [Move(delivery, pulled(now)) for delivery in locked if delivery.delivery_id in handed_over]
        )
        over = [result.lease_id for result in results if result.result in (Result.DONE, Result.ALREADY)]
        await pulls.end(connection, over, "acknowledged")
    return Acknowledged(items=results)


@router.post("/release", summary="Give leased letters back")
async def release(body: LeasesIn, caller: Recipient, dispatch: Dispatch) -> Results:
    """The letters wait again at once, for the next lease."""
    async with dispatch.database.transaction() as connection:
        held = await pulls.get(connection, caller.agency(), body.lease_ids)
        results = _results(body.lease_ids, held, pull.released)
        await pulls.end(connection, [result.lease_id for result in results if result.result is Result.DONE], "released")
    return Results(items=results)


@router.post("/extend", summary="Hold leased letters longer")
async def extend(body: ExtensionIn, caller: Recipient, dispatch: Dispatch) -> Extended:
    """Running leases end `visibility_seconds` from now, whatever they had left. One that has run out cannot be extended."""
    async with dispatch.database.transaction() as connection:
        held = await pulls.get(connection, caller.agency(), body.lease_ids)
        results = _results(body.lease_ids, held, pull.extended)
        running = [result.lease_id for result in results if result.result is Result.DONE]
        until = await pulls.extend(connection, running, timedelta(seconds=body.visibility_seconds))
    return Extended(items=results, leased_until=until)


async def _lease(dispatch: Resources, agency_id: UUID, body: LeaseIn) -> list[LeasedLetter]:
    async with dispatch.database.transaction() as connection:
        leased = await pulls.lease(connection, agency_id, body.max, timedelta(seconds=body.visibility_seconds))
        if not leased:
            return []
        found = await reading.get_many(connection, [new.delivery_id for new in leased])
        contents = await circulars.get_circulars(connection, list({delivery.circular_id for delivery in found.values()}))
    letters = {key: show_letter(dispatch, delivery, contents[delivery.circular_id]) for key, delivery in found.items()}
    return [
        LeasedLetter(**dict(letters[new.delivery_id]), lease_id=new.lease_id, leased_until=new.leased_until) for new in leased
    ]


def _results(asked: list[UUID], held: Mapping[UUID, PullLease], judge: Callable[[PullLease | None], Result]) -> list[LeaseResult]:
    found = ((lease_id, held.get(lease_id)) for lease_id in asked)
    return [
        LeaseResult(lease_id=lease_id, delivery_id=None if lease is None else lease.delivery_id, result=judge(lease))
        for lease_id, lease in found
    ]


async def _rings(bell: asyncio.Event, ends: tuple[asyncio.Event, asyncio.Task[None]], seconds: float) -> bool:
    """Wait until the bell rings; False when the time is over, the process stops or the caller has gone."""
    stopping, gone = ends
    rings, stops = asyncio.create_task(bell.wait()), asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait({rings, stops, gone}, timeout=max(0.0, seconds), return_when=asyncio.FIRST_COMPLETED)
    finally:
        rings.cancel()
        stops.cancel()
    return bell.is_set() and not stopping.is_set() and not gone.done()


async def _disconnected(request: Request) -> None:
    """Returns when the caller has hung up; its body has been read."""
    with contextlib.suppress(RuntimeError):
        while (await request.receive())["type"] != "http.disconnect":
            pass
