"""SMTP out: one connection for a batch of mails, and what each answer of the mail server means."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal, assert_never
from uuid import UUID

import aiosmtplib
import structlog
from opentelemetry.trace import SpanKind
from opentelemetry.util.types import AttributeValue

from services.dispatch.attachments import AttachmentReader
from services.dispatch.delivery.jobs import CircularContent, Job
from services.dispatch.delivery.send import Session
from services.dispatch.mail_message import File, compose
from services.dispatch.outcomes import Delivered, NoRoute, Outcome, Refused, RetryLater, answer_text
from services.dispatch.reasons import Reason
from shared import telemetry

ACCEPTED: Final = 250

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail is handed in, and as whom."""

    host: str
    port: int
    tls: Literal["auto", "starttls", "tls", "none"]
    username: str | None
    password: str | None
    timeout: float


class MailSender:
    """Sends mails; each batch has a connection of its own."""

    def __init__(self, server: MailServer, reader: AttachmentReader, *, sender: str, public_url: str) -> None:
        self._server = server
        self._reader = reader
        self._sender = sender
        self._public_url = public_url

    @asynccontextmanager
    async def session(self) -> AsyncGenerator[Session]:
        batch = _MailBatch(self._server, self._reader, self._sender, self._public_url)
        try:
            # SMTP is one conversation: one mail after the other.
            turn = asyncio.Semaphore(1)
            yield Session(batch.send, lambda: turn)
        finally:
            await batch.close()


class _MailBatch:
    def __init__(self, server: MailServer, reader: AttachmentReader, sender: str, public_url: str) -> None:
        self._server = server
        self._reader = reader
        self._sender = sender
        self._public_url = public_url
        self._client: aiosmtplib.SMTP | None = None
        self._files: dict[UUID, tuple[File, ...]] = {}
        # A server that cannot be reached is not tried again for each mail of the batch: that would take its time-out every time.
        self._no_connection: Outcome | None = None

    async def send(self, job: Job) -> Outcome:
        if job.email is None:
            return NoRoute("the agency has no mailbox that this letter may go to")
        if self._no_connection is not None:
            return self._no_connection
        message = compose(
            job,
            to=job.email,
            sender=self._sender,
            public_url=self._public_url,
            files=await self._files_of(job.circular),
            now=datetime.now(UTC),
        )
        attributes: dict[str, AttributeValue] = {
            "server.address": self._server.host,
            "wian.delivery_id": str(job.address.delivery_id),
        }
        with telemetry.span("send mail", kind=SpanKind.CLIENT, parent=job.circular.traceparent, attributes=attributes):
            try:
                client = await self._connected()
                _, answer = await client.sendmail(self._sender, [job.email], message)
                return Delivered(ACCEPTED, answer_text(answer))
            except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
                outcome = self._no_connection or outcome_of(error)
                if not isinstance(error, aiosmtplib.SMTPRecipientsRefused | aiosmtplib.SMTPDataError):
                    await self.close()
                return outcome

    async def _files_of(self, circular: CircularContent) -> tuple[File, ...]:
        if circular.circular_id not in self._files:
            self._files[circular.circular_id] = await self._reader.read(circular.letter.attachments)
        return self._files[circular.circular_id]

    async def _connected(self) -> aiosmtplib.SMTP:
        if self._client is not None and self._client.is_connected:
            return self._client
        client = aiosmtplib.SMTP(
            hostname=self._server.host,
            port=self._server.port,
            timeout=self._server.timeout,
            use_tls=self._server.tls == "tls",
            start_tls=start_tls(self._server.tls),
            username=self._server.username,
            password=self._server.password,
        )
        try:
            await client.connect()
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            self._no_connection = unreachable(error)
            client.close()
            raise
        self._client = client
        return client

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is None or not client.is_connected:
            return
        try:
            await client.quit()
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            log.info("mail server was gone before the goodbye", error=repr(error))
            client.close()


def start_tls(mode: Literal["auto", "starttls", "tls", "none"]) -> bool | None:
    """Aiosmtplib's reading of our setting: None upgrades when the server offers it."""
    match mode:
        case "auto":
            return None
        case "starttls":
            return True
        case "tls" | "none":
            return False
        case _:
            assert_never(mode)


def outcome_of(error: BaseException) -> Outcome:
    """What a failed mail means: a permanent refusal of this recipient or message, or trouble that may pass.

    A refused login or sender is trouble of our own, however permanent the server calls it.
    """
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        return _by_code("recipient_refused", error.recipients[0].code, error.recipients[0].message)
    if isinstance(error, aiosmtplib.SMTPAuthenticationError | aiosmtplib.SMTPSenderRefused | aiosmtplib.SMTPConnectResponseError):
        return RetryLater("mail_server_refuses_us", error.code, answer_text(error.message))
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return _by_code("mail_refused", error.code, error.message)
    return unreachable(error)


def unreachable(error: BaseException) -> Outcome:
    """What a failed greeting, STARTTLS or login means: trouble of our own server, whatever code it gives, and of no recipient."""
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return RetryLater("mail_server_refuses_us", error.code, answer_text(error.message))
    return RetryLater("mail_server_unreachable", answer=answer_text(f"{type(error).__name__}: {error}"))


def _by_code(reason: Reason, code: int, message: str) -> Outcome:
    text = answer_text(message)
    return Refused(reason, code, text) if code >= 500 else RetryLater(reason, code, text)
