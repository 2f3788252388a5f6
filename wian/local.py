"""A whole Wian on this machine: embedded servers, a fresh database, the services as child processes, all gone at the end."""

import asyncio
import secrets
import signal
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import httpx
from cryptography.fernet import Fernet

from services.registry.operator import bootstrap_operator
from shared import postgres
from shared.broker import delete_topology
from wian.all_in_one import migrate_all
from wian.embedded.errors import ServerDidNotStart
from wian.embedded.folders import POLL_SECONDS, RunFolder, default_home, run_folder
from wian.embedded.processes import OwnedProcess, free_ports
from wian.embedded.servers import Servers, servers

READY_PATIENCE: Final = 30.0
STOP_PATIENCE: Final = 10.0


class Supervised:
    """A service's process that is started again when it ends by itself or is killed."""

    def __init__(self, name: str, command: list[str], environment: Mapping[str, str], run: RunFolder, health_url: str) -> None:
        self.name = name
        self.starts = 0
        self._command = command
        self._environment = environment
        self._run = run
        self._health_url = health_url
        self.log = run.logs / f"{name}.log"
        self._process: OwnedProcess | None = None

    async def supervise(self) -> None:
        """Keep the process running until this task is cancelled; then stop it in order."""
        try:
            while True:
                self._start()
                while self._process is not None and self._process.running():
                    await asyncio.sleep(POLL_SECONDS)
        finally:
            if self._process is not None:
                await self._process.end(signal.SIGTERM, STOP_PATIENCE)

    def _start(self) -> None:
        self._process = OwnedProcess(
            self._command,
            environment=self._environment,
            folder=self._run.path,
            log=self.log,
            held=[self._run.lock],
            death_signal=signal.SIGTERM,
        )
        self.starts += 1

    def freeze(self) -> None:
        """Let it do nothing more until it is killed."""
        if self._process is not None:
            self._process.freeze()

    async def kill(self) -> None:
        """SIGKILL, as a crash would; the supervisor starts it anew."""
        if self._process is not None:
            await self._process.kill()

    async def until_ready(self) -> None:
        """Returns when the process, or its successor after a kill, says that it is ready; raises when the patience ends."""
        begun = self.starts
        async with httpx.AsyncClient(timeout=2) as http:
            try:
                async with asyncio.timeout(READY_PATIENCE):
                    while not await _answers(http, self._health_url):
                        if self.starts > begun + 1:
                            raise ServerDidNotStart(self.name, "it ended by itself", self.log)
                        await asyncio.sleep(POLL_SECONDS)
            except TimeoutError:
                raise ServerDidNotStart(self.name, f"it was not ready within {READY_PATIENCE:.0f} s", self.log) from None


async def _answers(http: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await http.get(url)).status_code == 200
    except httpx.TransportError:
        return False


@dataclass(frozen=True, slots=True)
class LocalSystem:
    """What runs: the API's base URL, an operator's credentials, and handles on the parts (for tests of reliability)."""

    public_url: str
    operator_id: str
    operator_secret: str
    servers: Servers
    services: Supervised
    dispatch_worker: Supervised
    database_dsn: str


@asynccontextmanager
async def local_system(*, smtp_port: int, settings: Mapping[str, str]) -> AsyncGenerator[LocalSystem]:
    """Start a system of its own, ready to be called; mail goes to `smtp_port` on this machine.

    `settings` are further ``WIAN_…`` variables for the services. Everything stops when the block ends, however it ends.
    """
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(servers())
        run = await stack.enter_async_context(run_folder(default_home()))
        dsn = await stack.enter_async_context(own_database(running.addresses.postgres_dsn))
        namespace = f"wian-{secrets.token_hex(4)}"
        if running.rabbitmq is None:
            stack.push_async_callback(delete_topology, running.addresses.amqp_url, namespace)
        api_port, worker_port = free_ports(2)
        base = environment(dsn, running.addresses.amqp_url, namespace, api_port, run.path / "storage", smtp_port) | dict(settings)
        await migrate_all(dsn)
        async with postgres.open_database(dsn, service="registry", pool_size=2) as database:
            operator_id, operator_secret = await bootstrap_operator(database)
        services = Supervised(
            "services",
            [sys.executable, "-m", "wian", "serve", "--no-dispatch-worker"],
            base,
            run,
            f"http://127.0.0.1:{api_port}/readyz",
        )
        worker = Supervised(
            "dispatch-worker",
            [sys.executable, "-m", "services.dispatch", "worker"],
            base | {"WIAN_HTTP_PORT": str(worker_port)},
            run,
            f"http://127.0.0.1:{worker_port}/readyz",
        )
        for process in (services, worker):
            task = asyncio.create_task(process.supervise())
            stack.push_async_callback(end, task)
        await asyncio.gather(services.until_ready(), worker.until_ready())
        yield LocalSystem(base["WIAN_PUBLIC_URL"], operator_id, operator_secret, running, services, worker, dsn)


async def end(task: asyncio.Task[None]) -> None:
    """Cancel a task and wait until it has stopped what it ran."""
    task.cancel()
    await asyncio.wait([task])


@asynccontextmanager
async def own_database(dsn: str) -> AsyncGenerator[str]:
    """A new database on the server of `dsn`, dropped at the end: a run never touches another's data."""
    name = f"wian_{secrets.token_hex(6)}"
    admin = await postgres.connect(dsn)
    try:
        await admin.execute(f"CREATE DATABASE {name}")
    finally:
        await admin.close()
    try:
        yield urlunsplit(urlsplit(dsn)._replace(path=f"/{name}"))
    finally:
        admin = await postgres.connect(dsn)
        try:
            await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
        finally:
            await admin.close()


def environment(dsn: str, amqp_url: str, namespace: str, port: int, storage: Path, smtp_port: int) -> dict[str, str]:
    root = Path(__file__).resolve().parent.parent
    return {
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": str(root),
        "PYTHONDONTWRITEBYTECODE": "1",
        "WIAN_POSTGRES_DSN": dsn,
        "WIAN_AMQP_URL": amqp_url,
        "WIAN_BROKER_NAMESPACE": namespace,
        "WIAN_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "WIAN_HTTP_PORT": str(port),
        "WIAN_LINK_KEY": secrets.token_urlsafe(32),
        "WIAN_REGISTRY_KEY_ENCRYPTION_KEY": secrets.token_urlsafe(32),
        "WIAN_ACK_KEY_ENCRYPTION_KEY": secrets.token_urlsafe(32),
        "WIAN_REGISTRY_STORAGE_URL": storage.as_uri(),
        "WIAN_DISPATCH_SECRET_KEY": Fernet.generate_key().decode(),
        "WIAN_DISPATCH_ALLOW_NETWORKS": "127.0.0.0/8",
        "WIAN_DISPATCH_SMTP_HOST": "127.0.0.1",
        "WIAN_DISPATCH_SMTP_PORT": str(smtp_port),
    }
