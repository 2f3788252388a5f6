"""Recording what was sent: attempts, states and events in one transaction, fenced by the lease."""

import asyncio
from collections.abc import Sequence
from typing import Final
from uuid import UUID

import structlog

from services.dispatch.delivery.decide import decide
from services.dispatch.delivery.jobs import Sent
from services.dispatch.delivery.send import dice
from services.dispatch.outcomes import Gone, NoRoute
from services.dispatch.retry import Policy
from services.dispatch.store import agencies, transitions
from services.dispatch.store.transitions import Deliveries, Move
from shared import postgres
from shared.postgres import Database

# Shorter than the pause of a scheduler that finds the database away (`scheduler.OUTAGE_PAUSE`): outcomes that waited in
# memory are recorded before their leases, which ran out meanwhile, are claimed anew.
OUTAGE_PAUSE: Final = 0.25

log = structlog.stdlib.get_logger(__name__)


class Recorder:
    """Records outcomes; the sends have happened, so it waits for a database that is away as long as it takes."""

    def __init__(self, database: Database, deliveries: Deliveries, policy: Policy) -> None:
        self._database = database
        self._deliveries = deliveries
        self._policy = policy

    async def record(self, lease_token: UUID, sent: Sequence[Sent]) -> int:
        """Record `sent` under the lease; returns how many deliveries were moved. Those that lost the lease are left alone."""
        while True:
            try:
                return await self.record_once(lease_token, sent)
            except postgres.Unavailable as error:
                log.warning("outcomes wait for the database", count=len(sent), error=repr(error))
                await asyncio.sleep(OUTAGE_PAUSE)

    async def record_once(self, lease_token: UUID, sent: Sequence[Sent]) -> int:
        """One try; raises `postgres.Unavailable`, after which the commit may or may not have happened: a second is harmless."""
        by_id = {one.job.address.delivery_id: one for one in sent}
        async with self._database.transaction() as connection:
            locked = await self._deliveries.lock(connection, list(by_id))
            held = [delivery for delivery in locked if delivery.lease_token == lease_token]
            ended = [delivery for delivery in locked if delivery.has_ended]
            # What ended meanwhile (pulled from the inbox, say) keeps its end, and its log is complete all the same.
            await transitions.add_attempts(connection, [by_id[delivery.delivery_id] for delivery in (*held, *ended)])
            await transitions.count_attempts(connection, [delivery.delivery_id for delivery in ended])
            moves = [
                Move(
                    delivery,
                    decide(one.outcome, delivery.standing, self._policy, one.ended_at, dice()),
                    tried=not isinstance(one.outcome, NoRoute),
                )
                for delivery in held
                for one in (by_id[delivery.delivery_id],)
            ]
            await transitions.apply(connection, moves)
            gone = [one for one in sent if isinstance(one.outcome, Gone)]
            await agencies.disable_endpoints(
                connection,
                [(one.job.address.agency_id, one.job.endpoint.url) for one in gone if one.job.endpoint is not None],
                "the endpoint answered 410 Gone",
            )
        if len(held) < len(sent):
            log.warning("outcomes came too late: the lease was lost", recorded=len(held), sent=len(sent))
        return len(held)
