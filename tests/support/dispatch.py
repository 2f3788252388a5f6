"""Dispatch opened in the test's process, driven step by step: events in, one turn of the scheduler, one batch at a time."""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import aio_pika
import httpx
from cryptography.fernet import Fernet

from services.dispatch.app import Engine, create_app, open_engine, open_resources
from services.dispatch.config import DispatchSettings
from services.dispatch.resources import Resources
from services.dispatch.signatures import new_secret
from services.dispatch.worker import BatchHandler
from shared import postgres
from shared.access import Scope
from shared.broker import Incoming, Publisher, Verdict
from shared.contracts.envelope import Envelope, Event
from shared.contracts.events import (
    AgencySaved,
    AttachmentLink,
    Channel,
    CircularDispatched,
    FrozenRecipient,
    LetterSummary,
    RecipientRegistered,
    RecipientsReminded,
    RecipientWithdrawn,
    Reminder,
    Secrecy,
    Speed,
)
from shared.contracts.topology import Lane, lane_queue
from shared.ids import new_id
from shared.postgres import Database, Row
from tests.support.eventually import eventually
from tests.support.receiver import Answer, Receiver
from tests.support.tokens import TokenIssuer

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def dispatch_settings(base: Mapping[str, str], **more: str) -> DispatchSettings:
    """Settings for tests: endpoints on the loopback interface are allowed, and those that behave badly need not prove themselves."""
    values: dict[str, Any] = {
        **base,
        "dispatch_secret_key": Fernet.generate_key().decode(),
        "dispatch_allow_networks": "127.0.0.0/8",
        "dispatch_poll_interval": "0.02",
        "dispatch_endpoint_proof": "off",
        **more,
    }
    return DispatchSettings(**values)


def letter(
    *, speed: Speed = Speed.NORMAL, secrecy: Secrecy = Secrecy.NORMAL, attachments: Sequence[AttachmentLink] = ()
) -> LetterSummary:
    """The seed's letter."""
    secret = secrecy is not Secrecy.NORMAL
    return LetterSummary(
        letter_id=uuid4(),
        number="สค ๐๐๑๗.๑/ว ๑๕๑๒๓",
        date=date(2017, 11, 9),
        owner="ศาลากลางจังหวัดสมุทรสาคร",
        subject="" if secret else "การพัฒนางานบริการประชาชนเพื่อรองรับการเป็นศูนย์ราชการสะดวก <b>GECC</b>",
        salutation="หน่วยงานที่เกี่ยวข้อง",
        body=() if secret else ("ด้วยกระทรวงมหาดไทยแจ้งว่า ๑ < ๒ & ๓",),
        closing="ขอแสดงความนับถือ",
        signatory_name="นายตัวอย่าง",
        signatory_position="ผู้ว่าราชการจังหวัดสมุทรสาคร",
        contact_unit="สำนักงานจังหวัด",
        telephone="๐ ๓๔๔๑ ๑๒๕๑",
        speed=speed,
        secrecy=secrecy,
        content_hash="0" * 64,
        attachments=() if secret else tuple(attachments),
    )


def agency_saved(agency_id: UUID, *, email: str | None = None, version: int = 1) -> AgencySaved:
    return AgencySaved(
        agency_id=agency_id,
        version=version,
        code=f"agency-{agency_id.hex[:8]}",
        name_th="ที่ว่าการอำเภอ",
        name_en="District Office",
        kind="district",
        email=email,
    )


def circular_dispatched(
    agencies: Iterable[UUID],
    *,
    sender: UUID | None = None,
    content: LetterSummary | None = None,
    deadline: datetime | None = None,
) -> CircularDispatched:
    """A circular in one chunk, to `agencies` in that order."""
    recipients = tuple(
        FrozenRecipient(recipient_id=new_id(), position=n, agency_id=agency, title=f"นายอำเภอที่ {n}", relay_duty=n == 1)
        for n, agency in enumerate(agencies, 1)
    )
    return CircularDispatched(
        circular_id=new_id(),
        sender_agency_id=sender or uuid4(),
        sender_name_th="จังหวัดสมุทรสาคร",
        sender_name_en="Samut Sakhon Province",
        letter=content or letter(),
        dispatched_at=datetime.now(UTC),
        deadline=deadline,
        relay_of_recipient_id=None,
        recipient_count=len(recipients),
        chunk=1,
        chunks=1,
        recipients=recipients,
    )


