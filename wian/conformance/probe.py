"""HTTP towards the endpoint under test: signed as the exchange signs, every wait bounded, nothing followed."""

import asyncio
import ssl
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Final
from uuid import UUID

import aiohttp
from standardwebhooks.webhooks import Webhook

from services.dispatch.payload import CONTENT_TYPE
from wian.conformance.findings import Exchange, Trouble

USER_AGENT: Final = "Wian/1 (conformance)"
READ_LIMIT: Final = 65_536
READ_PATIENCE: Final = 2.0


class Probe:
    """Sends to one endpoint, each request over a connection of its own."""

    def __init__(self, url: str, secret: str, session: aiohttp.ClientSession) -> None:
        self.url = url
        self._webhook = Webhook(secret)
        self._session = session

    def signature(self, body: bytes, event_id: UUID, at: datetime) -> str:
        """The one right signature, `v1,` and base64."""
        return self._webhook.sign(str(event_id), at, body.decode())

    def signed(self, body: bytes, event_id: UUID, *, shift: timedelta = timedelta()) -> dict[str, str]:
        """The headers of a valid request; `shift` moves its time."""
        at = datetime.now(UTC) + shift
        return {
            "webhook-id": str(event_id),
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": self.signature(body, event_id, at),
            "content-type": CONTENT_TYPE,
        }

    async def send(self, body: bytes, event_id: UUID) -> Exchange:
        """POST a valid event."""
        return await self.post(body, self.signed(body, event_id))

    async def post(self, body: bytes, headers: Mapping[str, str]) -> Exchange:
        """POST `body` as it is."""
        return await self.request("POST", body, headers)

    async def request(self, method: str, body: bytes | None, headers: Mapping[str, str]) -> Exchange:
        """One request; trouble with the network is a value."""
        started = time.monotonic()
        seen = SimpleNamespace(reused=False)
        try:
            async with self._session.request(
                method, self.url, data=body, headers=headers, allow_redirects=False, trace_request_ctx=seen
            ) as response:
                seconds = time.monotonic() - started
                answer, whole = await _read(response)
                return Exchange(response.status, response.headers, answer, whole, bool(seen.reused), seconds)
        except aiohttp.ClientConnectorCertificateError as error:
            return _trouble(started, Trouble.CERTIFICATE, str(error.certificate_error))
        except TimeoutError:
            return _trouble(started, Trouble.TIMEOUT, "")
        except (aiohttp.ClientError, OSError) as error:
            return _trouble(started, Trouble.CONNECTION, f"{type(error).__name__} {error}".strip())


async def _read(response: aiohttp.ClientResponse) -> tuple[bytes, bool]:
    """The answer up to the limit, and whether it ended within it."""
    read = bytearray()
    try:
        async with asyncio.timeout(READ_PATIENCE):
            while len(read) < READ_LIMIT and (part := await response.content.read(READ_LIMIT - len(read))):
                read += part
            whole = response.content.at_eof() or not await response.content.read(1)
    except (aiohttp.ClientError, OSError, TimeoutError):
        whole = False
    if not whole:
        response.close()
    return bytes(read), whole


def _trouble(started: float, trouble: Trouble, detail: str) -> Exchange:
    return Exchange(seconds=time.monotonic() - started, trouble=trouble, detail=detail)


@asynccontextmanager
async def open_probe(
    url: str, secret: str, *, patience: float, context: ssl.SSLContext, keep_alive: bool = False
) -> AsyncGenerator[Probe]:
    """A probe; with `keep_alive` its requests share connections."""
    tracing = aiohttp.TraceConfig()
    tracing.on_connection_reuseconn.append(_mark_reuse)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=context, force_close=not keep_alive, limit=0),
        timeout=aiohttp.ClientTimeout(total=patience),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
        trace_configs=[tracing],
    ) as session:
        yield Probe(url, secret, session)


async def _mark_reuse(
    _session: aiohttp.ClientSession, context: SimpleNamespace, _parameters: aiohttp.TraceConnectionReuseconnParams
) -> None:
    context.trace_request_ctx.reused = True
