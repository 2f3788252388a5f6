"""SMTP out: who may go now, which connection carries it, and what each answer of the mail server means."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import aiosmtplib
from opentelemetry.trace import SpanKind
from opentelemetry.util.types import AttributeValue

from services.dispatch.attachments import AttachmentReader
from services.dispatch.delivery.jobs import CircularContent, Job
from services.dispatch.delivery.send import Session
from services.dispatch.mail_limits import SHORTEST_DEFERRAL, Domains
from services.dispatch.mail_message import File, compose
from services.dispatch.mail_pool import FAILURES, ConnectError, MailPool
from services.dispatch.mail_signature import DkimSigner
from services.dispatch.outcomes import Deferred, Delivered, NoRoute, Outcome, Refused, RetryLater, answer_text
from services.dispatch.reasons import Reason
from services.dispatch.return_path import ReturnPaths
from shared import telemetry
from shared.mailboxes import domain_of, in_ascii_domain

ACCEPTED: Final = 250
TOO_LARGE: Final = 552
# Of so many circulars of one batch the files are kept in memory; a batch mostly holds one.
CIRCULARS_KEPT: Final = 4
NEEDS_SMTPUTF8: Final = Refused(
    "mailbox_needs_smtputf8", answer="the mail server cannot write to a mailbox in this script (SMTPUTF8)"
)


@dataclass(frozen=True, slots=True)
class Identity:
    """As whom mail goes out: From, the signature of its domain, and where bounces come back to. None: off."""

    sender: str
    public_url: str
    signer: DkimSigner | None
    return_paths: ReturnPaths | None

    def return_path(self, mail_id: UUID) -> str:
        """Where what comes back for a delivery's or a notice's mail goes."""
        return self.sender if self.return_paths is None else self.return_paths.of(mail_id)


class MailSender:
    """One lane's way of sending mail: at most `connections` at a time, whose connections outlive the batches."""

    def __init__(
        self, pool: MailPool, connections: int, *, identity: Identity, reader: AttachmentReader, domains: Domains
    ) -> None:
        self.pool = pool
        self.slots = asyncio.Semaphore(connections)
        self.identity = identity
        self.reader = reader
        self.domains = domains

    @asynccontextmanager
    async def session(self) -> AsyncGenerator[Session]:
        batch = _MailBatch(self)
        yield Session(batch.send, batch.turn)


