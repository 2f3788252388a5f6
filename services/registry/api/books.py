"""Routes of the two books: pages, search and export of ทะเบียนหนังสือส่ง and ทะเบียนหนังสือรับ, and remarks."""

from collections.abc import Sequence
from datetime import date, datetime, time
from enum import StrEnum
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from services.registry import bookkeeping, exporting
from services.registry.api.dependencies import DEFAULT_PAGE, After, IfMatch, LetterReader, LetterWriter, Limit, Registry, etag
from services.registry.api.fields import Block, RequestModel
from services.registry.domain.books import (
    SHORTEST_SEARCH,
    EntryState,
    Filter,
    ReceivedEntry,
    ReceivedState,
    SentEntry,
    Source,
    search_text,
)
from services.registry.domain.numbering import Series
from services.registry.exporting import Form
from services.registry.store import books
from services.registry.store.books import Change
from shared import problems as shared_problems
from shared.contracts.events import Secrecy, Speed
from shared.pages import Page, page_of, read_cursor
from shared.problems import FieldError, ProblemError
from shared.thai.dates import FIRST_BUDDHIST_YEAR, LAST_BUDDHIST_YEAR, parse_date

router = APIRouter(prefix="/v1/books", tags=["books"])


class Order(StrEnum):
    """`asc` as the book is written, `desc` from its end."""

    ASC = "asc"
    DESC = "desc"


def _day(value: object) -> object:
    return parse_date(value) if isinstance(value, str) else value


Day = Annotated[date, BeforeValidator(_day)]
Year = Annotated[int | None, Query(ge=FIRST_BUDDHIST_YEAR, le=LAST_BUDDHIST_YEAR, description="Buddhist year.")]
First = Annotated[Day | None, Query(alias="from", description="First day, as 2017-11-09 or ๙ พ.ย. ๖๐.")]
Last = Annotated[Day | None, Query(alias="to", description="Last day, inclusive.")]
Words = Annotated[
    str | None,
    Query(max_length=200, description="What stands anywhere in number, subject, sender or addressee; digits Thai or Arabic."),
]
Direction = Annotated[Order, Query(description="`asc` as the book is written, `desc` from its end.")]
HasRemark = Annotated[bool | None, Query(description="Only entries with a remark, or only those without.")]


class SentOut(BaseModel):
    """A row of the book of sent letters (ทะเบียนหนังสือส่ง)."""

    entry_id: UUID
    register_id: UUID
    year_be: int
    series: Series
    running: int = Field(description="เลขทะเบียนส่ง")
    number: str = Field(description="ที่")
    letter_date: date = Field(description="ลงวันที่")
    sender: str = Field(description="จาก")
    addressee: str = Field(description="ถึง")
    addressee_count: int | None = Field(description="How many the letter went to; null before it went round.")
    subject: str = Field(description="เรื่อง; of a letter of a class of secrecy only the class.")
    state: EntryState = Field(description="การปฏิบัติ")
    state_reason: str | None
    dispatched_at: datetime | None
    circular_id: UUID | None
    letter_id: UUID | None = Field(description="Null for a number that was cancelled.")
    speed: Speed
    secrecy: Secrecy
    remark: str = Field(description="หมายเหตุ")
    version: int


class ReceivedOut(BaseModel):
    """A row of the book of received letters (ทะเบียนหนังสือรับ)."""

    received_id: UUID
    year_be: int
    unit: str = Field(description="The unit whose receive register it is; empty when the agency has one.")
    receive_number: str = Field(description="เลขทะเบียนรับ, as it was written.")
    running: int | None = Field(description="The receive number as a number, if it is one.")
    number_issued: bool = Field(description="Whether the receive register issued the number.")
    receive_date: date
    receive_time: time | None
    letter_number: str = Field(description="ที่")
    letter_date: date | None = Field(description="ลงวันที่")
    sender: str = Field(description="จาก")
    sender_agency_id: UUID | None
    addressee: str = Field(description="ถึง")
    subject: str = Field(description="เรื่อง; of a letter of a class of secrecy only the class.")
    action: str = Field(description="การปฏิบัติ")
    remark: str = Field(description="หมายเหตุ")
    speed: Speed
    secrecy: Secrecy
    source: Source
    recipient_id: UUID | None
    circular_id: UUID | None
    letter_id: UUID | None
    state: ReceivedState
    void_reason: str | None
    version: int


