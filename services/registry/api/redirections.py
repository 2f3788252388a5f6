"""The route by which a sender sends a letter on to the right agency."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from services.registry.api.dependencies import LetterWriter, Registry
from services.registry.api.fields import AgencyCode, Line, RequestModel
from services.registry.dispatching import FileLinks
from services.registry.redirecting import Redirection, redirect
from services.registry.withdrawing import Act
from shared.idempotency import IdempotencyKey

router = APIRouter(prefix="/v1/letters", tags=["letters"])


class RedirectionIn(RequestModel):
    """Which recipient was the wrong one, and who is the right one."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "recipient_id": "01a20926-c007-7438-4922-a47278462cfb",
                    "agency_code": "smk-land",
                    "title": "เจ้าพนักงานที่ดินจังหวัดสมุทรสาคร",
                }
            ]
        }
    )

    recipient_id: UUID = Field(description="The recipient that refused the letter.")
    agency_code: AgencyCode | None = Field(
        default=None, description="The right agency; default: the one that the refusal suggests."
    )
    title: Annotated[Line, StringConstraints(min_length=1)] | None = Field(
        default=None, description="How the list names it; default: the agency's name."
    )


class RedirectedOut(BaseModel):
    """The new recipient, behind the others of the circular; its delivery is on its way."""

    recipient_id: UUID
    redirected_from: UUID
    circular_id: UUID
    agency_id: UUID
    title: str
    position: int


@router.post(
    "/{letter_id}/redirections",
    status_code=201,
    summary="Send a refused letter on to the right agency",
    response_model=RedirectedOut,
)
async def redirect_letter(
    letter_id: UUID, body: RedirectionIn, caller: LetterWriter, registry: Registry, key: IdempotencyKey
) -> dict[str, Any]:
    """Makes a delivery of its own, tied to the recipient that refused: the same letter, number and deadline.

    The same Idempotency-Key with the same body gets the first answer again.
    """
    act = Act(caller.agency(), letter_id, caller.client_id, key)
    links = FileLinks(registry.signer, registry.settings.public_url)
    return await redirect(registry.database, act, Redirection(body.recipient_id, body.agency_code, body.title), links)
