"""HTTP out: signed webhooks (Standard Webhooks 1.0), through the guard, with every wait bounded."""

import asyncio
import email.utils
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final
from uuid import UUID

import aiohttp
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.util.types import AttributeValue
from yarl import URL

from services.dispatch import payload, signatures
from services.dispatch.config import DispatchSettings
from services.dispatch.connections import FAILURES, open_sessions, outcome_of_failure
from services.dispatch.delivery.jobs import Address, CircularContent, Endpoint, Job
from services.dispatch.delivery.send import Session
from services.dispatch.delivery.slots import Slots
from services.dispatch.guard import LookUp, Network, UrlRefused, check_url, look_up
from services.dispatch.outcomes import Delivered, Gone, NoRoute, Outcome, Refused, RetryLater, answer_text
from services.dispatch.payload import EndpointEvent, WebhookBodies
from services.dispatch.reasons import http_reason, url_reason
from services.dispatch.signatures import Keyring
from services.dispatch.vault import SecretLost, Vault
from shared import telemetry

# The answer is read to keep the connection usable and to be shown; no more of it, and no longer, than that takes.
ANSWER_LIMIT: Final = 4096
ANSWER_PATIENCE: Final = 2.0
ENDPOINTS_KEPT: Final = 10_000
CIRCULARS_KEPT: Final = 200

# 408 request timeout, 409 conflict, 425 too early, 429 too many requests: the same request may go through later.
RETRYABLE_STATUS: Final = frozenset({408, 409, 425, 429})
GONE_STATUS: Final = 410


@dataclass(frozen=True, slots=True)
class Answer:
    """What an endpoint answered; names of headers are found in whichever case."""

    status: int
    body: bytes
    retry_after: str | None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


class WebhookSender:
    """Sends webhooks over kept-alive connections."""

    def __init__(
        self, sessions: Mapping[str, aiohttp.ClientSession], vault: Vault, allowed: Sequence[Network], public_url: str
    ) -> None:
        self._sessions = sessions
        allowed = tuple(allowed)

        @lru_cache(maxsize=ENDPOINTS_KEPT)
        def checked(url: str) -> URL:
            return check_url(url, allowed)

        @lru_cache(maxsize=ENDPOINTS_KEPT)
        def keys(sealed: tuple[bytes, ...]) -> Keyring:
            return signatures.keyring(map(vault.open, sealed))

        self._keys = keys
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
        if not telemetry.is_exported():
            # A trace that nobody records here is passed on as it came (W3C Trace Context §4.2).
            if job.circular.traceparent is not None:
                headers["traceparent"] = job.circular.traceparent
            return await self._post(self._sessions[url.scheme], url, headers, body)
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
        return self._signed(str(job.address.delivery_id), body, endpoint), body

    def _signed(
        self, message_id: str, body: bytes, endpoint: Endpoint, content_type: str = payload.CONTENT_TYPE
    ) -> dict[str, str]:
        now = int(time.time())
        return {
            "webhook-id": message_id,
            "webhook-timestamp": str(now),
            "webhook-signature": signatures.sign(self._keys(endpoint.sealed_keys), message_id, now, body),
            "content-type": content_type,
        }

    async def send_once_more(self, endpoint: Endpoint, address: Address, circular: CircularContent) -> Outcome:
        """Send a letter that its agency has had: the same bytes under the same identifier, signed anew."""
        event = EndpointEvent(str(address.delivery_id), self._bodies_of(circular).body(address))
        outcome, _ = await self.post_event(endpoint, event)
        return outcome

    async def post_event(self, endpoint: Endpoint, event: EndpointEvent) -> tuple[Outcome, bytes]:
        """Send what is no letter, signed like one; also returns what was answered, to its cap."""
        try:
            url = self._checked(endpoint.url)
            headers = self._signed(event.message_id, event.body, endpoint, event.content_type)
        except UrlRefused as error:
            return Refused(url_reason(error.code)), b""
        except SecretLost:
            return RetryLater("secret_unreadable"), b""
        answer = await self._exchange("POST", self._sessions[url.scheme], url, headers, event.body)
        return (outcome_of(answer, datetime.now(UTC)), answer.body) if isinstance(answer, Answer) else (answer, b"")

    async def ask_options(self, url: str, headers: dict[str, str]) -> Answer | Refused | RetryLater:
        """Send an OPTIONS request, which carries nothing and changes nothing."""
        try:
            checked = self._checked(url)
        except UrlRefused as error:
            return Refused(url_reason(error.code))
        return await self._exchange("OPTIONS", self._sessions[checked.scheme], checked, headers, None)

    def _bodies_of(self, circular: CircularContent) -> WebhookBodies:
        found = self._bodies.get(circular.circular_id)
        if found is None:
            if len(self._bodies) >= CIRCULARS_KEPT:
                self._bodies.clear()
            found = self._bodies[circular.circular_id] = WebhookBodies(circular, self._public_url)
        return found

    async def _post(self, session: aiohttp.ClientSession, url: URL, headers: dict[str, str], body: bytes) -> Outcome:
        answer = await self._exchange("POST", session, url, headers, body)
        return outcome_of(answer, datetime.now(UTC)) if isinstance(answer, Answer) else answer

    async def _exchange(
        self, method: str, session: aiohttp.ClientSession, url: URL, headers: dict[str, str], body: bytes | None
    ) -> Answer | Refused | RetryLater:
        try:
            data = None if body is None else aiohttp.BytesPayload(body)
            async with session.request(method, url, data=data, headers=headers, allow_redirects=False) as response:
                read = await _read_answer(response)
                return Answer(response.status, read, response.headers.get("Retry-After"), response.headers)
        except FAILURES as error:
            return outcome_of_failure(error)


class WebhookLane:
    """The webhooks of one lane."""

    def __init__(self, sender: WebhookSender, slots: Slots) -> None:
        self._session = Session(sender.send, lambda _job: slots.hold())

    @asynccontextmanager
    async def session(self) -> AsyncGenerator[Session]:
        yield self._session


async def _read_answer(response: aiohttp.ClientResponse) -> bytes:
    # The status has decided already: an answer that breaks off or drips does not undo it.
    content, read = response.content, bytearray()
    try:
        if content.is_eof():
            # It is all there, as short answers are: nothing to wait for, and no timer.
            read += content.read_nowait(ANSWER_LIMIT)
        else:
            async with asyncio.timeout(ANSWER_PATIENCE):
                while len(read) < ANSWER_LIMIT and (part := await content.read(ANSWER_LIMIT - len(read))):
                    read += part
    except (aiohttp.ClientError, OSError, TimeoutError):
        pass
    if not content.at_eof():
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
async def open_webhooks(settings: DispatchSettings, vault: Vault, *, find: LookUp = look_up) -> AsyncGenerator[WebhookSender]:
    """A sender with its connections."""
    async with open_sessions(settings, find=find) as sessions:
        yield WebhookSender(sessions, vault, settings.dispatch_allow_networks, settings.public_url)
