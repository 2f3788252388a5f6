"""An agency's receiver, written by hand, that is right but for one fault that the test chooses."""

import asyncio
import base64
import binascii
import hmac
import json
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from enum import Enum, auto
from typing import Any

from aiohttp import web

SECRET = "whsec_" + base64.b64encode(b"conformance-secret-of-32-bytes!!").decode()
TOLERANCE = 300
WORK_SECONDS = 0.05


class Fault(Enum):
    NONE = auto()
    PROVES_NOTHING = auto()
    ANSWERS_HANDSHAKE_ONLY = auto()
    ANSWERS_CHALLENGE_ONLY = auto()
    REDIRECTS = auto()
    REFUSES_ALL = auto()
    FAILS_ALWAYS = auto()
    BELIEVES_ALL = auto()
    BELIEVES_ANY_SIGNATURE = auto()
    BELIEVES_THE_UNSIGNED = auto()
    SIGNS_NO_BODY_END = auto()
    BREAKS_AT_GARBLED = auto()
    REFUSES_WITH_410 = auto()
    REFUSES_WITH_500 = auto()
    KNOWS_NO_TIME = auto()
    KNOWS_NO_FUTURE = auto()
    COMPARES_WHOLE_HEADER = auto()
    KNOWS_ONE_VERSION = auto()
    REFUSES_REPEATS = auto()
    BREAKS_AT_RACES = auto()
    REFUSES_UNKNOWN_TYPES = auto()
    REFUSES_UNKNOWN_FIELDS = auto()
    READS_ASCII = auto()
    SMALL_LIMIT = auto()
    CLOSES = auto()
    ONE_AT_A_TIME = auto()
    TALKS_MUCH = auto()
    NEVER_ENDS = auto()
    PACKS = auto()


class Refused(Exception):  # noqa: N818 - a decision, not a failure
    """The request is not believed."""


class AgencyReceiver:
    def __init__(self, fault: Fault) -> None:
        self._fault = fault
        self._key = base64.b64decode(SECRET.removeprefix("whsec_"))
        self._seen: set[str] = set()
        self._working: list[str] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        fault = self._fault
        if request.method == "OPTIONS":
            silent = fault in (Fault.PROVES_NOTHING, Fault.ANSWERS_CHALLENGE_ONLY)
            return web.Response(status=405) if silent else web.Response(headers={"WebHook-Allowed-Origin": "*"})
        if fault is Fault.REDIRECTS:
            return web.Response(status=308, headers={"Location": "/elsewhere"})
        if fault in (Fault.REFUSES_ALL, Fault.FAILS_ALWAYS):
            return web.Response(status=401 if fault is Fault.REFUSES_ALL else 500)
        body = await request.read()
        try:
            self._verify(request, body)
        except Refused:
            return web.Response(status={Fault.REFUSES_WITH_410: 410, Fault.REFUSES_WITH_500: 500}.get(fault, 401))
        if fault is Fault.SMALL_LIMIT and len(body) > 100_000:
            return web.Response(status=413)
        if fault is Fault.READS_ASCII and not body.isascii():
            return web.Response(status=400)
        return await self._take(request, json.loads(body))

    def _verify(self, request: web.Request, body: bytes) -> None:
        fault, headers = self._fault, request.headers
        names = ("webhook-id", "webhook-timestamp", "webhook-signature")
        if fault is Fault.BELIEVES_ALL or (fault is Fault.BELIEVES_THE_UNSIGNED and "webhook-signature" not in headers):
            return
        if not all(name in headers for name in names):
            raise Refused
        webhook_id, timestamp, signatures = (headers[name] for name in names)
        age = time.time() - int(timestamp)
        if (age > TOLERANCE and fault is not Fault.KNOWS_NO_TIME) or (
            age < -TOLERANCE and fault not in (Fault.KNOWS_NO_TIME, Fault.KNOWS_NO_FUTURE)
        ):
            raise Refused
        if not any(self._is_right(part, webhook_id, timestamp, body) for part in self._parts(signatures)):
            raise Refused

    def _parts(self, signatures: str) -> list[str]:
        return [signatures] if self._fault is Fault.COMPARES_WHOLE_HEADER else signatures.split(" ")

    def _is_right(self, part: str, webhook_id: str, timestamp: str, body: bytes) -> bool:
        version, _, signature = part.partition(",")
        if version != "v1":
            if self._fault is Fault.KNOWS_ONE_VERSION:
                raise Refused
            return False
        try:
            given = base64.b64decode(signature, validate=True)
        except binascii.Error:
            if self._fault is Fault.BREAKS_AT_GARBLED:
                raise
            return False
        if self._fault is Fault.BELIEVES_ANY_SIGNATURE:
            return len(given) == 32
        if self._fault is Fault.SIGNS_NO_BODY_END:
            body = body.replace(b"lettes", b"letter")
        expected = hmac.digest(self._key, f"{webhook_id}.{timestamp}.".encode() + body, "sha256")
        return hmac.compare_digest(expected, given)

    async def _take(self, request: web.Request, event: dict[str, Any]) -> web.StreamResponse:
        fault, webhook_id = self._fault, request.headers.get("webhook-id", "")
        if event["type"] == "wian.endpoint.challenge.v1":
            silent = fault in (Fault.PROVES_NOTHING, Fault.ANSWERS_HANDSHAKE_ONLY)
            return web.Response(status=204) if silent else web.json_response({"challenge": event["data"]["challenge"]})
        if fault is Fault.REFUSES_UNKNOWN_TYPES and event["type"] != "wian.letter.delivered.v1":
            return web.Response(status=400)
        if fault is Fault.REFUSES_UNKNOWN_FIELDS and "xunknown" in event:
            return web.Response(status=422)
        if fault is Fault.REFUSES_REPEATS and webhook_id in self._seen:
            return web.Response(status=409)
        if (fault is Fault.BREAKS_AT_RACES and webhook_id in self._working) or (fault is Fault.ONE_AT_A_TIME and self._working):
            return web.Response(status=503)
        self._seen.add(webhook_id)
        if fault in (Fault.BREAKS_AT_RACES, Fault.ONE_AT_A_TIME):
            self._working.append(webhook_id)
            await asyncio.sleep(WORK_SECONDS)
            self._working.remove(webhook_id)
        return await self._answer(request)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        match self._fault:
            case Fault.CLOSES:
                return web.Response(status=204, headers={"Connection": "close"})
            case Fault.TALKS_MUCH:
                return web.Response(text="ก" * 2000)
            case Fault.PACKS:
                return web.Response(body=b"\x1f\x8b", headers={"Content-Encoding": "gzip"})
            case Fault.NEVER_ENDS:
                answer = web.StreamResponse()
                await answer.prepare(request)
                while True:
                    await answer.write(bytes(8192))
            case _:
                return web.Response(status=204)


@asynccontextmanager
async def agency_receiver(fault: Fault) -> AsyncGenerator[str]:
    """Yields its address on the loopback interface."""
    app = web.Application()
    app.router.add_route("*", "/hook", AgencyReceiver(fault).handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    finally:
        await runner.cleanup()
