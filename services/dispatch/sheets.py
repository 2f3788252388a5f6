"""Prints what a clerk needs for letters on paper: the cover sheet of one, and the list of all that wait."""

import asyncio
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Final

import fontpkg_sarabun
import segno
import typst

from services.dispatch.delivery.jobs import Address, CircularContent
from services.dispatch.mail_message import ROLES
from services.dispatch.store.paper import PaperDelivery
from shared.contracts.events import Role, Secrecy, Speed
from shared.thai.dates import bangkok_date, clock, long_date, short_date
from shared.thai.digits import to_thai

COVER: Final = Path(__file__).with_name("cover.typ")
LIST: Final = Path(__file__).with_name("paper_list.typ")
FONTS: Final = Path(fontpkg_sarabun.ROOT) / "files"

SPEEDS: Final = {Speed.NORMAL: "", Speed.URGENT: "ด่วน", Speed.VERY_URGENT: "ด่วนมาก", Speed.MOST_URGENT: "ด่วนที่สุด"}
WITHHELD_SUBJECT: Final = "(ไม่แสดงเรื่องของหนังสือที่มีชั้นความลับ)"


@dataclass(frozen=True, slots=True)
class Cover:
    """What stands on a cover sheet: the delivery, its letter, and how it is acknowledged."""

    delivery: PaperDelivery
    circular: CircularContent
    code: str
    page: str
    printed_at: datetime


@dataclass(frozen=True, slots=True)
class WorkList:
    """A circular's deliveries that wait to be sent on paper, in list order."""

    circular: CircularContent
    deliveries: Sequence[PaperDelivery]
    printed_at: datetime


async def print_cover(cover: Cover) -> bytes:
    """The cover sheet as PDF; set beside the event loop."""
    return await asyncio.to_thread(_compile, COVER, cover_data(cover), cover.printed_at)


async def print_list(work: WorkList) -> bytes:
    """The list as PDF; set beside the event loop."""
    return await asyncio.to_thread(_compile, LIST, list_data(work), work.printed_at)


def _compile(template: Path, data: dict[str, object], printed_at: datetime) -> bytes:
    # The data are JSON, never markup: a title cannot become an instruction of the typesetter.
    return typst.compile(
        template.read_bytes(),
        font_paths=_fonts(),
        sys_inputs={"sheet": json.dumps(data, ensure_ascii=False)},
        timestamp=int(printed_at.timestamp()),
    )


@cache
def _fonts() -> typst.Fonts:
    return typst.Fonts(include_system_fonts=False, font_paths=[FONTS])


def cover_data(cover: Cover) -> dict[str, object]:
    """What the template `cover.typ` reads. Of a secret letter neither its subject nor its enclosures are told."""
    circular, delivery = cover.circular, cover.delivery
    secret = circular.letter.secrecy is not Secrecy.NORMAL
    enclosures = len(circular.letter.attachments)
    return {
        **_heading(circular),
        "to": titled(delivery.address),
        "agency": delivery.agency_name_th or "",
        "position": to_thai(delivery.address.position),
        "enclosures": "" if secret else to_thai(f"{enclosures} ฉบับ") if enclosures else "ไม่มี",
        "deadline": "" if circular.deadline is None else _moment(circular.deadline),
        "relay": delivery.address.relay_duty,
        "code": cover.code,
        "page": cover.page,
        "qr": _qr(f"{cover.page}/{delivery.address.acknowledgment_link}"),
        "printed": f"พิมพ์เมื่อ {_moment(cover.printed_at)}",
        "content_hash": circular.letter.content_hash,
    }


def list_data(work: WorkList) -> dict[str, object]:
    """What the template `paper_list.typ` reads."""
    return {
        **_heading(work.circular),
        "rows": [
            {
                "position": to_thai(delivery.address.position),
                "title": titled(delivery.address),
                "until": "" if delivery.step_until is None else short_date(bangkok_date(delivery.step_until)),
            }
            for delivery in work.deliveries
        ],
        "count": to_thai(f"{len(work.deliveries):,}"),
        "printed": f"พิมพ์เมื่อ {_moment(work.printed_at)}",
    }


def titled(address: Address) -> str:
    """The title with the role behind it, unless that is action."""
    role = ROLES[address.role or Role.ACTION]
    return f"{address.title} ({role})" if role else address.title


def _qr(url: str) -> str:
    """The address of the letter's own page as a picture (SVG) that a telephone reads."""
    picture = io.BytesIO()
    # Level M bears a stamp or a fold; without a border, for which the sheet has room.
    segno.make_qr(url, error="m").save(picture, kind="svg", border=0)
    return picture.getvalue().decode()


def shown_subject(circular: CircularContent) -> str:
    """The subject, unless the letter is secret."""
    return circular.letter.subject if circular.letter.secrecy is Secrecy.NORMAL else WITHHELD_SUBJECT


def _heading(circular: CircularContent) -> dict[str, object]:
    return {
        "sender": circular.sender_name_th,
        "number": to_thai(circular.letter.number),
        "date": long_date(circular.letter.date),
        "subject": shown_subject(circular),
        "speed": SPEEDS[circular.letter.speed],
    }


def _moment(instant: datetime) -> str:
    return f"{long_date(bangkok_date(instant))} {clock(instant)}"
