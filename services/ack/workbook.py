"""Writes the filled annex as a workbook: the paper's columns first, then those of the CSV; one row at a time is in memory."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from tempfile import TemporaryDirectory, TemporaryFile
from typing import IO, Any, Final

import xlsxwriter

from services.ack import sheet, wording
from services.ack.store.circulars import Circular
from services.ack.store.recipients import Recipient
from services.ack.view import Matrix
from shared.spreadsheets import neutral
from shared.thai.dates import long_date
from shared.thai.digits import to_thai

MEDIA_TYPE: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
TITLE: Final = "บัญชีรายชื่อแนบท้าย"
# The columns of the paper, with their widths in characters.
PAPER_COLUMNS: Final = (("ลำดับ", 8), ("หน่วยงาน", 56), ("ผู้รับ/ลงวันที่", 44), ("ชื่อผู้รับ/เหตุผล", 30), ("หมายเหตุ", 30))
WIDTH: Final = 18
PIECE: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class Heading:
    """What stands above the list, as on paper."""

    circular: Circular
    matrix: Matrix
    written_at: datetime


Line = tuple[Recipient, Sequence[object]]


async def write_annex(heading: Heading, columns: Sequence[str], batches: AsyncIterator[Sequence[Line]]) -> IO[bytes]:
    """The workbook as an open temporary file at its beginning; `pieces` sends and closes it."""
    file: IO[bytes] = TemporaryFile()  # noqa: SIM115 - closed when it has been sent
    try:
        # What the library leaves of one that is given up midway goes with the folder.
        with TemporaryDirectory(prefix="wian-annex-") as folder:
            await _write(file, folder, heading, columns, batches)
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file


async def _write(
    file: IO[bytes], folder: str, heading: Heading, columns: Sequence[str], batches: AsyncIterator[Sequence[Line]]
) -> None:
    # The library has no types.
    workbook: Any = xlsxwriter.Workbook(
        file,
        {
            "constant_memory": True,
            "tmpdir": folder,
            "strings_to_formulas": False,
            "strings_to_urls": False,
            "strings_to_numbers": False,
        },
    )
    workbook.set_properties(
        {"title": f"{TITLE} {heading.circular.letter.number}", "created": heading.written_at.replace(tzinfo=None)}
    )
    paper = workbook.add_worksheet(TITLE)
    try:
        at = _write_heading(workbook, paper, heading, columns)
        async for batch in batches:
            await asyncio.to_thread(_write_lines, paper, at, batch, heading)
            at += len(batch)
        await asyncio.to_thread(workbook.close)
    finally:
        paper.row_data_fh.close()


def pieces(file: IO[bytes]) -> Iterator[bytes]:
    """The file in pieces; it is closed behind the last."""
    with file:
        while piece := file.read(PIECE):
            yield piece


def _write_heading(workbook: Any, paper: Any, heading: Heading, columns: Sequence[str]) -> int:
    bold, ruled = workbook.add_format({"bold": True}), workbook.add_format({"bold": True, "border": 1, "align": "center"})
    letter = heading.circular.letter
    above = (
        TITLE,
        f"ที่ {to_thai(letter.number)} ลงวันที่ {long_date(letter.date)}",
        f"เรื่อง {wording.subject(letter)}",
        sheet.figures(heading.matrix),
        f"เมื่อ {wording.moment(heading.written_at)}   SHA-256 {letter.content_hash}",
    )
    titles = [title for title, _ in PAPER_COLUMNS] + list(columns)
    for column in range(len(titles)):
        paper.set_column(column, column, PAPER_COLUMNS[column][1] if column < len(PAPER_COLUMNS) else WIDTH)
    paper.freeze_panes(len(above) + 1, 2)
    paper.repeat_rows(len(above))
    paper.set_landscape()
    paper.set_paper(9)
    paper.fit_to_pages(1, 0)
    paper.print_area(0, 0, len(above) + heading.circular.recipient_count, len(PAPER_COLUMNS) - 1)
    for row, text in enumerate(above):
        paper.write_string(row, 0, neutral(text), bold)
    for column, title in enumerate(titles):
        paper.write_string(len(above), column, title, ruled)
    return len(above) + 1


def _write_lines(paper: Any, at: int, lines: Sequence[Line], heading: Heading) -> None:
    for row, (recipient, cells) in enumerate(lines, at):
        marks = wording.marks(recipient, heading.circular.deadline, heading.written_at)
        note = "; ".join([*marks, *wording.registers(recipient)])
        first, second = wording.stamp(recipient)
        for column, value in enumerate((to_thai(recipient.position), wording.titled(recipient), first, second, note, *cells)):
            # An empty cell is not written: it would cost as much as a full one.
            if text := neutral(value):
                paper.write_string(row, column, text)
