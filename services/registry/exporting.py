"""Writes the books as files: PDF in the form's layout, XLSX, and CSV."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, Final, Generic, TypeVar

import fontpkg_sarabun
import typst
import xlsxwriter
from fastapi import Response
from fastapi.responses import StreamingResponse

from services.registry import bookkeeping
from services.registry.bookkeeping import Book, Entry, all_entries
from services.registry.domain.books import EntryState, Filter, ReceivedEntry, ReceivedState, SentEntry
from services.registry.domain.file_types import XLSX
from services.registry.problems.books import BOOK_TOO_LONG
from services.registry.resources import Resources
from services.registry.store import agencies
from shared.problems import ProblemError
from shared.spreadsheets import BYTE_ORDER_MARK, csv_lines, neutral
from shared.thai.dates import bangkok_date, clock, long_date, short_date
from shared.thai.digits import to_thai

TEMPLATE: Final = Path(__file__).with_name("book.typ")
FONTS: Final = Path(fontpkg_sarabun.ROOT) / "files"
CHUNK: Final = 256 * 1024

STATES: Final = {
    EntryState.REGISTERED: "ลงทะเบียนแล้ว",
    EntryState.DISPATCHED: "ส่งเวียนแล้ว",
    EntryState.CANCELLED: "ยกเลิกเลข",
    EntryState.VOID: "ยกเลิกหนังสือ",
    EntryState.SUPERSEDED: "มีหนังสือฉบับใหม่แทน",
    EntryState.RECALLED: "เรียกคืน",
}

EntryT = TypeVar("EntryT", bound=Entry)


class Form(StrEnum):
    """The forms of an exported book."""

    PDF = "pdf"
    XLSX = "xlsx"
    CSV = "csv"


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the statutory form: เลขทะเบียน, ที่, ลงวันที่, จาก, ถึง, เรื่อง, การปฏิบัติ, หมายเหตุ."""

    running: str
    number: str
    day: str
    sender: str
    addressee: str
    subject: str
    action: str
    remark: str

    @property
    def cells(self) -> tuple[str, ...]:
        return (self.running, self.number, self.day, self.sender, self.addressee, self.subject, self.action, self.remark)


@dataclass(frozen=True, slots=True)
class Exported(Generic[EntryT]):
    """How one book is exported."""

    name: str
    title: str
    first_column: str
    book: Book[EntryT, Any]
    line: Callable[[EntryT], Line]

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.first_column, "ที่", "ลงวันที่", "จาก", "ถึง", "เรื่อง", "การปฏิบัติ", "หมายเหตุ")


def sent_line(entry: SentEntry) -> Line:
    """The row of a sent letter."""
    action = STATES[entry.state]
    if entry.state is EntryState.DISPATCHED and entry.dispatched_at is not None:
        action += f" {short_date(bangkok_date(entry.dispatched_at))}"
    if entry.state_reason:
        action += f": {entry.state_reason}"
    count = "" if entry.addressee_count is None else f" (รวม {entry.addressee_count:,} ราย)"
    return Line(
        running=to_thai(entry.running),
        number=to_thai(entry.number),
        day=short_date(entry.letter_date),
        sender=entry.sender,
        addressee=to_thai(entry.addressee + count),
        subject=entry.subject,
        action=to_thai(action),
        remark=entry.remark,
    )


def received_line(entry: ReceivedEntry) -> Line:
    """The row of a received letter; under the receive number stands when it came."""
    said = entry.said
    came = short_date(said.receive_date) + (f" {clock(said.receive_time)}" if said.receive_time else "")
    action = said.action
    if entry.state is ReceivedState.VOID:
        action = f"ยกเลิกรายการ: {entry.void_reason}"
    return Line(
        running=f"{to_thai(said.receive_number)}\n{came}",
        number=to_thai(said.letter_number),
        day="" if said.letter_date is None else short_date(said.letter_date),
        sender=said.sender,
        addressee=said.addressee,
        subject=said.subject,
        action=action,
        remark=said.remark,
    )


SENT: Final = Exported("sent", "ทะเบียนหนังสือส่ง", "เลขทะเบียนส่ง", bookkeeping.SENT, sent_line)
RECEIVED: Final = Exported("received", "ทะเบียนหนังสือรับ", "เลขทะเบียนรับ", bookkeeping.RECEIVED, received_line)