class RemarkIn(RequestModel):
    """หมายเหตุ."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"remark": "ส่งสำเนาให้กลุ่มงานอำนวยการแล้ว"}]})

    remark: Block = Field(description="Empty takes the remark away.")


class ChangeOut(BaseModel):
    """What an entry said before a change."""

    version: int = Field(description="The version that said so.")
    before: dict[str, Any]
    changed_by: str
    changed_at: datetime


class ChangesOut(BaseModel):
    """The changes of an entry, oldest first."""

    items: list[ChangeOut]


def shown_sent(entry: SentEntry) -> SentOut:
    """The entry as the API gives it."""
    return SentOut(**{name: getattr(entry, name) for name in SentOut.model_fields})


def shown_received(entry: ReceivedEntry) -> ReceivedOut:
    """The entry as the API gives it."""
    said, known = entry.said, entry.acknowledged
    own = {name: getattr(said, name) for name in ReceivedOut.model_fields if hasattr(said, name)}
    return ReceivedOut(
        **own,
        received_id=entry.received_id,
        year_be=entry.year_be,
        running=entry.running or None,
        number_issued=entry.number_issued,
        source=entry.source,
        recipient_id=known and known.recipient_id,
        circular_id=known and known.circular_id,
        letter_id=known and known.letter_id,
        state=entry.state,
        void_reason=entry.void_reason,
        version=entry.version,
    )


def shown_changes(changes: Sequence[Change]) -> ChangesOut:
    """The changes as the API gives them."""
    return ChangesOut(
        items=[
            ChangeOut(version=one.version, before=dict(one.before), changed_by=one.changed_by, changed_at=one.changed_at)
            for one in changes
        ]
    )


_REMARK: Final = {True: "remark", False: "no remark"}


def _facets(remark: bool | None, **named: StrEnum | str | UUID | None) -> dict[str, str | None]:
    found: dict[str, str | None] = {name: str(value) for name, value in named.items() if value is not None}
    return found if remark is None else {**found, _REMARK[remark]: None}


def searched(q: str | None) -> str:
    """The text of a search as it is compared. Raises ProblemError when it is too short."""
    text = search_text(q or "")
    if q is not None and len(text) < SHORTEST_SEARCH:
        detail = f"give at least {SHORTEST_SEARCH} characters"
        raise ProblemError(shared_problems.REQUEST_INVALID, detail, errors=[FieldError("query q", "too_short", detail)])
    return text


def _sent_filter(
    caller: LetterReader,
    register_id: Annotated[UUID | None, Query()] = None,
    year: Year = None,
    first: First = None,
    last: Last = None,
    series: Annotated[Series | None, Query()] = None,
    state: Annotated[EntryState | None, Query()] = None,
    speed: Annotated[Speed | None, Query()] = None,
    recipient_agency_id: Annotated[
        UUID | None, Query(description="The agency to which the letters went, or that their lists name.")
    ] = None,
    has_remark: HasRemark = None,
    q: Words = None,
) -> Filter:
    return Filter(
        agency_id=caller.agency(),
        year_be=year,
        first_day=first or date.min,
        last_day=last or date.max,
        text=searched(q),
        facets=_facets(has_remark, series=series, state=state, speed=speed),
        register_id=register_id,
        counterpart_id=recipient_agency_id,
    )


def _received_filter(
    caller: LetterReader,
    year: Year = None,
    first: First = None,
    last: Last = None,
    unit: Annotated[str | None, Query(max_length=100)] = None,
    source: Annotated[Source | None, Query()] = None,
    state: Annotated[ReceivedState | None, Query()] = None,
    speed: Annotated[Speed | None, Query()] = None,
    sender_agency_id: Annotated[UUID | None, Query(description="The agency that sent the letters.")] = None,
    has_remark: HasRemark = None,
    q: Words = None,
) -> Filter:
    return Filter(
        agency_id=caller.agency(),
        year_be=year,
        first_day=first or date.min,
        last_day=last or date.max,
        text=searched(q),
        facets=_facets(has_remark, unit=unit, source=source, state=state, speed=speed, sender=sender_agency_id),
    )


SentFilter = Annotated[Filter, Depends(_sent_filter)]
ReceivedFilter = Annotated[Filter, Depends(_received_filter)]
FormQuery = Annotated[Form, Query(alias="format")]


@router.get("/sent", summary="Read the book of sent letters")
async def read_sent(
    where: SentFilter,
    registry: Registry,
    request: Request,
    response: Response,
    order: Direction = Order.DESC,
    after: After = None,
    limit: Limit = DEFAULT_PAGE,
) -> Page[SentOut]:
    """ทะเบียนหนังสือส่ง: each number that was issued, in the order of year, register, series and running number."""
    key, down = read_cursor(after), order is Order.DESC
    async with registry.database.transaction() as connection:
        found = await bookkeeping.read_page(connection, bookkeeping.SENT, where, after=key, limit=limit + 1, down=down)
    return page_of(found, limit, key=lambda entry: "|".join(entry.key), show=shown_sent, request=request, response=response)


@router.get("/received", summary="Read the book of received letters")
async def read_received(
    where: ReceivedFilter,
    registry: Registry,
    request: Request,
    response: Response,
    order: Direction = Order.DESC,
    after: After = None,
    limit: Limit = DEFAULT_PAGE,
) -> Page[ReceivedOut]:
    """ทะเบียนหนังสือรับ: what the agency has acknowledged and what it entered by hand, in the order of day and receive number."""
    key, down = read_cursor(after), order is Order.DESC
    async with registry.database.transaction() as connection:
        found = await bookkeeping.read_page(connection, bookkeeping.RECEIVED, where, after=key, limit=limit + 1, down=down)
    return page_of(found, limit, key=lambda entry: "|".join(entry.key), show=shown_received, request=request, response=response)


@router.get("/sent/export", summary="Take the book of sent letters", response_class=Response)
async def export_sent(where: SentFilter, registry: Registry, form: FormQuery) -> Response:
    """The filtered entries as a file: PDF in the form's layout, XLSX, or CSV."""
    return await exporting.export(registry, exporting.SENT, where, form)


