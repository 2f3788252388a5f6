"""The route of the receive stamp."""

from uuid import UUID

from fastapi import APIRouter, Response

from services.ack import problems, receive_stamp
from services.ack.api.dependencies import Ack, Acknowledger
from services.ack.receive_stamp import MEDIA_TYPES, StampForm
from services.ack.store import recipients
from shared import problems as common
from shared.problems import ProblemError

router = APIRouter(prefix="/v1/recipients", tags=["acknowledgments"])


@router.get(
    "/{recipient_id}/stamp.{form}",
    summary="Take the receive stamp",
    response_class=Response,
    responses={200: {"content": {media_type: {} for media_type in MEDIA_TYPES.values()}, "description": "The stamp."}},
)
async def read_stamp(recipient_id: UUID, form: StampForm, caller: Acknowledger, ack: Ack) -> Response:
    """ตรารับ for the agency's own copy: the receive number, date and time as they stand, under the agency's name."""
    agency_id = caller.agency()
    async with ack.database.connection() as connection:
        recipient = await recipients.get(connection, recipient_id)
    if recipient is None or recipient.agency_id != agency_id:
        raise ProblemError(common.NOT_FOUND)
    data = receive_stamp.stamp_data(recipient)
    if data is None:
        raise ProblemError(problems.NOT_ANSWERED, "the letter is not registered")
    headers = {
        "Content-Disposition": f'attachment; filename="stamp-{recipient_id}.{form}"',
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(await receive_stamp.draw(data, form), 200, headers, media_type=MEDIA_TYPES[form])
