"""The example's letters as a clerk enters them, and as the PDF that the office would have signed."""

import json
from datetime import date
from pathlib import Path
from typing import Any, Final, cast

import fontpkg_sarabun
import typst

from shared.thai.dates import long_date
from wian.demo.example import Letter

TEMPLATE: Final = Path(__file__).with_name("letter.typ")
_FIELDS: Final = (
    "date", "owner", "subject", "salutation", "references", "body", "closing", "signatory_name", "signatory_position",
    "contact_unit", "telephone", "fax", "speed", "secrecy",
)  # fmt: skip


def draft(letter: Letter, *, register_id: str, list_id: str, relay_of_recipient_id: str | None = None) -> dict[str, object]:
    """The body of ``POST /v1/letters`` for one of the example's letters."""
    return {
        **{name: letter[name] for name in _FIELDS},
        "enclosures": [{"description": line, "copies": 1} for line in _enclosures(letter)],
        "register_id": register_id,
        "list_id": list_id,
        "kind": "external",
        "circular": True,
        "relay_of_recipient_id": relay_of_recipient_id,
    }


def pdf(letter: Letter) -> bytes:
    """The letter in the official form, one or more A4 pages."""
    data = {**letter, "date": long_date(date.fromisoformat(str(letter["date"]))), "enclosures": _enclosures(letter)}
    template = TEMPLATE.read_bytes()
    fonts = typst.Fonts(include_system_fonts=False, font_paths=[str(fontpkg_sarabun.ROOT / "files")])
    return typst.compile(template, font_paths=fonts, sys_inputs={"letter": json.dumps(data, ensure_ascii=False)})


def _enclosures(letter: Letter) -> list[str]:
    """สิ่งที่ส่งมาด้วย as the letter prints them."""
    found = cast("list[dict[str, Any]]", letter["enclosures"])
    return [f"{e['description']} ที่ {e['number']} ลงวันที่ {long_date(date.fromisoformat(e['date']))}" for e in found]