class _MailBatch:
    def __init__(self, sender: MailSender) -> None:
        self._sender = sender
        self._identity = sender.identity
        self._files: OrderedDict[UUID, tuple[File, ...]] = OrderedDict()
        self._reading = asyncio.Lock()
        self._sent_back: dict[UUID, float] = {}
        # A server that cannot be reached is not tried again for each mail of the batch: that would take its time-out every time.
        self._no_connection: Outcome | None = None

    @asynccontextmanager
    async def turn(self, job: Job) -> AsyncGenerator[None]:
        """A place at the recipient's domain, and then one of the connections: whoever waits for the first holds none of the others."""
        domain = None if job.email is None else domain_of(job.email)
        if domain is None:
            yield
            return
        after = await self._sender.domains.enter(domain)
        if after is not None:
            self._sent_back[job.address.delivery_id] = after
            yield
            return
        begun = time.monotonic()
        try:
            async with self._sender.slots:
                begun = time.monotonic()
                yield
        finally:
            self._sender.domains.leave(domain, time.monotonic() - begun)

    async def send(self, job: Job) -> Outcome:
        if job.email is None:
            return NoRoute("the agency has no mailbox that this letter may go to")
        after = self._sent_back.pop(job.address.delivery_id, None)
        if after is not None:
            return Deferred("the limit of mails to this domain is reached", after)
        if self._no_connection is not None:
            return self._no_connection
        files = await self._files_of(job.circular)
        attributes: dict[str, AttributeValue] = {
            "server.address": self._sender.pool.server.host,
            "wian.delivery_id": str(job.address.delivery_id),
        }
        with telemetry.span("send mail", kind=SpanKind.CLIENT, parent=job.circular.traceparent, attributes=attributes):
            try:
                async with self._sender.pool.connection() as client:
                    return await self._hand_in(client, job, in_ascii_domain(job.email), files)
            except ConnectError as error:
                if self._sender.pool.in_use:
                    # It talks to us, and lets no more in: fewer connections than the setting says.
                    return Deferred("the mail server takes no more connections", SHORTEST_DEFERRAL)
                self._no_connection = unreachable(error.cause)
                return self._no_connection
            except FAILURES as error:
                return outcome_of(error)

    async def _hand_in(self, client: aiosmtplib.SMTP, job: Job, to: str, files: Sequence[File]) -> Outcome:
        """Send over `client`; raises for what leaves it in doubt whether the connection is of further use."""
        if not can_write_to(client, to):
            return NEEDS_SMTPUTF8
        message = await self._written(job, to, files)
        limit = size_limit(client)
        if files and limit is not None and len(message) > limit:
            files, message = (), await self._written(job, to, ())
        try:
            return await self._transmit(client, job, to, message)
        except (aiosmtplib.SMTPSenderRefused, aiosmtplib.SMTPDataError) as error:
            if not files or not is_too_large(error):
                return outcome_of(error)
        except aiosmtplib.SMTPRecipientsRefused as error:
            return outcome_of(error)
        try:
            return await self._transmit(client, job, to, await self._written(job, to, ()))
        except (aiosmtplib.SMTPSenderRefused, aiosmtplib.SMTPDataError, aiosmtplib.SMTPRecipientsRefused) as error:
            return outcome_of(error)

    async def _transmit(self, client: aiosmtplib.SMTP, job: Job, to: str, message: bytes) -> Outcome:
        return await transmit(client, self._identity, job.address.delivery_id, to, message)

    async def _written(self, job: Job, to: str, files: Sequence[File]) -> bytes:
        """The signed message; in a thread, since files are encoded and hashed."""

        def write() -> bytes:
            identity = self._identity
            message = compose(
                job, to=to, sender=identity.sender, public_url=identity.public_url, files=files, now=datetime.now(UTC)
            )
            return message if identity.signer is None else identity.signer.sign(message)

        return await asyncio.to_thread(write)

    async def _files_of(self, circular: CircularContent) -> tuple[File, ...]:
        if not circular.letter.attachments:
            return ()
        async with self._reading:
            if circular.circular_id not in self._files:
                self._files[circular.circular_id] = await self._sender.reader.read(circular.letter.attachments)
            if len(self._files) > CIRCULARS_KEPT:
                self._files.popitem(last=False)
            return self._files[circular.circular_id]


def can_write_to(client: aiosmtplib.SMTP, to: str) -> bool:
    """Whether the server takes a mailbox of that script."""
    return to.isascii() or client.supports_extension("smtputf8")


async def transmit(client: aiosmtplib.SMTP, identity: Identity, mail_id: UUID, to: str, message: bytes) -> Delivered:
    """Hand `message` in, with a return path that names `mail_id`; raises what the server refuses."""
    options = [] if to.isascii() else ["SMTPUTF8"]
    wishes: list[str] = []
    if identity.return_paths is not None and client.supports_extension("dsn"):
        # A bounce needs no copy of the letter, and nobody need write that a letter came: that would be no acknowledgment.
        options.append("RET=HDRS")
        wishes.append("NOTIFY=FAILURE,DELAY")
    _, answer = await client.sendmail(identity.return_path(mail_id), [to], message, mail_options=options, rcpt_options=wishes)
    return Delivered(ACCEPTED, answer_text(answer))


def size_limit(client: aiosmtplib.SMTP) -> int | None:
    """The most bytes that the server takes in one message (RFC 1870); None when it names no limit."""
    limit = client.esmtp_extensions.get("size", "").strip()
    return int(limit) if limit.isdecimal() and int(limit) > 0 else None


def is_too_large(error: aiosmtplib.SMTPResponseException) -> bool:
    """Whether the server says that the message is too large for it, by code or by enhanced code (RFC 3463)."""
    return error.code == TOO_LARGE or error.message.startswith(("5.3.4", "5.2.3"))


def outcome_of(error: BaseException) -> Outcome:
    """What a failed mail means: a permanent refusal of this recipient or message, or trouble that may pass.

    A refused login or sender is trouble of our own, however permanent the server calls it.
    """
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        return _by_code("recipient_refused", error.recipients[0].code, error.recipients[0].message)
    if isinstance(error, aiosmtplib.SMTPAuthenticationError | aiosmtplib.SMTPSenderRefused | aiosmtplib.SMTPConnectResponseError):
        if isinstance(error, aiosmtplib.SMTPSenderRefused) and is_too_large(error):
            return Refused("mail_too_large", error.code, answer_text(error.message))
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
