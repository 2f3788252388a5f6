"""What the tables and the broker say, asked again and again while the servers are away."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, TypeVar
from uuid import UUID, uuid4

import aio_pika
import asyncpg

from services.dispatch.signatures import new_secret
from services.dispatch.vault import Vault
from shared.broker import Consumer, Incoming, Verdict
from shared.contracts.envelope import Envelope
from shared.contracts.events import RecipientRegistered, RecipientRejected
from shared.contracts.topology import Exchange
from shared.postgres import Connection, Database, Unavailable
from wian.bench.system import ADD_AGENCY, ADD_ENDPOINT

T = TypeVar("T")

WITNESS: Final = "chaos.witness"
WITNESSED: Final = (RecipientRegistered.TYPE, RecipientRejected.TYPE)
PAUSE: Final = 0.1
OUTAGE_PATIENCE: Final = 120.0

# Taken up by a worker: what only waits in the broker cannot have been sent.
IN_FLIGHT: Final = """
SELECT d.delivery_id FROM dispatch.deliveries d JOIN dispatch.leases l ON l.lease_token = d.lease_token WHERE l.holder IS NOT NULL
"""

PROGRESS: Final = """
SELECT (SELECT count(*) FROM dispatch.deliveries WHERE circular_id = $1 AND state NOT IN ('scheduled', 'leased')) AS ended,
    (SELECT count(*) FROM ack.recipients WHERE circular_id = $1 AND handed_over_at IS NOT NULL) AS known,
    (SELECT count(*) FROM dispatch.deliveries WHERE circular_id = $1 AND acknowledged_at IS NOT NULL) AS acknowledged
"""

UNFINISHED: Final = """
SELECT d.recipient_id FROM dispatch.deliveries d LEFT JOIN ack.recipients r ON r.recipient_id = d.recipient_id
WHERE d.circular_id = $1 AND d.state IN ('scheduled', 'leased')
"""

DELIVERIES: Final = """
SELECT d.recipient_id, d.delivery_id, d.state, d.acknowledged_at IS NOT NULL AS heard, r.handed_over_at IS NOT NULL AS known,
    (SELECT count(*) FROM ack.recipient_events e WHERE e.recipient_id = d.recipient_id AND e.type IN ('registered', 'rejected'))
        AS acknowledgments
FROM dispatch.deliveries d LEFT JOIN ack.recipients r ON r.recipient_id = d.recipient_id
"""


@dataclass(frozen=True, slots=True)
class Progress:
    """How many of a circular's deliveries have ended, are known to ack, and are known to dispatch as acknowledged."""

    ended: int
    known: int
    acknowledged: int


@dataclass(frozen=True, slots=True)
class Told:
    """What the tables say of one recipient."""

    delivery_id: UUID
    state: str
    heard: bool
    known: bool
    acknowledgments: int


class Ledger:
    """Reads across the services' schemas, as no service may."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def _ask(self, ask: Callable[[Connection], Awaitable[T]]) -> T:
        async with asyncio.timeout(OUTAGE_PATIENCE):
            while True:
                try:
                    async with self._database.connection() as connection:
                        return await ask(connection)
                except Unavailable:
                    await asyncio.sleep(PAUSE)

    async def add_agencies(self, count: int, url: str, vault: Vault) -> list[UUID]:
        """Agencies whose endpoints are under `url`."""
        agencies = [uuid4() for _ in range(count)]
        sealed = vault.seal(new_secret())

        async def add(connection: Connection) -> None:
            await connection.executemany(ADD_AGENCY, [(agency, agency.hex) for agency in agencies])
            await connection.executemany(ADD_ENDPOINT, [(agency, f"{url}/{agency.hex}", sealed) for agency in agencies])

        await self._ask(add)
        return agencies

    async def in_flight(self) -> set[UUID]:
        """Deliveries that workers hold."""
        return {row["delivery_id"] for row in await self._ask(lambda connection: connection.fetch(IN_FLIGHT))}

    async def progress(self, circular_id: UUID) -> Progress:
        row = await self._ask(lambda connection: connection.fetchrow(PROGRESS, circular_id))
        return Progress(0, 0, 0) if row is None else Progress(row["ended"], row["known"], row["acknowledged"])

    async def unfinished(self, circular_id: UUID) -> set[UUID]:
        """Recipients whose deliveries have not ended."""
        return {row["recipient_id"] for row in await self._ask(lambda connection: connection.fetch(UNFINISHED, circular_id))}

    async def told(self) -> dict[UUID, Told]:
        """What dispatch and ack say of every recipient that dispatch knows."""
        rows = await self._ask(lambda connection: connection.fetch(DELIVERIES))
        return {
            row["recipient_id"]: Told(row["delivery_id"], row["state"], row["heard"], row["known"], row["acknowledgments"])
            for row in rows
        }


@asynccontextmanager
async def ledger(dsn: str) -> AsyncGenerator[Ledger]:
    """Open a ledger; `dsn` is the administrator's."""
    pool = await asyncpg.create_pool(dsn, min_size=1, max_size=4, command_timeout=30, timeout=5)
    try:
        yield Ledger(Database(pool))
    finally:
        pool.terminate()


class Witness:
    """A listener at the exchange of events: how many different messages told that a recipient has acknowledged.

    The same message may come twice, and every service bears that; two messages would be two acknowledgments.
    """

    def __init__(self, url: str, namespace: str) -> None:
        self._url = url
        self._namespace = namespace
        self._consumer = Consumer(url, namespace, WITNESS, self._hear, prefetch=50)
        self._messages: dict[UUID, set[str]] = defaultdict(set)

    async def _hear(self, message: Incoming) -> Verdict:
        data = Envelope.model_validate_json(message.body).data
        assert isinstance(data, dict)  # noqa: S101 - told to the type checker
        self._messages[UUID(str(data["recipient_id"]))].add(message.message_id)
        return Verdict.DONE

    def counts(self) -> Counter[UUID]:
        return Counter({recipient_id: len(messages) for recipient_id, messages in self._messages.items()})

    async def declare(self) -> None:
        """Make the witness's queue; the exchanges must be there."""
        connection = await aio_pika.connect(self._url, timeout=10)
        async with connection:
            channel = await connection.channel()
            queue = await channel.declare_queue(
                f"{self._namespace}.{WITNESS}", durable=True, arguments={"x-queue-type": "quorum"}
            )
            for key in WITNESSED:
                await queue.bind(f"{self._namespace}.{Exchange.EVENTS}", key)

    async def listen(self) -> None:
        """Until cancelled."""
        await self._consumer.run(asyncio.Event())
