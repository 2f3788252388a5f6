"""Inbox: applies an event once, however often the broker delivers it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol, TypeVar
from uuid import UUID

import structlog
from opentelemetry.trace import SpanKind
from pydantic import ValidationError

from shared import postgres, telemetry
from shared.broker import Incoming, Verdict
from shared.contracts.envelope import Envelope, Event
from shared.postgres import Connection, Database
from shared.runtime import pause

MARK_APPLIED: Final = """
INSERT INTO inbox (consumer, message_id) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING message_id
"""

PRUNE: Final = "DELETE FROM inbox WHERE applied_at < now() - $1::interval"

# While the database is away a message is kept in hand: handing it back would only wear out its delivery limit.
DATABASE_PAUSE: Final = 0.5

log = structlog.stdlib.get_logger(__name__)
E = TypeVar("E", bound=Event)


# A message that comes again after this time is not recognised by its mark; all effects are idempotent beside it.
KEPT: Final = timedelta(days=14)
PRUNE_INTERVAL: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Meta:
    """What the envelope says beside the payload."""

    message_id: UUID
    time: datetime
    traceparent: str | None


class Route(Protocol):
    """Reads one event type's payload and applies it."""

    async def __call__(self, connection: Connection, data: object, meta: Meta) -> None: ...


def route(payload: type[E], apply: Callable[[Connection, E, Meta], Awaitable[None]]) -> tuple[str, Route]:
    """An entry of the routing table: `apply` runs in one transaction with the inbox mark."""

    async def call(connection: Connection, data: object, meta: Meta) -> None:
        await apply(connection, payload.model_validate(data), meta)

    return payload.TYPE, call


class EventHandler:
    """A broker handler that routes events by type and applies each in one transaction with its inbox mark."""

    def __init__(self, database: Database, *, consumer: str, routes: Mapping[str, Route]) -> None:
        self._database = database
        self._consumer = consumer
        self._routes = routes

    async def __call__(self, message: Incoming) -> Verdict:
        try:
            envelope = Envelope.model_validate_json(message.body)
            apply = self._routes[envelope.type]
        except (ValidationError, KeyError) as error:
            log.error("message cannot be read", consumer=self._consumer, message_id=message.message_id, error=_why(error))
            return Verdict.DEAD
        meta = Meta(envelope.id, envelope.time, envelope.traceparent)
        with telemetry.span(f"process {envelope.type}", kind=SpanKind.CONSUMER, parent=envelope.traceparent):
            return await self._apply(apply, envelope, meta)

    async def _apply(self, apply: Route, envelope: Envelope, meta: Meta) -> Verdict:
        while True:
            try:
                async with self._database.transaction() as connection:
                    if await connection.fetchval(MARK_APPLIED, self._consumer, envelope.id) is None:
                        log.info("message was applied before", consumer=self._consumer, message_id=str(envelope.id))
                        return Verdict.DONE
                    await apply(connection, envelope.data, meta)
                log.info("message applied", consumer=self._consumer, type=envelope.type, message_id=str(envelope.id))
                return Verdict.DONE
            except ValidationError as error:
                log.error("payload cannot be read", consumer=self._consumer, message_id=str(envelope.id), error=_why(error))
                return Verdict.DEAD
            except postgres.Unavailable as error:
                log.warning("message waits for the database", consumer=self._consumer, error=repr(error))
                await asyncio.sleep(DATABASE_PAUSE)


def _why(error: ValidationError | KeyError) -> str:
    """What is wrong, without what was given: that may be a letter's text."""
    if isinstance(error, KeyError):
        return f"no such type: {error.args[0]}"
    return "; ".join(f"{'/'.join(map(str, one['loc']))}: {one['type']}" for one in error.errors(include_input=False))[:500]


class Pruner:
    """Forgets, once an hour, the marks of messages that cannot come again."""

    name = "inbox pruner"

    def __init__(self, database: Database) -> None:
        self._database = database

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                await self.run_once()
            except postgres.Unavailable as error:
                log.warning("inbox marks are kept: the database is away", error=repr(error))
            await pause(PRUNE_INTERVAL, stop)

    async def run_once(self) -> None:
        """Delete the marks that are older than `KEPT`."""
        async with self._database.connection() as connection:
            await connection.execute(PRUNE, KEPT)
