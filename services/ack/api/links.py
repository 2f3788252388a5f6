"""Routes by which a recipient's acknowledgment links are revoked, and another is issued."""

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from services.ack.acknowledging import Caller, Side
from services.ack.api.dependencies import Ack, LinkKeeper
from services.ack.facts import Door
from services.ack.relinking import Relinked, replace_links
from services.ack.resources import Resources
from services.ack.store import circulars, links, recipients
from shared import problems as common
from shared.access import Principal
from shared.links import LinkSigner
from shared.problems import ProblemError

router = APIRouter(tags=["acknowledgments"])


class LinkReasonIn(BaseModel):
    """Why the links are revoked; it stays in the record."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"examples": [{"reason": "ส่งลิงก์ไปผิดกล่องจดหมาย"}]})

    reason: str = Field(max_length=4000, description="1 to 1000 characters.")


class LinkChangeOut(BaseModel):
    """All links of the recipient before this change were revoked; `issued`: in favour of a new one."""

    generation: int
    issued: bool
    reason: str
    changed_by: str = Field(description="The client that made the change.")
    changed_at: datetime


class NewLinkOut(LinkChangeOut):
    """The only link that opens the letter from now on."""

    acknowledgment_url: str = Field(description="Kept as a digest only: it cannot be read again.")


class LinkChangesOut(BaseModel):
    """What became of a recipient's links; empty while all that were sent are valid."""

    items: list[LinkChangeOut]


def _keeper(caller: Principal) -> Caller:
    return Caller(Door.API, caller.client_id, None if caller.is_operator else caller.agency(), Side.SENDER)


async def _replaced(
    ack: Resources, recipient_id: UUID, body: LinkReasonIn, caller: Principal, signer: LinkSigner | None
) -> Relinked:
    return await replace_links(ack.database, recipient_id, _keeper(caller), body.reason, signer=signer, now=ack.now())


@router.post("/v1/recipients/{recipient_id}/link-revocations", summary="Revoke the acknowledgment links of a recipient")
async def revoke(recipient_id: UUID, body: LinkReasonIn, caller: LinkKeeper, ack: Ack) -> LinkChangeOut:
    """For the sender and for an operator: every link of this letter to the recipient is `link_revoked` from now on.

    The recipient can still answer with its token. What was answered stands.
    """
    done = await _replaced(ack, recipient_id, body, caller, None)
    return LinkChangeOut.model_validate(done.change, from_attributes=True)


@router.post("/v1/recipients/{recipient_id}/links", summary="Issue a new acknowledgment link to a recipient", status_code=201)
async def issue(recipient_id: UUID, body: LinkReasonIn, caller: LinkKeeper, ack: Ack, response: Response) -> NewLinkOut:
    """Revokes all earlier links and gives the only one that opens from now on, for you to send."""
    done = await _replaced(ack, recipient_id, body, caller, ack.links)
    response.headers["Cache-Control"] = "no-store"
    change = LinkChangeOut.model_validate(done.change, from_attributes=True)
    return NewLinkOut(**change.model_dump(), acknowledgment_url=f"{ack.settings.public_url}/a/{done.link}")


@router.get("/v1/recipients/{recipient_id}/links", summary="Read what became of a recipient's acknowledgment links")
async def read_changes(recipient_id: UUID, caller: LinkKeeper, ack: Ack) -> LinkChangesOut:
    """Who revoked or issued links when, and why; never a link."""
    keeper = _keeper(caller)
    async with ack.database.connection() as connection:
        recipient = await recipients.get(connection, recipient_id)
        circular = None if recipient is None else await circulars.get(connection, recipient.circular_id)
        if circular is None or keeper.agency_id not in (None, circular.sender_agency_id):
            raise ProblemError(common.NOT_FOUND)
        changes = await links.of_recipient(connection, recipient_id)
    return LinkChangesOut(items=[LinkChangeOut.model_validate(change, from_attributes=True) for change in changes])
