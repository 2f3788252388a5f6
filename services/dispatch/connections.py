"""Connections to endpoints: TLS, the guard at the socket, a limit on each phase, the egress proxy, and what a failure means."""

import asyncio
import errno
import socket
import ssl
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler
from yarl import URL

from services.dispatch.config import DispatchSettings
from services.dispatch.guard import AddressInfo, AddressRefused, Guard, GuardedResolver, LookUp, PhaseTimeout, look_up
from services.dispatch.outcomes import Refused, RetryLater, answer_text
from services.dispatch.reasons import Phase, PlainReason, timeout_reason

USER_AGENT: Final = "Wian/1 (webhook)"
DNS_CACHE_SECONDS: Final = 30
IDLE_SECONDS: Final = 30
# Header lines of an answer are of no use to us: no more of them than an ordinary server sends.
HEADER_BYTES: Final = 8190
MOST_HEADERS: Final = 64


class TlsSettingsError(ValueError):
    """A file that the TLS settings name cannot be used; the message names the setting."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds that each phase of a request may take; `whole` bounds them all.

    `send` is how long the other side may leave sent bytes without taking them (Linux keeps that time itself);
    `first_byte` is the longest silence after the request is sent.
    """

    lookup: float
    connect: float
    tls: float
    send: float
    first_byte: float
    whole: float


def timeouts_of(settings: DispatchSettings) -> Timeouts:
    """The settings' time-outs; a default that is longer than the whole request counts as long as that."""
    whole = settings.dispatch_request_timeout
    return Timeouts(
        lookup=min(whole, settings.dispatch_lookup_timeout),
        connect=min(whole, settings.dispatch_connect_timeout),
        tls=min(whole, settings.dispatch_tls_timeout),
        send=min(whole, settings.dispatch_send_timeout),
        first_byte=min(whole, settings.dispatch_first_byte_timeout),
        whole=whole,
    )


class Gate(Protocol):
    """Makes the socket for an address, or raises `AddressRefused`: what it makes none for is not dialled."""

    def socket_for(self, info: AddressInfo) -> socket.socket: ...


class GuardedConnector(aiohttp.TCPConnector):
    """Gives each phase of connecting its own time; aiohttp has one for TCP and TLS together.

    Connections are kept for the next letter. A circular to 100,000 agencies must not keep as many open: of those that
    are idle the ones that are longest so are closed beyond `most_idle`.
    """

    timeouts: Timeouts
    gate: Gate
    most_idle: int

    async def _wrap_create_connection(
        self,
        *args: Any,
        addr_infos: list[AddressInfo],
        req: aiohttp.ClientRequest,
        timeout: aiohttp.ClientTimeout,  # noqa: ARG002 - its `sock_connect` is what is split here
        client_error: type[Exception] = aiohttp.ClientConnectorError,
        **kwargs: Any,
    ) -> tuple[asyncio.Transport, ResponseHandler]:
        self._close_idle()
        addresses = tuple(addr_infos)
        # All are tried here; aiohttp would come again with those that it finds left in its list.
        addr_infos.clear()
        try:
            connected = await self._dial_one_of(addresses)
        except PhaseTimeout:
            raise
        except OSError as error:
            raise client_error(req.connection_key, error) from error
        try:
            async with _phase("tls", self.timeouts.tls):
                return await asyncio.get_running_loop().create_connection(*args, **kwargs, sock=connected)
        except ssl.CertificateError as error:
            raise aiohttp.ClientConnectorCertificateError(req.connection_key, error) from error
        except PhaseTimeout:
            raise
        except OSError as error:
            # Many a server that does not like our TLS just hangs up.
            raise aiohttp.ClientConnectorSSLError(req.connection_key, error) from error

    async def _dial_one_of(self, addresses: Sequence[AddressInfo]) -> socket.socket:
        last: OSError | None = None
        for info in addresses:
            try:
                async with _phase("connect", self.timeouts.connect):
                    return await self._dial(info)
            except OSError as error:
                last = error
        raise last or OSError("no address to dial")

    async def _dial(self, info: AddressInfo) -> socket.socket:
        dialled = self.gate.socket_for(info)
        try:
            dialled.setblocking(False)
            await asyncio.get_running_loop().sock_connect(dialled, info[4])
            if hasattr(socket, "TCP_USER_TIMEOUT"):
                # The kernel gives the connection up when sent bytes are not taken for so long: a peer that reads
                # nothing, or a kept connection whose other end is gone without a word.
                dialled.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(self.timeouts.send * 1000))
        except BaseException:
            dialled.close()
            raise
        return dialled

    def _close_idle(self) -> None:
        excess = sum(len(kept) for kept in self._conns.values()) - self.most_idle
        # The keys stand in the order in which their connections were last given back.
        while excess > 0:
            key = next(iter(self._conns))
            kept = self._conns[key]
            protocol, _ = kept.popleft()
            if not kept:
                del self._conns[key]
            protocol.close()
            excess -= 1


