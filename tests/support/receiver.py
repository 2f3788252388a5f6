"""The other side of a hand-over: a webhook endpoint that answers by script, and a mail server that keeps what it is given."""

import asyncio
import json
from collections import defaultdict, deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import SMTP as SMTP_POLICY
from typing import Any

from aiohttp import web
from aiosmtpd.smtp import SMTP, Envelope, Session
from standardwebhooks.webhooks import Webhook


@dataclass(frozen=True, slots=True)
class Answer:
    """One scripted answer; `gate` holds it back until it is set."""

    status: int = 204
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict[str, str])
    gate: asyncio.Event | None = None


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def webhook_id(self) -> str:
        return self.headers["webhook-id"]

    def verified(self, secret: str) -> dict[str, Any]:
        """The event, when the signature holds; raises WebhookVerificationError."""
        return Webhook(secret).verify(self.body, self.headers)

    @property
    def data(self) -> dict[str, Any]:
        return json.loads(self.body)["data"]


class Receiver:
    """Answers each path by its script, then with 204; it takes events of whoever asks, unless `shy`; `echo` answers challenges."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.url = ""
        self.shy = False
        self.echo = False
        self.allowed_rate: str | None = None
        self._scripts: dict[str, deque[Answer]] = defaultdict(deque)

    def script(self, path: str, *answers: Answer) -> None:
        """The next answers on `path`."""
        self._scripts[path].extend(answers)

    def at(self, path: str) -> list[Received]:
        return [request for request in self.received if request.path == path]

    async def count(self) -> int:
        return len(self.received)

    async def _handle(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        if request.method == "OPTIONS":
            if self.shy:
                return web.Response(status=405)
            allowed = {"WebHook-Allowed-Origin": headers["webhook-request-origin"]}
            return web.Response(
                headers=allowed if self.allowed_rate is None else allowed | {"WebHook-Allowed-Rate": self.allowed_rate}
            )
        self.received.append(Received(request.path, headers, await request.read()))
        if self.echo and b"wian.endpoint.challenge.v1" in self.received[-1].body:
            return web.json_response({"challenge": self.received[-1].data["challenge"]})
        script = self._scripts[request.path]
        answer = script.popleft() if script else Answer()
        if answer.gate is not None:
            await answer.gate.wait()
        return web.Response(status=answer.status, text=answer.body or None, headers=answer.headers)


@asynccontextmanager
async def receiver() -> AsyncGenerator[Receiver]:
    """An endpoint on the loopback interface."""
    endpoint = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", endpoint._handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        endpoint.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield endpoint
    finally:
        await runner.cleanup()


class MailSink:
    """Keeps every mail; `answers` are given to the next ones instead of 250."""

    def __init__(self) -> None:
        self.messages: list[EmailMessage] = []
        self.raw: list[bytes] = []
        self.senders: list[str | None] = []
        self.recipients: list[str] = []
        self.busy: dict[str, int] = defaultdict(int)
        self.most_busy: dict[str, int] = defaultdict(int)
        self.gates: dict[str, asyncio.Event] = {}
        self.answers: deque[str] = deque()
        self.recipient_answers: deque[str] = deque()
        self.connections = 0
        self.port = 0
        self._open: list[SMTP] = []

    def hang_up(self) -> None:
        """End every connection without a word."""
        for connection in self._open:
            if connection.transport is not None:
                connection.transport.close()
        self._open.clear()

    @property
    def open_connections(self) -> int:
        return sum(connection.transport is not None for connection in self._open)

    async def handle_RCPT(self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]) -> str:  # noqa: N802 - the server's name
        if self.recipient_answers:
            return self.recipient_answers.popleft()
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - the server's name
        domain = str(envelope.rcpt_tos[0]).rpartition("@")[2]
        self.busy[domain] += 1
        self.most_busy[domain] = max(self.most_busy[domain], self.busy[domain])
        try:
            if domain in self.gates:
                await self.gates[domain].wait()
            return self._take(envelope)
        finally:
            self.busy[domain] -= 1

    def _take(self, envelope: Envelope) -> str:
        if self.answers:
            return self.answers.popleft()
        content = envelope.content
        assert isinstance(content, bytes)
        self.raw.append(content)
        self.senders.append(envelope.mail_from)
        self.messages.append(BytesParser(EmailMessage, policy=SMTP_POLICY).parsebytes(content))
        self.recipients += [str(address) for address in envelope.rcpt_tos]
        return "250 taken"


@asynccontextmanager
async def mail_sink(**options: Any) -> AsyncGenerator[MailSink]:
    """A mail server on the loopback interface; `options` are aiosmtpd's."""
    sink = MailSink()
    loop = asyncio.get_running_loop()

    def protocol() -> SMTP:
        sink.connections += 1
        sink._open.append(SMTP(sink, loop=loop, **options))
        return sink._open[-1]

    server = await loop.create_server(protocol, "127.0.0.1", 0)
    sink.port = server.sockets[0].getsockname()[1]
    try:
        yield sink
    finally:
        server.close()
        await server.wait_closed()