@router.get("/received/export", summary="Take the book of received letters", response_class=Response)
async def export_received(where: ReceivedFilter, registry: Registry, form: FormQuery) -> Response:
    """The filtered entries as a file: PDF in the form's layout, XLSX, or CSV."""
    return await exporting.export(registry, exporting.RECEIVED, where, form)


@router.put("/sent/{entry_id}/remark", summary="Write a remark on a sent letter")
async def write_remark(
    entry_id: UUID, body: RemarkIn, caller: LetterWriter, registry: Registry, response: Response, version: IfMatch
) -> SentOut:
    """Writes หมายเหตุ. The letter is not touched, and earlier remarks stay in the entry's changes."""
    entry = await bookkeeping.write_remark(
        registry.database, caller.agency(), entry_id, body.remark, version=version, by=caller.client_id
    )
    response.headers.update(etag(entry.version))
    return shown_sent(entry)


@router.get("/sent/{entry_id}/changes", summary="Read the changes of a sent letter's entry")
async def read_sent_changes(entry_id: UUID, caller: LetterReader, registry: Registry) -> ChangesOut:
    """What the remark was before, and who changed it when."""
    async with registry.database.connection() as connection:
        if await books.get_for_update(connection, entry_id, caller.agency()) is None:
            raise ProblemError(shared_problems.NOT_FOUND)
        return shown_changes(await books.changes(connection, entry_id))