@asynccontextmanager
async def _phase(name: Phase, seconds: float) -> AsyncGenerator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        # A time-out of the operating system's own (ETIMEDOUT) says less than the phase in which it came.
        raise PhaseTimeout(name) from error


class ProxyGate(AbstractResolver):
    """Lets the proxy be dialled, and nothing else: a request that should go by it cannot go past it."""

    def __init__(self, proxy: URL, resolver: GuardedResolver) -> None:
        self._proxy = proxy
        self._resolver = resolver
        self._addresses: frozenset[str] = frozenset({proxy.host or ""})

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC) -> list[ResolveResult]:
        if host != self._proxy.raw_host:
            raise AddressRefused(f"{host} is not the proxy")
        found = await self._resolver.resolve(host, port, family)
        self._addresses |= {answer["host"] for answer in found}
        return found

    def socket_for(self, info: AddressInfo) -> socket.socket:
        family, kind, protocol, _, target = info
        if target[0] not in self._addresses or target[1] != self._proxy.port:
            raise AddressRefused(f"{target[0]} is not the proxy")
        return socket.socket(family, kind, protocol)

    async def close(self) -> None:
        await self._resolver.close()


class Admission:
    """Asks the guard about a name before the proxy is told of it.

    It is the weaker gate: what the proxy dials is what *it* looks up. So the proxy has to refuse private ranges too.
    """

    def __init__(self, guard: Guard, resolver: GuardedResolver) -> None:
        self._guard = guard
        self._resolver = resolver
        self._until: dict[str, float] = {}

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:  # an aiohttp middleware
        host = request.url.raw_host or ""
        now = asyncio.get_running_loop().time()
        if self._until.get(host, 0.0) < now and not self._guard.admits(host):
            # A literal address that is not admitted is refused by the resolver too: it leads to itself.
            await self._resolver.resolve(host, request.url.port or 0)
            self._until = {name: until for name, until in self._until.items() if until >= now}
            self._until[host] = now + DNS_CACHE_SECONDS
        return await handler(request)


