"""Routes by which a sender follows its circulars."""

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from services.ack.api.dependencies import Ack, CircularReader, sent_by
from services.ack.api.views import CircularOut, FollowedRecipientOut, RecipientPage, TrackingLinkOut
from services.ack.fold import State
from services.ack.store import circulars, recipients
from services.ack.store.recipients import Show
from services.ack.view import matrix_of
from shared.links import Purpose
from shared.pages import link_next

router = APIRouter(prefix="/v1/circulars", tags=["circulars"])

After = Annotated[str | None, Query(pattern="^[0-9]{1,18}$", description="`next` of the page before.")]
Limit = Annotated[int, Query(ge=1, le=1000, description="Most recipients of the page.")]


@router.get("/{circular_id}", summary="Read a circular's figures")
async def read_circular(circular_id: UUID, caller: CircularReader, ack: Ack) -> CircularOut:
    """How many recipients have come how far, and who is overdue. A hand-over is not an acknowledgment."""
    async with ack.database.connection() as connection:
        circular = await sent_by(connection, circular_id, caller)
        counts = await circulars.counts(connection, circular_id)
    return CircularOut.of(circular, counts, matrix_of(circular, counts, ack.now()))


@router.get("/{circular_id}/recipients", summary="List a circular's recipients")
async def list_recipients(
    circular_id: UUID,
    caller: CircularReader,
    ack: Ack,
    request: Request,
    response: Response,
    state: State | None = None,
    show: Annotated[
        Show | None, Query(description="`missing`, `late` (by the deadline) or `disputed`; not with `state`.")
    ] = None,
    after: After = None,
    limit: Limit = 100,
) -> RecipientPage:
    """In the order of the distribution list: all, those in one state, or those that somebody must look after."""
    behind, now = int(after or 0), ack.now()
    async with ack.database.connection() as connection:
        circular = await sent_by(connection, circular_id, caller)
        if show is None:
            found = await recipients.page(connection, circular_id, after=behind, limit=limit + 1, state=state)
        else:
            found = await recipients.shown(
                connection, circular_id, show, after=behind, limit=limit + 1, deadline=circular.deadline, now=now
            )
    following = str(found[limit - 1].position) if len(found) > limit else None
    if following is not None:
        link_next(request, response, following)
    items = [FollowedRecipientOut.followed(row, circular.deadline, now) for row in found[:limit]]
    return RecipientPage(items=items, next=following)


@router.post("/{circular_id}/tracking-link", summary="Make a link to the tracking page")
async def make_tracking_link(circular_id: UUID, caller: CircularReader, ack: Ack) -> TrackingLinkOut:
    """Whoever holds the link sees the circular's progress and annex, without a token, until it expires."""
    async with ack.database.connection() as connection:
        await sent_by(connection, circular_id, caller)
    link = ack.links.sign(Purpose.TRACK, circular_id)
    return TrackingLinkOut(
        tracking_url=f"{ack.settings.public_url}/t/{link}",
        expires_at=ack.now() + timedelta(days=ack.settings.ack_tracking_link_days),
    )
