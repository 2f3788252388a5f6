"""A link is a credential: it reaches no trace."""

import asyncio
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

# A provider can be installed once in a process, so this runs in one of its own.
SCRIPT = """
import asyncio
import httpx
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

spans = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(spans))
trace.set_tracer_provider(provider)

from services.ack.app import create_app, resources_of
from services.ack.config import AckSettings
from tests.support.tokens import TokenIssuer

settings = AckSettings(postgres_dsn="postgresql://x", amqp_url="amqp://x", link_key="k" * 40, ack_key_encryption_key="a" * 40)
app = create_app(resources_of(settings, None), TokenIssuer().verifier())

async def main():
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://wian.test") as http:
        for path in ("/a/THE-LINK", "/t/THE-LINK", "/t/THE-LINK/state", "/t/THE-LINK/annex.pdf"):
            assert (await http.get(path)).status_code == 404
        assert (await http.post("/v1/acknowledgments/THE-LINK", json={})).status_code == 422

asyncio.run(main())
for span in spans.get_finished_spans():
    print("SPAN", span.to_json(indent=None))
"""


async def test_no_link_reaches_a_span_or_the_request_log() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SCRIPT, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await asyncio.wait_for(process.communicate(), timeout=60)
    assert process.returncode == 0, errors.decode()
    assert output.count(b"SPAN") >= 5
    assert b"/a/{link}" in output
    assert b"THE-LINK" not in output + errors
