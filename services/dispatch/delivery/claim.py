"""Taking up a claimed batch: its ticket is exchanged for a lease that this worker alone holds, and renewed while it works."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
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
from shared.postgres import Database, Row

RENEWALS_PER_LEASE: Final = 3

log = structlog.stdlib.get_logger(__name__)


async def take(database: Database, ticket: UUID, *, lease: timedelta, email_secret_letters: bool) -> Batch:
    """The deliveries that still hold `ticket`, with all that is needed to send them; none when another has taken it up."""
    lease_token = uuid4()
    async with database.transaction() as connection:
        rows = await claims.take(connection, ticket, lease_token, lease)
        contents = await circulars.get_circulars(connection, list({row["circular_id"] for row in rows})) if rows else {}
    jobs = [_job(row, contents[row["circular_id"]], email_secret_letters=email_secret_letters) for row in rows]
    return Batch(lease_token, tuple(jobs))


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
        ),
        endpoint=Endpoint(row["url"], row["secret_encrypted"]) if routes.webhook else None,
        email=row["email"] if routes.email else None,
    )


@asynccontextmanager
async def keeping_lease(database: Database, lease_token: UUID, lease: timedelta) -> AsyncGenerator[None]:
    """Renew the lease while the block runs; a database that is away is asked again at the next turn."""
    renewing = asyncio.create_task(_renew(database, lease_token, lease))
    try:
        yield
    finally:
        renewing.cancel()
        await asyncio.wait([renewing])


async def _renew(database: Database, lease_token: UUID, lease: timedelta) -> None:
    while True:
        await asyncio.sleep(lease.total_seconds() / RENEWALS_PER_LEASE)
        try:
            async with database.connection() as connection:
                await claims.renew(connection, lease_token, lease)
        except postgres.Unavailable as error:
            log.warning("lease not renewed", error=repr(error))
