"""The three services in one process, behind one base URL."""

from contextlib import AsyncExitStack
from typing import Final

from services.ack.app import SERVICE as ACK
from services.dispatch.app import SERVICE as DISPATCH
from services.registry.app import SERVICE as REGISTRY
from shared import logs, migrations, telemetry
from shared.runtime import HttpServer, Probe, Worker, insist_on_exit, run_workers, stop_on_signals
from wian.gateway import Gateway

SERVICES: Final = (REGISTRY, DISPATCH, ACK)


async def migrate_all(dsn: str) -> None:
    """Bring the schemas of all three services up to date."""
    for service in SERVICES:
        await migrations.migrate(dsn, service=service.name, folder=service.migrations)


async def serve(*, dispatch_worker: bool = True) -> None:
    """Run everything with settings from the environment until SIGTERM or SIGINT.

    Without `dispatch_worker` the deliveries are left to worker processes of their own.
    """
    settings = REGISTRY.settings.from_environment()
    logs.configure("wian", settings.log_level)
    telemetry.configure("wian", settings.otlp_endpoint)
    stop = stop_on_signals()
    async with AsyncExitStack() as stack:
        parts = {service.name: await stack.enter_async_context(service.open_with({})) for service in SERVICES}
        working = [part for name, part in parts.items() if dispatch_worker or name != DISPATCH.name]
        workers: list[Worker] = [worker for part in working for worker in part.workers]
        probes: list[Probe] = [probe for part in parts.values() for probe in part.api_probes]
        probes += [probe for part in working for probe in part.worker_probes]
        gateway = Gateway({name: part.app for name, part in parts.items()}, probes)
        http = HttpServer(gateway, host=settings.http_host, port=settings.http_port)
        try:
            await run_workers([http, *workers], stop, grace=settings.shutdown_grace)
        finally:
            insist_on_exit(settings.shutdown_grace)
