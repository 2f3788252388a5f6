"""Letters: what a draft holds, what ข้อ 11 asks of it, and what is frozen when it gets its number."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

import rfc8785

from services.registry.domain.numbering import IssuedNumber
from shared.contracts.events import Secrecy, Speed
from shared.problems import FieldError

CONTENT_SCHEMA: Final = "wian.letter.v1"


class LetterState(StrEnum):
    """A letter's way: a draft changes, what is registered never does."""

    DRAFT = "draft"
    REGISTERED = "registered"
    DISPATCHED = "dispatched"


@dataclass(frozen=True, slots=True)
class Reference:
    """อ้างถึง: an earlier letter, its number as its issuer wrote it."""

    issuer: str
    number: str
    date: date | None


@dataclass(frozen=True, slots=True)
class Enclosure:
    """สิ่งที่ส่งมาด้วย: what and how many; if it is a copy of a letter, that letter's issuer, number and date."""

    description: str
    copies: int
    issuer: str | None
    number: str | None
    date: date | None


@dataclass(frozen=True, slots=True)
class Draft:
    """What a letter says. `deadline` is an instant, `date` the day in Bangkok that the letter bears."""

    kind: str
    circular: bool
    date: date | None
    owner: str
    subject: str
    salutation: str
    references: tuple[Reference, ...]
    enclosures: tuple[Enclosure, ...]
    body: tuple[str, ...]
    closing: str
    signatory_name: str
    signatory_position: str
    contact_unit: str
    telephone: str
    fax: str | None
    speed: Speed
    secrecy: Secrecy
    deadline: datetime | None


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes with a letter; `size` in bytes, `sha256` in lower-case hex."""

    attachment_id: UUID
    file_name: str
    media_type: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Letter:
    """A stored letter; the last three are None while it is a draft."""

    letter_id: UUID
    agency_id: UUID
    register_id: UUID
    state: LetterState
    version: int
    draft: Draft
    list_id: UUID | None
    relay_of_recipient_id: UUID | None
    number: IssuedNumber | None
    content_hash: str | None
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class FrozenContent:
    """The bytes that every recipient gets alike: canonical JSON (RFC 8785), and their SHA-256 in lower-case hex."""

    canonical: bytes
    sha256: str


# ข้อ 11: what an external letter must have, under the names that the API gives them.
_REQUIRED_TEXTS: Final = (
    ("owner", "ส่วนราชการเจ้าของหนังสือ"),
    ("subject", "เรื่อง"),
    ("salutation", "คำขึ้นต้น"),
    ("closing", "คำลงท้าย"),
    ("signatory_name", "ลงชื่อ"),
    ("signatory_position", "ตำแหน่ง"),
    ("contact_unit", "ส่วนราชการเจ้าของเรื่อง"),
    ("telephone", "โทร."),
)


def missing_fields(draft: Draft) -> list[FieldError]:
    """What the draft lacks of ข้อ 11 of the Regulation on Correspondence Work."""
    missing = [(name, thai) for name, thai in _REQUIRED_TEXTS if not getattr(draft, name).strip()]
    if draft.date is None:
        missing.append(("date", "วันเดือนปี"))
    if not any(paragraph.strip() for paragraph in draft.body):
        missing.append(("body", "ข้อความ"))
    return [FieldError(f"/{name}", "required", f"{thai} is missing") for name, thai in missing]


def freeze(
    *, letter_id: UUID, sender_agency_id: UUID, draft: Draft, number: IssuedNumber, attachments: Sequence[Attachment]
) -> FrozenContent:
    """The content of a letter that has got its number; the same input always gives the same bytes."""
    content = {
        "schema": CONTENT_SCHEMA,
        "letter_id": str(letter_id),
        "sender_agency_id": str(sender_agency_id),
        "number": number.printed,
        "year_be": number.key.year_be,
        **draft_to_json(draft),
        "attachments": [
            {
                "attachment_id": str(attachment.attachment_id),
                "file_name": attachment.file_name,
                "media_type": attachment.media_type,
                "size": attachment.size,
                "sha256": attachment.sha256,
            }
            for attachment in attachments
        ],
    }
    canonical = rfc8785.dumps(content)
    return FrozenContent(canonical, hashlib.sha256(canonical).hexdigest())


def draft_to_json(draft: Draft) -> dict[str, Any]:
    """The draft as JSON values: days as ISO dates, the deadline in UTC."""
    return {
        **asdict(draft),
        "date": _iso(draft.date),
        "references": [{**asdict(reference), "date": _iso(reference.date)} for reference in draft.references],
        "enclosures": [{**asdict(enclosure), "date": _iso(enclosure.date)} for enclosure in draft.enclosures],
        "body": list(draft.body),
        "speed": draft.speed.value,
        "secrecy": draft.secrecy.value,
        "deadline": None if draft.deadline is None else draft.deadline.astimezone(UTC).isoformat().replace("+00:00", "Z"),
    }


def draft_from_json(content: dict[str, Any]) -> Draft:
    """The draft that `draft_to_json` wrote."""
    deadline: str | None = content["deadline"]
    read: dict[str, Any] = {
        "date": _day(content["date"]),
        "references": tuple(Reference(**_with_day(item)) for item in content["references"]),
        "enclosures": tuple(Enclosure(**_with_day(item)) for item in content["enclosures"]),
        "body": tuple(content["body"]),
        "speed": Speed(content["speed"]),
        "secrecy": Secrecy(content["secrecy"]),
        "deadline": None if deadline is None else datetime.fromisoformat(deadline),
    }
    return Draft(**(content | read))


def _with_day(item: dict[str, Any]) -> dict[str, Any]:
    return {**item, "date": _day(item["date"])}


def _iso(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)
