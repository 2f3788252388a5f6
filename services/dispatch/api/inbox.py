"""The pull inbox: for agencies without a webhook, and for all others when one is not enough."""

from datetime import UTC, date, datetime
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from services.dispatch import payload
from services.dispatch.api.dependencies import DEFAULT_PAGE, After, Dispatch, Limit, Recipient
from services.dispatch.delivery.decide import pulled
from services.dispatch.delivery.jobs import CircularContent
from services.dispatch.resources import Resources
from services.dispatch.store import circulars, reading, transitions
from services.dispatch.store.reading import StoredDelivery
from services.dispatch.store.transitions import Move
from shared.contracts.events import Channel, HandOverGrade, LetterSummary, Role, Secrecy, Speed
from shared.links import Purpose
from shared.pages import Page, page_of, read_id_cursor
from shared.problems import NOT_FOUND, ProblemError

router = APIRouter(prefix="/v1/inbox", tags=["inbox"])


class SenderOut(BaseModel):
    """Who sent the letter."""

    agency_id: UUID
    name_th: str
    name_en: str


class AddresseeOut(BaseModel):
    """Under which title of the list the letter is addressed; `position` counts from 1."""

    title: str
    position: int


class InboxItem(BaseModel):
    """A letter that waits for your acknowledgment."""

    delivery_id: UUID
    recipient_id: UUID
    circular_id: UUID
    addressee: AddresseeOut
    sender: SenderOut
    number: str
    date: date
    subject: str = Field(description="Empty when the letter is secret.")
    speed: Speed
    secrecy: Secrecy
    deadline: datetime | None
    relay_duty: bool
    role: Role = Field(description="`action` เพื่อดำเนินการ, `information` เพื่อทราบ, `copy` สำเนาส่ง.")
    handed_over_at: datetime | None = Field(description="When it was first handed over to you, by any channel.")
    hand_over_channel: Channel | None
    acknowledgment_url: str


class InboxLetter(InboxItem):
    """The same with the whole letter. A secret one is read at `GET /v1/letters/{letter_id}`."""

    dispatched_at: datetime
    hand_over_grade: HandOverGrade | None
    letter: LetterSummary


@router.get("", summary="What waits for you")
async def list_inbox(
    request: Request, response: Response, caller: Recipient, dispatch: Dispatch, after: After = None, limit: Limit = DEFAULT_PAGE
) -> Page[InboxItem]:
    """Letters to your agency that it has not acknowledged, oldest first, by whichever channel they came.

    Listing is not a hand-over; fetching one is.
    """
    cursor = read_id_cursor(after)
    async with dispatch.database.connection() as connection:
        found = await reading.inbox(connection, caller.agency(), cursor, limit + 1)
        contents = await circulars.get_circulars(connection, list({delivery.circular_id for delivery in found}))
    url = dispatch.settings.public_url
    return page_of(
        found,
        limit,
        key=lambda delivery: str(delivery.address.delivery_id),
        show=lambda delivery: _item(delivery, contents[delivery.circular_id], url),
        request=request,
        response=response,
    )


@router.get("/{delivery_id}", summary="Fetch a letter")
async def fetch(delivery_id: UUID, caller: Recipient, dispatch: Dispatch) -> InboxLetter:
    """The whole letter. The first fetch hands it over, unless another channel has; every further one gives the same."""
    agency_id = caller.agency()
    async with dispatch.database.connection() as connection:
        delivery = await _own(connection, delivery_id, agency_id)
        content = (await circulars.get_circulars(connection, [delivery.circular_id]))[delivery.circular_id]
    if delivery.state != "handed_over":
        delivery = await _hand_over(dispatch, delivery_id, agency_id)
    return show_letter(dispatch, delivery, content)


async def _own(connection: reading.Connection, delivery_id: UUID, agency_id: UUID) -> StoredDelivery:
    delivery = await reading.get(connection, delivery_id)
    if delivery is None or delivery.address.agency_id != agency_id or delivery.state == "recalled":
        raise ProblemError(NOT_FOUND)
    return delivery


async def _hand_over(dispatch: Resources, delivery_id: UUID, agency_id: UUID) -> StoredDelivery:
    """Record the hand-over once: the row is locked, and looked at again. A late pull mends even `undeliverable`."""
    async with dispatch.database.transaction() as connection:
        moves = [
            Move(locked, pulled(datetime.now(UTC)))
            for locked in await dispatch.deliveries.lock(connection, [delivery_id])
            if locked.state not in ("handed_over", "recalled")
        ]
        await transitions.apply(connection, moves)
        return await _own(connection, delivery_id, agency_id)


def show_letter(dispatch: Resources, delivery: StoredDelivery, circular: CircularContent) -> InboxLetter:
    """The whole letter as its recipient gets it."""
    return InboxLetter(
        **_item(delivery, circular, dispatch.settings.public_url).model_dump(),
        dispatched_at=circular.dispatched_at,
        hand_over_grade=delivery.hand_over_grade,
        letter=_letter(dispatch, circular.letter),
    )


def _letter(dispatch: Resources, letter: LetterSummary) -> LetterSummary:
    # Signed afresh: a letter may lie in the inbox for longer than a link is valid.
    url = dispatch.settings.public_url
    attachments = tuple(
        attachment.model_copy(update={"url": payload.file_url(url, dispatch.signer.sign(Purpose.FILE, attachment.attachment_id))})
        for attachment in letter.attachments
    )
    return letter.model_copy(update={"attachments": attachments})


def _item(delivery: StoredDelivery, circular: CircularContent, public_url: str) -> InboxItem:
    address, letter = delivery.address, circular.letter
    return InboxItem(
        delivery_id=address.delivery_id,
        recipient_id=address.recipient_id,
        circular_id=circular.circular_id,
        addressee=AddresseeOut(title=address.title, position=address.position),
        sender=SenderOut(agency_id=circular.sender_agency_id, name_th=circular.sender_name_th, name_en=circular.sender_name_en),
        number=letter.number,
        date=letter.date,
        subject=letter.subject,
        speed=letter.speed,
        secrecy=letter.secrecy,
        deadline=circular.deadline,
        relay_duty=address.relay_duty,
        role=address.role or Role.ACTION,
        handed_over_at=delivery.handed_over_at,
        hand_over_channel=delivery.hand_over_channel,
        acknowledgment_url=payload.acknowledgment_url(public_url, address.acknowledgment_link),
    )
