"""Letters on paper: what waits for a clerk of the sender, the sheets to print, and what the clerk records."""

from collections.abc import AsyncGenerator
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from services.dispatch import payload, problems, sheets
from services.dispatch.api.dependencies import DEFAULT_PAGE, After, Dispatch, Limit, Sender, SendersClerk
from services.dispatch.delivery.decide import Transition, paper_failed, sent_on_paper
from services.dispatch.delivery.jobs import CircularContent
from services.dispatch.paper import How, PaperFailure, is_possible_day, sent_at
from services.dispatch.resources import Resources
from services.dispatch.store import circulars, paper, transitions
from services.dispatch.store.paper import PaperDelivery, Record, StoredRecord
from services.dispatch.store.transitions import Move
from shared.access import Principal
from shared.codes import acknowledgment_code
from shared.contracts.events import Channel
from shared.pages import Page, page_of, read_id_cursor
from shared.problems import NOT_FOUND, FieldError, ProblemError
from shared.spreadsheets import BYTE_ORDER_MARK, csv_lines
from shared.thai.text import has_unsafe_characters

BATCH: Final = 1000
MOST_PRINTED_ROWS: Final = 5000
CSV_COLUMNS: Final = ("position", "title", "agency_name_th", "number", "date", "subject", "send_before", "delivery_id")

router = APIRouter(prefix="/v1/paper", tags=["paper"])


def _safe(text: str) -> str:
    if "\n" in text or "\t" in text or has_unsafe_characters(text):
        raise ValueError("one line, without control characters and overrides of writing direction")
    return text


