"""Live tracking: one look at the database for all pages that show the same, and nothing missed by a page that comes back."""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, aclosing
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from services.ack.app import create_app
from services.ack.live import HEARTBEAT_FRAME, LivePages
from shared.problems import ProblemError
from shared.runtime import HttpServer
from tests.support.ack import OpenAck, circular, opened_ack
from tests.support.tokens import TokenIssuer

QUICK = 0.02


class Source:
    """A sheet of three lines, and how often it was read."""

    def __init__(self) -> None:
        self.states = {"1": "awaiting", "2": "awaiting", "3": "awaiting"}
        self.reads = 0

    async def load(self, _circular_id: UUID, _after: int) -> Mapping[str, Any]:
        self.reads += 1
        return {"progress": "open", "lines": [{"key": key, "state": state} for key, state in self.states.items()]}


def told(frame: bytes) -> tuple[str, dict[str, str]]:
    """The identifier, and the lines that the frame has."""
    tag = re.search(rb"^id: (\w+)$", frame, re.MULTILINE)
    data = re.search(rb"^data: (.*)$", frame, re.MULTILINE)
    assert tag is not None
    assert data is not None
    return tag[1].decode(), {line["key"]: line["state"] for line in json.loads(data[1])["lines"]}


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def pages(source: Source) -> LivePages:
    return LivePages(source.load, most=300, every=QUICK)


async def test_a_page_gets_the_whole_and_then_what_has_changed(source: Source, pages: LivePages) -> None:
    async with aclosing(pages.stream(uuid4(), 0, "", asyncio.Event())) as frames:
        first, lines = told(await anext(frames))
        assert lines == source.states
        source.states["2"] = "registered"
        second, changed = told(await anext(frames))
        assert changed == {"2": "registered"}
        assert second != first


async def test_a_page_that_comes_back_gets_what_it_lacks(source: Source, pages: LivePages) -> None:
    sheet = uuid4()
    async with aclosing(pages.stream(sheet, 0, "", asyncio.Event())) as other:
        seen, _ = told(await anext(other))
        async with aclosing(pages.stream(sheet, 0, seen, asyncio.Event())) as frames:
            assert await anext(frames) == HEARTBEAT_FRAME, "it has everything"
        source.states["1"] = "registered"
        await anext(other)
        async with aclosing(pages.stream(sheet, 0, seen, asyncio.Event())) as frames:
            assert told(await anext(frames))[1] == {"1": "registered"}, "one step behind"
        source.states["3"] = "registered"
        await anext(other)
        async with aclosing(pages.stream(sheet, 0, seen, asyncio.Event())) as frames:
            assert told(await anext(frames))[1] == source.states, "further behind"


async def test_many_pages_cost_no_more_than_one(source: Source, pages: LivePages) -> None:
    sheet, stopping = uuid4(), asyncio.Event()
    async with AsyncExitStack() as stack:
        streams = [await stack.enter_async_context(aclosing(pages.stream(sheet, 0, "", stopping))) for _ in range(300)]
        await asyncio.gather(*(anext(frames) for frames in streams))
        with pytest.raises(ProblemError, match="too many pages"):
            await anext(pages.stream(sheet, 0, "", stopping))
        before, began = source.reads, asyncio.get_running_loop().time()
        source.states["2"] = "registered"
        assert {told(frame)[1]["2"] for frame in await asyncio.gather(*(anext(frames) for frames in streams))} == {"registered"}
        spent = asyncio.get_running_loop().time() - began
        assert source.reads - before <= spent / QUICK + 2

    # When the last page has gone, nobody reads any more.
    await asyncio.sleep(0)
    names = {getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks()}
    assert "LivePages._follow" not in names


async def test_the_route_tells_an_acknowledgment_and_ends_with_the_process(
    settings_environment: dict[str, str], token_issuer: TokenIssuer
) -> None:
    async with opened_ack(settings_environment, token_issuer) as ack, asyncio.TaskGroup() as group:
        sent = circular(2)
        await ack.apply(*sent.chunks())
        server = HttpServer(create_app(ack.resources, token_issuer.verifier()), host="127.0.0.1", port=0)
        stop = asyncio.Event()
        group.create_task(server.run(stop))
        await server.started.wait()
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", timeout=20) as http:
            assert (await http.get("/t/spoilt/live")).status_code == 404
            async with http.stream("GET", f"/t/{ack.tracking(sent)}/live") as answer:
                assert answer.headers["content-type"].startswith("text/event-stream")
                frames = answer.aiter_text()
                assert '"lines":[{"key":"1"' in await anext(frames)
                await ack.acknowledge(sent.recipients[1])
                change = await anext(frames)
                assert "เลขรับ ๑๑๐๗๒" in change
                assert '"key":"1"' not in change
                stop.set()
                rest = [part async for part in frames]
                assert all("event: state" not in part for part in rest)


@pytest.fixture
async def ack(settings_environment: dict[str, str], token_issuer: TokenIssuer) -> AsyncGenerator[OpenAck]:
    async with opened_ack(settings_environment, token_issuer) as opened:
        yield opened


async def test_a_circular_that_is_under_way_says_so(ack: OpenAck) -> None:
    answer = await ack.http.get(f"/t/{ack.tracking(circular(1))}/live")
    assert (answer.status_code, answer.json()["code"]) == (503, "temporarily_unavailable")
