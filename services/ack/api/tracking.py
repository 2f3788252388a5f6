"""The tracking page: a circular's progress for whoever holds the link, moving while the circular does."""

import hashlib
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Path, Query, Request, Response
from fastapi.responses import HTMLResponse, StreamingResponse

from services.ack.acknowledging import under_way
from services.ack.annex import Form, annex_response
from services.ack.api.dependencies import Ack, read_link
from services.ack.api.pages import trouble
from services.ack.pages import render
from services.ack.resources import Resources
from services.ack.signed_annex import signed_response
from services.ack.store import circulars
from services.ack.store import tree as tree_store
from services.ack.store.circulars import Circular
from services.ack.tracking import Tracking, document, read_tracking
from services.ack.tree import tree_of
from services.ack.tree_sheet import tree_sheet_of
from services.ack.wording import WITHHELD_SUBJECT
from shared.contracts.events import Secrecy
from shared.links import Purpose
from shared.problems import ProblemError

router = APIRouter(tags=["tracking"])

Link = Annotated[str, Path(max_length=300, description="The signed tracking link; it is the credential.")]
After = Annotated[int, Query(ge=0, le=10**15, description="The position behind which the sheet begins.")]


@router.api_route("/t/{link}", methods=["GET", "HEAD"], response_class=HTMLResponse, include_in_schema=False)
async def show_tracking(link: Link, ack: Ack, after: After = 0) -> Response:
    """The page; its script keeps it up to date."""
    try:
        circular, tracking = await _tracked(ack, link, after)
    except ProblemError as error:
        return trouble(error)
    size = ack.settings.ack_tracking_rows
    values = {
        "link": link,
        "circular": circular,
        "letter": circular.letter,
        "subject": circular.letter.subject if circular.letter.secrecy is Secrecy.NORMAL else WITHHELD_SUBJECT,
        "tracking": tracking,
        "after": after,
        "before": max(after - size, 0) if after else None,
        "following": after + size if after + size < circular.recipient_count else None,
        "now": ack.now(),
    }
    return render.page("track.html", values)


@router.get("/t/{link}/state", summary="Read what the tracking page shows")
async def read_state(link: Link, request: Request, ack: Ack, after: After = 0) -> Response:
    """The page's figures and rows in words; 304 while nothing has changed."""
    _, tracking = await _tracked(ack, link, after)
    body = json.dumps(document(tracking), ensure_ascii=False, separators=(",", ":")).encode()
    headers = {"ETag": f'"{hashlib.sha256(body).hexdigest()[:32]}"', "Cache-Control": "no-store", "X-Robots-Tag": "noindex"}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(body, 200, headers, media_type="application/json")


@router.get(
    "/t/{link}/live",
    summary="Follow what the tracking page shows",
    response_class=StreamingResponse,
    responses={200: {"description": "Server-sent events `state`.", "content": {"text/event-stream": {}}}},
)
async def follow_state(
    link: Link,
    request: Request,
    ack: Ack,
    after: After = 0,
    last_event_id: Annotated[str, Header(description="`id` of the last event that the page has.")] = "",
) -> StreamingResponse:
    """First the whole state, unless the page has it, then with each change the figures and the rows that have changed."""
    circular = await _circular(ack, read_link(ack, Purpose.TRACK, link))
    frames = ack.live.stream(circular.circular_id, after, last_event_id, request.state.stopping)
    # The first frame is asked for here, so that a page that is one too many gets its answer instead of a broken stream.
    first = await anext(frames, b"")
    headers = {"Cache-Control": "no-store", "X-Robots-Tag": "noindex", "X-Accel-Buffering": "no"}
    return StreamingResponse(_from(first, frames), media_type="text/event-stream", headers=headers)


async def _from(first: bytes, frames: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    async with aclosing(frames):
        yield first
        async for frame in frames:
            yield frame


@router.api_route("/t/{link}/tree", methods=["GET", "HEAD"], response_class=HTMLResponse, include_in_schema=False)
async def show_tree(link: Link, ack: Ack, after: After = 0) -> Response:
    """The relay tree: its levels as a picture, and who must pass the letter on. The tracking page's script takes the picture."""
    try:
        circular = await _circular(ack, read_link(ack, Purpose.TRACK, link))
    except ProblemError as error:
        return trouble(error)
    size = ack.settings.ack_tracking_rows
    branches, complete = await ack.trees.get(circular.circular_id)
    async with ack.database.connection() as connection:
        duties = await tree_store.duties(connection, circular.circular_id, after=after, limit=size + 1)
    tree = tree_of(branches, duties[:size], ack.now(), complete=complete)
    values = {
        "link": link,
        "circular": circular,
        "letter": circular.letter,
        "sheet": tree_sheet_of(tree),
        "after": after,
        "following": duties[size - 1].position if len(duties) > size else None,
        "now": ack.now(),
    }
    return render.page("tree.html", values)


@router.get("/t/{link}/annex.{form}", summary="Take the filled annex with the tracking link", response_class=Response)
async def read_annex_with_link(link: Link, form: Form, ack: Ack) -> Response:
    """The same as with a token."""
    return await annex_response(ack, await _circular(ack, read_link(ack, Purpose.TRACK, link)), form)


@router.get("/t/{link}/annex.{form}/signed", summary="Take the signed annex with the tracking link", response_class=Response)
async def read_signed_annex_with_link(link: Link, form: Form, ack: Ack) -> Response:
    """The same as with a token."""
    return await signed_response(ack, await _circular(ack, read_link(ack, Purpose.TRACK, link)), form)


async def _circular(ack: Resources, circular_id: UUID) -> Circular:
    async with ack.database.connection() as connection:
        circular = await circulars.get(connection, circular_id)
    if circular is None:
        raise under_way()
    return circular


async def _tracked(ack: Resources, link: str, after: int) -> tuple[Circular, Tracking]:
    circular = await _circular(ack, read_link(ack, Purpose.TRACK, link))
    return circular, await read_tracking(ack.database, ack.settings.ack_tracking_rows, circular, after, ack.now())
