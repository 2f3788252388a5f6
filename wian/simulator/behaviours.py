"""What each simulated recipient does with a letter: one small function a name."""

import asyncio
import zlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Never

from aiohttp import web

from wian.simulator.catalogue import CATALOGUE, Recipient
from wian.simulator.clerk import Clerk, registration, rejection

LONGEST_SECONDS: Final = 3600.0
IDS_KEPT: Final = 10_000
CHUNK: Final = b"0" * 65_536
MEBIBYTE: Final = bytes(1024 * 1024)
BOMB_MEBIBYTES: Final = 256


@dataclass(frozen=True, slots=True)
class Memory:
    """What recipients remember from one letter to the next."""

    clerk: Clerk
    failures: OrderedDict[str, int] = field(default_factory=OrderedDict[str, int])


@dataclass(frozen=True, slots=True)
class Call:
    """One letter that came."""

    request: web.BaseRequest
    recipient: Recipient
    webhook_id: str
    body: bytes
    memory: Memory

    def option(self, name: str) -> str:
        """A parameter of the query, or its default."""
        return self.request.query.get(name) or CATALOGUE[self.recipient].options[name]

    def number(self, name: str) -> float:
        """A parameter that is a number; raises 400 when it is none."""
        try:
            value = float(self.option(name))
        except ValueError:
            value = -1.0
        if not 0 <= value <= LONGEST_SECONDS:
            raise web.HTTPBadRequest(text=f"{name} must be a number from 0 to {LONGEST_SECONDS:g}")
        return value


Behaviour = Callable[[Call], Awaitable[web.StreamResponse]]


async def take(_call: Call) -> web.StreamResponse:
    """The letter is taken."""
    return web.Response(status=204)


async def slow(call: Call) -> web.StreamResponse:
    """The letter is taken, after a while."""
    await asyncio.sleep(call.number("seconds"))
    return web.Response(status=204)


async def flaky(call: Call) -> web.StreamResponse:
    """Each delivery fails some times, then is taken."""
    failures = call.memory.failures
    failed = failures.get(call.webhook_id, 0)
    if failed >= call.number("failures"):
        return web.Response(status=204)
    failures[call.webhook_id] = failed + 1
    if len(failures) > IDS_KEPT:
        failures.popitem(last=False)
    return web.Response(status=503, text="กำลังปรับปรุงระบบ")


async def down(_call: Call) -> Never:
    """No answer; the client's going away cancels this."""
    await asyncio.Event().wait()
    raise AssertionError("nobody sets the event")


async def error(_call: Call) -> web.StreamResponse:
    """A fault that may pass."""
    return web.Response(status=500, text="ระบบขัดข้อง")


async def throttle(call: Call) -> web.StreamResponse:
    """Too much, come back later."""
    return web.Response(status=429, headers={"Retry-After": f"{call.number('seconds'):.0f}"})


async def refuse(call: Call) -> web.StreamResponse:
    """A refusal that a retry does not change."""
    status = int(call.number("status"))
    if not 400 <= status < 500:
        raise web.HTTPBadRequest(text="status must be from 400 to 499")
    return web.Response(status=status, text="ไม่รับ")


async def gone(_call: Call) -> web.StreamResponse:
    """The endpoint is no more."""
    return web.Response(status=410)


async def redirect(_call: Call) -> web.StreamResponse:
    """Look elsewhere; whoever did would show in the log as a call of /ok/redirected."""
    return web.Response(status=302, headers={"Location": f"/{Recipient.OK}/redirected"})


async def huge(call: Call) -> web.StreamResponse:
    """A body without an end."""
    answer = web.StreamResponse()
    await answer.prepare(call.request)
    while True:
        await answer.write(CHUNK)


async def drip(call: Call) -> web.StreamResponse:
    """Slow loris, in the body."""
    pause = max(call.number("seconds"), 0.001)
    answer = web.StreamResponse()
    await answer.prepare(call.request)
    while True:
        await answer.write(b".")
        await asyncio.sleep(pause)


