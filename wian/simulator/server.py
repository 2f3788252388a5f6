"""The HTTP server of the simulated recipients. There is no router: the path of a letter that is taken must cost little."""

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

from aiohttp import web
from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook, WebhookVerificationError

from wian.simulator.behaviours import ANSWERS_CHALLENGE, BEHAVIOURS, SHAKES_HANDS, Call, Memory
from wian.simulator.catalogue import CATALOGUE, Recipient
from wian.simulator.clerk import Clerk
from wian.simulator.received import Received, ReceivedLog, Signature
from wian.simulator.sink import Count, Sink

CONTROL: Final = "_simulator"
CHALLENGE_TYPE: Final = "wian.endpoint.challenge.v1"
SHUTDOWN_SECONDS: Final = 0.1

_RECIPIENTS: Final = {recipient.value: recipient for recipient in Recipient}


class Simulator:
    """A running simulator: its addresses, its secrets and its log."""

    def __init__(self, clerk: Clerk, secrets: Sequence[str] = ()) -> None:
        self.url = ""
        self.tls_url = ""
        self.sink_url = ""
        self.refused_url = ""
        self.sunk = Count()
        self.clerk = clerk
        self.received = ReceivedLog()
        self._memory = Memory(clerk)
        self._verifiers: tuple[Webhook, ...] = ()
        self.set_secrets(secrets)

    def set_secrets(self, secrets: Sequence[str]) -> None:
        """Check signatures with these, any of which may be the right one; with none, check nothing. Raises ValueError."""
        self._verifiers = tuple(_verifier(secret) for secret in secrets)

    def at(self, recipient: Recipient, more: str = "", **options: object) -> str:
        """The address of a recipient; `more` goes on the path, `options` into the query."""
        query = "&".join(f"{name}={value}" for name, value in options.items())
        return f"{self.url}/{recipient}{'/' + more if more else ''}{'?' + query if query else ''}"

    def addresses(self) -> dict[str, str]:
        """The addresses by name."""
        return {"url": self.url, "tls_url": self.tls_url, "sink_url": self.sink_url, "refused_url": self.refused_url}

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        name, _, rest = request.path[1:].partition("/")
        recipient = _RECIPIENTS.get(name)
        if recipient is None:
            return await self._control(request, rest) if name == CONTROL else web.Response(status=404)
        if request.method == "POST":
            return await self._letter(request, recipient)
        if request.method == "OPTIONS":
            return self._handshake(request, recipient)
        return web.Response(status=405, headers={"Allow": "OPTIONS, POST"})

    async def _letter(self, request: web.BaseRequest, recipient: Recipient) -> web.StreamResponse:
        body = await request.read()
        signature = self._check(request, body)
        self.received.add(Received(recipient, "POST", request.path_qs, request.headers, body, signature))
        if signature is Signature.INVALID:
            return web.Response(status=401, text="the signature is missing, wrong or too old")
        if CHALLENGE_TYPE.encode() in body and (challenge := _challenge(body)) is not None:
            return web.json_response({"challenge": challenge}) if recipient in ANSWERS_CHALLENGE else web.Response(status=404)
        call = Call(request, recipient, request.headers.get("webhook-id", ""), body, self._memory)
        return await BEHAVIOURS[recipient](call)

    def _check(self, request: web.BaseRequest, body: bytes) -> Signature:
        if not self._verifiers:
            return Signature.NOT_CHECKED
        headers = dict(request.headers)
        for verifier in self._verifiers:
            try:
                verifier.verify(body, headers, json_parse=False)
            # The library raises ValueError when a header is not base64, or the body not UTF-8.
            except (WebhookVerificationError, ValueError):
                continue
            return Signature.VALID
        return Signature.INVALID

    def _handshake(self, request: web.BaseRequest, recipient: Recipient) -> web.StreamResponse:
        """CloudEvents HTTP 1.1 Web Hooks, §4.1 and §4.2."""
        origin = request.headers.get("WebHook-Request-Origin", "")
        self.received.add(Received(recipient, "OPTIONS", request.path_qs, request.headers, b"", Signature.NOT_CHECKED))
        if not origin or recipient not in SHAKES_HANDS:
            return web.Response(status=405, headers={"Allow": "POST"})
        rate = request.headers.get("WebHook-Request-Rate", "*")
        headers = {"Allow": "OPTIONS, POST", "WebHook-Allowed-Origin": origin, "WebHook-Allowed-Rate": rate}
        return web.Response(status=200, headers=headers)

    async def _control(self, request: web.BaseRequest, what: str) -> web.StreamResponse:
        match request.method, what:
            case "GET", "":
                shown = {"addresses": self.addresses(), "sunk": self.sunk.requests, "recipients": _catalogue()}
                return web.json_response(shown)
            case "GET", "received":
                return self._show_received(request)
            case "DELETE", "received":
                self.received.clear()
                self.clerk.told.clear()
                return web.Response(status=204)
            case "GET", "acknowledgments":
                return web.json_response({"items": self.clerk.listing()})
            case "PUT", "secret":
                return self._put_secret(await request.read())
            case _:
                return web.Response(status=404)

    def _show_received(self, request: web.BaseRequest) -> web.Response:
        query = request.query
        limit = query.get("limit", "1000")
        if not (limit.isascii() and limit.isdigit()):
            return web.Response(status=400, text="limit must be a number")
        found = self.received.select(
            recipient=query.get("recipient", ""), webhook_id=query.get("webhook_id", ""), limit=int(limit[:9])
        )
        return web.json_response({"total": self.received.total, "items": [received.as_json() for received in found]})

    def _put_secret(self, body: bytes) -> web.Response:
        """Body: ``{"secrets": ["whsec_…"]}``; an empty list has nothing checked."""
        try:
            secrets: Any = json.loads(body)["secrets"]
            self.set_secrets([str(secret) for secret in secrets])
        except (ValueError, KeyError, TypeError):
            return web.Response(status=400, text='expected {"secrets": ["whsec_…"]}')
        return web.Response(status=204)


