"""Workers: each takes the batches of one lane and channel from the broker, sends them, and records what came of it."""

import asyncio
from datetime import timedelta
from typing import Final
from uuid import UUID

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

from services.dispatch.delivery.claim import LeaseKeeper, Taker
from services.dispatch.delivery.jobs import Batch, Job
from services.dispatch.delivery.record import Recorder
from services.dispatch.delivery.send import Sender, Session, attempt
from services.dispatch.store import claims
from shared import postgres
from shared.broker import Consumer, Incoming, Verdict
from shared.contracts.envelope import Envelope
from shared.postgres import Database

DATABASE_PAUSE: Final = 0.5
# To hand work back when the grace period is over and the process must end.
LAST_PATIENCE: Final = 3.0

BATCH_TYPE: Final = "dispatch.batch.leased.v1"

log = structlog.stdlib.get_logger(__name__)


class BatchLeased(BaseModel):
    """The message on a lane: which lease to take up, and over how many deliveries it was given out."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    lease_token: UUID
    deliveries: int


class _Progress:
    """A batch under way: `begun` is set when every delivery of it has been begun, or given up."""

    def __init__(self, jobs: int, begun: asyncio.Event) -> None:
        self._left = jobs
        self._begun = begun
        self.recorded = 0
        self.not_sent = 0

    def one_begun(self) -> None:
        self._left -= 1
        if self._left == 0:
            self._begun.set()


class BatchHandler:
    """Does with a batch's message what there is still to do for it.

    The message is done with when every delivery of its batch is under way: from then on the lease is what counts, a copy of the
    message would find nothing to do, and whoever waits for slow endpoints can take other batches.
    """

    def __init__(
        self, database: Database, sender: Sender, recorder: Recorder, *, lease: timedelta, email_secret_letters: bool
    ) -> None:
        self._database = database
        self._sender = sender
        self._recorder = recorder
        self._taker = Taker(database, lease=lease, email_secret_letters=email_secret_letters)
        self._keeper = LeaseKeeper(database, lease)
        self._in_hand: dict[asyncio.Task[int], UUID] = {}
        self.stopping = asyncio.Event()

    async def __call__(self, message: Incoming) -> Verdict:
        """Deliver the batch; a channel that is lost meanwhile stops neither the sending nor the recording."""
        try:
            ticket = BatchLeased.model_validate(Envelope.model_validate_json(message.body).data).lease_token
        except ValidationError as error:
            log.error("batch cannot be read", message_id=message.message_id, error=str(error.errors(include_input=False))[:500])
            return Verdict.DEAD
        begun = asyncio.Event()
        task = asyncio.create_task(self.deliver(ticket, begun))
        self._in_hand[task] = ticket
        task.add_done_callback(self._ended)
        await begun.wait()
        if task.done():
            task.result()
        return Verdict.DONE

    def _ended(self, task: asyncio.Task[int]) -> None:
        del self._in_hand[task]
        if not task.cancelled() and task.exception() is not None:
            log.error("batch failed", error=repr(task.exception()))

    async def idle(self) -> None:
        """Wait for all that is in hand."""
        await asyncio.gather(*self._in_hand, return_exceptions=True)

    async def finish(self) -> None:
        """Wait for what is under way; what has not been sent yet is handed back."""
        self.stopping.set()
        await self.idle()

    async def abandon(self) -> None:
        """The grace period is over: cancel what is still under way, and hand its deliveries back to be sent again."""
        tickets = list(self._in_hand.values())
        for task in list(self._in_hand):
            task.cancel()
        if not tickets:
            return
        log.warning("batches abandoned: the grace period is over", count=len(tickets))
        try:
            async with asyncio.timeout(LAST_PATIENCE):
                await self._hand_back(tickets)
        except (postgres.Unavailable, TimeoutError) as error:
            log.warning("not handed back: the leases will run out", error=repr(error))

    async def deliver(self, ticket: UUID, begun: asyncio.Event) -> int:
        """Send what is leased under `ticket` and record it; returns how many deliveries were recorded."""
        try:
            batch = await self._take(ticket)
            if not batch.jobs:
                log.info("batch was taken up before")
                return 0
            with self._keeper.keeping(ticket):
                progress = await self._send_and_record(batch, begun)
                await self._end(ticket, progress)
        finally:
            begun.set()
        log.info("batch done", deliveries=len(batch.jobs), recorded=progress.recorded, not_sent=progress.not_sent)
        return progress.recorded

    async def _take(self, ticket: UUID) -> Batch:
        while True:
            try:
                return await self._taker.take(ticket)
            except postgres.Unavailable as error:
                log.warning("batch waits for the database", error=repr(error))
                await asyncio.sleep(DATABASE_PAUSE)

    async def _send_and_record(self, batch: Batch, begun: asyncio.Event) -> _Progress:
        progress = _Progress(len(batch.jobs), begun)
        async with self._sender.session() as session:
            tasks = [asyncio.create_task(self._deliver_one(batch, job, session, progress)) for job in batch.jobs]
            try:
                await asyncio.wait(tasks)
            finally:
                for task in tasks:
                    task.cancel()
        # One that failed was logged where it did; its lease runs out.
        for task in tasks:
            task.exception()
        return progress

    async def _deliver_one(self, batch: Batch, job: Job, session: Session, progress: _Progress) -> None:
        sent = await attempt(job, session, when_begun=progress.one_begun, stopping=self.stopping)
        if sent is None:
            progress.not_sent += 1
        else:
            recorded = await self._recorder.record(batch.lease_token, sent)
            progress.recorded += recorded

    async def _end(self, ticket: UUID, progress: _Progress) -> None:
        try:
            if progress.not_sent:
                await self._hand_back([ticket])
            else:
                async with self._database.connection() as connection:
                    await claims.end_leases(connection, [ticket])
        except postgres.Unavailable as error:
            # The scheduler ends it when it has run out.
            log.warning("lease not ended", error=repr(error))

    async def _hand_back(self, tickets: list[UUID]) -> None:
        async with self._database.transaction() as connection:
            await claims.hand_back(connection, tickets)


class LaneWorker:
    """The consumer of one lane and channel, which ends only when what it has in hand is recorded or handed back."""

    def __init__(self, consumer: Consumer, handler: BatchHandler) -> None:
        self._consumer = consumer
        self._handler = handler

    @property
    def name(self) -> str:
        return self._consumer.name

    async def run(self, stop: asyncio.Event) -> None:
        told = asyncio.create_task(self._tell(stop))
        try:
            await self._consumer.run(stop)
            await self._handler.finish()
        finally:
            told.cancel()
            await self._handler.abandon()

    async def _tell(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._handler.stopping.set()
