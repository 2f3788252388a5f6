"""The acknowledgment service opened for a test: called over ASGI, with events applied as its consumer applies them."""

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx

from services.ack.app import create_app, resources_of
from services.ack.config import AckSettings
from services.ack.consumers import event_handler
from services.ack.resources import Resources
from shared import postgres
from shared.access import Scope
from shared.broker import Incoming, Verdict
from shared.contracts.envelope import Envelope, Event
from shared.contracts.events import (
    AgencySaved,
    AttachmentLink,
    Channel,
    CircularDispatched,
    DeliveriesHandedOver,
    DeliveriesUndeliverable,
    Failure,
    FrozenRecipient,
    HandOver,
    HandOverGrade,
    LetterSummary,
    Secrecy,
    Speed,
)
from shared.links import Purpose
from tests.support.tokens import TokenIssuer

NOW = datetime(2026, 11, 23, 4, 30, tzinfo=UTC)
SENT_AT = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
REGISTERED: Mapping[str, Any] = {
    "outcome": "registered",
    "receive_number": "๑๑๐๗๒",
    "receive_date": "2026-11-23",
    "receive_time": "09:30",
    "registrar_name": "สมหญิง รักงาน",
    "unit": "งานสารบรรณ",
}
REJECTED: Mapping[str, Any] = {
    "outcome": "rejected",
    "reason": "misaddressed",
    "text": "อยู่ในหน้าที่ของสำนักงานที่ดิน",
    "registrar_name": "วิชัย มั่นคง",
}


def letter(**changes: Any) -> LetterSummary:
    """The seed's letter, dated a week before `NOW`."""
    given: dict[str, Any] = {
        "letter_id": uuid4(),
        "number": "สค ๐๐๑๗.๑/ว ๑๕๑๒๓",
        "date": date(2026, 11, 16),
        "owner": "ศาลากลางจังหวัดสมุทรสาคร\nถนนเศรษฐกิจ ๑ สค ๗๔๐๐๐",
        "subject": "การพัฒนางานบริการประชาชนเพื่อรองรับการเป็นศูนย์ราชการสะดวก",
        "salutation": "เรียน หน่วยงานที่เกี่ยวข้อง (ตามบัญชีรายชื่อแนบท้าย)",
        "body": ("ด้วยจังหวัดสมุทรสาครได้รับแจ้งจากกระทรวงมหาดไทยว่า…", "จึงเรียนมาเพื่อพิจารณาดำเนินการ"),
        "closing": "ขอแสดงความนับถือ",
        "signatory_name": "นายประภัสสร มาลาภาณุจัน",
        "signatory_position": "ผู้ว่าราชการจังหวัดสมุทรสาคร",
        "contact_unit": "สำนักงานจังหวัด",
        "telephone": "๐ ๓๔๔๑ ๑๒๕๑",
        "speed": Speed.NORMAL,
        "secrecy": Secrecy.NORMAL,
        "content_hash": "ab" * 32,
        "attachments": (
            AttachmentLink(
                attachment_id=uuid4(),
                file_name="หนังสือ.pdf",
                media_type="application/pdf",
                size=12_345,
                sha256="cd" * 32,
                url="http://wian.test/f/signed",
            ),
        ),
    }
    return LetterSummary(**given | changes)


@dataclass(frozen=True, slots=True)
class Sent:
    """A circular that was dispatched, and the chunks that tell of it."""

    circular_id: UUID
    sender: UUID
    recipients: tuple[FrozenRecipient, ...]
    letter: LetterSummary
    deadline: datetime | None = None
    relay_of: UUID | None = None

    def chunks(self, size: int = 500) -> list[CircularDispatched]:
        """The events, each with the whole header."""
        parts = [self.recipients[start : start + size] for start in range(0, len(self.recipients), size)]
        return [
            CircularDispatched(
                circular_id=self.circular_id,
                sender_agency_id=self.sender,
                sender_name_th="จังหวัดสมุทรสาคร",
                sender_name_en="Samut Sakhon Province",
                letter=self.letter,
                dispatched_at=SENT_AT,
                deadline=self.deadline,
                relay_of_recipient_id=self.relay_of,
                recipient_count=len(self.recipients),
                chunk=number,
                chunks=len(parts),
                recipients=part,
            )
            for number, part in enumerate(parts, start=1)
        ]


