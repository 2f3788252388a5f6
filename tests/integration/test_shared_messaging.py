"""Outbox, broker and inbox together: what is committed arrives once, through outages, and poison ends in the dead letters."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar
from uuid import uuid4

import aio_pika
import pytest

from shared import outbox, postgres, telemetry
from shared.broker import UNAVAILABLE, Consumer, Incoming, Publisher, Verdict
from shared.contracts.events import AgencySaved
from shared.contracts.topology import ACK_EVENTS, DEAD_LETTERS, DELIVERY_LIMIT, DISPATCH_EVENTS
from shared.inbox import EventHandler, Meta, route
from shared.outbox import Relay
from shared.postgres import Connection, Database
from tests.support.eventually import eventually
from tests.support.quorum import until_on_disk
from wian.embedded.servers import Servers

T = TypeVar("T")


def _event(code: str = "agency") -> AgencySaved:
    return AgencySaved(agency_id=uuid4(), version=1, code=code, name_th="หน่วยงาน", name_en="Agency", kind="school", email=None)


@pytest.fixture
async def registry(database_dsn: str) -> AsyncGenerator[Database]:
    async with postgres.open_database(database_dsn, service="registry", pool_size=4) as database:
        yield database


@pytest.fixture
async def ack(database_dsn: str) -> AsyncGenerator[Database]:
    async with postgres.open_database(database_dsn, service="ack", pool_size=4) as database:
        yield database


@pytest.fixture
async def publisher(amqp_url: str, broker_namespace: str) -> AsyncGenerator[Publisher]:
    publisher = Publisher(amqp_url, broker_namespace, timeout=5)
    yield publisher
    await publisher.close()


def _relay(database: Database, publisher: Publisher, batch_size: int = 50) -> Relay:
    return Relay(database, publisher, service="registry", batch_size=batch_size, lease=30, poll_interval=0.02)


async def _count_outbox(database: Database) -> int:
    async with database.connection() as connection:
        return await connection.fetchval(outbox.COUNT)


@asynccontextmanager
async def _running(consumer: Consumer) -> AsyncGenerator[None]:
    stop = asyncio.Event()
    task = asyncio.create_task(consumer.run(stop))
    await asyncio.wait_for(consumer.registered.wait(), 10)
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(task, 10)


class Collector:
    """Applies events by remembering them; `fail_first` messages are refused so often first."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.traces: list[str | None] = []

    async def __call__(self, _connection: Connection, event: AgencySaved, meta: Meta) -> None:
        self.seen.append(event.code)
        self.traces.append(meta.traceparent)


async def test_committed_events_arrive_once_and_in_the_same_trace(
    registry: Database, ack: Database, publisher: Publisher, amqp_url: str, broker_namespace: str
) -> None:
    collector = Collector()
    handler = EventHandler(ack, consumer=ACK_EVENTS, routes=dict([route(AgencySaved, collector)]))
    with telemetry.span("dispatch call") as span:
        async with registry.transaction() as connection:
            await outbox.add(connection, "registry", [_event(f"a{n}") for n in range(120)])
        trace_id = format(span.get_span_context().trace_id, "032x")
    relay = _relay(registry, publisher)
    async with _running(Consumer(amqp_url, broker_namespace, ACK_EVENTS, handler, prefetch=20)):
        assert [await relay.run_once() for _ in range(4)] == [50, 50, 20, 0]
        await eventually(_value(collector.seen), lambda seen: len(seen) == 120)
    assert sorted(collector.seen) == sorted(f"a{n}" for n in range(120))
    assert all(trace is not None and trace_id in trace for trace in collector.traces)
    assert await _count_outbox(registry) == 0


async def test_events_of_a_transaction_that_failed_are_never_published(registry: Database, publisher: Publisher) -> None:
    with pytest.raises(ZeroDivisionError):
        async with registry.transaction() as connection:
            await outbox.add(connection, "registry", [_event()])
            _ = 1 // 0
    assert await _relay(registry, publisher).run_once() == 0


async def test_same_message_twice_is_applied_once(ack: Database) -> None:
    collector = Collector()
    handler = EventHandler(ack, consumer="test", routes=dict([route(AgencySaved, collector)]))
    body = _message_body("once")
    first, second = await asyncio.gather(handler(_incoming(body)), handler(_incoming(body)))
    assert (first, second) == (Verdict.DONE, Verdict.DONE)
    assert collector.seen.count("once") == 1


async def test_two_relays_share_the_work_and_publish_nothing_twice(
    registry: Database, publisher: Publisher, amqp_url: str, broker_namespace: str
) -> None:
    async with registry.transaction() as connection:
        await outbox.add(connection, "registry", [_event(f"a{n}") for n in range(100)])
    relays = [_relay(registry, publisher, batch_size=10) for _ in range(2)]
    claimed = await asyncio.gather(*(relay.run_once() for relay in relays for _ in range(5)))
    assert sum(claimed) == 100
    assert await _depth(amqp_url, f"{broker_namespace}.{DISPATCH_EVENTS}") == 100


