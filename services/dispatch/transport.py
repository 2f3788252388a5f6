"""HTTP out: signed webhooks (Standard Webhooks 1.0), through the guard, with every wait bounded."""

import asyncio
import email.utils
import ssl
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final
from uuid import UUID

import aiohttp
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.util.types import AttributeValue
from standardwebhooks.webhooks import Webhook
from yarl import URL

from services.dispatch import payload
from services.dispatch.delivery.jobs import CircularContent, Endpoint, Job
from services.dispatch.delivery.send import Session
from services.dispatch.delivery.slots import Slots
from services.dispatch.guard import AddressRefused, Guard, GuardedResolver, Network, UrlRefused, check_url
from services.dispatch.outcomes import Delivered, Gone, NoRoute, Outcome, Refused, RetryLater, answer_text
from services.dispatch.payload import WebhookBodies
from services.dispatch.reasons import http_reason, url_reason
from services.dispatch.vault import SecretLost, Vault
from shared import telemetry

USER_AGENT: Final = "Wian/1 (webhook)"
# The answer is read to keep the connection usable and to be shown; no more of it, and no longer, than that takes.
ANSWER_LIMIT: Final = 4096
ANSWER_PATIENCE: Final = 2.0
DNS_CACHE_SECONDS: Final = 30
IDLE_SECONDS: Final = 30
SIGNERS_KEPT: Final = 10_000
CIRCULARS_KEPT: Final = 200

# 408 request timeout, 409 conflict, 425 too early, 429 too many requests: the same request may go through later.
RETRYABLE_STATUS: Final = frozenset({408, 409, 425, 429})
GONE_STATUS: Final = 410


@dataclass(frozen=True, slots=True)
class Answer:
    """What an endpoint answered."""

    status: int
    body: bytes
    retry_after: str | None


class WebhookSender:
    """Sends webhooks over kept-alive connections."""

    def __init__(
        self, sessions: Mapping[str, aiohttp.ClientSession], vault: Vault, allowed: Sequence[Network], public_url: str
    ) -> None:
        self._sessions = sessions
        self._allowed = tuple(allowed)

        @lru_cache(maxsize=SIGNERS_KEPT)
        def signer(sealed: bytes) -> Webhook:
            return Webhook(vault.open(sealed))

        @lru_cache(maxsize=SIGNERS_KEPT)
        def checked(url: str) -> URL:
            return check_url(url, self._allowed)

        self._signer = signer
        self._checked = checked
        self._public_url = public_url
        self._bodies: dict[UUID, WebhookBodies] = {}

    def lane(self, slots: Slots) -> "WebhookLane":
        """A sender with slots of its own, so that one lane's endpoints take no other lane's."""
        return WebhookLane(self, slots)

    async def send(self, job: Job) -> Outcome:
        """Send one webhook; network trouble and refusals are outcomes."""
        if job.endpoint is None:
            return NoRoute("the agency has no active endpoint")
        try:
            url = self._checked(job.endpoint.url)
            headers, body = self._request(job, job.endpoint)
        except UrlRefused as error:
            return Refused(url_reason(error.code))
        except SecretLost:
            # Ours to repair (the key is missing); the endpoint has done nothing wrong.
            return RetryLater("secret_unreadable")
        attributes: dict[str, AttributeValue] = {
            "server.address": url.host or "",
            "wian.delivery_id": str(job.address.delivery_id),
        }
        with telemetry.span("POST webhook", kind=SpanKind.CLIENT, parent=job.circular.traceparent, attributes=attributes) as span:
            traceparent = telemetry.current_traceparent()
            if traceparent is not None:
                headers["traceparent"] = traceparent
            outcome = await self._post(self._sessions[url.scheme], url, headers, body)
            if not isinstance(outcome, Delivered):
                span.set_status(Status(StatusCode.ERROR))
            return outcome

    def _request(self, job: Job, endpoint: Endpoint) -> tuple[dict[str, str], bytes]:
        body = self._bodies_of(job.circular).body(job.address)
        now, message_id = datetime.now(UTC), str(job.address.delivery_id)
        headers = {
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._signer(endpoint.secret_encrypted).sign(message_id, now, body.decode()),
            "content-type": payload.CONTENT_TYPE,
        }
        return headers, body

    def _bodies_of(self, circular: CircularContent) -> WebhookBodies:
        found = self._bodies.get(circular.circular_id)
        if found is None:
            if len(self._bodies) >= CIRCULARS_KEPT:
                self._bodies.clear()
            found = self._bodies[circular.circular_id] = WebhookBodies(circular, self._public_url)
        return found

    async def _post(self, session: aiohttp.ClientSession, url: URL, headers: dict[str, str], body: bytes) -> Outcome:
        try:
            async with session.post(url, data=body, headers=headers, allow_redirects=False) as response:
                answer = Answer(response.status, await _read_answer(response), response.headers.get("Retry-After"))
            return outcome_of(answer, datetime.now(UTC))
        except AddressRefused as error:
            return Refused("address_refused", answer=answer_text(str(error)))
        except (aiohttp.InvalidURL, aiohttp.ClientConnectorCertificateError) as error:
            # An expired certificate is repaired within hours; a retry finds it so.
            reason = "certificate_invalid" if isinstance(error, aiohttp.ClientConnectorCertificateError) else "url_invalid"
            return RetryLater(reason, answer=answer_text(str(error)))
        except TimeoutError:
            return RetryLater("timeout")
        except (aiohttp.ClientError, OSError, ssl.SSLError) as error:
            return RetryLater("connection_failed", answer=answer_text(f"{type(error).__name__}: {error}"))