def tls_context(settings: DispatchSettings) -> ssl.SSLContext:
    """TLS 1.2 or later with verified certificates; reads the settings' files and raises `TlsSettingsError`."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(("http/1.1",))
    authorities, certificate = settings.dispatch_ca_file, settings.dispatch_client_certificate
    try:
        if authorities is not None:
            context.load_verify_locations(authorities)
    except OSError as error:
        raise TlsSettingsError(f"WIAN_DISPATCH_CA_FILE: {authorities} holds no certificates ({error})") from error
    if certificate is None:
        return context
    password = settings.dispatch_client_key_password
    secret = "" if password is None else password.get_secret_value()
    try:
        # A password must be given, or OpenSSL asks for one on the terminal.
        context.load_cert_chain(certificate, settings.dispatch_client_key, lambda: secret)
    except OSError as error:
        raise TlsSettingsError(
            "WIAN_DISPATCH_CLIENT_CERTIFICATE, WIAN_DISPATCH_CLIENT_KEY, WIAN_DISPATCH_CLIENT_KEY_PASSWORD: "
            f"{certificate} and its key cannot be used ({error})"
        ) from error
    return context


@asynccontextmanager
async def open_sessions(
    settings: DispatchSettings, *, find: LookUp = look_up
) -> AsyncGenerator[Mapping[str, aiohttp.ClientSession]]:
    """A session for each URL scheme. Plain http reaches the allowed networks only, and never goes by the proxy."""
    allowed, timeouts = settings.dispatch_allow_networks, timeouts_of(settings)
    proxy = None if settings.dispatch_egress_proxy is None else URL(settings.dispatch_egress_proxy.get_secret_value())
    async with AsyncExitStack() as stack:

        def resolver(guard: Guard) -> GuardedResolver:
            made = GuardedResolver(guard, patience=timeouts.lookup, find=find)
            stack.push_async_callback(made.close)
            return made

        async def session(
            gate: Gate, names: AbstractResolver, tls: ssl.SSLContext | bool = True, **more: Any
        ) -> aiohttp.ClientSession:
            connector = GuardedConnector(
                limit=0,
                resolver=names,
                ssl=tls,
                ttl_dns_cache=DNS_CACHE_SECONDS,
                keepalive_timeout=IDLE_SECONDS,
                happy_eyeballs_delay=None,
                socket_factory=gate.socket_for,
            )
            connector.gate, connector.timeouts, connector.most_idle = gate, timeouts, settings.dispatch_idle_connections
            return await stack.enter_async_context(
                aiohttp.ClientSession(
                    connector=connector,
                    timeout=_client_timeout(timeouts, proxied="proxy" in more),
                    cookie_jar=aiohttp.DummyCookieJar(),
                    auto_decompress=False,
                    max_line_size=HEADER_BYTES,
                    max_field_size=HEADER_BYTES,
                    max_headers=MOST_HEADERS,
                    headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
                    **more,
                )
            )

        inside, outside = Guard(allowed, public=False), Guard(allowed)
        tls, names = tls_context(settings), resolver(outside)
        if proxy is None:
            https = await session(outside, names, tls)
        else:
            gate = ProxyGate(proxy, resolver(Guard.of_everything()))
            https = await session(gate, gate, tls, proxy=proxy, middlewares=(Admission(outside, names),))
        yield {"https": https, "http": await session(inside, resolver(inside))}


def _client_timeout(timeouts: Timeouts, *, proxied: bool) -> aiohttp.ClientTimeout:
    connecting = timeouts.lookup + timeouts.connect + timeouts.tls
    if proxied:
        # The proxy connects in its turn before it answers CONNECT.
        connecting += timeouts.connect + timeouts.tls
    # A limit that the whole request's would forestall is not set: it would cost two timers for each request.
    first_byte = timeouts.first_byte if timeouts.first_byte < timeouts.whole else None
    return aiohttp.ClientTimeout(total=timeouts.whole, connect=connecting, sock_connect=timeouts.tls, sock_read=first_byte)


# Everything that a request can end with beside an answer.
FAILURES: Final = (AddressRefused, aiohttp.ClientError, TimeoutError, OSError)

# What failed, or what aiohttp names as its cause; the first that fits counts.
_REASONS: Final[tuple[tuple[type[Exception], PlainReason], ...]] = (
    # An expired certificate is repaired within hours; a retry finds it so.
    (aiohttp.ClientConnectorCertificateError, "certificate_invalid"),
    (aiohttp.ClientConnectorSSLError, "tls_failed"),
    (aiohttp.ClientConnectorDNSError, "lookup_failed"),
    (aiohttp.ClientProxyConnectionError, "proxy_unreachable"),
    (aiohttp.ClientHttpProxyError, "proxy_refused"),
    (aiohttp.ClientResponseError, "answer_malformed"),
    (aiohttp.InvalidURL, "url_invalid"),
    (aiohttp.SocketTimeoutError, "first_byte_timeout"),
    (aiohttp.ConnectionTimeoutError, "connect_timeout"),
    (socket.gaierror, "lookup_failed"),
    # TLS 1.3 tells of a client certificate that it misses or refuses only after the handshake.
    (ssl.SSLError, "tls_failed"),
)


def outcome_of_failure(error: Exception) -> Refused | RetryLater:
    """What it means that a request ended with one of `FAILURES`."""
    if isinstance(error, AddressRefused):
        return Refused("address_refused", answer=answer_text(str(error)))
    chain = (error, error.__cause__)
    for one in chain:
        if isinstance(one, PhaseTimeout):
            return RetryLater(timeout_reason(one.phase))
    for kind, reason in _REASONS:
        if any(isinstance(one, kind) for one in chain):
            return RetryLater(reason, answer=_shown(error))
    if any(isinstance(one, OSError) and one.errno == errno.ETIMEDOUT for one in chain):
        # The kernel's own time-out: nobody took what was sent.
        return RetryLater("send_timeout")
    if isinstance(error, TimeoutError):
        return RetryLater("timeout")
    return RetryLater("connection_failed", answer=_shown(error))


def _shown(error: BaseException) -> str:
    return answer_text(f"{type(error).__name__}: {error}")
