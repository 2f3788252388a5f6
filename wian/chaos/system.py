"""What the chaos is made in: servers of its own, a fresh database, and the roles as processes that are started again when killed."""

import asyncio
import random
import secrets
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from services.dispatch.vault import Vault
from shared.broker import Publisher
from shared.contracts.topology import QUEUES
from wian.all_in_one import migrate_all
from wian.chaos.ledger import WITNESS, Ledger, Witness, ledger
from wian.chaos.part import PARTS, Role
from wian.chaos.receiver import Receiver, receiver
from wian.embedded.folders import POLL_SECONDS, default_home, run_folder
from wian.embedded.postgres import EmbeddedPostgres
from wian.embedded.processes import free_ports
from wian.embedded.rabbitmq import EmbeddedRabbitMQ
from wian.embedded.servers import servers
from wian.local import Supervised, end, environment, own_database

ON_DISK_PATIENCE: Final = 30.0
PUBLISH_TIMEOUT: Final = 3.0

# As short as the settings' relations allow, so that a round is soon over; and little at a time, so that it is not over too soon.
SETTINGS: Final[Mapping[str, str]] = {
    "WIAN_PUBLISH_TIMEOUT": f"{PUBLISH_TIMEOUT:g}",
    "WIAN_OUTBOX_LEASE": "4",
    "WIAN_OUTBOX_POLL_INTERVAL": "0.05",
    "WIAN_SHUTDOWN_GRACE": "3",
    "WIAN_POSTGRES_POOL_SIZE": "6",
    "WIAN_DISPATCH_CONNECT_TIMEOUT": "2",
    "WIAN_DISPATCH_REQUEST_TIMEOUT": "2",
    "WIAN_DISPATCH_SMTP_TIMEOUT": "2",
    "WIAN_DISPATCH_LEASE": "7",
    "WIAN_DISPATCH_QUEUE_LEASE": "9",
    "WIAN_DISPATCH_BATCH_SIZE": "20",
    "WIAN_DISPATCH_CONCURRENCY": "20",
    "WIAN_DISPATCH_POLL_INTERVAL": "0.05",
    "WIAN_DISPATCH_RETRY_SCHEDULE": "0.5,1,2,4,8,15,30,30,30",
    "WIAN_DISPATCH_BREAKER_PAUSE": "1",
    "WIAN_DISPATCH_BREAKER_LONGEST_PAUSE": "2",
}


@dataclass(frozen=True, slots=True)
class System:
    """What runs, and what can be killed."""

    database: EmbeddedPostgres
    broker: EmbeddedRabbitMQ
    processes: Mapping[Role, Supervised]
    publisher: Publisher
    receiver: Receiver
    ledger: Ledger
    witness: Witness
    vault: Vault

    async def strike(self, role: Role, outage: float) -> set[str]:
        """SIGKILL; a process is started again at once, a server after `outage` seconds.

        Returns the deliveries that the killed worker had in hand, for no other role's death may send anything twice.
        """
        match role:
            case Role.BROKER | Role.DATABASE:
                server = self.broker if role is Role.BROKER else self.database
                await server.kill()
                await asyncio.sleep(outage)
                await server.start()
                return set()
            case Role.WORKER:
                # It does nothing more from here on, so what is in its hands now is what dies with it.
                self.processes[role].freeze()
                in_flight = await self.ledger.in_flight()
                await self.processes[role].kill()
                return {str(delivery_id) for delivery_id in in_flight}
            case _:
                await self.processes[role].kill()
                return set()


@asynccontextmanager
async def system(dice: random.Random, *, patience: float) -> AsyncGenerator[System]:
    """Start everything; all of it is gone when the block ends, however it ends."""
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(servers())
        if running.postgres is None or running.rabbitmq is None:
            raise ValueError("servers that the environment names are not ours to kill")
        run = await stack.enter_async_context(run_folder(default_home()))
        dsn = await stack.enter_async_context(own_database(running.addresses.postgres_dsn))
        await migrate_all(dsn)
        namespace = f"chaos-{secrets.token_hex(4)}"
        url = running.addresses.amqp_url
        api_port, *ports = free_ports(1 + len(PARTS))
        base = environment(dsn, url, namespace, api_port, run.path / "storage", 1) | SETTINGS
        agencies = await stack.enter_async_context(receiver(dice, patience=patience))
        publisher = Publisher(url, namespace, timeout=PUBLISH_TIMEOUT)
        stack.push_async_callback(publisher.close)
        witness = await _declare(publisher, running.rabbitmq, url, namespace)
        opened = await stack.enter_async_context(ledger(dsn))
        processes = {
            Role.ACK: Supervised(
                "ack", [sys.executable, "-m", "services.ack", "all"], base, run, f"http://127.0.0.1:{api_port}/readyz"
            )
        } | {
            role: Supervised(
                role,
                [sys.executable, "-m", "wian.chaos.part", role],
                base | {"WIAN_HTTP_PORT": str(port)},
                run,
                f"http://127.0.0.1:{port}/readyz",
            )
            for role, port in zip(PARTS, ports, strict=True)
        }
        for work in (*(process.supervise() for process in processes.values()), witness.listen()):
            stack.push_async_callback(end, asyncio.create_task(work))
        await asyncio.gather(*(process.until_ready() for process in processes.values()))
        vault = Vault([base["WIAN_DISPATCH_SECRET_KEY"]])
        yield System(running.postgres, running.rabbitmq, processes, publisher, agencies, opened, witness, vault)


async def _declare(publisher: Publisher, broker: EmbeddedRabbitMQ, url: str, namespace: str) -> Witness:
    """Declare the topology and the witness's queue, and wait until a kill of the broker spares them."""
    if (problem := await publisher.problem()) is not None:
        raise RuntimeError(problem)
    witness = Witness(url, namespace)
    await witness.declare()
    queues = [f"{namespace}.{name}" for name in (*(queue.name for queue in QUEUES), WITNESS)]
    async with asyncio.timeout(ON_DISK_PATIENCE):
        while not all(broker.has_on_disk(queue) for queue in queues):
            await asyncio.sleep(POLL_SECONDS)
    return witness
