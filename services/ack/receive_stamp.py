"""Draws the receive stamp (ตรารับ) for the receiving agency's own copy: number, date and time under its name."""

import asyncio
import json
from enum import StrEnum
from pathlib import Path
from typing import Final

import typst

from services.ack.facts import Door
from services.ack.fold import State
from services.ack.sheet import fonts
from services.ack.store.recipients import Recipient
from shared.thai.dates import clock, long_date
from shared.thai.digits import to_thai

TEMPLATE: Final = Path(__file__).with_name("receive_stamp.typ")
DOTS_PER_INCH: Final = 300.0
NO_TIME: Final = "-"


class StampForm(StrEnum):
    """In what the stamp is drawn; each without a background, to lie over a page."""

    SVG = "svg"
    PNG = "png"
    PDF = "pdf"


MEDIA_TYPES: Final = {StampForm.SVG: "image/svg+xml", StampForm.PNG: "image/png", StampForm.PDF: "application/pdf"}


def stamp_data(recipient: Recipient) -> dict[str, str] | None:
    """What stands on the stamp, as the template `receive_stamp.typ` reads it; None while the letter is not registered."""
    if recipient.state is not State.REGISTERED or recipient.receive_date is None:
        return None
    return {
        "agency": recipient.agency_name_th or recipient.title,
        "number": to_thai(recipient.receive_number or ""),
        "date": long_date(recipient.receive_date),
        "time": NO_TIME if recipient.receive_time is None else clock(recipient.receive_time),
        # A stamp says that the agency has registered the letter; where only the sender says so, so does the stamp.
        "note": "บันทึกโดยผู้ส่ง" if recipient.door == Door.CLERK else "",
    }


async def draw(data: dict[str, str], form: StampForm) -> bytes:
    """The stamp, drawn beside the event loop. The same data give the same bytes."""
    return await asyncio.to_thread(_compile, data, form)


def _compile(data: dict[str, str], form: StampForm) -> bytes:
    # The data are JSON, never markup: a number cannot become an instruction of the typesetter.
    return typst.compile(
        TEMPLATE.read_bytes(),
        font_paths=fonts(),
        sys_inputs={"stamp": json.dumps(data, ensure_ascii=False)},
        format=form.value,
        ppi=DOTS_PER_INCH,
        timestamp=0,
    )
