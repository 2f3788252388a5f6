"""Taking up a claimed batch: its lease is then held by this worker alone, and renewed while it works."""

import asyncio
from collections import OrderedDict
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from typing import Final
from uuid import UUID, uuid4

import structlog

from services.dispatch import ladder
from services.dispatch.delivery.decide import Standing
from services.dispatch.delivery.jobs import Batch, CircularContent, Endpoint, Job
from services.dispatch.store import circulars, claims
from services.dispatch.store.reading import address_of
from shared import postgres
from shared.contracts.events import Channel
from shared.contracts.topology import Lane
from shared.postgres import Connection, Database, Row

RENEWALS_PER_LEASE: Final = 3
CIRCULARS_KEPT: Final = 200

log = structlog.stdlib.get_logger(__name__)


class Taker:
    """Takes up batches; a circular's content, which never changes, is kept for its other batches."""

    def __init__(self, database: Database, *, lease: timedelta, email_secret_letters: bool) -> None:
        self._database = database
        self._lease = lease
        self._email_secret_letters = email_secret_letters
        self._contents: OrderedDict[UUID, CircularContent] = OrderedDict()

    async def take(self, ticket: UUID) -> Batch:
        """The deliveries of the lease `ticket`, with all that is needed to send them; none when another has taken it up."""
        async with self._database.transaction() as connection:
            rows = await claims.take(connection, ticket, uuid4(), self._lease)
            await self._read({row["circular_id"] for row in rows}, connection)
        jobs = [_job(row, self._contents[row["circular_id"]], email_secret_letters=self._email_secret_letters) for row in rows]
        while len(self._contents) > CIRCULARS_KEPT:
            self._contents.popitem(last=False)
        return Batch(ticket, tuple(jobs))

    async def _read(self, circular_ids: set[UUID], connection: Connection) -> None:
        missing = circular_ids - self._contents.keys()
        if missing:
            self._contents.update(await circulars.get_circulars(connection, list(missing)))
        for circular_id in circular_ids:
            self._contents.move_to_end(circular_id)


def _job(row: Row, circular: CircularContent, *, email_secret_letters: bool) -> Job:
    routes = ladder.routes_to(
        has_endpoint=row["url"] is not None,
        email=row["email"],
        secrecy=circular.letter.secrecy,
        email_secret_letters=email_secret_letters,
    )
    return Job(
        address=address_of(row),
        circular=circular,
        standing=Standing(
            lane=Lane(row["lane"]),
            channel=Channel(row["channel"]),
            step_until=row["step_until"],
            channel_attempts=row["channel_attempts"],
            attempts=row["attempts"],
            routes=routes,
            deadline=circular.deadline,
            acknowledged_at=row["acknowledged_at"],
            lost_leases=row["lost_leases"],
        ),
        endpoint=Endpoint(row["url"], tuple(row["sealed_keys"])) if routes.webhook else None,
        email=row["email"] if routes.email else None,
    )


class LeaseKeeper:
    """Renews the leases of all batches in hand; a database that is away is asked again at the next turn."""

    def __init__(self, database: Database, lease: timedelta) -> None:
        self._database = database
        self._lease = lease
        self._held: set[UUID] = set()
        self._renewing: asyncio.Task[None] | None = None

    @contextmanager
    def keeping(self, lease_token: UUID) -> Generator[None]:
        """Keep the lease while the block runs."""
        self._held.add(lease_token)
        if self._renewing is None:
            self._renewing = asyncio.create_task(self._renew())
        try:
            yield
        finally:
            self._held.discard(lease_token)
            if not self._held:
                self._renewing.cancel()
                self._renewing = None

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._lease.total_seconds() / RENEWALS_PER_LEASE)
            try:
                async with self._database.connection() as connection:
                    await claims.renew(connection, list(self._held), self._lease)
            except postgres.Unavailable as error:
                log.warning("leases not renewed", count=len(self._held), error=repr(error))
