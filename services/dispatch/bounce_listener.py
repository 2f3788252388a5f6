"""The mail server that takes bounces: it knows the return paths of our mails and nothing else, and relays nothing."""

import asyncio
import functools
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

import structlog
from aiosmtpd.smtp import SMTP, Envelope, Session
from opentelemetry import metrics

from services.dispatch.bounces import BounceKind, Report, meaning_of, read_report
from services.dispatch.delivery.decide import bounced
from services.dispatch.feed import EventType
from services.dispatch.retry import Policy
from services.dispatch.return_path import ReturnPaths
from services.dispatch.store import bounces, feed, mail_notices, transitions
from services.dispatch.store.transitions import Deliveries, Locked, Move
from shared import outbox, postgres
from shared.contracts.events import Bounce, Channel, DeliveriesBounced
from shared.postgres import Connection, Database

# A conversation that hands in one bounce needs five.
COMMANDS_PER_CONVERSATION: Final = 20
# Beside the message itself: commands, and the dots that were doubled.
CONVERSATION_MARGIN: Final = 64 * 1024
LATER: Final = "451 4.3.0 try again later"

log = structlog.stdlib.get_logger(__name__)
_meter = metrics.get_meter("wian.dispatch")
_bounces = _meter.create_counter(
    "wian.dispatch.bounces", unit="{message}", description="Messages to the return paths of mails, by what came of them."
)


class Result(StrEnum):
    """What came of a message; all but `returned` leave the delivery as it is."""

    RETURNED = "returned"  # the letter goes on to the inbox
    RECORDED = "recorded"  # a delay, an auto-reply, or a failure of what is acknowledged or under way by another channel
    NOTICE = "notice"  # of a mail beside letters: kept with it, and that is all
    DUPLICATE = "duplicate"
    UNKNOWN = "unknown"  # the address is ours, the delivery is not there
    FORGED = "forged"  # the address is not one of ours
    TOO_EARLY = "too_early"  # the hand-over itself is being recorded: the other server comes again


class BounceRecorder:
    """Records what came back; a failure of a mail that counted as a hand-over takes the delivery on down the ladder."""

    def __init__(self, database: Database, deliveries: Deliveries, policy: Policy) -> None:
        self._database = database
        self._deliveries = deliveries
        self._policy = policy

    async def record(self, mail_id: UUID, report: Report, now: datetime) -> Result:
        """Raises `postgres.Unavailable`, after which it may be tried again: a second time changes nothing."""
        async with self._database.transaction() as connection:
            locked = await self._deliveries.lock(connection, [mail_id])
            if not locked:
                # Not of a delivery: of a mail beside letters, which changes no letter, or of nothing that is known.
                return Result.NOTICE if await mail_notices.bounced(connection, mail_id, report, now) else Result.UNKNOWN
            (delivery,) = locked
            if delivery.state == "leased" and delivery.standing.channel is Channel.EMAIL:
                return Result.TOO_EARLY
            move = await self._move(connection, delivery, report, now)
            new = await bounces.add(
                connection, mail_id, delivery.standing.attempts, report, took_effect=move is not None, received_at=now
            )
            if not new:
                return Result.DUPLICATE
            if move is None:
                return Result.RECORDED
            await transitions.apply(connection, [move])
            await self._tell(connection, delivery, report, now)
            return Result.RETURNED

    async def _move(self, connection: Connection, delivery: Locked, report: Report, now: datetime) -> Move | None:
        if report.kind is not BounceKind.FAILED or delivery.state != "handed_over":
            return None
        if await bounces.hand_over_channel(connection, delivery.delivery_id) != Channel.EMAIL:
            return None
        transition = bounced(delivery.standing, self._policy, now)
        return None if transition is None else Move(delivery, transition)

    async def _tell(self, connection: Connection, delivery: Locked, report: Report, now: datetime) -> None:
        reason = meaning_of(report.status)
        await bounces.show(connection, delivery.delivery_id, now, reason)
        told = Bounce(
            delivery_id=delivery.delivery_id,
            recipient_id=delivery.recipient_id,
            circular_id=delivery.circular_id,
            status=report.status,
            reason=reason,
            bounced_at=now,
            attempts=delivery.standing.attempts,
        )
        await outbox.add(connection, "dispatch", [DeliveriesBounced(items=(told,))])
        entry = feed.Entry(
            EventType.BOUNCED,
            delivery.sender_agency_id,
            delivery.circular_id,
            delivery.recipient_id,
            now,
            data={"reason": reason},
        )
        await feed.add(connection, [entry])


