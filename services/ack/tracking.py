"""What the tracking page shows: figures and rows as ready words, the same for the page and for its script."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from services.ack import wording
from services.ack.store import circulars, recipients
from services.ack.store.circulars import Circular, Counts
from services.ack.store.recipients import Recipient
from services.ack.view import Matrix, Progress, matrix_of
from services.ack.wording import Words
from shared.postgres import Database
from shared.thai.digits import to_thai

PROGRESS_WORDS: Final = {
    Progress.OPEN: Words("กำลังดำเนินการ", "in progress"),
    Progress.COMPLETE: Words("ตอบครบทุกหน่วยงาน", "complete"),
    Progress.OVERDUE: Words("พ้นกำหนดตอบรับ", "overdue"),
}
# Complete, but not all have answered: from some the letter was recalled.
NOBODY_LEFT: Final = Words("ไม่มีหน่วยงานค้างตอบ", "nobody left to answer")


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of the matrix, and its share of all recipients in per cent."""

    key: str
    words: Words
    value: str
    percent: float


@dataclass(frozen=True, slots=True)
class Line:
    """One recipient."""

    key: str
    position: str
    title: str
    replaces: str
    state: str
    words: Words
    stamp: str
    note: str
    marks: str
    relay: str


@dataclass(frozen=True, slots=True)
class Tracking:
    """The whole sheet."""

    progress: Progress
    words: Words
    figures: tuple[Figure, ...]
    crossed: str
    relay: str
    lines: tuple[Line, ...]


async def read_tracking(database: Database, rows: int, circular: Circular, after: int, now: datetime) -> Tracking:
    """The circular and at most `rows` of its recipients behind position `after`, in words."""
    async with database.connection() as connection:
        counts = await circulars.counts(connection, circular.circular_id)
        found = await recipients.page(connection, circular.circular_id, after=after, limit=rows)
    return tracking_of(circular, counts, found, now)


def tracking_of(circular: Circular, counts: Counts, rows: list[Recipient], now: datetime) -> Tracking:
    """The circular and these of its recipients, in words."""
    matrix = matrix_of(circular, counts, now)
    words = PROGRESS_WORDS[matrix.progress]
    if matrix.progress is Progress.COMPLETE and matrix.recalled:
        words = NOBODY_LEFT
    return Tracking(
        matrix.progress,
        words,
        _figures(matrix),
        wording.crossed(matrix.crossed),
        _relay(counts),
        tuple(_line(row, circular.deadline, now) for row in rows),
    )


def document(tracking: Tracking) -> dict[str, object]:
    """The sheet as the script reads it."""
    return {
        "progress": tracking.progress.value,
        "progress_text": tracking.words.th,
        "figures": {figure.key: {"value": figure.value, "percent": figure.percent} for figure in tracking.figures},
        "crossed": tracking.crossed,
        "relay": tracking.relay,
        "lines": [
            {
                "key": line.key,
                "state": line.state,
                "state_th": line.words.th,
                "state_en": line.words.en,
                "stamp": line.stamp,
                "note": line.note,
                "marks": line.marks,
                "relay": line.relay,
            }
            for line in tracking.lines
        ],
    }


def _figures(matrix: Matrix) -> tuple[Figure, ...]:
    def figure(key: str, th: str, en: str, count: int) -> Figure:
        return Figure(key, Words(th, en), to_thai(f"{count:,}"), round(100 * count / matrix.recipients, 2))

    figures = (
        figure("all", "ทั้งหมด", "recipients", matrix.recipients),
        figure("handed_over", "ส่งถึงแล้ว", "handed over", matrix.handed_over_total),
        figure("registered", "ลงทะเบียนรับแล้ว", "registered", matrix.registered),
        figure("rejected", "ปฏิเสธ", "rejected", matrix.rejected),
        figure("undeliverable", "ส่งไม่ได้", "undeliverable", matrix.undeliverable),
        figure("outstanding", "ยังไม่ตอบ", "outstanding", matrix.outstanding),
    )
    if not matrix.recalled:
        return figures
    return (*figures[:-1], figure("recalled", "เรียกคืน", "recalled", matrix.recalled), figures[-1])


def _relay(counts: Counts) -> str:
    if not counts.relay_duties and not counts.relayed:
        return ""
    return to_thai(
        f"หน่วยงานที่ต้องแจ้งต่อ {counts.relay_duties:,} แห่ง แจ้งต่อแล้ว {counts.relayed:,} แห่ง "
        f"ถึงหน่วยงานปลายทาง {counts.onward_recipients:,} แห่ง"
    )


def _line(row: Recipient, deadline: datetime | None, now: datetime) -> Line:
    first, second = wording.stamp(row)
    relay = ""
    if row.relayed_circular_id is not None:
        relay = to_thai(f"แจ้งต่อแล้ว {row.onward_recipients:,} หน่วยงาน")
    elif row.has_duty:
        relay = "มีหน้าที่แจ้งต่อ"
    return Line(
        key=str(row.position),
        position=to_thai(row.position),
        title=wording.titled(row),
        replaces=wording.replaces(row),
        state=row.state.value,
        words=wording.STATES[row.state],
        stamp=first,
        note=" · ".join(part for part in (second, wording.contact(row)) if part),
        marks=" · ".join(wording.marks(row, deadline, now)),
        relay=relay,
    )