class WebhookLane:
    """The webhooks of one lane."""

    def __init__(self, sender: WebhookSender, slots: Slots) -> None:
        self._session = Session(sender.send, slots.hold)

    @asynccontextmanager
    async def session(self) -> AsyncGenerator[Session]:
        yield self._session


async def _read_answer(response: aiohttp.ClientResponse) -> bytes:
    # The status has decided already: an answer that breaks off or drips does not undo it.
    read = bytearray()
    if response.content.at_eof():
        return b""
    try:
        async with asyncio.timeout(ANSWER_PATIENCE):
            while len(read) < ANSWER_LIMIT and (part := await response.content.read(ANSWER_LIMIT - len(read))):
                read += part
    except (aiohttp.ClientError, OSError, TimeoutError):
        pass
    if not response.content.at_eof():
        response.close()
    return bytes(read)


def outcome_of(answer: Answer, now: datetime) -> Outcome:
    """What an HTTP answer means: 2xx alone is success, a redirect is none (Standard Webhooks 1.0)."""
    text = answer_text(answer.body)
    status = answer.status
    if 200 <= status < 300:
        return Delivered(status, text)
    if status == GONE_STATUS:
        return Gone(status, text)
    if status >= 500 or status in RETRYABLE_STATUS:
        return RetryLater(http_reason(status), status, text, retry_after_seconds(answer.retry_after, now))
    return Refused(http_reason(status), status, text)


def retry_after_seconds(header: str | None, now: datetime) -> float | None:
    """Seconds named by a Retry-After header (RFC 9110 §10.2.3), or None when it says nothing usable."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return float(text[:10])
    try:
        at = email.utils.parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return max(0.0, (at - now).total_seconds())


@asynccontextmanager
async def open_webhooks(
    vault: Vault, *, allowed: Sequence[Network], public_url: str, connect_timeout: float, request_timeout: float
) -> AsyncGenerator[WebhookSender]:
    """A sender with its connections. Plain http reaches the allowed networks only."""
    timeout = aiohttp.ClientTimeout(total=request_timeout, sock_connect=connect_timeout, sock_read=request_timeout)
    async with AsyncExitStack() as stack:
        sessions: dict[str, aiohttp.ClientSession] = {}
        for scheme, guard in (("https", Guard(allowed)), ("http", Guard(allowed, public=False))):
            resolver = GuardedResolver(guard)
            stack.push_async_callback(resolver.close)
            connector = aiohttp.TCPConnector(
                limit=0,
                resolver=resolver,
                socket_factory=guard.socket_for,
                happy_eyeballs_delay=None,
                ttl_dns_cache=DNS_CACHE_SECONDS,
                keepalive_timeout=IDLE_SECONDS,
            )
            sessions[scheme] = await stack.enter_async_context(
                aiohttp.ClientSession(
                    connector=connector,
                    timeout=timeout,
                    cookie_jar=aiohttp.DummyCookieJar(),
                    auto_decompress=False,
                    headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
                )
            )
        yield WebhookSender(sessions, vault, allowed, public_url)