async def test_unreadable_message_goes_to_the_dead_letters(
    publisher: Publisher, ack: Database, amqp_url: str, broker_namespace: str
) -> None:
    handler = EventHandler(ack, consumer=ACK_EVENTS, routes={})
    async with _running(Consumer(amqp_url, broker_namespace, ACK_EVENTS, handler, prefetch=5)):
        await _publish_raw(amqp_url, f"{broker_namespace}.{ACK_EVENTS}", b"{")
        await eventually(lambda: _depth(amqp_url, f"{broker_namespace}.{DEAD_LETTERS}"), lambda depth: depth == 1)


async def test_message_whose_handler_always_fails_ends_in_the_dead_letters(amqp_url: str, broker_namespace: str) -> None:
    tries = 0

    async def fail(_message: Incoming) -> Verdict:
        nonlocal tries
        tries += 1
        raise ValueError("poison")

    async with _running(Consumer(amqp_url, broker_namespace, ACK_EVENTS, fail, prefetch=5)):
        await _publish_raw(amqp_url, f"{broker_namespace}.{ACK_EVENTS}", b"{}")
        await eventually(lambda: _depth(amqp_url, f"{broker_namespace}.{DEAD_LETTERS}"), lambda depth: depth == 1)
    assert tries == DELIVERY_LIMIT + 1


async def test_relay_and_consumer_go_on_after_the_broker_was_killed(
    running_servers: Servers, registry: Database, ack: Database, publisher: Publisher, amqp_url: str, broker_namespace: str
) -> None:
    rabbitmq = running_servers.rabbitmq
    assert rabbitmq is not None
    collector = Collector()
    handler = EventHandler(ack, consumer=ACK_EVENTS, routes=dict([route(AgencySaved, collector)]))
    consumer = Consumer(amqp_url, broker_namespace, ACK_EVENTS, handler, prefetch=20)
    relay, stop = _relay(registry, publisher), asyncio.Event()
    relaying = asyncio.create_task(relay.run(stop))
    async with _running(consumer):
        await _commit(registry, "before")
        await eventually(_value(collector.seen), lambda seen: seen == ["before"])
        await until_on_disk(f"{broker_namespace}.{ACK_EVENTS}")
        await rabbitmq.kill()
        await eventually(consumer.problem, lambda problem: problem is not None)
        await _commit(registry, "while it was away")
        await eventually(publisher.problem, lambda problem: problem is not None)
        await rabbitmq.start()
        await eventually(_value(collector.seen), lambda seen: len(seen) == 2, within=30)
        assert await consumer.problem() is None
    stop.set()
    await relaying
    assert collector.seen == ["before", "while it was away"]


async def test_consumer_registers_again_when_the_broker_cancels_it(amqp_url: str, broker_namespace: str) -> None:
    seen: list[bytes] = []

    async def take(message: Incoming) -> Verdict:
        seen.append(message.body)
        return Verdict.DONE

    consumer = Consumer(amqp_url, broker_namespace, ACK_EVENTS, take, prefetch=5)
    queue = f"{broker_namespace}.{ACK_EVENTS}"
    async with _running(consumer):
        async with await aio_pika.connect(amqp_url) as connection:
            # Deleting the queue makes the broker send basic.cancel; the new session declares it again.
            await (await connection.channel()).queue_delete(queue)
        await eventually(consumer.problem, lambda problem: problem is not None)
        await eventually(consumer.problem, lambda problem: problem is None)
        await _publish_raw(amqp_url, queue, b"after")
        await eventually(_value(seen), lambda bodies: bodies == [b"after"])


async def _commit(database: Database, code: str) -> None:
    async with database.transaction() as connection:
        await outbox.add(connection, "registry", [_event(code)])


def _value(values: list[T]) -> Callable[[], Awaitable[list[T]]]:
    async def read() -> list[T]:
        return list(values)

    return read


def _message_body(code: str) -> bytes:
    from shared.contracts.envelope import Envelope

    event = _event(code)
    return Envelope(source="wian/test", type=event.TYPE, data=event.model_dump(mode="json")).model_dump_json().encode()


def _incoming(body: bytes) -> Incoming:
    return Incoming(AgencySaved.TYPE, "1", body, {}, redelivered=False)


async def _publish_raw(url: str, queue: str, body: bytes) -> None:
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        await channel.default_exchange.publish(aio_pika.Message(body), routing_key=queue)


async def _depth(url: str, queue: str) -> int:
    async with await aio_pika.connect(url) as connection:
        declared = await (await connection.channel()).declare_queue(queue, passive=True)
        return declared.declaration_result.message_count or 0


async def test_a_call_on_a_channel_that_has_just_closed_means_that_the_broker_is_away(amqp_url: str) -> None:
    async with await aio_pika.connect(amqp_url) as connection:
        channel = await connection.channel()
        underlay = await channel.get_underlay_channel()
        await channel.close()
        with pytest.raises(UNAVAILABLE):
            await underlay.basic_qos(prefetch_count=1)