class _Said(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PaperSent(_Said):
    """The letter has been sent on paper. `reference` is the parcel number, or who took it."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"sent_on": "2026-11-23", "how": "post", "reference": "EB123456789TH"}]}
    )

    sent_on: date = Field(description="The day in Bangkok: from the circular's dispatch to today.")
    how: How
    reference: Annotated[str, StringConstraints(strip_whitespace=True, max_length=200), AfterValidator(_safe)] = ""


class PaperFailed(_Said):
    """Paper does not reach the recipient either: the delivery ends as undeliverable."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "address_unknown", "note": "หน่วยงานย้ายที่ตั้ง"}]})

    reason: PaperFailure
    note: Annotated[str, StringConstraints(strip_whitespace=True, max_length=500), AfterValidator(_safe)] = ""


class PaperItem(BaseModel):
    """A letter that a clerk of your agency is to print and send."""

    delivery_id: UUID
    circular_id: UUID
    agency_id: UUID
    agency_name_th: str | None
    title: str
    position: int
    number: str
    date: date
    subject: str = Field(description="Empty when the letter is secret.")
    deadline: datetime | None
    send_before: datetime | None = Field(description="When the wait ends and the delivery becomes undeliverable.")


class PaperRecordOut(BaseModel):
    """What a clerk recorded, as the delivery's attempt `number`. `sent_on` and `how`, or `reason`, is null."""

    delivery_id: UUID
    number: int
    sent_on: date | None
    how: How | None
    reference: str
    reason: PaperFailure | None
    note: str
    recorded_at: datetime


class SheetForm(StrEnum):
    """The forms of the clerk's list."""

    PDF = "pdf"
    CSV = "csv"


@router.get("", summary="What waits to be sent on paper")
async def list_paper(
    request: Request,
    response: Response,
    caller: Sender,
    dispatch: Dispatch,
    circular_id: Annotated[UUID | None, Query(description="Only of this circular of your agency.")] = None,
    after: After = None,
    limit: Limit = DEFAULT_PAGE,
) -> Page[PaperItem]:
    """Letters of your agency that no channel could hand over, oldest first: print the cover sheet, send it, and record it."""
    cursor = read_id_cursor(after)
    async with dispatch.database.connection() as connection:
        found = await paper.waiting(connection, caller.agency(), circular_id, cursor, limit + 1)
        contents = await circulars.get_circulars(connection, list({delivery.circular_id for delivery in found}))
    return page_of(
        found,
        limit,
        key=lambda delivery: str(delivery.address.delivery_id),
        show=lambda delivery: _item(delivery, contents[delivery.circular_id]),
        request=request,
        response=response,
    )


@router.get("/sheet", summary="The clerk's list", response_class=Response)
async def read_sheet(
    circular_id: Annotated[UUID, Query(description="A circular that your agency sent.")],
    caller: Sender,
    dispatch: Dispatch,
    form: SheetForm = SheetForm.PDF,
) -> Response:
    """What of a circular waits to be sent on paper, in list order, as PDF to work through or CSV for a spreadsheet."""
    async with dispatch.database.connection() as connection:
        content = (await circulars.get_circulars(connection, [circular_id])).get(circular_id)
    if content is None or content.sender_agency_id != caller.agency():
        raise ProblemError(NOT_FOUND)
    headers = _download(f"paper-{circular_id}.{form}")
    match form:
        case SheetForm.CSV:
            return StreamingResponse(_csv(dispatch, content), 200, headers, media_type="text/csv; charset=utf-8")
        case SheetForm.PDF:
            return Response(await _pdf(dispatch, content), 200, headers, media_type="application/pdf")


@router.get("/{delivery_id}/cover", summary="The cover sheet", response_class=Response)
async def read_cover(delivery_id: UUID, caller: Sender, dispatch: Dispatch) -> Response:
    """A page to lie on the printed letter: addressee, sender, letter, and the code by which it is acknowledged (PDF)."""
    async with dispatch.database.connection() as connection:
        delivery = await _own(connection, delivery_id, caller)
        content = (await circulars.get_circulars(connection, [delivery.circular_id]))[delivery.circular_id]
    if delivery.channel != Channel.PAPER:
        raise ProblemError(problems.PAPER_NOT_WAITING, f"the delivery is {delivery.state}")
    settings = dispatch.settings
    cover = sheets.Cover(
        delivery,
        content,
        code=acknowledgment_code(settings.link_key.get_secret_value(), delivery.address.recipient_id),
        page=payload.acknowledgment_entrance(settings.public_url),
        printed_at=datetime.now(UTC),
    )
    async with dispatch.printing:
        pdf = await sheets.print_cover(cover)
    return Response(pdf, 200, _download(f"cover-{delivery_id}.pdf"), media_type="application/pdf")


@router.post("/{delivery_id}/sent", summary="Record that a letter was sent on paper")
async def record_sent(delivery_id: UUID, body: PaperSent, caller: SendersClerk, dispatch: Dispatch) -> PaperRecordOut:
    """The letter is handed over, by a clerk's word and without proof that it arrived. The same again gets the first answer.

    Also for one whose wait on paper has ended meanwhile.
    """
    now = datetime.now(UTC)
    async with dispatch.database.connection() as connection:
        delivery = await _own(connection, delivery_id, caller)
        content = (await circulars.get_circulars(connection, [delivery.circular_id]))[delivery.circular_id]
    if not is_possible_day(body.sent_on, content.dispatched_at, now):
        raise ProblemError(
            problems.SENT_ON_INVALID,
            errors=[FieldError("/sent_on", "sent_on_invalid", "not before the dispatch, not after today")],
        )
    record = Record(body.sent_on, body.how, body.reference, None, "", caller.client_id, now)
    at = sent_at(body.sent_on, content.dispatched_at, now)
    return await _record(dispatch, delivery_id, record, sent_on_paper(at), open_states=("scheduled", "undeliverable"))


@router.post("/{delivery_id}/failed", summary="Record that paper does not reach the recipient")
async def record_failed(delivery_id: UUID, body: PaperFailed, caller: SendersClerk, dispatch: Dispatch) -> PaperRecordOut:
    """The delivery ends as undeliverable. The same again gets the first answer."""
    now = datetime.now(UTC)
    async with dispatch.database.connection() as connection:
        await _own(connection, delivery_id, caller)
    record = Record(None, None, "", body.reason, body.note, caller.client_id, now)
    failed = paper_failed(f"a clerk of the sender says: {body.reason}", now)
    return await _record(dispatch, delivery_id, record, failed, open_states=("scheduled",))


async def _record(
    dispatch: Resources, delivery_id: UUID, record: Record, transition: Transition, *, open_states: tuple[str, ...]
) -> PaperRecordOut:
    """Attempt, record, state and event in one transaction, over the locked row."""
    async with dispatch.database.transaction() as connection:
        (locked,) = await dispatch.deliveries.lock(connection, [delivery_id])
        last = await paper.last_record(connection, delivery_id)
        on_paper = locked.standing.channel is Channel.PAPER
        # While it waits, a record is news, even when it repeats one from before the delivery was set going again.
        if locked.state != "scheduled" and last is not None and last.record.says_the_same_as(record):
            return _show(delivery_id, last)
        if not on_paper or locked.state not in open_states:
            problem = problems.PAPER_NOT_WAITING if last is None else problems.PAPER_RECORDED_OTHERWISE
            raise ProblemError(problem, f"the delivery is {locked.state}")
        stored = await paper.add_record(connection, locked, record)
        await transitions.apply(connection, [Move(locked, transition, tried=True)])
    return _show(delivery_id, stored)


async def _own(connection: circulars.Connection, delivery_id: UUID, caller: Principal) -> PaperDelivery:
    delivery = await paper.get(connection, delivery_id, caller.agency())
    if delivery is None:
        raise ProblemError(NOT_FOUND)
    return delivery


async def _batches(dispatch: Resources, circular_id: UUID) -> AsyncGenerator[list[PaperDelivery]]:
    """All that waits, in list order; no connection is held between two batches, however slowly they are taken."""
    after: tuple[int, UUID] | None = None
    while True:
        async with dispatch.database.connection() as connection:
            batch = await paper.waiting_of_circular(connection, circular_id, after, BATCH)
        if batch:
            yield batch
        if len(batch) < BATCH:
            return
        after = batch[-1].address.position, batch[-1].address.delivery_id


async def _csv(dispatch: Resources, content: CircularContent) -> AsyncGenerator[str]:
    yield BYTE_ORDER_MARK + csv_lines([CSV_COLUMNS])
    async for batch in _batches(dispatch, content.circular_id):
        yield csv_lines(
            (
                delivery.address.position,
                delivery.address.title,
                delivery.agency_name_th,
                content.letter.number,
                content.letter.date,
                content.letter.subject,
                None if delivery.step_until is None else delivery.step_until.isoformat(),
                delivery.address.delivery_id,
            )
            for delivery in batch
        )


async def _pdf(dispatch: Resources, content: CircularContent) -> bytes:
    rows: list[PaperDelivery] = []
    async for batch in _batches(dispatch, content.circular_id):
        rows += batch
        if len(rows) > MOST_PRINTED_ROWS:
            raise ProblemError(problems.PAPER_LIST_TOO_LONG, f"at most {MOST_PRINTED_ROWS} letters are printed")
    async with dispatch.printing:
        return await sheets.print_list(sheets.WorkList(content, rows, datetime.now(UTC)))


def _download(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}


def _item(delivery: PaperDelivery, content: CircularContent) -> PaperItem:
    return PaperItem(
        delivery_id=delivery.address.delivery_id,
        circular_id=delivery.circular_id,
        agency_id=delivery.address.agency_id,
        agency_name_th=delivery.agency_name_th,
        title=delivery.address.title,
        position=delivery.address.position,
        number=content.letter.number,
        date=content.letter.date,
        subject=content.letter.subject,
        deadline=content.deadline,
        send_before=delivery.step_until,
    )


def _show(delivery_id: UUID, stored: StoredRecord) -> PaperRecordOut:
    record = stored.record
    return PaperRecordOut(
        delivery_id=delivery_id,
        number=stored.number,
        sent_on=record.sent_on,
        how=None if record.how is None else How(record.how),
        reference=record.reference,
        reason=None if record.reason is None else PaperFailure(record.reason),
        note=record.note,
        recorded_at=record.recorded_at,
    )
