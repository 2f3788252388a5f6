"""The routes of the receive stamp."""

from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from services.ack import own_copy, problems, receive_stamp, workbook
from services.ack.api.dependencies import Ack, Acknowledger
from services.ack.receive_stamp import MEDIA_TYPES, StampForm
from services.ack.resources import Resources
from services.ack.store import recipients
from shared import problems as common
from shared.access import Principal
from shared.problems import ProblemError

PDF = "application/pdf"

router = APIRouter(prefix="/v1/recipients", tags=["acknowledgments"])


@router.get(
    "/{recipient_id}/stamp.{form}",
    summary="Take the receive stamp",
    response_class=Response,
    responses={200: {"content": {media_type: {} for media_type in MEDIA_TYPES.values()}, "description": "The stamp."}},
)
async def read_stamp(recipient_id: UUID, form: StampForm, caller: Acknowledger, ack: Ack) -> Response:
    """ตรารับ for the agency's own copy: the receive number, date and time as they stand, under the agency's name."""
    data = await _stamp_of(ack, recipient_id, caller)
    return Response(
        await receive_stamp.draw(data, form), 200, _headers(f"stamp-{recipient_id}.{form}"), media_type=MEDIA_TYPES[form]
    )


@router.post(
    "/{recipient_id}/stamped-copy",
    summary="Have the receive stamp laid over a PDF of your own",
    response_class=Response,
    responses={200: {"content": {PDF: {}}, "description": "The PDF, stamped on its first page."}},
    openapi_extra={"requestBody": {"required": True, "content": {PDF: {"schema": {"type": "string", "format": "binary"}}}}},
)
async def stamp_copy(recipient_id: UUID, caller: Acknowledger, ack: Ack, request: Request) -> Response:
    """The body is the agency's own copy; it comes back with ตรารับ on its first page, upper right. Nothing of it is kept."""
    data = await _stamp_of(ack, recipient_id, caller)
    most = ack.settings.ack_copy_max_bytes
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > most:
        raise ProblemError(common.BODY_TOO_LARGE, f"at most {most} bytes")
    with await own_copy.take_copy(request.stream(), await receive_stamp.draw(data, StampForm.PDF), most) as given:
        async with ack.stamping:
            stamped = await own_copy.stamp_copy(given, timeout=ack.settings.ack_copy_timeout)
    return StreamingResponse(workbook.pieces(stamped), 200, _headers(f"stamped-{recipient_id}.pdf"), media_type=PDF)


async def _stamp_of(ack: Resources, recipient_id: UUID, caller: Principal) -> dict[str, str]:
    agency_id = caller.agency()
    async with ack.database.connection() as connection:
        recipient = await recipients.get(connection, recipient_id)
    if recipient is None or recipient.agency_id != agency_id:
        raise ProblemError(common.NOT_FOUND)
    data = receive_stamp.stamp_data(recipient)
    if data is None:
        raise ProblemError(problems.NOT_ANSWERED, "the letter is not registered")
    return data


def _headers(file_name: str) -> dict[str, str]:
    return {
        "Content-Disposition": f'attachment; filename="{file_name}"',
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
