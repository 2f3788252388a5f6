"""What the benchmarks run on: private servers, a fresh database, dispatch's worker and a receiver as processes of their own."""

import asyncio
import json
import secrets
import signal
import sys
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID, uuid4

from cryptography.fernet import Fernet

from services.dispatch.signatures import new_secret
from services.dispatch.vault import Vault
from shared import postgres
from shared.broker import delete_topology
from shared.contracts.topology import Lane
from wian.all_in_one import migrate_all
from wian.bench.bare import letter
from wian.embedded.folders import RunFolder, default_home, run_folder
from wian.embedded.processes import OwnedProcess, accepts_connections, free_ports
from wian.embedded.servers import Servers, servers
from wian.local import environment, own_database

PORTS: Final = 50
POLL: Final = 0.05

# Identifiers in the order of time, as the services make them.
ADD_DELIVERIES: Final = """
INSERT INTO dispatch.deliveries (delivery_id, recipient_id, circular_id, agency_id, title, position, relay_duty,
    acknowledgment_link, lane, channel, state, next_attempt_at, turn_at)
SELECT (lpad(to_hex(floor(extract(epoch FROM now()) * 1000)::bigint), 12, '0') || lpad(to_hex(n), 8, '0') || left(md5('d' || $1::uuid::text), 12))::uuid,
    (lpad(to_hex(floor(extract(epoch FROM now()) * 1000)::bigint), 12, '0') || lpad(to_hex(n), 8, '0') || left(md5('r' || $1::uuid::text), 12))::uuid, $1, ($2::uuid[])[1 + (n - 1) % cardinality($2::uuid[])], 'นายอำเภอ ' || n, n, false,
    'IjAxYTIwNjkyNmMwMDc3NDM4NDkyMmE0NzI3ODQ2MmNmIg.awO7Bw.dONDrf0KF49Salj5Z75T9z5d2Ww', $3, 'webhook', 'scheduled', now(),
    now() + least(n * interval '10 ms', interval '5 min')
FROM generate_series(1, $4::bigint) AS n
"""

ADD_CIRCULAR: Final = """
INSERT INTO dispatch.circulars (circular_id, sender_agency_id, sender_name_th, sender_name_en, letter, secrecy, lane,
    dispatched_at, recipient_count)
VALUES ($1, $2, 'จังหวัดสมุทรสาคร', 'Samut Sakhon Province', $3::jsonb, 'normal', $4, now(), $5)
"""

ADD_AGENCY: Final = """
INSERT INTO dispatch.agencies (agency_id, version, code, name_th, name_en, kind, email)
VALUES ($1, 1, $2, 'ที่ว่าการอำเภอ', 'District Office', 'district', NULL)
"""

ADD_ENDPOINT: Final = "INSERT INTO dispatch.endpoints (agency_id, url, secret_encrypted) VALUES ($1, $2, $3)"

# An attempt is recorded with the state that it leads to. This table is as long as what was done: looking at it twenty times a
# second costs the same with a million deliveries waiting as with a thousand.
COUNT_HANDED_OVER: Final = "SELECT count(*) FROM dispatch.attempts WHERE outcome = 'delivered'"


@dataclass(frozen=True, slots=True)
class Bare:
    """Requests a second of the bare client; CPU seconds of one request, and of one delivery's body and signature."""

    requests_per_s: float
    send_seconds: float
    sign_seconds: float


