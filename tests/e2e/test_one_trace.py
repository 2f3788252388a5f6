"""One trace from the dispatch call over the broker to the webhook and back to the acknowledgment."""

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest
from aiohttp import web
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from standardwebhooks.webhooks import Webhook

from shared.access import AGENCY_SCOPES
from tests.support.eventually import eventually
from tests.support.system import RunningSystem, running_system
from wian.demo.api import Api

AGENCIES = (
    "code,name_th,name_en,kind,letter_code,parent_code,email\nsender,ผู้ส่ง,Sender,province,,,\nreceiver,ผู้รับ,Receiver,district,,,\n"
)


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

    app = web.Application()
    app.router.add_post("/hook", take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    yield f"http://{host}:{port}/hook", taken
    await runner.cleanup()


async def _client(http: httpx.AsyncClient, operator: Api, code: str) -> Api:
    found = (await operator.get(f"/v1/agencies?code={code}"))["items"][0]
    made = await operator.post("/v1/clients", {"agency_id": found["agency_id"], "name": code, "scopes": list(AGENCY_SCOPES)})
    return Api(http, made["client_id"], made["client_secret"], patience=10)


async def _dispatch(sender: Api, traceparent: str) -> dict[str, Any]:
    register = await sender.post("/v1/registers", {"unit_code": "สค ๐๐๑๗.๑", "circular_series": "own"})
    addressees = [{"title": "นายอำเภอ", "agency_code": "receiver", "relay_duty": False}]
    made = await sender.post("/v1/lists", {"name": "บัญชีรายชื่อ", "addressees": addressees})
    letter = await sender.post(
        "/v1/letters",
        {
            "register_id": register["register_id"], "list_id": made["list_id"], "kind": "external", "circular": True,
            "date": "2026-11-02", "owner": "ศาลากลางจังหวัด", "subject": "เรื่องทดสอบ", "salutation": "เรียน นายอำเภอ", "body": ["ข้อความ"],
            "closing": "ขอแสดงความนับถือ", "signatory_name": "สมชาย ใจดี", "signatory_position": "ผู้ว่าราชการจังหวัด",
            "contact_unit": "สำนักงานจังหวัด", "telephone": "๐ ๓๔๔๑ ๑๒๕๑", "speed": "normal", "secrecy": "normal",
        },
    )  # fmt: skip
    path = f"/v1/letters/{letter['letter_id']}"
    await sender.post(f"{path}/register")
    return await sender.post(f"{path}/dispatch", {}, {"Idempotency-Key": "once", "traceparent": traceparent})


async def test_dispatch_webhook_and_acknowledgment_are_one_trace(
    system: RunningSystem,
    received: tuple[str, "asyncio.Queue[tuple[dict[str, str], bytes]]"],
    spans: InMemorySpanExporter,
) -> None:
    url, taken = received
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    spans.clear()
    async with httpx.AsyncClient(base_url=system.url, timeout=10) as http:
        operator = Api(http, *system.operator, patience=10)
        await operator.request("POST", "/v1/agencies/import", content=AGENCIES.encode(), headers={"Content-Type": "text/csv"})
        sender, receiver = await _client(http, operator, "sender"), await _client(http, operator, "receiver")
        secret = (await receiver.put("/v1/endpoints", {"url": url, "secret": None}))["secret"]
        circular = await _dispatch(sender, f"00-{trace_id}-b7ad6b7169203331-01")
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
            lambda: sender.get(f"/v1/circulars/{circular['circular_id']}"), lambda found: found["handed_over_total"] == 1
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