def _about(circular: CircularDispatched, index: int) -> dict[str, Any]:
    recipient = circular.recipients[index]
    about = {"recipient_id": recipient.recipient_id, "agency_id": recipient.agency_id}
    return about | {"circular_id": circular.circular_id, "letter_id": circular.letter.letter_id}


def recipient_registered(
    circular: CircularDispatched, index: int = 0, *, recorded_at: datetime | None = None
) -> RecipientRegistered:
    return RecipientRegistered(
        **_about(circular, index),
        receive_number="๓๓๓",
        receive_date=date(2017, 11, 10),
        recorded_at=recorded_at or datetime.now(UTC),
    )


def recipient_withdrawn(
    circular: CircularDispatched, index: int = 0, *, recorded_at: datetime | None = None
) -> RecipientWithdrawn:
    return RecipientWithdrawn(
        **_about(circular, index),
        reason="ลงรับผิดฉบับ",
        recorded_at=recorded_at or datetime.now(UTC),
    )


def recipients_reminded(
    circular: CircularDispatched,
    told: UUID | None = None,
    *,
    deadline: datetime | None = None,
    overdue: bool = False,
    escalation: bool = False,
    link_opens: bool = True,
) -> RecipientsReminded:
    """A rung of the circular's reminder ladder for its first recipient, of which `told` is told."""
    recipient = circular.recipients[0]
    one = Reminder(
        recipient_id=recipient.recipient_id,
        agency_id=recipient.agency_id,
        told_agency_id=told or recipient.agency_id,
        link_opens=link_opens,
    )
    return RecipientsReminded(
        circular_id=circular.circular_id,
        letter_id=circular.letter.letter_id,
        sender_agency_id=circular.sender_agency_id,
        number=circular.letter.number,
        deadline=deadline or datetime.now(UTC) + timedelta(days=1),
        rung=1,
        overdue=overdue,
        escalation=escalation,
        due_at=datetime.now(UTC),
        recipients=(one,),
    )


