"""Writes the reference pages under docs/ from the code, so that what they list is what there is."""

import asyncio
import json
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic_core import PydanticUndefined

from services.ack import problems as ack_problems
from services.dispatch import problems as dispatch_problems
from services.registry import problems as registry_problems
from shared import problems as shared_problems
from shared.contracts.envelope import Envelope
from shared.contracts.events import EVENT_TYPES
from shared.contracts.topology import QUEUES, Exchange
from shared.problems import Problem
from shared.settings import ServiceSettings
from wian.all_in_one import SERVICES, migrate_all
from wian.embedded.servers import servers
from wian.local import environment, own_database

DOCS: Final = Path(__file__).resolve().parent.parent / "docs"
NOTE: Final = "<!-- Written by `make docs` from the code; a test compares the two. -->\n"

CATALOGUES: Final = {
    "every service": shared_problems.CATALOGUE,
    "registry": registry_problems.CATALOGUE,
    "dispatch": dispatch_problems.CATALOGUE,
    "ack": ack_problems.CATALOGUE,
}


def pages(apps: dict[str, FastAPI]) -> dict[Path, str]:
    """Every reference page by its path under docs/; `apps` are the services' applications."""
    written = {
        Path("settings.md"): _settings(),
        Path("problems.md"): _problems(),
        Path("events.md"): _events(),
        Path("asyncapi.json"): _pretty(_asyncapi()),
    }
    for name, app in apps.items():
        document = get_openapi(title=app.title, version=app.version, openapi_version="3.1.0", routes=app.routes)
        written[Path("openapi") / f"{name}.json"] = _pretty(document)
    return written


async def write() -> None:
    """Write every page; the services are opened on servers of their own, since their applications hold a database."""
    async with servers() as running, own_database(running.addresses.postgres_dsn) as dsn, AsyncExitStack() as stack:
        await migrate_all(dsn)
        with tempfile.TemporaryDirectory() as storage:
            values = environment(dsn, running.addresses.amqp_url, "docs", 8080, Path(storage), 25)
            settings = {name.removeprefix("WIAN_").lower(): value for name, value in values.items() if name.startswith("WIAN_")}
            apps = {s.name: (await stack.enter_async_context(s.open_with(settings))).app for s in SERVICES}
            for path, text in pages(apps).items():
                await asyncio.to_thread(_write_page, DOCS / path, text)


def _write_page(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _pretty(document: dict[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |" for line in lines)


def _settings() -> str:
    parts = [
        NOTE,
        "# Settings\n",
        "Every setting is an environment variable. A service refuses to start while one is missing or contradicts another.\n",
    ]
    shared = ServiceSettings.model_fields
    parts += ["## Every service\n", _settings_table(ServiceSettings, list(shared)), ""]
    for service in SERVICES:
        own = [name for name in service.settings.model_fields if name not in shared]
        parts += [f"## {service.name}\n", _settings_table(service.settings, own), ""]
    return "\n".join(parts)


def _settings_table(settings: type[ServiceSettings], names: list[str]) -> str:
    rows: list[Sequence[str]] = []
    for name in names:
        field = settings.model_fields[name]
        default = (
            "required" if field.default is PydanticUndefined and field.default_factory is None else _default(field.get_default())
        )
        rows.append((f"`WIAN_{name.upper()}`", default, field.description or ""))
    return _table(("variable", "default", "meaning"), rows)


def _default(value: object) -> str:
    return "none" if value is None or value == "" else f"`{value}`"


def _problems() -> str:
    parts = [
        NOTE,
        "# Problems\n",
        "Every error is a problem+json document (RFC 9457) with one of these codes; a code never changes its meaning.\n",
        "After a problem nothing was stored.\n",
    ]
    for owner, catalogue in CATALOGUES.items():
        rows = [_problem_row(problem) for problem in sorted(catalogue, key=lambda problem: problem.code)]
        parts += [f"## {owner}\n", _table(("code", "status", "what", "ความหมาย", "what to do", "วิธีแก้"), rows), ""]
    return "\n".join(parts)


def _problem_row(problem: Problem) -> Sequence[str]:
    return (
        f"`{problem.code}`", str(problem.status), problem.title_en, problem.title_th, problem.remedy_en, problem.remedy_th,
    )  # fmt: skip


def _events() -> str:
    parts = [
        NOTE,
        "# Events\n",
        "Events cross RabbitMQ as CloudEvents 1.0 (structured JSON). The machine-readable form is asyncapi.json.\n",
    ]
    takers = {
        event.TYPE: [q.name for q in QUEUES if q.exchange is Exchange.EVENTS and event.TYPE in q.routing_keys]
        for event in EVENT_TYPES
    }
    rows = [
        (f"`{e.TYPE}`", ", ".join(f"`{q}`" for q in takers[e.TYPE]), " ".join((e.__doc__ or "").split())) for e in EVENT_TYPES
    ]
    parts += [_table(("type", "queues", "meaning"), rows), "", "## Fields\n"]
    for event in EVENT_TYPES:
        parts += [f"### `{event.TYPE}`\n", ", ".join(f"`{name}`" for name in event.model_fields), ""]
    parts += [
        "## Queues\n",
        _table(
            ("queue", "exchange", "routing keys"),
            [(f"`{q.name}`", q.exchange, ", ".join(f"`{k}`" for k in q.routing_keys)) for q in QUEUES],
        ),
        "",
    ]
    return "\n".join(parts)


def _asyncapi() -> dict[str, Any]:
    """AsyncAPI 3.0: one channel per queue of the events exchange, one message per event type."""
    schemas: dict[str, Any] = {}
    messages: dict[str, Any] = {}
    for event in EVENT_TYPES:
        schema = event.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= schema.pop("$defs", {})
        schemas[event.__name__] = schema
        payload = {
            "allOf": [
                {"$ref": "#/components/schemas/Envelope"},
                {"properties": {"data": {"$ref": f"#/components/schemas/{event.__name__}"}}},
            ]
        }
        messages[event.TYPE] = {"name": event.TYPE, "contentType": "application/cloudevents+json", "payload": payload}
    schemas["Envelope"] = Envelope.model_json_schema(ref_template="#/components/schemas/{model}")
    channels = {
        queue.name: {
            "address": queue.name,
            "messages": {key: {"$ref": f"#/components/messages/{key}"} for key in queue.routing_keys},
        }
        for queue in QUEUES
        if queue.exchange is Exchange.EVENTS
    }
    info = {"title": "Wian", "version": "1", "description": "Events between the services of Wian."}
    return {"asyncapi": "3.0.0", "info": info, "channels": channels, "components": {"messages": messages, "schemas": schemas}}
