"""Transactional outbox: events are written with the change that they tell of, and a relay publishes them afterwards."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import orjson
import structlog
from opentelemetry import metrics

from shared import broker, postgres
from shared.broker import Outgoing, Publisher
from shared.contracts.envelope import Event, envelope
from shared.contracts.topology import Exchange
from shared.ids import new_id
from shared.postgres import Connection, Database, Row
from shared.runtime import pause
from shared.telemetry import current_traceparent

ADD: Final = """
INSERT INTO outbox (message_id, type, body, traceparent)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::bytea[], $4::text[])
"""

# The lease is the due time itself: a claimed row comes due again unless the relay deletes or postpones it first.
CLAIM: Final = """
WITH due AS (
    SELECT outbox_id FROM outbox WHERE due_at <= now() ORDER BY due_at, outbox_id LIMIT $1 FOR UPDATE SKIP LOCKED
)
UPDATE outbox SET due_at = now() + $2, attempts = attempts + 1 FROM due WHERE outbox.outbox_id = due.outbox_id
RETURNING outbox.outbox_id, outbox.message_id, outbox.type, outbox.body, outbox.traceparent, outbox.attempts
"""

DELETE: Final = "DELETE FROM outbox WHERE outbox_id = ANY($1::bigint[])"

POSTPONE: Final = """
UPDATE outbox SET due_at = now() + failed.wait, last_error = failed.error
FROM unnest($1::bigint[], $2::interval[], $3::text[]) AS failed (outbox_id, wait, error)
WHERE outbox.outbox_id = failed.outbox_id
"""

COUNT: Final = "SELECT count(*) FROM outbox"

FIRST_WAIT: Final = 0.5
LONGEST_WAIT: Final = 60.0

log = structlog.stdlib.get_logger(__name__)
_meter = metrics.get_meter("wian.outbox")
_published = _meter.create_counter("wian.outbox.published", unit="{message}", description="Messages that the broker confirmed.")
_failed = _meter.create_counter(
    "wian.outbox.failed", unit="{message}", description="Publications that failed and were postponed."
)


async def add(
    connection: Connection, source: str, events: Sequence[Event], traceparents: Sequence[str | None] | None = None
) -> None:
    """Write `events` to the outbox of service `source`, in the caller's transaction.

    They go under the running trace, or each under its own of `traceparents` when several requests share the transaction.
    """
    if not events:
        return
    traces = traceparents or [current_traceparent()] * len(events)
    # An event goes to JSON once, not by way of a dictionary: a nation's agencies are 100,000 of them.
    data = [orjson.Fragment(event.model_dump_json()) for event in events]
    await _add(connection, source, [event.TYPE for event in events], data, traces)


async def add_payloads(connection: Connection, source: str, event: type[Event], payloads: Sequence[Mapping[str, object]]) -> None:
    """The same for payloads of one event type that are JSON values already: for very many, which need no models.

    Whether they have the event's form is for the caller's tests to show.
    """
    await _add(connection, source, [event.TYPE] * len(payloads), payloads, [current_traceparent()] * len(payloads))


async def _add(
    connection: Connection, source: str, types: Sequence[str], data: Sequence[object], traceparents: Sequence[str | None]
) -> None:
    message_ids = [new_id() for _ in types]
    now = datetime.now(UTC)
    bodies = [
        orjson.dumps(envelope(source, kind, message_id, now, trace, payload))
        for message_id, kind, payload, trace in zip(message_ids, types, data, traceparents, strict=True)
    ]
    await connection.execute(ADD, message_ids, types, bodies, traceparents)


def wait_before_retry(attempts: int) -> timedelta:
    """Doubling from half a second to a minute; `attempts` counts from 1."""
    return timedelta(seconds=min(FIRST_WAIT * 2 ** min(attempts - 1, 20), LONGEST_WAIT))


class Relay:
    """Publishes the outbox of one service. Several relays may run: a claimed message is leased to one of them."""

    def __init__(
        self, database: Database, publisher: Publisher, *, service: str, batch_size: int, lease: float, poll_interval: float
    ) -> None:
        self._database = database
        self._publisher = publisher
        self._service = service
        self._batch_size = batch_size
        self._lease = timedelta(seconds=lease)
        self._poll_interval = poll_interval

    @property
    def name(self) -> str:
        return f"{self._service} outbox relay"

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                if await self.run_once() < self._batch_size:
                    await pause(self._poll_interval, stop)
            except (postgres.Unavailable, *broker.UNAVAILABLE) as error:
                # Claimed messages come due again when their lease ends.
                log.warning("outbox relay waits", service=self._service, error=repr(error))
                await pause(1.0, stop)

    async def run_once(self) -> int:
        """Publish one batch of due messages; returns how many were claimed."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(CLAIM, self._batch_size, self._lease)
        if not rows:
            return 0
        try:
            outcomes = await self._publisher.publish([_outgoing(row) for row in rows])
        except broker.UNAVAILABLE as error:
            outcomes = [error] * len(rows)
        await self._settle(rows, outcomes)
        return len(rows)

    async def _settle(self, rows: Sequence[Row], outcomes: Sequence[Exception | None]) -> None:
        done = [row["outbox_id"] for row, error in zip(rows, outcomes, strict=True) if error is None]
        failed = [(row, error) for row, error in zip(rows, outcomes, strict=True) if error is not None]
        async with self._database.transaction() as connection:
            await connection.execute(DELETE, done)
            if failed:
                await connection.execute(
                    POSTPONE,
                    [row["outbox_id"] for row, _ in failed],
                    [wait_before_retry(row["attempts"]) for row, _ in failed],
                    [repr(error)[:500] for _, error in failed],
                )
                log.warning("messages postponed", service=self._service, count=len(failed), error=repr(failed[0][1]))
        _published.add(len(done), {"service": self._service})
        _failed.add(len(failed), {"service": self._service})


def _outgoing(row: Row) -> Outgoing:
    headers = {} if row["traceparent"] is None else {"traceparent": row["traceparent"]}
    return Outgoing(Exchange.EVENTS, row["type"], str(row["message_id"]), row["body"], headers)