@dataclass(frozen=True, slots=True)
class ListenerLimits:
    """What others may take of us: bytes of one message, conversations at a time, and seconds for each of them."""

    message_bytes: int
    connections: int
    seconds: float


class BounceListener:
    """Takes bounces at `host`:`port` (0: a free one, known once `started` is set)."""

    name = "bounce listener"

    def __init__(self, recorder: BounceRecorder, paths: ReturnPaths, *, host: str, port: int, limits: ListenerLimits) -> None:
        self._recorder = recorder
        self._paths = paths
        self._host = host
        self.port = port
        self.limits = limits
        self.started = asyncio.Event()
        self.open: set[asyncio.Transport] = set()

    async def run(self, stop: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(functools.partial(self._protocol, loop), self._host, self.port)
        self.port = server.sockets[0].getsockname()[1]
        self.started.set()
        try:
            await stop.wait()
        finally:
            server.close()
            # Whoever has no answer yet comes again.
            for transport in list(self.open):
                transport.abort()
            await server.wait_closed()

    def _protocol(self, loop: asyncio.AbstractEventLoop) -> asyncio.Protocol:
        if len(self.open) >= self.limits.connections:
            return _TurnedAway()
        return _Conversation(self, loop)

    async def handle_RCPT(self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]) -> str:  # noqa: N802 - the server's name
        if self._paths.read(address) is None:
            _bounces.add(1, {"result": Result.FORGED})
            return "550 5.1.1 no such mailbox here"
        if envelope.rcpt_tos:
            return "452 4.5.3 one recipient at a time"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 taken"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - the server's name
        mail_id, content = self._paths.read(envelope.rcpt_tos[0]), envelope.content
        if mail_id is None or not isinstance(content, bytes):
            return LATER
        report = await asyncio.to_thread(read_report, content)
        try:
            result = await self._recorder.record(mail_id, report, datetime.now(UTC))
        except postgres.Unavailable as error:
            log.warning("a bounce waits for the database", error=repr(error))
            return LATER
        _bounces.add(1, {"result": result, "kind": report.kind})
        log.info("bounce", mail_id=str(mail_id), kind=report.kind, status=report.status, result=result)
        return LATER if result is Result.TOO_EARLY else "250 2.0.0 taken"

    async def handle_exception(self, error: Exception) -> str:
        """The edge of one conversation: a mistake of ours tells the other server nothing, and loses no bounce."""
        log.error("bounce not taken", error=repr(error)[:500])
        return LATER


class _TurnedAway(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)  # noqa: S101 - what servers of asyncio give
        transport.write(b"421 4.3.2 too many connections, try again later\r\n")
        transport.close()


class _Conversation(SMTP):
    """One connection, with an end to its time and to its bytes."""

    def __init__(self, listener: BounceListener, loop: asyncio.AbstractEventLoop) -> None:
        limits = listener.limits
        super().__init__(
            listener,
            data_size_limit=limits.message_bytes,
            enable_SMTPUTF8=True,
            ident="Wian",
            timeout=limits.seconds,
            command_call_limit=COMMANDS_PER_CONVERSATION,
            loop=loop,
        )
        self._listener = listener
        self._left = limits.message_bytes + limits.message_bytes // 64 + CONVERSATION_MARGIN
        self._end: asyncio.TimerHandle | None = None
        self._raw: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what servers of asyncio give
        self._raw = transport
        self._listener.open.add(transport)
        self._end = self.loop.call_later(self._listener.limits.seconds, transport.abort)
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        self._left -= len(data)
        if self._left < 0 and self._raw is not None:
            self._raw.abort()
            return
        super().data_received(data)

    def connection_lost(self, error: Exception | None) -> None:
        if self._end is not None:
            self._end.cancel()
        if self._raw is not None:
            self._listener.open.discard(self._raw)
        super().connection_lost(error)
