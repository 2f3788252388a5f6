"""Tracking pages that move by themselves: one reader of the database for all pages that show the same, and a stream to each.

The pages of one circular cost one look at the database a second, however many there are and however much happens.
"""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import orjson
import structlog
from opentelemetry import metrics

from shared import problems as common
from shared.postgres import Unavailable
from shared.problems import ProblemError

EVERY: Final = 1.0
# However many boards there are, they take this many connections from those who acknowledge.
LOOKS_AT_ONCE: Final = 2
HEARTBEAT: Final = 15.0
HEARTBEAT_FRAME: Final = b": alive\n\n"
RETRY_AFTER: Final = 30

# What a page shows, as its script reads it.
State = Mapping[str, Any]
# A circular, and the position behind which the page begins.
Sheet = tuple[UUID, int]

log = structlog.stdlib.get_logger(__name__)
_pages = metrics.get_meter("wian.ack").create_up_down_counter(
    "wian.ack.live_pages", unit="{page}", description="Tracking pages that are open and kept up to date."
)


@dataclass(slots=True)
class _Board:
    """What all pages of one sheet show, and the step by which it came from what they showed before."""

    tag: str
    state: State
    whole: bytes
    tag_before: str = ""
    step: bytes = b""
    pages: int = 0
    moved: asyncio.Event = field(default_factory=asyncio.Event)

    def move(self, state: State) -> None:
        tag, whole = _written(state)
        if tag == self.tag:
            return
        self.tag_before, self.step = self.tag, _frame(tag, _difference(self.state, state))
        self.tag, self.state, self.whole = tag, state, _frame(tag, whole)
        moved, self.moved = self.moved, asyncio.Event()
        moved.set()


class LivePages:
    """The boards of this process; `load` reads what a sheet shows. At most `most` pages are kept up to date at once."""

    def __init__(self, load: Callable[[UUID, int], Awaitable[State]], most: int, every: float = EVERY) -> None:
        self._load = load
        self._most = most
        self._every = every
        self._pages = 0
        self._boards: dict[Sheet, _Board] = {}
        self._readers: dict[Sheet, asyncio.Task[None]] = {}
        self._looking = asyncio.Semaphore(LOOKS_AT_ONCE)

    async def stream(self, circular_id: UUID, after: int, seen: str, stopping: asyncio.Event) -> AsyncGenerator[bytes]:
        """Frames of server-sent events until the reader goes or the process stops: first what differs from `seen`, the identifier
        of the last frame that the page has, then every change. Raises ProblemError when there are too many pages.
        """
        if self._pages >= self._most:
            raise ProblemError(common.UNAVAILABLE, "too many pages are open here", retry_after=RETRY_AFTER)
        sheet = circular_id, after
        self._pages += 1
        _pages.add(1)
        try:
            board = await self._opened(sheet)
            board.pages += 1
            try:
                async for frame in _frames(board, seen, stopping):
                    yield frame
            finally:
                board.pages -= 1
                if board.pages == 0:
                    self._close(sheet)
        finally:
            self._pages -= 1
            _pages.add(-1)

    async def _opened(self, sheet: Sheet) -> _Board:
        if sheet not in self._boards:
            state = await self._load(*sheet)
            # Another page may have opened it meanwhile.
            if sheet not in self._boards:
                tag, whole = _written(state)
                self._boards[sheet] = _Board(tag, state, _frame(tag, whole))
                self._readers[sheet] = asyncio.create_task(self._follow(sheet, self._boards[sheet]))
        return self._boards[sheet]

    def _close(self, sheet: Sheet) -> None:
        del self._boards[sheet]
        self._readers.pop(sheet).cancel()

    async def _follow(self, sheet: Sheet, board: _Board) -> None:
        while True:
            await asyncio.sleep(self._every)
            try:
                async with self._looking:
                    board.move(await self._load(*sheet))
            except (Unavailable, ProblemError) as error:
                log.warning("a tracking page stands still", circular_id=str(sheet[0]), error=repr(error)[:200])


async def _frames(board: _Board, seen: str, stopping: asyncio.Event) -> AsyncGenerator[bytes]:
    ending = asyncio.create_task(stopping.wait())
    try:
        if board.tag == seen:
            # So that the answer begins at once, though there is nothing to tell.
            yield HEARTBEAT_FRAME
        while not stopping.is_set():
            moved = board.moved
            if board.tag != seen:
                frame = board.step if seen and board.tag_before == seen else board.whole
                seen = board.tag
                yield frame
                continue
            moving = asyncio.create_task(moved.wait())
            done, _ = await asyncio.wait({moving, ending}, timeout=HEARTBEAT, return_when=asyncio.FIRST_COMPLETED)
            moving.cancel()
            if not done:
                yield HEARTBEAT_FRAME
    finally:
        ending.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await ending


def _written(state: State) -> tuple[str, bytes]:
    whole = orjson.dumps(state)
    return hashlib.blake2b(whole, digest_size=16).hexdigest(), whole


def _difference(before: State, after: State) -> bytes:
    """The state with those of its lines alone that are new or changed."""
    known = {line["key"]: line for line in before["lines"]}
    changed = [line for line in after["lines"] if known.get(line["key"]) != line]
    return orjson.dumps({**after, "lines": changed})


def _frame(tag: str, data: bytes) -> bytes:
    return b"id: %b\nevent: state\ndata: %b\n\n" % (tag.encode(), data)
