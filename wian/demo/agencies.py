"""Simulated agencies that behave as real ones do: they take webhooks, read mail, pull an inbox, and register letters."""

import asyncio
import json
import random
import zlib
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import httpx
from aiohttp import web
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from wian.demo.api import Api, path_of, send
from wian.demo.example import Addressee

BANGKOK: Final = ZoneInfo("Asia/Bangkok")
# Seconds from hand-over to acknowledgment: half a working day in real life.
PROMPT_DELAY: Final = (0.3, 3.0)
LATE_DELAY: Final = (5.0, 9.0)
DOWN_SECONDS: Final = 4.0
INBOX_POLL_SECONDS: Final = 1.0
REGISTRARS: Final = ("สมชาย ใจดี", "สมหญิง รักงาน", "วิชัย มั่นคง", "ประภา แสงทอง", "อนงค์ ศรีสุข", "ธนา พูนผล")

LETTER_TYPE: Final = "wian.letter.delivered.v1"

Relay = Callable[["Agency", dict[str, Any]], Awaitable[None]]


@dataclass(slots=True)
class Agency:
    """One simulated agency: what it is, its credentials, and what it has seen."""

    about: Addressee
    agency_id: str
    api: Api
    secret: str = ""
    first_call_at: float | None = None
    webhook_ids: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    started: set[str] = field(default_factory=set[str])

    @property
    def dice(self) -> random.Random:
        """The same agency behaves the same way in every run."""
        return random.Random(zlib.crc32(self.about.agency_code.encode()))

    def reaction_delay(self) -> float:
        low, high = LATE_DELAY if self.about.behaviour == "late" else PROMPT_DELAY
        return self.dice.uniform(low, high)

    def acknowledgment(self) -> dict[str, object]:
        """What the agency's clerk answers: a receive number and a name, or a refusal."""
        dice = self.dice
        registrar = dice.choice(REGISTRARS)
        if self.about.behaviour == "refuse":
            text = "เรื่องนี้ไม่อยู่ในอำนาจหน้าที่ของหน่วยงาน"
            return {"outcome": "rejected", "reason": "not_competent", "text": text, "registrar_name": registrar}
        now = datetime.now(BANGKOK)
        return {
            "outcome": "registered",
            "receive_number": str(dice.randint(100, 19_999)),
            "receive_date": now.date().isoformat(),
            "receive_time": now.strftime("%H:%M"),
            "registrar_name": registrar,
            "unit": "งานสารบรรณ",
        }


async def _allow(request: web.Request) -> web.Response:
    """The handshake (CloudEvents abuse protection): whoever asks here may send."""
    return web.Response(headers={"WebHook-Allowed-Origin": request.headers.get("WebHook-Request-Origin", "")})


class Agencies:
    """All simulated agencies, one HTTP server for their webhooks, and the tasks that are their clerks at work."""

    def __init__(self, http: httpx.AsyncClient, *, patience: float) -> None:
        self._http = http
        self._patience = patience
        self._by_code: dict[str, Agency] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._relay: Relay | None = None
        self.first_webhook = asyncio.Event()
        self.spoilt_signatures = 0
        self.base_url = ""

    def add(self, agency: Agency) -> None:
        self._by_code[agency.about.agency_code] = agency

    def __getitem__(self, code: str) -> Agency:
        return self._by_code[code]

    def by_email(self, address: str) -> Agency:
        return next(agency for agency in self._by_code.values() if agency.about.email == address)

    def webhook_ids(self) -> list[set[str]]:
        """For each recipient of a circular that was called, the webhook ids it has seen."""
        return [ids for agency in self._by_code.values() for ids in agency.webhook_ids.values()]

    def relay_with(self, relay: Relay) -> None:
        """What an agency with a relay duty does with a letter."""
        self._relay = relay

    def spawn(self, work: Awaitable[None]) -> None:
        """Run a clerk's work in the background; a failure surfaces in `check`."""
        self._tasks.add(asyncio.ensure_future(work))

    def check(self) -> None:
        """Raise what went wrong in a clerk's work."""
        for task in [task for task in self._tasks if task.done()]:
            self._tasks.discard(task)
            task.result()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def serve(self) -> web.AppRunner:
        """Start the webhook server on a free port; the caller cleans the runner up."""
        app = web.Application()
        app.router.add_post("/hooks/{code}", self._receive)
        app.router.add_options("/hooks/{code}", _allow)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        self.base_url = f"http://{host}:{port}"
        return runner

    async def _receive(self, request: web.Request) -> web.Response:
        agency = self._by_code[request.match_info["code"]]
        body = await request.read()
        try:
            Webhook(agency.secret).verify(body, dict(request.headers))
        except WebhookVerificationError:
            self.spoilt_signatures += 1
            return web.Response(status=401)
        event: dict[str, Any] = json.loads(body)
        if event["type"] != LETTER_TYPE:
            return web.Response(status=204)
        data: dict[str, Any] = event["data"]
        agency.webhook_ids[data["recipient_id"]].add(request.headers["webhook-id"])
        self.first_webhook.set()
        if self._is_down(agency):
            return web.Response(status=503, text="กำลังปรับปรุงระบบ")
        traceparent = request.headers.get("traceparent")
        self.take(agency, data, {"traceparent": traceparent} if traceparent else {})
        return web.Response(status=204)

    def _is_down(self, agency: Agency) -> bool:
        now = asyncio.get_running_loop().time()
        agency.first_call_at = agency.first_call_at or now
        return agency.about.behaviour == "down_at_first" and now < agency.first_call_at + DOWN_SECONDS

    def take(self, agency: Agency, data: dict[str, Any], headers: dict[str, str]) -> None:
        """Begin the clerk's work on a letter, once however often it comes."""
        if data["recipient_id"] in agency.started or agency.about.behaviour == "silent":
            return
        agency.started.add(data["recipient_id"])
        self.spawn(self._work(agency, data, headers))

    async def _work(self, agency: Agency, data: dict[str, Any], headers: dict[str, str]) -> None:
        await asyncio.sleep(agency.reaction_delay())
        await send(
            self._http,
            "POST",
            path_of(data["acknowledgment_url"]),
            content=json.dumps(agency.acknowledgment()).encode(),
            headers={"Content-Type": "application/json", **headers},
            patience=self._patience,
        )
        if data["relay_duty"] and self._relay is not None:
            await self._relay(agency, data)

    async def pull_inbox(self, agency: Agency) -> None:
        """The clerk of an agency without webhook and mailbox looks into the inbox, fetches and acknowledges."""
        while True:
            await asyncio.sleep(agency.dice.uniform(0.5, 1.0) * INBOX_POLL_SECONDS)
            for item in (await agency.api.get("/v1/inbox"))["items"]:
                if item["recipient_id"] in agency.started:
                    continue
                agency.started.add(item["recipient_id"])
                await agency.api.get(f"/v1/inbox/{item['delivery_id']}")
                self.spawn(self._acknowledge_by_api(agency, item["recipient_id"]))

    async def _acknowledge_by_api(self, agency: Agency, recipient_id: str) -> None:
        if agency.about.behaviour == "silent":
            return
        await asyncio.sleep(agency.reaction_delay())
        await agency.api.post(f"/v1/recipients/{recipient_id}/acknowledgment", agency.acknowledgment())
