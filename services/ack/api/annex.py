"""The route of the filled annex."""

from uuid import UUID

from fastapi import APIRouter, Response

from services.ack.annex import Form, annex_response
from services.ack.api.dependencies import Ack, CircularReader, sent_by
from services.ack.signed_annex import MEDIA_TYPE, signed_response

router = APIRouter(prefix="/v1/circulars", tags=["circulars"])


@router.get("/{circular_id}/annex.{form}", summary="Take the filled annex", response_class=Response)
async def read_annex(circular_id: UUID, form: Form, caller: CircularReader, ack: Ack) -> Response:
    """บัญชีรายชื่อแนบท้าย with its right-hand column filled in: who received the letter, under which number, on what date."""
    async with ack.database.connection() as connection:
        circular = await sent_by(connection, circular_id, caller)
    return await annex_response(ack, circular, form)


@router.get(
    "/{circular_id}/annex.{form}/signed",
    summary="Take the filled annex with its signature",
    response_class=Response,
    responses={200: {"content": {MEDIA_TYPE: {}}, "description": "A ZIP of the annex and `….signature.json`."}},
)
async def read_signed_annex(circular_id: UUID, form: Form, caller: CircularReader, ack: Ack) -> Response:
    """The annex made anew, and beside it a statement about its exact bytes, signed with the key of the receipts; see `wian verify`."""
    async with ack.database.connection() as connection:
        circular = await sent_by(connection, circular_id, caller)
    return await signed_response(ack, circular, form)
