"""Routes by which systems acknowledge letters: with a token, or with the link that came with the letter."""

import asyncio
from collections import Counter
from itertools import chain
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Body, Path, Query, Request, Response

from services.ack.acknowledging import Asked, Caller, Recorded
from services.ack.api.answers import AcknowledgmentOut, BulkItemOut, BulkOut
from services.ack.api.bodies import AcknowledgmentIn, BulkIn
from services.ack.api.dependencies import Ack, Acknowledger, RecipientReader, by_link
from services.ack.api.views import OwnRecipientOut, WaitingOut, WaitingPage
from services.ack.facts import Door
from services.ack.store import circulars, recipients
from shared import problems as common
from shared.pages import link_next
from shared.problems import ProblemError
from shared.telemetry import current_traceparent

router = APIRouter(tags=["acknowledgments"])

# Small enough that its rows are not held for long, large enough that a transaction costs little.
GROUP: Final = 500
# The database works on one while the next is decided here.
GROUPS_AT_ONCE: Final = 2

AcknowledgmentBody = Annotated[AcknowledgmentIn, Body()]
Link = Annotated[str, Path(max_length=300, description="The signed link; it is the credential.")]


@router.post("/v1/recipients/{recipient_id}/acknowledgment", summary="Acknowledge a letter that your agency received")
async def acknowledge_with_token(
    recipient_id: UUID, body: AcknowledgmentBody, caller: Acknowledger, ack: Ack
) -> AcknowledgmentOut:
    """Tells the sender under which number and on which day your registry registered the letter, or why it refuses it.

    The same again gets the first answer; another number or reason is `acknowledgment_conflict`.
    """
    by = Caller(Door.API, caller.client_id, caller.agency())
    return AcknowledgmentOut.of(await ack.recorder.acknowledge(recipient_id, body.draft(), by, now=ack.now()))


@router.post("/v1/acknowledgments/{link}", summary="Acknowledge a letter with its link")
async def acknowledge_with_link(link: Link, body: AcknowledgmentBody, ack: Ack) -> AcknowledgmentOut:
    """The same, with the `acknowledgment_url` that came with the letter; no token is needed."""
    recipient_id, by = by_link(ack, link, Door.LINK)
    return AcknowledgmentOut.of(await ack.recorder.acknowledge(recipient_id, body.draft(), by, now=ack.now()))


@router.post("/v1/acknowledgments", summary="Acknowledge many letters at once")
async def acknowledge_in_bulk(body: BulkIn, caller: Acknowledger, ack: Ack) -> BulkOut:
    """Up to 10,000 acknowledgments of your agency with a result for each; one that is refused does not hold up the others.

    Items are recorded in groups. When a call breaks off, send it again: what was recorded is found as recorded.
    """
    by, now = Caller(Door.API, caller.client_id, caller.agency()), ack.now()
    trace = current_traceparent()
    asked = [Asked(item.recipient_id, item.acknowledgment.draft(), by, now, trace) for item in body.items]
    groups = [asked[start : start + GROUP] for start in range(0, len(asked), GROUP)]
    # Items of one recipient are decided in their order.
    at_once = 1 if len({one.recipient_id for one in asked}) < len(asked) else GROUPS_AT_ONCE
    recorded: list[list[Recorded | ProblemError]] = []
    for start in range(0, len(groups), at_once):
        recorded += await asyncio.gather(*map(ack.recorder.acknowledge_many, groups[start : start + at_once]))
    results = [BulkItemOut.of(one.recipient_id, result) for one, result in zip(asked, chain(*recorded), strict=True)]
    counts = Counter(result.status for result in results)
    return BulkOut(recorded=counts[201], repeated=counts[200], refused=len(results) - counts[201] - counts[200], items=results)


@router.get("/v1/recipients", summary="List the letters that your agency has not answered")
async def list_unanswered(
    caller: RecipientReader,
    ack: Ack,
    request: Request,
    response: Response,
    after: Annotated[UUID | None, Query(description="`next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="Most letters of the page.")] = 50,
) -> WaitingPage:
    """Neither registered, rejected nor recalled; each with its deadline."""
    agency_id = caller.agency()
    async with ack.database.connection() as connection:
        found = await recipients.unanswered_by(connection, agency_id, after=after or UUID(int=0), limit=limit + 1)
        letters = {one.circular_id: await circulars.get(connection, one.circular_id) for one in found[:limit]}
    following = str(found[limit - 1].recipient_id) if len(found) > limit else None
    if following is not None:
        link_next(request, response, following)
    now = ack.now()
    return WaitingPage(items=[WaitingOut.waiting(one, letters[one.circular_id], now) for one in found[:limit]], next=following)


@router.get("/v1/recipients/{recipient_id}", summary="Read what is recorded of a letter that your agency received")
async def read_recipient(recipient_id: UUID, caller: RecipientReader, ack: Ack) -> OwnRecipientOut:
    """The recipient's own row of the circular."""
    agency_id = caller.agency()
    async with ack.database.connection() as connection:
        recipient = await recipients.get(connection, recipient_id)
        if recipient is None or recipient.agency_id != agency_id:
            raise ProblemError(common.NOT_FOUND)
        circular = await circulars.get(connection, recipient.circular_id)
    return OwnRecipientOut.own(recipient, circular, ack.now())