def circular(
    titles: Sequence[str] | int = 3,
    *,
    relay_duties: Sequence[int] = (),
    deadline: datetime | None = None,
    relay_of: UUID | None = None,
    **changes: Any,
) -> Sent:
    """A circular to these addressees, each an agency of its own; `relay_duties` are positions."""
    named = [f"หน่วยงานที่ {number}" for number in range(1, titles + 1)] if isinstance(titles, int) else titles
    recipients = tuple(
        FrozenRecipient(
            recipient_id=uuid4(), position=position, agency_id=uuid4(), title=title, relay_duty=position in relay_duties
        )
        for position, title in enumerate(named, start=1)
    )
    return Sent(uuid4(), uuid4(), recipients, letter(**changes), deadline, relay_of)


def handed_over(
    sent: Sent,
    *recipients: FrozenRecipient,
    at: datetime = SENT_AT,
    grade: HandOverGrade = HandOverGrade.TRANSPORT,
    channel: Channel = Channel.WEBHOOK,
) -> DeliveriesHandedOver:
    """These recipients' deliveries were handed over."""
    items = tuple(
        HandOver(
            delivery_id=r.recipient_id,
            recipient_id=r.recipient_id,
            circular_id=sent.circular_id,
            channel=channel,
            grade=grade,
            handed_over_at=at,
            attempts=1,
        )
        for r in recipients
    )
    return DeliveriesHandedOver(items=items)


def undeliverable(sent: Sent, *recipients: FrozenRecipient, at: datetime = SENT_AT) -> DeliveriesUndeliverable:
    """These recipients' deliveries ended without a hand-over."""
    items = tuple(
        Failure(
            delivery_id=r.recipient_id,
            recipient_id=r.recipient_id,
            circular_id=sent.circular_id,
            reason="no channel is left",
            detail="",
            failed_at=at,
            attempts=3,
        )
        for r in recipients
    )
    return DeliveriesUndeliverable(items=items)


def redirected(sent: Sent, wrong: FrozenRecipient) -> CircularDispatched:
    """The chunk by which the registry tells that the letter was sent on."""
    right = FrozenRecipient(
        recipient_id=uuid4(),
        position=len(sent.recipients) + 1,
        agency_id=uuid4(),
        title="สำนักงานที่ดิน",
        relay_duty=False,
        redirected_from=wrong.recipient_id,
    )
    whole = {"recipient_count": len(sent.recipients) + 1, "chunk": 2, "recipients": (right,)}
    return sent.chunks()[0].model_copy(update=whole)


def agency_of(
    recipient: FrozenRecipient,
    *,
    version: int = 1,
    name: str = "สำนักงานจังหวัด",
    contact_unit: str | None = None,
    telephone: str | None = None,
    email: str | None = None,
) -> AgencySaved:
    """The agency behind a recipient."""
    return AgencySaved(
        agency_id=recipient.agency_id,
        version=version,
        code=f"agency-{recipient.position}",
        name_th=name,
        name_en="Office",
        kind="office",
        email=email,
        contact_unit=contact_unit,
        telephone=telephone,
    )