@dataclass
class System:
    """Servers, a database and a receiver; workers are started by the benchmarks."""

    servers: Servers
    run: RunFolder
    dsn: str
    variables: dict[str, str]
    vault: Vault
    receiver_ports: list[int]
    receiver: OwnedProcess
    admin: Any
    started: list[OwnedProcess] = field(default_factory=list[OwnedProcess])

    async def add_agencies(self, count: int, path: str = "ok") -> list[UUID]:
        """Agencies whose endpoints answer as `path` says, spread over the receiver's ports."""
        agencies = [uuid4() for _ in range(count)]
        sealed = self.vault.seal(new_secret())
        await self.admin.executemany(ADD_AGENCY, [(agency, agency.hex) for agency in agencies])
        await self.admin.executemany(
            ADD_ENDPOINT,
            [
                (agency, f"http://127.0.0.1:{self.receiver_ports[n % PORTS]}/{path}/{n}", sealed)
                for n, agency in enumerate(agencies)
            ],
        )
        return agencies

    async def add_circular(self, agencies: list[UUID], recipients: int, lane: Lane = Lane.NORMAL) -> UUID:
        """Due deliveries to `recipients`, going round among `agencies`."""
        circular_id = uuid4()
        async with self.admin.transaction():
            await self.admin.execute(
                ADD_CIRCULAR, circular_id, uuid4(), json.dumps(letter().model_dump(mode="json")), lane, recipients
            )
            await self.admin.execute(ADD_DELIVERIES, circular_id, agencies, lane, recipients, timeout=600)
        return circular_id

    async def empty(self) -> None:
        """Forget all deliveries and what goes with them."""
        await self.admin.execute(
            "TRUNCATE dispatch.attempts, dispatch.deliveries, dispatch.leases, dispatch.circulars, dispatch.circuits, "
            "dispatch.turns, dispatch.agencies, dispatch.endpoints, dispatch.outbox, dispatch.acknowledgments CASCADE"
        )

    async def handed_over(self) -> int:
        return await self.admin.fetchval(COUNT_HANDED_OVER)

    @asynccontextmanager
    async def worker(self, settings: Mapping[str, str] | None = None) -> AsyncGenerator[OwnedProcess]:
        """One process with everything that dispatch does but HTTP."""
        (port,) = free_ports(1)
        process = OwnedProcess(
            [sys.executable, "-m", "services.dispatch", "worker"],
            environment={**self.variables, "WIAN_HTTP_PORT": str(port), **(settings or {})},
            folder=self.run.path,
            log=self.run.logs / "worker.log",
            held=[self.run.lock],
            death_signal=signal.SIGTERM,
        )
        try:
            yield process
        finally:
            await process.end(signal.SIGTERM, 20)

    async def until_handed_over(self, count: int, patience: float) -> float:
        """Returns the instant (monotonic seconds) at which `count` are recorded."""
        async with asyncio.timeout(patience):
            while await self.handed_over() < count:
                await asyncio.sleep(POLL)
        return time.monotonic()

    async def bare_posts(self) -> Bare:
        """What the bare HTTP client does in a process of its own."""
        log = self.run.logs / f"bare-{secrets.token_hex(4)}.log"
        process = OwnedProcess(
            [sys.executable, "-m", "wian.bench.bare", *map(str, self.receiver_ports)],
            environment=self.variables,
            folder=self.run.path,
            log=log,
            held=[self.run.lock],
            death_signal=signal.SIGKILL,
        )
        try:
            async with asyncio.timeout(120):
                while process.running():
                    await asyncio.sleep(POLL)
        finally:
            await process.kill()
        return Bare(**json.loads(log.read_text()))

    def database_seconds(self) -> float:
        """CPU seconds of the database so far; 0 when it is not ours."""
        return 0.0 if self.servers.postgres is None else self.servers.postgres.cpu_seconds()

    def cpu(self, worker: OwnedProcess) -> dict[str, float]:
        """CPU seconds so far, by part."""
        parts = {"worker": worker.cpu_seconds(), "receiver": self.receiver.cpu_seconds()}
        if self.servers.postgres is not None:
            parts["database"] = self.database_seconds()
        if self.servers.rabbitmq is not None:
            parts["broker"] = self.servers.rabbitmq.cpu_seconds()
        return parts


@asynccontextmanager
async def system() -> AsyncGenerator[System]:
    """Everything that a benchmark needs; all of it is gone at the end."""
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(servers())
        run = await stack.enter_async_context(run_folder(default_home()))
        dsn = await stack.enter_async_context(own_database(running.addresses.postgres_dsn))
        namespace = f"bench-{secrets.token_hex(4)}"
        if running.rabbitmq is None:
            stack.push_async_callback(delete_topology, running.addresses.amqp_url, namespace)
        await migrate_all(dsn)
        key = Fernet.generate_key().decode()
        variables = environment(dsn, running.addresses.amqp_url, namespace, 1, run.path / "storage", 1)
        variables |= {"WIAN_DISPATCH_SECRET_KEY": key, "WIAN_LOG_LEVEL": "info"}
        ports = free_ports(PORTS)
        receiver = OwnedProcess(
            [sys.executable, "-m", "wian.bench.receiver", *map(str, ports)],
            environment=variables,
            folder=run.path,
            log=run.logs / "receiver.log",
            held=[run.lock],
            death_signal=signal.SIGKILL,
        )
        stack.push_async_callback(receiver.kill)
        async with asyncio.timeout(20):
            while not await accepts_connections(ports[-1]):
                await asyncio.sleep(POLL)
        admin = await postgres.connect(dsn)
        stack.push_async_callback(admin.close)
        yield System(running, run, dsn, variables, Vault([key]), ports, receiver, admin)
