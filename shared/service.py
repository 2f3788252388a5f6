"""How a service is run: one command whose role is `api`, `worker`, `all` or `migrate`."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Generic, TypeVar

from fastapi import FastAPI

from shared import logs, migrations, telemetry
from shared.runtime import HttpServer, Probe, Worker, insist_on_exit, run_workers, stop_on_signals
from shared.settings import ServiceSettings
from shared.web import add_health_routes

S = TypeVar("S", bound=ServiceSettings)


class Role(StrEnum):
    """`api` answers HTTP, `worker` does the rest, `all` both; `migrate` brings the schema up to date and ends."""

    API = "api"
    WORKER = "worker"
    ALL = "all"
    MIGRATE = "migrate"


@dataclass(frozen=True, slots=True)
class Parts:
    """An opened service: its application, its workers, and the conditions under which either is ready."""

    app: FastAPI
    workers: tuple[Worker, ...]
    api_probes: tuple[Probe, ...]
    worker_probes: tuple[Probe, ...]


@dataclass(frozen=True, slots=True)
class Service(Generic[S]):
    """One of the three services: `open` opens what it needs and closes it again."""

    name: str
    settings: type[S]
    migrations: Path
    open: Callable[[S], AbstractAsyncContextManager[Parts]]

    def open_with(self, values: Mapping[str, object]) -> AbstractAsyncContextManager[Parts]:
        """Open with settings from `values` by field name, and from the environment for what they leave out."""
        return self.open(self.settings.model_validate(values))


async def run_service(service: Service[S], role: Role) -> None:
    """Run `service` with settings from the environment until SIGTERM or SIGINT."""
    settings = service.settings.from_environment()
    logs.configure(f"{service.name}-{role}", settings.log_level)
    telemetry.configure(f"{service.name}-{role}", settings.otlp_endpoint)
    if role is Role.MIGRATE:
        await migrations.migrate(settings.postgres_dsn.get_secret_value(), service=service.name, folder=service.migrations)
        return
    stop = stop_on_signals()
    async with service.open(settings) as parts:
        try:
            await run_parts(parts, role, settings, stop)
        finally:
            insist_on_exit(settings.shutdown_grace)


async def run_parts(parts: Parts, role: Role, settings: ServiceSettings, stop: asyncio.Event) -> None:
    """Serve what `role` asks for; a worker serves its health routes alone."""
    serves_api, works = role in (Role.API, Role.ALL), role in (Role.WORKER, Role.ALL)
    app = parts.app if serves_api else FastAPI(openapi_url=None)
    add_health_routes(app, [*(parts.api_probes if serves_api else ()), *(parts.worker_probes if works else ())])
    http = HttpServer(app, host=settings.http_host, port=settings.http_port)
    await run_workers([http, *(parts.workers if works else ())], stop, grace=settings.shutdown_grace)