@dataclass(slots=True)
class Clock:
    """The time as the service takes it."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now


@dataclass(frozen=True, slots=True)
class OpenAck:
    """The service's application and resources; `clock` moves its time."""

    http: httpx.AsyncClient
    resources: Resources
    tokens: TokenIssuer
    clock: Clock = field(default_factory=Clock)

    async def apply(self, *events: Event) -> None:
        """Apply each event as a message of its own, in this order."""
        for event in events:
            assert await self.deliver(message_of(event)) is Verdict.DONE

    async def deliver(self, message: Incoming) -> Verdict:
        """One delivery of a message."""
        link_key = self.resources.settings.link_key.get_secret_value()
        return await event_handler(self.resources.database, link_key, self.resources.settings.deadline_rules)(message)

    def headers(self, agency_id: UUID, *scopes: str) -> dict[str, str]:
        """A token of the agency; without `scopes` it may acknowledge and follow circulars."""
        return self.tokens.headers(agency_id, *(scopes or (Scope.ACKNOWLEDGE, Scope.CIRCULARS_READ)))

    def link(self, recipient: FrozenRecipient) -> str:
        """The recipient's acknowledgment link."""
        return self.resources.links.sign(Purpose.ACKNOWLEDGE, recipient.recipient_id)

    def tracking(self, sent: Sent) -> str:
        """The circular's tracking link."""
        return self.resources.links.sign(Purpose.TRACK, sent.circular_id)

    async def acknowledge(self, recipient: FrozenRecipient, body: Mapping[str, Any] = REGISTERED) -> httpx.Response:
        """Acknowledge with the recipient's token."""
        path = f"/v1/recipients/{recipient.recipient_id}/acknowledgment"
        return await self.http.post(path, json=dict(body), headers=self.headers(recipient.agency_id))

    async def read(self, sent: Sent, rest: str = "", **query: Any) -> httpx.Response:
        """Read the circular as its sender."""
        return await self.http.get(f"/v1/circulars/{sent.circular_id}{rest}", params=query, headers=self.headers(sent.sender))

    async def rows(self, sent: Sent) -> list[dict[str, Any]]:
        """All recipients of the circular as its sender sees them."""
        return (await self.read(sent, "/recipients", limit=1000)).json()["items"]

    async def count_events(self, kind: str) -> int:
        """How many events of the type the log holds."""
        async with self.resources.database.connection() as connection:
            return await connection.fetchval("SELECT count(*) FROM recipient_events WHERE type = $1", kind)

    async def told(self, kind: type[Event]) -> list[dict[str, Any]]:
        """What the other services are told by events of the type, in their order."""
        async with self.resources.database.connection() as connection:
            rows = await connection.fetch("SELECT body FROM outbox WHERE type = $1 ORDER BY outbox_id", kind.TYPE)
        return [json.loads(row["body"])["data"] for row in rows]

    async def outgoing(self) -> list[str]:
        """Types of the events that the service owes to the broker."""
        async with self.resources.database.connection() as connection:
            return [row["type"] for row in await connection.fetch("SELECT type FROM outbox ORDER BY outbox_id")]


def message_of(event: Event) -> Incoming:
    """The event as the broker delivers it; the same message again when it is delivered twice."""
    envelope = Envelope(source="wian/test", type=event.TYPE, time=NOW, data=event.model_dump(mode="json"))
    return Incoming(event.TYPE, str(envelope.id), envelope.model_dump_json(exclude_none=True).encode(), {}, redelivered=False)


@asynccontextmanager
async def opened_ack(environment: Mapping[str, str], tokens: TokenIssuer, **more: Any) -> AsyncGenerator[OpenAck]:
    """The service on a fresh database, without its workers."""
    values: dict[str, Any] = {"ack_key_encryption_key": "a" * 43, **environment, **more}
    settings = AckSettings(**values)
    clock = Clock()
    async with postgres.open_database(environment["postgres_dsn"], service="ack", pool_size=8) as database:
        resources = replace(resources_of(settings, database), now=clock)
        transport = httpx.ASGITransport(create_app(resources, tokens.verifier()))
        async with httpx.AsyncClient(transport=transport, base_url="http://wian.test") as http:
            yield OpenAck(http, resources, tokens, clock)
