"""Routes by which answers are corrected, taken back, doubted and defended, and by which all that was recorded is read."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path

from services.ack.acknowledging import Caller, Recorded, Side, change_answer
from services.ack.api.answers import AcknowledgmentOut, EventOut, TimelineOut
from services.ack.api.bodies import AttestedIn, CorrectionIn, DisputeIn, DisputeReplyIn, WithdrawalIn
from services.ack.api.dependencies import Ack, Acknowledger, CircularReader, RecipientReader, by_link
from services.ack.facts import Door
from services.ack.resources import Resources
from services.ack.store import circulars, events, recipients
from shared import problems as common
from shared.access import Principal
from shared.problems import ProblemError

router = APIRouter(tags=["acknowledgments"])

Link = Annotated[str, Path(max_length=300, description="The signed link; it is the credential.")]


def _recipient(caller: Principal) -> Caller:
    return Caller(Door.API, caller.client_id, caller.agency())


def _sender(caller: Principal, door: Door = Door.API) -> Caller:
    return Caller(door, caller.client_id, caller.agency(), Side.SENDER)


async def _changed(
    ack: Resources,
    recipient_id: UUID,
    body: CorrectionIn | WithdrawalIn | DisputeIn | DisputeReplyIn,
    caller: Caller,
) -> AcknowledgmentOut:
    recorded: Recorded = await change_answer(ack.database, recipient_id, body.change(), caller, now=ack.now())
    return AcknowledgmentOut.of(recorded)


@router.post("/v1/recipients/{recipient_id}/corrections", summary="Correct a receive number of your agency")
async def correct(recipient_id: UUID, body: CorrectionIn, caller: Acknowledger, ack: Ack) -> AcknowledgmentOut:
    """The number, day or registrar was written wrongly. What stood there first stays in the record; the same again changes nothing."""
    return await _changed(ack, recipient_id, body, _recipient(caller))


@router.post("/v1/recipients/{recipient_id}/withdrawals", summary="Take an answer of your agency back")
async def withdraw(recipient_id: UUID, body: WithdrawalIn, caller: Acknowledger, ack: Ack) -> AcknowledgmentOut:
    """The answer was given by mistake. It stays in the record as withdrawn, and another may be given."""
    return await _changed(ack, recipient_id, body, _recipient(caller))


@router.post("/v1/acknowledgments/{link}/corrections", summary="Correct a receive number with the letter's link")
async def correct_with_link(link: Link, body: CorrectionIn, ack: Ack) -> AcknowledgmentOut:
    """The same as with a token."""
    recipient_id, by = by_link(ack, link, Door.LINK)
    return await _changed(ack, recipient_id, body, by)


@router.post("/v1/acknowledgments/{link}/withdrawals", summary="Take an answer back with the letter's link")
async def withdraw_with_link(link: Link, body: WithdrawalIn, ack: Ack) -> AcknowledgmentOut:
    """The same as with a token."""
    recipient_id, by = by_link(ack, link, Door.LINK)
    return await _changed(ack, recipient_id, body, by)


@router.post("/v1/recipients/{recipient_id}/disputes", summary="Doubt a receive number of a recipient of your circular")
async def dispute(recipient_id: UUID, body: DisputeIn, caller: CircularReader, ack: Ack) -> AcknowledgmentOut:
    """The recipient is told (แจ้งเลขรับผิด); it corrects the number or says that it stands. The answer counts meanwhile."""
    return await _changed(ack, recipient_id, body, _sender(caller))


@router.post("/v1/recipients/{recipient_id}/dispute-replies", summary="Say that a disputed receive number stands")
async def reply(recipient_id: UUID, body: DisputeReplyIn, caller: Acknowledger, ack: Ack) -> AcknowledgmentOut:
    """A number that is wrong is corrected instead, and that settles the dispute too."""
    return await _changed(ack, recipient_id, body, _recipient(caller))


@router.post(
    "/v1/recipients/{recipient_id}/attested-acknowledgment", summary="Record an answer that came on paper or by telephone"
)
async def attest(recipient_id: UUID, body: AttestedIn, caller: CircularReader, ack: Ack) -> AcknowledgmentOut:
    """For the sender's clerk: the answer counts, and is marked as written down by you. The recipient can correct it."""
    by = _sender(caller, Door.CLERK)
    return AcknowledgmentOut.of(await ack.recorder.acknowledge(recipient_id, body.draft(), by, now=ack.now()))


@router.get("/v1/recipients/{recipient_id}/timeline", summary="Read all that was recorded of a recipient")
async def read_timeline(recipient_id: UUID, caller: RecipientReader, ack: Ack) -> TimelineOut:
    """For the recipient's agency and for the sender: every event, corrected and withdrawn ones too."""
    agency_id = caller.agency()
    async with ack.database.connection() as connection:
        recipient = await recipients.get(connection, recipient_id)
        circular = None if recipient is None else await circulars.get(connection, recipient.circular_id)
        if recipient is None or circular is None or agency_id not in (recipient.agency_id, circular.sender_agency_id):
            raise ProblemError(common.NOT_FOUND)
        rows = await events.timeline(connection, recipient_id)
    return TimelineOut(
        recipient_id=recipient_id,
        circular_id=recipient.circular_id,
        crossed=recipient.crossed,
        events=[EventOut.model_validate(row, from_attributes=True) for row in rows],
    )
