"""Prints the annex (บัญชีรายชื่อแนบท้าย): who received the circular and on what date, 33 lines a page."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from math import ceil
from pathlib import Path
from typing import Final

import fontpkg_sarabun
import typst

from services.ack import wording
from services.ack.fold import ANSWERED
from services.ack.store.circulars import Circular
from services.ack.store.recipients import Recipient
from services.ack.view import Matrix
from services.ack.widths import surely_fitting
from shared.thai.dates import long_date
from shared.thai.digits import to_thai

ROWS_PER_PAGE: Final = 33
# Points inside a cell of each column of `sheet.typ`.
TITLE_WIDTH: Final = 264.1
STAMP_WIDTH: Final = 184.7
TEMPLATE: Final = Path(__file__).with_name("sheet.typ")
FONTS: Final = Path(fontpkg_sarabun.ROOT) / "files"


@dataclass(frozen=True, slots=True)
class Annex:
    """What is printed: the circular, its figures, its recipients in list order, and the time of printing."""

    circular: Circular
    matrix: Matrix
    recipients: Sequence[Recipient]
    printed_at: datetime
    first_page: int = 1  # of a part of a longer list


async def print_annex(annex: Annex) -> bytes:
    """The annex as a PDF of A4 pages; set beside the event loop, which it would hold for seconds."""
    return await asyncio.to_thread(_compile, annex)


def _compile(annex: Annex) -> bytes:
    return typeset(json.dumps(sheet_data(annex), ensure_ascii=False), int(annex.printed_at.timestamp()))


def typeset(data: str, timestamp: int, *, tagged: bool = True) -> bytes:
    """The PDF of this data. It is JSON, never markup: a title cannot become an instruction of the typesetter.

    Tags tell those who have a page read aloud what is a table; without them the PDF is less than half as large.
    """
    return typst.compile(
        TEMPLATE.read_bytes(),
        font_paths=fonts(),
        sys_inputs={"annex": data, "tagged": "yes" if tagged else "no"},
        timestamp=timestamp,
        pdf_tags=tagged,
    )


@cache
def fonts() -> typst.Fonts:
    return typst.Fonts(include_system_fonts=False, font_paths=[FONTS])


def sheet_data(annex: Annex) -> dict[str, object]:
    """What the template `sheet.typ` reads."""
    letter = annex.circular.letter
    return {
        "number": to_thai(letter.number),
        "date": long_date(letter.date),
        "subject": wording.subject(letter),
        "pages": [
            [_row(recipient, annex) for recipient in annex.recipients[start : start + ROWS_PER_PAGE]]
            for start in range(0, len(annex.recipients), ROWS_PER_PAGE)
        ],
        "first_page": annex.first_page,
        "total_pages": ceil(annex.circular.recipient_count / ROWS_PER_PAGE),
        "counts": figures(annex.matrix),
        "printed": f"พิมพ์เมื่อ {wording.moment(annex.printed_at)}",
        "content_hash": letter.content_hash,
    }


def _row(recipient: Recipient, annex: Annex) -> dict[str, object]:
    first, second = wording.stamp(recipient)
    # Marks go first: a long name behind them is cut, they are not.
    marks = wording.marks(recipient, annex.circular.deadline, annex.printed_at)
    more = to_thai(f"และอีก {len(recipient.entries) - 1} ทะเบียน") if recipient.entries and len(recipient.entries) > 1 else ""
    title, first = wording.titled(recipient), f"{first} {more}".rstrip()
    second = " · ".join(part for part in (*marks, second) if part)
    return {
        "title": title,
        "title_size": surely_fitting(title, TITLE_WIDTH, 12, 8.5, fonts()),
        "first": first,
        "first_size": surely_fitting(first, STAMP_WIDTH, 8, 4, fonts()),
        "second": second,
        "second_size": surely_fitting(second, STAMP_WIDTH, 7, 5.5, fonts()),
        "answered": recipient.state in ANSWERED,
    }


def figures(matrix: Matrix) -> str:
    """The figures at the annex's foot, in Thai digits."""
    parts = [f"ทั้งหมด {matrix.recipients:,}", f"ส่งถึงแล้ว {matrix.handed_over_total:,}", f"ลงทะเบียนรับ {matrix.registered:,}"]
    parts += [f"ปฏิเสธ {matrix.rejected:,}"] if matrix.rejected else []
    parts += [f"เรียกคืน {matrix.recalled:,}"] if matrix.recalled else []
    parts += [f"ส่งไม่ได้ {matrix.undeliverable:,}"] if matrix.undeliverable else []
    parts.append(f"ยังไม่ตอบ {matrix.outstanding:,}")
    parts += [f"(ส่งต่อสวนทางกับการถอน {matrix.crossed:,})"] if matrix.crossed else []
    return to_thai("   ".join(parts))
