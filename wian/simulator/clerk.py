"""The simulated registry: answers letters through their acknowledgment URL, and keeps what it was told."""

import asyncio
import itertools
import json
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, Final, Self
from zoneinfo import ZoneInfo

import aiohttp

BANGKOK: Final = ZoneInfo("Asia/Bangkok")
REGISTRAR: Final = "เจ้าหน้าที่จำลอง"
KEPT: Final = 10_000
TRIES: Final = 20
FIRST_PAUSE: Final = 0.2
LONGEST_PAUSE: Final = 10.0
TIMEOUT: Final = aiohttp.ClientTimeout(total=20)
ANSWER_KEPT: Final = 4000

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Told:
    """One acknowledgment and its final answer; `status` is 0 when there was none."""

    recipient: str
    webhook_id: str
    sent: Json
    status: int
    answer: str


class Clerk:
    """Acknowledges in the background. One letter (webhook-id) keeps one receive number, however often it comes."""

    def __init__(self) -> None:
        self.told: deque[Told] = deque(maxlen=KEPT)
        self._numbers: OrderedDict[str, int] = OrderedDict()
        self._next = itertools.count(1)
        self._tasks: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=TIMEOUT, cookie_jar=aiohttp.DummyCookieJar())
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    def number(self, webhook_id: str) -> int:
        """The letter's receive number."""
        if webhook_id not in self._numbers:
            self._numbers[webhook_id] = next(self._next)
            if len(self._numbers) > KEPT:
                self._numbers.popitem(last=False)
        return self._numbers[webhook_id]

    def another_number(self) -> int:
        """A number that no letter has."""
        return next(self._next)

    def answer(self, recipient: str, webhook_id: str, body: bytes, answers: Sequence[Json], after: float = 0.0) -> None:
        """Send `answers` one after another to the letter's acknowledgment URL; a letter without one is left alone."""
        url = _acknowledgment_url(body)
        if url is None:
            return
        task = asyncio.ensure_future(self._send_all(recipient, webhook_id, url, answers, after))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send_all(self, recipient: str, webhook_id: str, url: str, answers: Sequence[Json], after: float) -> None:
        await asyncio.sleep(after)
        for answer in answers:
            status, text = await self._send(url, answer)
            self.told.append(Told(recipient, webhook_id, answer, status, text))

    async def _send(self, url: str, answer: Json) -> tuple[int, str]:
        """The final answer: 429, 5xx and trouble with the network mean "not yet"."""
        assert self._session is not None, "the clerk is entered"  # noqa: S101
        status, text, pause = 0, "", FIRST_PAUSE
        for _ in range(TRIES):
            wait = pause
            try:
                async with self._session.post(url, json=answer, allow_redirects=False) as response:
                    status, text = response.status, (await response.text())[:ANSWER_KEPT]
                    if status != 429 and status < 500:
                        break
                    wait = max(pause, _seconds(response.headers.get("Retry-After")))
            except (aiohttp.ClientError, OSError, ValueError) as error:
                status, text = 0, f"{type(error).__name__}: {error}"
            await asyncio.sleep(min(wait, LONGEST_PAUSE))
            pause *= 2
        return status, text

    def listing(self) -> list[Json]:
        """What it was told, as JSON."""
        return [asdict(told) for told in self.told]


def registration(number: int) -> Json:
    """The letter was registered, now."""
    now = datetime.now(BANGKOK)
    return {
        "outcome": "registered",
        "receive_number": str(number),
        "receive_date": now.date().isoformat(),
        "receive_time": now.strftime("%H:%M"),
        "registrar_name": REGISTRAR,
        "unit": "ทะเบียนจำลอง",
    }


def rejection(reason: str) -> Json:
    """The letter is refused."""
    text = "หน่วยงานจำลองปฏิเสธหนังสือทุกฉบับ"
    return {"outcome": "rejected", "reason": reason, "text": text, "registrar_name": REGISTRAR}


def _acknowledgment_url(body: bytes) -> str | None:
    try:
        event: Any = json.loads(body)
        url = event["data"]["acknowledgment_url"]
    except (ValueError, KeyError, TypeError):
        return None
    return url if isinstance(url, str) else None


def _seconds(header: str | None) -> float:
    return float(header) if header is not None and header.isascii() and header.isdigit() else 0.0
