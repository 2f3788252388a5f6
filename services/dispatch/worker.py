"""Workers: each takes the batches of one lane and channel from the broker, sends them, and records what came of it."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

from services.dispatch.delivery.claim import keeping_lease, take
from services.dispatch.delivery.jobs import Batch, Sent
from services.dispatch.delivery.record import Recorder
from services.dispatch.delivery.send import Sender, attempt
from shared import postgres
from shared.broker import Consumer, Incoming, Verdict
from shared.contracts.envelope import Envelope
from shared.postgres import Database

# Outcomes that come within this time of the first are recorded together; slower ones do not hold up the news of the others.
RECORD_LINGER: Final = 0.05
DATABASE_PAUSE: Final = 0.5

BATCH_TYPE: Final = "dispatch.batch.leased.v1"

log = structlog.stdlib.get_logger(__name__)


class BatchLeased(BaseModel):
    """The message on a lane: which lease to take up, and over how many deliveries it was given out."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    lease_token: UUID
    deliveries: int


class BatchHandler:
    """Does with a batch's message what there is still to do for it."""

    def __init__(
        self, database: Database, sender: Sender, recorder: Recorder, *, lease: timedelta, email_secret_letters: bool
    ) -> None:
        self._database = database
        self._sender = sender
        self._recorder = recorder
        self._lease = lease
        self._email_secret_letters = email_secret_letters
        self._in_hand: set[asyncio.Task[int]] = set()

    async def __call__(self, message: Incoming) -> Verdict:
        """Deliver the batch; a channel that is lost meanwhile stops neither the sending nor the recording."""
        try:
            ticket = BatchLeased.model_validate(Envelope.model_validate_json(message.body).data).lease_token
        except ValidationError as error:
            log.error("batch cannot be read", message_id=message.message_id, error=repr(error)[:500])
            return Verdict.DEAD
        task = asyncio.create_task(self.deliver(ticket))
        self._in_hand.add(task)
        task.add_done_callback(self._in_hand.discard)
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            if not task.done():
                task.add_done_callback(_log_failure)
            raise
        return Verdict.DONE

    async def finish(self) -> None:
        """Wait for batches whose message was lost from hand."""
        await asyncio.gather(*self._in_hand, return_exceptions=True)

    def abandon(self) -> None:
        """Cancel what is still in hand: the grace period is over, and the leases will run out."""
        for task in self._in_hand:
            task.cancel()

    async def deliver(self, ticket: UUID) -> int:
        """Send what still holds `ticket` and record it; returns how many deliveries were recorded."""
        batch = await self._take(ticket)
        if not batch.jobs:
            log.info("batch was taken up before")
            return 0
        async with keeping_lease(self._database, batch.lease_token, self._lease):
            recorded = await self._send_and_record(batch)
        log.info("batch done", deliveries=len(batch.jobs), recorded=recorded)
        return recorded

    async def _take(self, ticket: UUID) -> Batch:
        while True:
            try:
                return await take(self._database, ticket, lease=self._lease, email_secret_letters=self._email_secret_letters)
            except postgres.Unavailable as error:
                log.warning("batch waits for the database", error=repr(error))
                await asyncio.sleep(DATABASE_PAUSE)

    async def _send_and_record(self, batch: Batch) -> int:
        recorded = 0
        async with self._sender.session() as session:
            pending = {asyncio.create_task(attempt(job, session)) for job in batch.jobs}
            try:
                while pending:
                    sent, pending = await _next_group(pending)
                    recorded += await self._recorder.record(batch.lease_token, sent)
            finally:
                for task in pending:
                    task.cancel()
        return recorded


async def _next_group(pending: set[asyncio.Task[Sent]]) -> tuple[Sequence[Sent], set[asyncio.Task[Sent]]]:
    await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
    done, waiting = await asyncio.wait(pending, timeout=RECORD_LINGER)
    return [task.result() for task in done], waiting


def _log_failure(task: asyncio.Task[int]) -> None:
    if not task.cancelled() and task.exception() is not None:
        log.error("batch failed after its message was lost", error=repr(task.exception()))


class LaneWorker:
    """The consumer of one lane and channel, which ends only when what it has in hand is recorded."""

    def __init__(self, consumer: Consumer, handler: BatchHandler) -> None:
        self._consumer = consumer
        self._handler = handler

    @property
    def name(self) -> str:
        return self._consumer.name

    async def run(self, stop: asyncio.Event) -> None:
        try:
            await self._consumer.run(stop)
            await self._handler.finish()
        finally:
            self._handler.abandon()
