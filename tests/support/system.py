"""All three services opened in the test's process, with settings for tests."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from cryptography.fernet import Fernet

from services.registry.operator import bootstrap_operator
from shared import postgres
from shared.runtime import HttpServer, run_workers
from shared.service import Parts
from wian.all_in_one import SERVICES
from wian.gateway import Gateway


def service_settings(base: Mapping[str, str], **more: str) -> dict[str, str]:
    """Settings that every service accepts: each takes its own and leaves the rest."""
    return {
        **base,
        "registry_key_encryption_key": "k" * 43,
        "ack_key_encryption_key": "a" * 43,
        "registry_storage_url": (Path("/tmp") / f"wian-test-{base['broker_namespace']}").as_uri(),
        "dispatch_secret_key": Fernet.generate_key().decode(),
        "dispatch_allow_networks": "127.0.0.0/8",
        **more,
    }


async def open_all(stack: AsyncExitStack, base: Mapping[str, str], **more: str) -> dict[str, Parts]:
    """The three services, opened on `stack`."""
    values = service_settings(base, **more)
    return {s.name: await stack.enter_async_context(s.open_with(values)) for s in SERVICES}


def free_port() -> int:
    """A port on the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class RunningSystem:
    """Base URL and operator client of a system that runs in this process."""

    def __init__(self, url: str, operator: tuple[str, str]) -> None:
        self.url = url
        self.operator = operator


@asynccontextmanager
async def running_system(base: Mapping[str, str], **more: str) -> AsyncGenerator[RunningSystem]:
    """All services and workers in this process behind one base URL, until the block ends."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    values = {**base, "public_url": url}
    stop = asyncio.Event()
    async with AsyncExitStack() as stack:
        parts = await open_all(stack, values, **more)
        probes = [probe for part in parts.values() for probe in (*part.api_probes, *part.worker_probes)]
        gateway = Gateway({name: part.app for name, part in parts.items()}, probes)
        http = HttpServer(gateway, host="127.0.0.1", port=port)
        workers = [worker for part in parts.values() for worker in part.workers]
        running = asyncio.create_task(run_workers([http, *workers], stop, grace=5))
        try:
            await http.started.wait()
            async with postgres.open_database(values["postgres_dsn"], service="registry", pool_size=2) as database:
                operator = await bootstrap_operator(database)
            yield RunningSystem(url, operator)
        finally:
            stop.set()
            await running
