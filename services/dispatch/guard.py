"""The guard against server-side request forgery: which addresses a webhook may be sent to.

The address is checked when the socket is made, after every name was resolved, so that the address that was checked is
the address that is dialled: a name that changes between two look-ups (DNS rebinding) gains nothing.
"""

import asyncio
import ipaddress
import re
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from services.dispatch.reasons import Phase

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
# Family, kind, protocol, canonical name and target, as `socket.getaddrinfo` gives them.
AddressInfo = tuple[int, int, int, str, tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]]
# Host, port and family to the numbers found and their families; called in a thread, raises OSError.
LookUp = Callable[[str, int, int], list[tuple[str, int]]]

MAX_URL_LENGTH: Final = 2000
HTTPS_PORT: Final = 443
LEAST_UNPRIVILEGED_PORT: Final = 1024
# Look-ups of dead names take seconds each; they must not hold up those of living ones.
RESOLVER_THREADS: Final = 32
LOOK_UP_PATIENCE: Final = 3.0

# What may stand between "https://" and the path: a literal address or a name in its plain form (RFC 1123; an underscore is
# borne), and a port in digits. Two libraries can read anything else in two ways.
_AUTHORITY: Final = re.compile(
    r"(?:\[[0-9A-Fa-f:.]+(?:%[\w.%-]+)?\]|(?:[A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]{1,63}\.?)(?::\d{1,5})?"
)
MAX_NAME_LENGTH: Final = 254

# `is_global` alone is not a guard: it lets pass, among others, what tunnels to IPv4.
_REFUSED: Final[tuple[Network, ...]] = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8",  # "this network" (RFC 1122)
        "100.64.0.0/10",  # carrier-grade NAT (RFC 6598); a cloud's metadata service lives there too
        "168.63.129.16/32",  # a cloud's platform service on a public address
        "192.0.0.0/24",  # IETF protocol assignments (RFC 6890)
        "192.88.99.0/24",  # 6to4 relays (RFC 7526)
        "198.18.0.0/15",  # benchmarks (RFC 2544)
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
        "::/96",  # IPv4-compatible (RFC 4291), unspecified, loopback
        "::ffff:0:0:0/96",  # IPv4-translated (RFC 2765)
        "64:ff9b::/96",  # NAT64 (RFC 6052)
        "64:ff9b:1::/48",  # NAT64 of local use (RFC 8215)
        "100::/64",  # discard (RFC 6666)
        "2001::/23",  # IETF protocol assignments: Teredo, ORCHID, benchmarks
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4 (RFC 3056)
        "3fff::/20",  # documentation (RFC 9637)
        "5f00::/16",  # segment routing (RFC 9602)
        "fc00::/7",  # unique local
        "fe80::/10",  # link-local
        "fec0::/10",  # site-local (RFC 3879)
        "ff00::/8",  # multicast
    )
)
_GLOBAL_UNICAST: Final = ipaddress.IPv6Network("2000::/3")


class AddressRefused(Exception):  # noqa: N818 - a decision, not a failure
    """The address is not one that a webhook may be sent to."""


class UrlRefused(ValueError):  # noqa: N818 - a decision, not a failure
    """The URL is not one that a webhook may be sent to; `code` is stable, the message says why."""

    def __init__(self, code: str, why: str) -> None:
        super().__init__(why)
        self.code = code


class PhaseTimeout(TimeoutError):  # noqa: N818 - as `TimeoutError` is
    """One phase of connecting took longer than it may; `phase` names it."""

    def __init__(self, phase: Phase) -> None:
        super().__init__(f"{phase} took too long")
        self.phase: Phase = phase


def is_public(address: IPAddress) -> bool:
    """Whether `address` is an ordinary public one."""
    if isinstance(address, ipaddress.IPv6Address) and address.scope_id is not None:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return is_public(address.ipv4_mapped)
    if not address.is_global or address.is_multicast or address.is_reserved:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address not in _GLOBAL_UNICAST:
        return False
    return not is_in(address, _REFUSED)


def is_in(address: IPAddress, networks: Sequence[Network]) -> bool:
    """Whether one of `networks` holds `address`; an IPv4 address in IPv6 clothes counts as what it is."""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address.version == network.version and address in network for network in networks)


