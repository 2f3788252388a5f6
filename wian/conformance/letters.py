"""The events that the suite sends: the exchange's own, made by dispatch's own code, and such as it might send one day."""

import hashlib
import json
from datetime import UTC, date, datetime
from typing import Any, Final
from uuid import UUID

from services.dispatch import payload
from services.dispatch.delivery.jobs import Address, CircularContent
from shared.contracts.events import LetterSummary, Role, Secrecy, Speed
from shared.ids import new_id

# Nobody answers there (RFC 2606): a trial letter needs no acknowledgment.
SOURCE: Final = "https://conformance.invalid"
CHALLENGE_TYPE: Final = "wian.endpoint.challenge.v1"
UNKNOWN_TYPE: Final = "wian.conformance.unknown.v1"
LARGE_BYTES: Final = 300 * 1024

_ENGLISH: Final = {
    "sender": "Conformance suite",
    "title": "Registry",
    "number": "TRIAL 1/2",
    "owner": "Conformance suite",
    "subject": "TRIAL letter: do not register",
    "salutation": "To the registry",
    "paragraph": "This letter tries your endpoint out. It needs no answer.",
    "closing": "Yours faithfully",
    "signatory": "Nobody",
}
_THAI: Final = {
    "sender": "ชุดทดสอบระบบเวียน",
    "title": "นายอำเภอกระทุ่มแบน",
    "number": "ทส ๐๐๑๗.๑/ว ๑๕๑๒๓",
    "owner": "ศาลากลางจังหวัดตัวอย่าง ถนนเศรษฐกิจ ๑",
    "subject": "หนังสือทดสอบระบบ “ไม่ต้องลงรับ” ที่นี้ ก็ได้ ฯลฯ",
    "salutation": "เรียน นายทะเบียน",
    "paragraph": "หนังสือฉบับนี้ใช้ทดสอบปลายทาง น้ำใจ ปั๊ม ญี่ปุ่น กตัญญู ฤๅษี ๑๒๓๔๕๖๗๘๙๐ ฿ – ไม่ต้องดำเนินการใด",
    "closing": "ขอแสดงความนับถือ",
    "signatory": "นายตัวอย่าง ใจดี",
}


def letter(delivery_id: UUID, *, thai: bool = False, paragraphs: int = 1) -> bytes:
    """A letter as dispatch writes it; in ASCII only unless `thai`."""
    words = _THAI if thai else _ENGLISH
    circular = CircularContent(
        circular_id=new_id(),
        sender_agency_id=new_id(),
        sender_name_th=words["sender"],
        sender_name_en=_ENGLISH["sender"],
        letter=LetterSummary(
            letter_id=new_id(),
            number=words["number"],
            date=date.today(),  # noqa: DTZ011 - whose day it is does not matter
            owner=words["owner"],
            subject=words["subject"],
            salutation=words["salutation"],
            body=(words["paragraph"],) * paragraphs,
            closing=words["closing"],
            signatory_name=words["signatory"],
            signatory_position=words["signatory"],
            contact_unit=words["owner"],
            telephone="0 2000 0000",
            speed=Speed.NORMAL,
            secrecy=Secrecy.NORMAL,
            content_hash=hashlib.sha256(b"trial").hexdigest(),
            attachments=(),
            kind="external",
            form=None,
            urgent_within=None,
            references=(),
            enclosures=(),
            copy_to=(),
        ),
        dispatched_at=datetime.now(UTC),
        deadline=None,
        traceparent=None,
    )
    address = Address(
        delivery_id=delivery_id,
        recipient_id=new_id(),
        agency_id=new_id(),
        title=words["title"],
        position=1,
        relay_duty=False,
        acknowledgment_link="trial",
        role=Role.ACTION,
    )
    return payload.WebhookBodies(circular, SOURCE).body(address)


def large_letter(delivery_id: UUID) -> bytes:
    """A letter of at least `LARGE_BYTES`."""
    one = len(_ENGLISH["paragraph"]) + 3
    return letter(delivery_id, paragraphs=LARGE_BYTES // one + 1)


def with_extra_fields(body: bytes) -> bytes:
    """The letter with fields that no version of the exchange has."""
    event: dict[str, Any] = json.loads(body)
    extra = {"x_unknown": {"nested": [1, None, "text"]}}
    data: dict[str, Any] = event["data"]
    return _encoded({**event, "xunknown": "text", "data": {**data, **extra, "letter": {**data["letter"], **extra}}})


def changed_by_a_byte(body: bytes) -> bytes:
    """Still a letter, but not the one that was signed."""
    return body.replace(b"TRIAL letter", b"TRIAL lettes", 1)


def event(event_id: UUID, event_type: str, data: dict[str, object]) -> bytes:
    """A CloudEvent that is no letter."""
    return _encoded(
        {
            "specversion": "1.0",
            "id": str(event_id),
            "source": SOURCE,
            "type": event_type,
            "time": datetime.now(UTC).isoformat(),
            "datacontenttype": "application/json",
            "data": data,
        }
    )


def _encoded(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