async def export(resources: Resources, exported: Exported[EntryT], where: Filter, form: Form) -> Response:
    """The filtered entries as a download. Raises ProblemError `book_too_long`."""
    headers = {"Content-Disposition": f'attachment; filename="{exported.name}.{form}"', "Cache-Control": "no-store"}
    match form:
        case Form.PDF:
            return Response(await _pdf(resources, exported, where), 200, headers, media_type="application/pdf")
        case Form.XLSX:
            file = await _xlsx(resources, exported, where)
            return StreamingResponse(_pieces(file), 200, headers, media_type=XLSX)
        case Form.CSV:
            return StreamingResponse(_csv(resources, exported, where), 200, headers, media_type="text/csv; charset=utf-8")


async def _lines(resources: Resources, exported: Exported[EntryT], where: Filter, most: int | None) -> AsyncGenerator[list[Line]]:
    count = 0
    async for batch in all_entries(resources.database, exported.book, where):
        count += len(batch)
        if most is not None and count > most:
            raise ProblemError(BOOK_TOO_LONG, f"at most {most} entries")
        yield [exported.line(entry) for entry in batch]


async def _csv(resources: Resources, exported: Exported[EntryT], where: Filter) -> AsyncGenerator[str]:
    yield BYTE_ORDER_MARK + csv_lines([exported.columns])
    async for lines in _lines(resources, exported, where, None):
        yield csv_lines(line.cells for line in lines)


async def _xlsx(resources: Resources, exported: Exported[EntryT], where: Filter) -> IO[bytes]:
    """The workbook as an open temporary file; one row at a time is in memory."""
    file: IO[bytes] = TemporaryFile()  # noqa: SIM115 - closed when it has been sent
    try:
        workbook: Any = xlsxwriter.Workbook(
            file, {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
        )
        sheet = workbook.add_worksheet(exported.title)
        heading = workbook.add_format({"bold": True, "border": 1})
        for column, (title, width) in enumerate(zip(exported.columns, (14, 24, 14, 24, 36, 48, 24, 24), strict=True)):
            sheet.set_column(column, column, width)
            sheet.write_string(0, column, title, heading)
        at = 1
        async for lines in _lines(resources, exported, where, resources.settings.registry_book_xlsx_max_rows):
            await asyncio.to_thread(_write_rows, sheet, at, lines)
            at += len(lines)
        await asyncio.to_thread(workbook.close)
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file


def _write_rows(sheet: Any, at: int, lines: Sequence[Line]) -> None:
    for row, line in enumerate(lines, at):
        for column, cell in enumerate(line.cells):
            sheet.write_string(row, column, neutral(cell))


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while piece := file.read(CHUNK):
            yield piece


async def _pdf(resources: Resources, exported: Exported[EntryT], where: Filter) -> bytes:
    most = resources.settings.registry_book_pdf_max_rows
    lines = [line async for batch in _lines(resources, exported, where, most) for line in batch]
    async with resources.database.connection() as connection:
        agency = await agencies.get(connection, where.agency_id)
    now = datetime.now(UTC)
    data = {
        "title": exported.title,
        "agency": "" if agency is None else agency.entry.name_th,
        "year": "" if where.year_be is None else f"ประจำปี พ.ศ. {to_thai(where.year_be)}",
        "columns": exported.columns,
        "rows": [line.cells for line in lines],
        "count": to_thai(f"รวม {len(lines):,} รายการ"),
        "printed": f"พิมพ์เมื่อ {long_date(bangkok_date(now))} {clock(now)}",
    }
    async with resources.printing:
        return await asyncio.to_thread(_compile, data, int(now.timestamp()))


def _compile(data: Mapping[str, object], timestamp: int) -> bytes:
    # The data are JSON, never markup: a subject cannot become an instruction of the typesetter.
    return typst.compile(
        TEMPLATE.read_bytes(),
        font_paths=_fonts(),
        sys_inputs={"book": json.dumps(data, ensure_ascii=False)},
        timestamp=timestamp,
    )


@cache
def _fonts() -> typst.Fonts:
    return typst.Fonts(include_system_fonts=False, font_paths=[FONTS])