def _verifier(secret: str) -> Webhook:
    try:
        return Webhook(secret)
    except (EmptyWebhookSecretError, ValueError):
        # Without its cause: the secret must not come out.
        raise ValueError("a secret is `whsec_` and base64") from None


def _challenge(body: bytes) -> str | None:
    try:
        event: Any = json.loads(body)
        challenge = event["data"]["challenge"] if event["type"] == CHALLENGE_TYPE else None
    except (ValueError, KeyError, TypeError):
        return None
    return challenge if isinstance(challenge, str) else None


def _catalogue() -> dict[str, Any]:
    return {name: {"en": about.en, "th": about.th, "options": dict(about.options)} for name, about in CATALOGUE.items()}


@asynccontextmanager
async def simulator(
    *, host: str = "127.0.0.1", port: int = 0, tls_port: int | None = 0, secrets: Sequence[str] = ()
) -> AsyncGenerator[Simulator]:
    """A simulator that runs in this process; port 0 takes a free one, `tls_port` None opens none."""
    async with AsyncExitStack() as stack:
        running = Simulator(await stack.enter_async_context(Clerk()), secrets)
        # Cancelled when the client goes: a recipient that never answers must not wait for ever.
        server = web.Server(running.handle, handler_cancellation=True, access_log=None)
        runner = web.ServerRunner(server, shutdown_timeout=SHUTDOWN_SECONDS)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        running.url = f"http://{await _listen(runner, host, port)}"
        if tls_port is not None:
            running.tls_url = f"https://{await _listen(runner, host, tls_port, await asyncio.to_thread(_wrong_certificate))}"
        sink = await asyncio.get_running_loop().create_server(lambda: Sink(running.sunk), host, 0)
        stack.callback(sink.close)
        running.sink_url = f"http://{_shown(host)}:{sink.sockets[0].getsockname()[1]}"
        # Bound but not listening: a connection is refused for as long as the socket is open.
        refusing = stack.enter_context(socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET))
        refusing.bind((host, 0))
        running.refused_url = f"http://{_shown(host)}:{refusing.getsockname()[1]}"
        yield running


async def _listen(runner: web.ServerRunner, host: str, port: int, context: ssl.SSLContext | None = None) -> str:
    await web.TCPSite(runner, host, port, ssl_context=context).start()
    return f"{_shown(host)}:{runner.addresses[-1][1]}"


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _wrong_certificate() -> ssl.SSLContext:
    # Imported here, so that a simulator without TLS starts at once.
    from wian.simulator.certificate import WRONG_NAME, self_signed, server_context

    return server_context(*self_signed(WRONG_NAME))