async def drip_head(call: Call) -> web.StreamResponse:
    """Slow loris, in the head: not even the status line's header block ends."""
    pause = max(call.number("seconds"), 0.001)
    transport = call.request.transport
    if transport is not None:
        transport.write(b"HTTP/1.1 200 OK\r\nX-Drip: ")
    while transport is not None and not transport.is_closing():
        transport.write(b".")
        await asyncio.sleep(pause)
    raise ConnectionResetError


async def bomb(_call: Call) -> web.StreamResponse:
    """Small on the wire, enormous once unpacked."""
    body = await asyncio.to_thread(gzip_bomb)
    return web.Response(body=body, headers={"Content-Encoding": "gzip", "Content-Type": "text/plain"})


@lru_cache(maxsize=1)
def gzip_bomb() -> bytes:
    """256 MiB of zeros in a valid gzip file of a thousandth of that: one compressed mebibyte, flushed whole, and repeated."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    block = deflate.compress(MEBIBYTE) + deflate.flush(zlib.Z_FULL_FLUSH)
    checksum = 0
    for _ in range(BOMB_MEBIBYTES):
        checksum = zlib.crc32(MEBIBYTE, checksum)
    size = BOMB_MEBIBYTES * len(MEBIBYTE) % 2**32
    head, end = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff", deflate.flush(zlib.Z_FINISH)
    return head + block * BOMB_MEBIBYTES + end + checksum.to_bytes(4, "little") + size.to_bytes(4, "little")


async def reset(call: Call) -> web.StreamResponse:
    """The connection breaks after the letter was read."""
    if call.request.transport is not None:
        call.request.transport.abort()
    raise ConnectionResetError


async def acknowledge(call: Call) -> web.StreamResponse:
    """Taken, and registered at once."""
    clerk = call.memory.clerk
    clerk.answer(call.recipient, call.webhook_id, call.body, [registration(clerk.number(call.webhook_id))])
    return web.Response(status=204)


async def acknowledge_late(call: Call) -> web.StreamResponse:
    """Taken, and registered when the clerk gets to it."""
    clerk, after = call.memory.clerk, call.number("seconds")
    clerk.answer(call.recipient, call.webhook_id, call.body, [registration(clerk.number(call.webhook_id))], after)
    return web.Response(status=204)


async def acknowledge_again(call: Call) -> web.StreamResponse:
    """Taken; registered twice alike, then otherwise."""
    clerk = call.memory.clerk
    first = registration(clerk.number(call.webhook_id))
    other = registration(clerk.another_number())
    clerk.answer(call.recipient, call.webhook_id, call.body, [first, first, other])
    return web.Response(status=204)


async def reject(call: Call) -> web.StreamResponse:
    """Taken by the system, refused by the registry."""
    answers = [rejection(call.option("reason"))]
    call.memory.clerk.answer(call.recipient, call.webhook_id, call.body, answers)
    return web.Response(status=204)


BEHAVIOURS: Final[Mapping[Recipient, Behaviour]] = {
    Recipient.OK: take,
    Recipient.SLOW: slow,
    Recipient.FLAKY: flaky,
    Recipient.DOWN: down,
    Recipient.ERROR: error,
    Recipient.THROTTLE: throttle,
    Recipient.REFUSE: refuse,
    Recipient.GONE: gone,
    Recipient.REDIRECT: redirect,
    Recipient.HUGE: huge,
    Recipient.DRIP: drip,
    Recipient.DRIP_HEAD: drip_head,
    Recipient.BOMB: bomb,
    Recipient.RESET: reset,
    Recipient.WRONG_CERTIFICATE: take,
    Recipient.ACK: acknowledge,
    Recipient.LATE_ACK: acknowledge_late,
    Recipient.DUPLICATE_ACK: acknowledge_again,
    Recipient.NEVER_ACK: take,
    Recipient.REJECT: reject,
    Recipient.HANDSHAKE_ONLY: take,
    Recipient.CHALLENGE_ONLY: take,
    Recipient.STRANGER: take,
}

SHAKES_HANDS: Final = frozenset(Recipient) - {Recipient.CHALLENGE_ONLY, Recipient.STRANGER}
ANSWERS_CHALLENGE: Final = frozenset(Recipient) - {Recipient.HANDSHAKE_ONLY, Recipient.STRANGER}
