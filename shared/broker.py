"""RabbitMQ: connections, the topology's declaration, publishing with confirms, and consuming with explicit verdicts."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum, auto
from typing import Final, cast

import aio_pika
import structlog
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractExchange, AbstractIncomingMessage
from aio_pika.exceptions import AMQPError, DeliveryError
from aiormq.exceptions import AMQPError as ProtocolError
from aiormq.exceptions import ChannelInvalidStateError
from pamqp.common import FieldTable

from shared.contracts.topology import DELIVERY_LIMIT, NO_DELIVERY_LIMIT, QUEUES, Exchange, Queue
from shared.runtime import pause

# A call on a channel that has just closed raises ChannelInvalidStateError, a RuntimeError and none of the library's AMQP errors.
UNAVAILABLE: Final = (AMQPError, ProtocolError, ChannelInvalidStateError, ConnectionError, TimeoutError, OSError)
# The broker is there, and its answer to a message is no: no queue of that name, or one that is full.
NOT_TAKEN: Final = (DeliveryError,)
CONNECT_TIMEOUT: Final = 10.0
# Longest pause between two tries to reach a broker that is away; short, since a try costs little.
RECONNECT_PAUSE: Final = 1.0

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to publish; `headers` may carry `traceparent`. Without an exchange it goes to the queue named by the routing key."""

    exchange: Exchange | None
    routing_key: str
    message_id: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Death:
    """The broker's note on why it gave a message up, and where: `queue` as the topology names it."""

    queue: str
    exchange: str
    routing_key: str
    reason: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message that was delivered to us; `redelivered` when the broker has handed it out before, `death` in the dead letters."""

    routing_key: str
    message_id: str
    body: bytes
    headers: dict[str, str]
    redelivered: bool
    death: Death | None = None


class Verdict(Enum):
    """What becomes of a delivered message."""

    DONE = auto()  # applied: take it off the queue
    AGAIN = auto()  # not applied, may go through later: back to the queue, counted towards the delivery limit
    DEAD = auto()  # can never be applied: to the dead letters


Handler = Callable[[Incoming], Awaitable[Verdict]]


@asynccontextmanager
async def _channel(url: str, namespace: str, *, confirms: bool) -> AsyncGenerator[AbstractChannel]:
    connection: AbstractConnection = await aio_pika.connect(url, timeout=CONNECT_TIMEOUT)
    try:
        channel = await connection.channel(publisher_confirms=confirms, on_return_raises=confirms)
        await declare_topology(channel, namespace)
        yield channel
    finally:
        await connection.close()


async def declare_topology(channel: AbstractChannel, namespace: str) -> None:
    """Declare every exchange, queue and binding; the arguments suit RabbitMQ 3.10 and 4.x alike."""
    exchanges = {
        exchange: await channel.declare_exchange(f"{namespace}.{exchange}", aio_pika.ExchangeType.TOPIC, durable=True)
        for exchange in Exchange
    }
    for queue in QUEUES:
        declared = await channel.declare_queue(f"{namespace}.{queue.name}", durable=True, arguments=_arguments(queue, namespace))
        for key in queue.routing_keys:
            await declared.bind(exchanges[queue.exchange], key)


async def delete_topology(url: str, namespace: str) -> None:
    """Remove every exchange and queue of `namespace`, with whatever they hold."""
    connection = await aio_pika.connect(url, timeout=CONNECT_TIMEOUT)
    async with connection:
        channel = await connection.channel()
        for queue in QUEUES:
            await channel.queue_delete(f"{namespace}.{queue.name}")
        for exchange in Exchange:
            await channel.exchange_delete(f"{namespace}.{exchange}")


def _arguments(queue: Queue, namespace: str) -> FieldTable:
    arguments: FieldTable = {"x-queue-type": "quorum", "x-delivery-limit": NO_DELIVERY_LIMIT}
    if queue.dead_letters:
        arguments |= {
            "x-delivery-limit": DELIVERY_LIMIT,
            "x-dead-letter-exchange": f"{namespace}.{Exchange.DEAD}",
            "x-dead-letter-routing-key": queue.name,
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
        }
    return arguments


class Publisher:
    """Publishes with confirms over a connection of its own, which it opens anew when it was lost."""

    def __init__(self, url: str, namespace: str, *, timeout: float) -> None:
        self._url = url
        self._namespace = namespace
        self._timeout = timeout
        self._lock = asyncio.Lock()
        self._connection: AbstractConnection | None = None
        self._channel: AbstractChannel | None = None
        self._exchanges: dict[Exchange | None, AbstractExchange] = {}

    async def publish(self, messages: Sequence[Outgoing]) -> list[Exception | None]:
        """Publish all at once and wait for the broker's confirms.

        Returns, in order, None for a message that the broker has taken over and the exception for one that it has not
        (refused, unroutable, timed out). Raises one of `UNAVAILABLE` when the broker cannot be reached at all.
        """
        exchanges = await self._open()
        results = await asyncio.gather(*(self._publish_one(exchanges, message) for message in messages), return_exceptions=True)
        outcome: list[Exception | None] = []
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, Exception):
                raise result
            outcome.append(result)
        if any(isinstance(error, UNAVAILABLE) for error in outcome) and self._connection is not None:
            await self.close()
        return outcome

    async def _publish_one(self, exchanges: dict[Exchange | None, AbstractExchange], message: Outgoing) -> None:
        await exchanges[message.exchange].publish(
            aio_pika.Message(
                message.body,
                message_id=message.message_id,
                content_type="application/cloudevents+json",
                delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
                headers={**message.headers},
            ),
            routing_key=f"{self._namespace}.{message.routing_key}" if message.exchange is None else message.routing_key,
            mandatory=True,
            timeout=self._timeout,
        )

    async def _open(self) -> dict[Exchange | None, AbstractExchange]:
        async with self._lock:
            if self._channel is not None and not self._channel.is_closed:
                return self._exchanges
            await self.close()
            connection = await aio_pika.connect(self._url, timeout=CONNECT_TIMEOUT)
            try:
                channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
                await declare_topology(channel, self._namespace)
                self._exchanges = {None: channel.default_exchange} | {
                    exchange: await channel.get_exchange(f"{self._namespace}.{exchange}", ensure=False) for exchange in Exchange
                }
            except BaseException:
                await connection.close()
                raise
            self._connection, self._channel = connection, channel
            return self._exchanges

    async def close(self) -> None:
        """Close the connection; the next publish opens another."""
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None:
            try:
                await connection.close()
            except UNAVAILABLE as error:
                log.info("broker connection was gone before it was closed", error=repr(error))

    # A publisher is ready when the broker can be reached.
    name = "broker"

    async def problem(self) -> str | None:
        try:
            async with asyncio.timeout(2):
                await self._open()
        except UNAVAILABLE as error:
            return f"RabbitMQ cannot be reached: {type(error).__name__}"
        return None


class Consumer:
    """Takes messages of one queue and does with each what the handler's verdict says.

    It connects anew when the connection, the channel or the consumer is lost. At most `prefetch` messages are in hand.
    """

    def __init__(self, url: str, namespace: str, queue: str, handler: Handler, *, prefetch: int) -> None:
        self._url = url
        self._namespace = namespace
        self._queue = queue
        self._handler = handler
        self._prefetch = prefetch
        self._in_hand: set[asyncio.Task[None]] = set()
        self.registered = asyncio.Event()

    @property
    def name(self) -> str:
        return f"consumer {self._queue}"

    async def problem(self) -> str | None:
        """A consumer is ready when the broker knows it."""
        return None if self.registered.is_set() else f"no consumer is registered on {self._queue}"

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                await self._session(stop)
            except UNAVAILABLE as error:
                log.warning("broker session lost", queue=self._queue, error=repr(error))
                await pause(RECONNECT_PAUSE, stop)
            finally:
                self.registered.clear()

    async def _session(self, stop: asyncio.Event) -> None:
        async with _channel(self._url, self._namespace, confirms=False) as channel:
            await channel.set_qos(prefetch_count=self._prefetch)
            queue = await channel.get_queue(f"{self._namespace}.{self._queue}", ensure=False)
            cancelled = asyncio.Event()
            underlay = await channel.get_underlay_channel()
            underlay.on_consumer_cancel_callbacks.add(lambda _frame: cancelled.set())
            tag = await queue.consume(self._receive)
            self.registered.set()
            await _first_of(stop.wait(), cancelled.wait(), _closed(channel))
            if stop.is_set() and not channel.is_closed:
                await queue.cancel(tag)
                # What is in hand is finished; what is not delivered stays on the queue.
                await asyncio.gather(*self._in_hand)
            elif cancelled.is_set():
                log.warning("the broker cancelled the consumer", queue=self._queue)

    async def _receive(self, message: AbstractIncomingMessage) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._in_hand.add(task)
        try:
            await self._settle(message)
        finally:
            self._in_hand.discard(task)

    async def _settle(self, message: AbstractIncomingMessage) -> None:
        incoming = Incoming(
            routing_key=message.routing_key or "",
            message_id=message.message_id or "",
            body=message.body,
            headers={key: str(value) for key, value in message.headers.items()},
            redelivered=bool(message.redelivered),
            death=_death(message.headers.get("x-death"), self._namespace),
        )
        try:
            verdict = await self._handler(incoming)
        except Exception:
            # The edge between our code and the broker: unknown trouble is logged, retried, and ends in the dead letters.
            log.exception("message handler failed", queue=self._queue, message_id=incoming.message_id)
            verdict = Verdict.AGAIN
        try:
            match verdict:
                case Verdict.DONE:
                    await message.ack()
                case Verdict.AGAIN:
                    await message.nack(requeue=True)
                case Verdict.DEAD:
                    await message.reject(requeue=False)
        except UNAVAILABLE as error:
            # The channel died first: the broker delivers the message again, and the handler must bear that.
            log.info("verdict not sent: channel lost", queue=self._queue, message_id=incoming.message_id, error=repr(error))


def _death(history: object, namespace: str) -> Death | None:
    """The latest entry of an x-death header; None when there is none that can be read."""
    entries = cast("list[object]", history) if isinstance(history, list) else []
    if not entries or not isinstance(entries[0], dict):
        return None
    entry = cast("dict[str, object]", entries[0])
    keys, at = entry.get("routing-keys"), entry.get("time")
    return Death(
        queue=str(entry.get("queue", "")).removeprefix(f"{namespace}."),
        exchange=str(entry.get("exchange", "")).removeprefix(f"{namespace}."),
        routing_key=str(cast("list[object]", keys)[0]) if isinstance(keys, list) and keys else "",
        reason=str(entry.get("reason", "")),
        at=at.replace(tzinfo=at.tzinfo or UTC) if isinstance(at, datetime) else None,
    )


async def _closed(channel: AbstractChannel) -> None:
    await channel.closed()


async def _first_of(*awaitables: Awaitable[object]) -> None:
    tasks = [asyncio.ensure_future(awaitable) for awaitable in awaitables]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