class Guard:
    """Admits public addresses and those in `allowed`; with `public=False` those in `allowed` only."""

    def __init__(self, allowed: Sequence[Network], *, public: bool = True) -> None:
        self._allowed = tuple(allowed)
        self._public = public

    @classmethod
    def of_everything(cls) -> "Guard":
        """For what the operator names: the egress proxy may be anywhere."""
        return cls((ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0")))

    def admits(self, host: str) -> bool:
        """Whether the literal address `host` may be dialled."""
        try:
            # A zone ("fe80::1%eth0") is part of no public address.
            address = ipaddress.ip_address(host)
        except ValueError:
            return False
        return is_in(address, self._allowed) or (self._public and is_public(address))

    def socket_for(self, info: AddressInfo) -> socket.socket:
        """Aiohttp's socket factory: the last gate, which literal addresses and cached answers pass too."""
        family, kind, protocol, _, target = info
        if not self.admits(str(target[0])):
            raise AddressRefused(f"{target[0]} is not a public address")
        return socket.socket(family, kind, protocol)


def look_up(host: str, port: int, family: int) -> list[tuple[str, int]]:
    """The system's own look-up."""
    infos = socket.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
    return [(str(target[0]), kind) for kind, _, _, _, target in infos]


class GuardedResolver(AbstractResolver):
    """Resolves names with threads of its own and leaves out every address that the guard does not admit.

    Whoever asks for a name that is being looked up waits for the same answer, so that a name whose servers are silent
    takes one thread, however often it is asked for.
    """

    def __init__(self, guard: Guard, *, patience: float = LOOK_UP_PATIENCE, find: LookUp = look_up) -> None:
        self._guard = guard
        self._patience = patience
        self._find = find
        self._under_way: dict[tuple[str, int], asyncio.Future[list[tuple[str, int]]]] = {}
        self._threads = ThreadPoolExecutor(RESOLVER_THREADS, thread_name_prefix="resolve")

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC) -> list[ResolveResult]:
        """The admitted addresses; raises `AddressRefused` when there is none, `PhaseTimeout` and OSError."""
        try:
            async with asyncio.timeout(self._patience):
                found = await asyncio.shield(self._look_up(host, port, family))
        except TimeoutError as error:
            raise PhaseTimeout("lookup") from error
        admitted = [(number, kind) for number, kind in found if self._guard.admits(number)]
        if not admitted:
            raise AddressRefused(f"{host} has no public address")
        return [
            ResolveResult(hostname=host, host=number, port=port, family=kind, proto=0, flags=socket.AI_NUMERICHOST)
            for number, kind in admitted
        ]

    def _look_up(self, host: str, port: int, family: int) -> asyncio.Future[list[tuple[str, int]]]:
        key = host, family
        pending = self._under_way.get(key)
        if pending is None:
            pending = asyncio.get_running_loop().run_in_executor(self._threads, self._find, host, port, family)
            self._under_way[key] = pending
            pending.add_done_callback(lambda _: self._under_way.pop(key, None))
        return pending

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def check_url(text: str, allowed: Sequence[Network]) -> URL:
    """The URL, when a webhook may go there as far as can be said without a look-up; raises `UrlRefused`."""
    url = _parse(text)
    host = url.host or ""
    literal = _literal(host)
    trusted = literal is not None and is_in(literal, allowed)
    if literal is not None and not trusted and not is_public(literal):
        raise UrlRefused("address_not_public", f"{host} is not a public address")
    # A name over plain http is settled when it is dialled: then only the allowed networks are admitted.
    if url.scheme == "http" and not (trusted or (literal is None and allowed)):
        raise UrlRefused("https_required", "the address must begin with https://")
    port = url.port or 0
    if not (port == HTTPS_PORT or port >= LEAST_UNPRIVILEGED_PORT or (allowed and url.scheme == "http")):
        raise UrlRefused("port_refused", f"port {port} is neither {HTTPS_PORT} nor {LEAST_UNPRIVILEGED_PORT} or above")
    return url


def _parse(text: str) -> URL:
    if len(text) > MAX_URL_LENGTH or not text.isascii() or not text.isprintable() or " " in text or "\\" in text:
        raise UrlRefused("url_malformed", f"the address must be printable ASCII of at most {MAX_URL_LENGTH} characters")
    try:
        url = URL(text)
        host, port = url.host, url.port
    except ValueError as error:
        raise UrlRefused("url_malformed", "the address cannot be read") from error
    if url.scheme not in ("http", "https") or not host or not port:
        raise UrlRefused("url_malformed", "the address must be an https URL with a host")
    authority = re.split("[/?#]", text.partition("://")[2], maxsplit=1)[0]
    if "@" in authority:
        raise UrlRefused("userinfo_refused", "the address must not hold a user name or password")
    if len(host) > MAX_NAME_LENGTH or not _AUTHORITY.fullmatch(authority):
        raise UrlRefused("url_malformed", "the host must be a name or a literal address in its plain form")
    if url.raw_fragment:
        raise UrlRefused("fragment_refused", "the address must not hold a fragment")
    return url


def _literal(host: str) -> IPAddress | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    # 127.1, 2130706433 and 0x7f.1 are addresses to many a library, and names to others (WHATWG URL, "ends in a number").
    last = host.rstrip(".").rpartition(".")[2]
    if last.isdigit() or last.lower().startswith("0x"):
        raise UrlRefused("url_malformed", f"{host} is not an address in its usual form")
    return None
