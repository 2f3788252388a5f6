"""One trace from the dispatch call over the broker to the webhook and back to the acknowledgment."""

import asyncio
import json
from collections.abc import AsyncGenerator

import httpx
import pytest
from aiohttp import web
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from standardwebhooks.webhooks import Webhook

from tests.support.eventually import eventually
from tests.support.office import enrol, registered_letter
from tests.support.system import RunningSystem, running_system


@pytest.fixture
async def system(settings_environment: dict[str, str]) -> AsyncGenerator[RunningSystem]:
    async with running_system(settings_environment) as running:
        yield running


@pytest.fixture
async def received() -> AsyncGenerator[tuple[str, "asyncio.Queue[tuple[dict[str, str], bytes]]"]]:
    """A webhook endpoint's address, and what it has taken."""
    taken: asyncio.Queue[tuple[dict[str, str], bytes]] = asyncio.Queue()

    async def take(request: web.Request) -> web.Response:
        await taken.put((dict(request.headers), await request.read()))
        return web.Response(status=204)

    async def allow(request: web.Request) -> web.Response:
        return web.Response(headers={"WebHook-Allowed-Origin": request.headers["WebHook-Request-Origin"]})

    app = web.Application()
    app.router.add_post("/hook", take)
    app.router.add_options("/hook", allow)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    yield f"http://{host}:{port}/hook", taken
    await runner.cleanup()


async def test_dispatch_webhook_and_acknowledgment_are_one_trace(
    system: RunningSystem,
    received: tuple[str, "asyncio.Queue[tuple[dict[str, str], bytes]]"],
    spans: InMemorySpanExporter,
) -> None:
    url, taken = received
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    spans.clear()
    async with httpx.AsyncClient(base_url=system.url, timeout=10) as http:
        office = await enrol(http, system)
        secret = (await office.receiver.put("/v1/endpoints", {"url": url, "secret": None}))["secret"]
        path = await registered_letter(office)
        traced = {"Idempotency-Key": "once", "traceparent": f"00-{trace_id}-b7ad6b7169203331-01"}
        circular = await office.sender.post(f"{path}/dispatch", {}, traced)
        headers, body = await asyncio.wait_for(taken.get(), 10)
        Webhook(secret).verify(body, headers)
        traceparent = {name.lower(): value for name, value in headers.items()}["traceparent"]
        assert traceparent.split("-")[1] == trace_id
        data = json.loads(body)["data"]
        answer = await http.post(
            data["acknowledgment_url"],
            json={"outcome": "registered", "receive_number": "๓๓๓", "receive_date": "2026-11-03", "registrar_name": "สมหญิง"},
            headers={"traceparent": traceparent},
        )
        assert answer.status_code == 200, answer.text
        matrix = await eventually(
            lambda: office.sender.get(f"/v1/circulars/{circular['circular_id']}"), lambda found: found["handed_over_total"] == 1
        )
    assert (matrix["registered"], matrix["state"]) == (1, "complete")

    async def names_in_trace() -> set[str]:
        return {span.name for span in spans.get_finished_spans() if _trace_of(span) == trace_id}

    names = await eventually(names_in_trace, lambda found: "process ack.recipient.registered.v1" in found)
    assert "POST /v1/letters/{letter_id}/dispatch" in names
    assert "process registry.circular.dispatched.v1" in names
    assert "POST /v1/acknowledgments/{link}" in names


def _trace_of(span: ReadableSpan) -> str:
    context = span.get_span_context()
    return "" if context is None else format(context.trace_id, "032x")
