"""The agencies' side: it takes every webhook, is never killed, and acknowledges a quarter of the letters by their links."""

import asyncio
import hashlib
import json
import random
from collections import defaultdict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import aiohttp
from aiohttp import web

from shared.thai.dates import bangkok_date

ANSWER_SECONDS: Final = (0.02, 0.25)
# One in so many letters is refused the first time, so that retries go on among the kills.
REFUSED_FIRST: Final = 25
ACKNOWLEDGED: Final = 4
RETRY_PAUSE: Final = 0.3
ACKNOWLEDGE_TIMEOUT: Final = 5.0


def answers(position: int) -> bool:
    """Whether the recipient at this position acknowledges."""
    return position % ACKNOWLEDGED == 0


@dataclass
class Seen:
    """What came for one recipient."""

    webhook_ids: set[str] = field(default_factory=set[str])
    bodies: set[bytes] = field(default_factory=set[bytes])
    times: list[datetime] = field(default_factory=list[datetime])
    refused: bool = False


class Receiver:
    """Answers after a while; acknowledges each time that a letter comes, as an agency would that keeps no list of webhook ids."""

    def __init__(self, dice: random.Random, http: aiohttp.ClientSession, *, patience: float) -> None:
        self.seen: dict[UUID, Seen] = {}
        self.answered: set[UUID] = set()
        self.refusals: dict[UUID, str] = {}
        self.begun: dict[UUID, asyncio.Event] = defaultdict(asyncio.Event)
        self.url = ""
        self._dice = dice
        self._http = http
        self._patience = patience
        self._answering: set[asyncio.Task[None]] = set()

    async def take(self, request: web.Request) -> web.Response:
        """A webhook."""
        body = await request.read()
        data: dict[str, Any] = json.loads(body)["data"]
        recipient_id, position = UUID(data["recipient_id"]), int(data["addressee"]["position"])
        self.begun[UUID(data["circular_id"])].set()
        seen = self.seen.setdefault(recipient_id, Seen())
        seen.webhook_ids.add(request.headers["webhook-id"])
        seen.bodies.add(hashlib.sha256(body).digest())
        if position % REFUSED_FIRST == 0 and not seen.refused:
            seen.refused = True
            return web.Response(status=503)
        seen.times.append(datetime.now(UTC))
        if answers(position):
            task = asyncio.create_task(self._acknowledge(recipient_id, position, data["acknowledgment_url"]))
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)
        await asyncio.sleep(self._dice.uniform(*ANSWER_SECONDS))
        return web.Response(status=204)

    async def _acknowledge(self, recipient_id: UUID, position: int, url: str) -> None:
        answer = {
            "outcome": "registered",
            "receive_number": str(position),
            "receive_date": bangkok_date(datetime.now(UTC)).isoformat(),
            "registrar_name": "สมหญิง รักงาน",
        }
        try:
            async with asyncio.timeout(self._patience):
                while not await self._said(recipient_id, url, answer):
                    await asyncio.sleep(RETRY_PAUSE)
        except TimeoutError:
            self.refusals.setdefault(recipient_id, "no answer in time")

    async def _said(self, recipient_id: UUID, url: str, answer: dict[str, str]) -> bool:
        """Whether it needs to be said no more."""
        try:
            async with self._http.post(url, json=answer) as response:
                if response.status == 200:
                    self.answered.add(recipient_id)
                    return True
                if response.status >= 500:
                    return False
                self.refusals[recipient_id] = f"{response.status}: {await response.text()}"
                return True
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False

    async def end(self) -> None:
        """Stop acknowledging."""
        for task in self._answering:
            task.cancel()
        await asyncio.gather(*self._answering, return_exceptions=True)


@asynccontextmanager
async def receiver(dice: random.Random, *, patience: float) -> AsyncGenerator[Receiver]:
    """A receiver on the loopback interface."""
    timeout = aiohttp.ClientTimeout(total=ACKNOWLEDGE_TIMEOUT)
    async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=20)) as http:
        found = Receiver(dice, http, patience=patience)
        app = web.Application()
        app.router.add_post("/{path:.*}", found.take)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            found.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield found
        finally:
            await found.end()
            await runner.cleanup()