@dataclass
class Bench:
    """An opened dispatch; nothing moves unless the test says so."""

    settings: DispatchSettings
    resources: Resources
    engine: Engine
    publisher: Publisher
    http: httpx.AsyncClient
    tokens: TokenIssuer
    secrets: dict[UUID, str] = field(default_factory=dict[UUID, str])

    @property
    def database(self) -> Database:
        return self.resources.database

    async def apply(self, event: Event, *, message_id: UUID | None = None) -> None:
        """Deliver `event` as the broker would."""
        envelope = Envelope(
            source="test", type=event.TYPE, data=event.model_dump(mode="json"), traceparent=TRACEPARENT, id=message_id or new_id()
        )
        message = Incoming(event.TYPE, str(envelope.id), envelope.model_dump_json().encode(), {}, redelivered=False)
        assert await self.engine.consumers.handler(self.database)(message) is Verdict.DONE

    async def agency(self, *, url: str | None = None, email: str | None = None) -> UUID:
        """An agency that dispatch knows, with an endpoint set through the API."""
        agency_id = uuid4()
        await self.apply(agency_saved(agency_id, email=email))
        if url is not None:
            await self.set_endpoint(agency_id, url)
        return agency_id

    async def set_endpoint(self, agency_id: UUID, url: str) -> None:
        secret = new_secret()
        headers = self.tokens.headers(agency_id, Scope.ENDPOINTS_WRITE)
        answer = await self.http.put("/v1/endpoints", json={"url": url, "secret": secret}, headers=headers)
        assert answer.status_code == 200, answer.text
        self.secrets[agency_id] = secret

    async def messages(self, lane: Lane = Lane.NORMAL, channel: Channel = Channel.WEBHOOK) -> list[Incoming]:
        """Take all messages off a lane."""
        found: list[Incoming] = []
        connection = await aio_pika.connect(self.settings.amqp_url.get_secret_value())
        async with connection:
            opened = await connection.channel()
            queue = await opened.get_queue(f"{self.settings.broker_namespace}.{lane_queue(lane, channel)}", ensure=False)
            while (message := await queue.get(no_ack=True, fail=False)) is not None:
                found.append(Incoming(message.routing_key or "", message.message_id or "", message.body, {}, redelivered=False))
        return found

    async def deliver_due(self, lane: Lane = Lane.NORMAL, channel: Channel = Channel.WEBHOOK) -> list[Incoming]:
        """One turn of the scheduler, then the work of one lane; returns its messages."""
        await self.engine.scheduler.run_once()
        taken = await self.messages(lane, channel)
        for message in taken:
            assert await self.handler(lane, channel)(message) is Verdict.DONE
        await self.handler(lane, channel).idle()
        return taken

    def handler(self, lane: Lane = Lane.NORMAL, channel: Channel = Channel.WEBHOOK) -> BatchHandler:
        """The worker of one lane."""
        return self.engine.handlers[lane, channel]

    async def make_due(self) -> None:
        """Let the time of every next action come."""
        async with self.database.connection() as connection:
            await connection.execute(
                "UPDATE deliveries SET next_attempt_at = now() - interval '1 second', turn_at = now() WHERE state = 'scheduled'"
            )

    async def expire_leases(self) -> None:
        async with self.database.connection() as connection:
            await connection.execute("UPDATE leases SET leased_until = now() - interval '1 second'")

    async def leased_until(self) -> datetime:
        """When the only lease there is runs out."""
        async with self.database.connection() as connection:
            return await connection.fetchval("SELECT leased_until FROM leases")

    async def deliveries(self) -> list[Row]:
        async with self.database.connection() as connection:
            return await connection.fetch("SELECT * FROM deliveries ORDER BY position, delivery_id")

    async def delivery(self) -> Row:
        """The only delivery there is."""
        (row,) = await self.deliveries()
        return row

    async def states(self) -> list[str]:
        return [row["state"] for row in await self.deliveries()]

    async def attempts(self) -> list[Row]:
        async with self.database.connection() as connection:
            return await connection.fetch("SELECT * FROM attempts ORDER BY delivery_id, number")

    async def events(self, payload: type[Event]) -> list[dict[str, Any]]:
        """The items of all events of one type in the outbox."""
        async with self.database.connection() as connection:
            rows = await connection.fetch("SELECT body FROM outbox WHERE type = $1 ORDER BY outbox_id", payload.TYPE)
        data: list[Any] = [Envelope.model_validate_json(row["body"]).data for row in rows]
        return [item for event in data for item in event["items"]]


async def mail_notices(dispatch: Bench) -> list[Row]:
    """Every mail beside letters, in the order in which they were noted."""
    async with dispatch.database.connection() as connection:
        return await connection.fetch("SELECT * FROM mail_notices ORDER BY created_at, notice_id")


@asynccontextmanager
async def bench(base: Mapping[str, str], tokens: TokenIssuer, **more: str) -> AsyncGenerator[Bench]:
    """Dispatch over a real database and broker."""
    settings = dispatch_settings(base, **more)
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(
            postgres.open_database(settings.postgres_dsn.get_secret_value(), service="dispatch", pool_size=6)
        )
        resources = await open_resources(stack, settings, database)
        publisher = Publisher(settings.amqp_url.get_secret_value(), settings.broker_namespace, timeout=5)
        stack.push_async_callback(publisher.close)
        assert await publisher.problem() is None, "the topology is declared"
        engine = await open_engine(stack, settings, resources, publisher)
        transport = httpx.ASGITransport(create_app(resources, tokens.verifier()))
        http = await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url="http://wian.test"))
        yield Bench(settings, resources, engine, publisher, http, tokens)


@asynccontextmanager
async def being_sent(dispatch: "Bench", endpoint: Receiver, status: int) -> AsyncGenerator[CircularDispatched]:
    """A circular to one endpoint, which has the letter in hand meanwhile and answers with `status` when the block has ended."""
    gate = asyncio.Event()
    circular = circular_dispatched([await dispatch.agency(url=f"{endpoint.url}/hook")])
    await dispatch.apply(circular)
    endpoint.script("/hook", Answer(status, gate=gate))
    sending = asyncio.create_task(dispatch.deliver_due())
    await eventually(endpoint.count, lambda count: count == 1)
    yield circular
    gate.set()
    await sending


async def gathered(*work: Any) -> None:
    """Run at the same time."""
    await asyncio.gather(*work)
