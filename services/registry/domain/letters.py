"""Letters: what a draft holds, what the Regulation asks of its kind, and what is frozen when it gets its number."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from services.registry.domain.kinds import CORRESPONDENCE, FIELD_NAMES, FORM_NAMES, FORMS, Form, Kind, Requirements, requirements
from services.registry.domain.numbering import IssuedNumber, Numbering
from services.registry.problems import letters as problems
from shared.canonical import canonical_json
from shared.contracts.events import Secrecy, Speed
from shared.problems import FieldError

CONTENT_SCHEMA: Final = "wian.letter.v2"


class LetterState(StrEnum):
    """A letter's way: a draft changes, what is registered never does."""

    DRAFT = "draft"
    REGISTERED = "registered"
    DISPATCHED = "dispatched"


@dataclass(frozen=True, slots=True)
class Reference:
    """อ้างถึง: an earlier letter, its number as its issuer wrote it; `letter_id` if it is registered here."""

    issuer: str
    number: str
    date: date | None
    letter_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Enclosure:
    """สิ่งที่ส่งมาด้วย: what and how many; if it is a copy of a letter, that letter's issuer, number and date, or a link to it."""

    description: str
    copies: int
    issuer: str | None
    number: str | None
    date: date | None
    letter_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class CopyTo:
    """สำเนาส่ง: who gets a copy, as the letter prints it; `agency_code` if the exchange sends the copy."""

    title: str
    agency_code: str | None


@dataclass(frozen=True, slots=True)
class Draft:
    """What a letter says. `date` is the day in Bangkok that the letter bears.

    `deadline` is the instant by which acknowledgments are asked for, `urgent_within` that of ด่วนภายใน (ข้อ 28).
    """

    kind: Kind
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
    form: Form | None = None
    unit_code: str | None = None
    urgent_within: datetime | None = None
    copy_to: tuple[CopyTo, ...] = ()

    @property
    def due_at(self) -> datetime | None:
        """The earlier of `deadline` and `urgent_within`."""
        return min((instant for instant in (self.deadline, self.urgent_within) if instant is not None), default=None)


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


_DEFAULT_REQUIREMENTS: Final = requirements({})


def missing_fields(draft: Draft, required: Requirements = _DEFAULT_REQUIREMENTS) -> list[FieldError]:
    """What the draft lacks of what its kind requires; of an external letter, what ข้อ 11 asks for."""
    missing = [
        FieldError(f"/{name}", "required", f"{FIELD_NAMES[name]} is missing")
        for name in required[draft.kind]
        if not _has(draft, name)
    ]
    if FORMS[draft.kind] and draft.form is None:
        detail = f"{draft.kind} is one of {', '.join(FORMS[draft.kind])}"
        missing.append(FieldError("/form", "required", detail))
    return missing


def _has(draft: Draft, name: str) -> bool:
    if name == "body":
        return any(paragraph.strip() for paragraph in draft.body)
    value: object = getattr(draft, name)
    return bool(value.strip()) if isinstance(value, str) else value is not None


def contradictions(draft: Draft) -> list[FieldError]:
    """What in the draft cannot go together, whatever else is still missing."""
    errors: list[FieldError] = []
    if draft.form is not None and draft.form not in FORMS[draft.kind]:
        allowed = ", ".join(FORMS[draft.kind]) or "no form"
        detail = f"{draft.kind} has {allowed}, not {draft.form} ({FORM_NAMES[draft.form]})"
        errors.append(FieldError("/form", problems.FORM_NOT_OF_KIND.code, detail))
    if draft.circular and draft.kind not in CORRESPONDENCE:
        detail = f"{draft.kind} bears no ว"
        errors.append(FieldError("/circular", problems.CIRCULAR_NOT_OF_KIND.code, detail))
    if draft.urgent_within is not None and draft.speed is Speed.NORMAL:
        detail = "the speed is normal"
        errors.append(FieldError("/urgent_within", problems.URGENT_WITHIN_NOT_URGENT.code, detail))
    return errors


def numbering_of(draft: Draft) -> Numbering:
    """What decides the number of a complete draft; raises ValueError when its date is missing."""
    if draft.date is None:
        raise ValueError("a letter without a date has no year to count in")
    return Numbering(draft.kind, draft.form, draft.circular, draft.unit_code, draft.date)


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
    canonical = canonical_json(content)
    return FrozenContent(canonical, hashlib.sha256(canonical).hexdigest())


_FIELDS: Final = tuple(field.name for field in fields(Draft))


def draft_to_json(draft: Draft) -> dict[str, Any]:
    """The draft as JSON values: days as ISO dates, the deadline in UTC."""
    return {
        # Not asdict, which copies what is replaced below.
        **{name: getattr(draft, name) for name in _FIELDS},
        "date": _iso(draft.date),
        "kind": draft.kind.value,
        "form": None if draft.form is None else draft.form.value,
        "references": [_linked(reference) for reference in draft.references],
        "enclosures": [_linked(enclosure) for enclosure in draft.enclosures],
        "copy_to": [asdict(copy) for copy in draft.copy_to],
        "body": list(draft.body),
        "speed": draft.speed.value,
        "secrecy": draft.secrecy.value,
        "deadline": _instant(draft.deadline),
        "urgent_within": _instant(draft.urgent_within),
    }


def draft_from_json(content: dict[str, Any]) -> Draft:
    """The draft that `draft_to_json` wrote, now or before there were kinds, links and copies."""
    form: str | None = content.get("form")
    read: dict[str, Any] = {
        "kind": Kind(content["kind"]),
        "form": None if form is None else Form(form),
        "date": _day(content["date"]),
        "references": tuple(Reference(**_read_linked(item)) for item in content["references"]),
        "enclosures": tuple(Enclosure(**_read_linked(item)) for item in content["enclosures"]),
        "copy_to": tuple(CopyTo(**item) for item in content.get("copy_to", ())),
        "body": tuple(content["body"]),
        "speed": Speed(content["speed"]),
        "secrecy": Secrecy(content["secrecy"]),
        "deadline": _read_instant(content["deadline"]),
        "urgent_within": _read_instant(content.get("urgent_within")),
    }
    return Draft(**(content | read))


def _linked(item: Reference | Enclosure) -> dict[str, Any]:
    letter_id = None if item.letter_id is None else str(item.letter_id)
    return {**asdict(item), "date": _iso(item.date), "letter_id": letter_id}


def _read_linked(item: dict[str, Any]) -> dict[str, Any]:
    letter_id: str | None = item.get("letter_id")
    return {**item, "date": _day(item["date"]), "letter_id": None if letter_id is None else UUID(letter_id)}


def _instant(instant: datetime | None) -> str | None:
    return None if instant is None else instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _read_instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _iso(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)
