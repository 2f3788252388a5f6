"""The checkpointer: on a schedule, one signed hash over all chains that have grown, and a third party's time-stamp over it."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import httpx
import structlog
from opentelemetry import metrics

from services.ack.evidence.form import CHECKPOINT_FORMAT, moment
from services.ack.evidence.merkle import head_leaf, root_and_paths
from services.ack.evidence.sealing import EvidenceKeys
from services.ack.evidence.time_stamping import TimeStampAuthority, TimeStampRefused
from services.ack.store import checkpoints
from shared.postgres import Database, Unavailable
from shared.runtime import pause

# More chains than this go into several checkpoints, one behind the other.
MOST_CHAINS: Final = 20_000
LOOK_EVERY: Final = 10.0
AFTER_A_REFUSAL: Final = 60.0

log = structlog.stdlib.get_logger(__name__)
_meter = metrics.get_meter("wian.ack")
_made = _meter.create_counter("wian.ack.checkpoints", unit="{checkpoint}", description="Checkpoints that were signed.")
_stamped = _meter.create_counter(
    "wian.ack.time_stamps", unit="{time_stamp}", description="Time-stamps that were asked for, by what came of it."
)


class Checkpointer:
    """Makes checkpoints and has them stamped. Several may run: one at a time makes them, and the first time-stamp counts."""

    name = "checkpointer"

    def __init__(
        self,
        database: Database,
        keys: EvidenceKeys,
        now: Callable[[], datetime],
        *,
        every: timedelta,
        authority: TimeStampAuthority | None,
    ) -> None:
        self._database = database
        self._keys = keys
        self._now = now
        self._every = every
        self._authority = authority

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            wait = LOOK_EVERY
            try:
                await self._keys.ensure(self._database)
                while await self.make_due() and not stop.is_set():
                    pass
                while await self.stamp_one() and not stop.is_set():
                    pass
            except Unavailable as error:
                log.warning("checkpoints wait for the database", error=repr(error))
            except (TimeStampRefused, httpx.HTTPError) as error:
                # The checkpoint stands; its time-stamp is asked for again.
                _stamped.add(1, {"outcome": "refused"})
                log.warning("no time-stamp was given", error=repr(error))
                wait = AFTER_A_REFUSAL
            await pause(wait, stop)

    async def make_due(self) -> bool:
        """Make a checkpoint if one is due; returns whether more chains wait for the next."""
        async with self._database.transaction() as connection:
            if not await checkpoints.try_lock(connection):
                return False
            before, now = await checkpoints.last(connection), self._now()
            heads = await checkpoints.grown(connection, MOST_CHAINS + 1)
            if not heads or (before is not None and now < before.made_at + self._every and len(heads) <= MOST_CHAINS):
                return False
            heads, more = heads[:MOST_CHAINS], len(heads) > MOST_CHAINS
            signer = await self._keys.signer(connection)
            leaves = [head_leaf(str(one["circular_id"]), one["sequence"], one["head_sha256"]) for one in heads]
            # This loop answers requests too.
            root, paths = await asyncio.to_thread(root_and_paths, leaves)
            sequence, previous = (1, None) if before is None else (before.sequence + 1, before.sha256)
            sealed = signer.seal(
                {
                    "format": CHECKPOINT_FORMAT,
                    "sequence": sequence,
                    "previous_sha256": previous,
                    "made_at": moment(now),
                    "chains": len(heads),
                    "root_sha256": root.hex(),
                }
            )
            await checkpoints.insert(
                connection, sequence, sealed, previous_sha256=previous, kid=signer.kid, made_at=now, heads=heads, paths=paths
            )
        _made.add(1)
        log.info("checkpoint made", sequence=sequence, chains=len(heads), sha256=sealed.sha256)
        return more

    async def stamp_one(self) -> bool:
        """Have the oldest checkpoint without a time-stamp stamped, if there is an authority; returns whether there was one.

        Raises TimeStampRefused, httpx.HTTPError.
        """
        if self._authority is None:
            return False
        async with self._database.connection() as connection:
            found = await checkpoints.unstamped(connection)
        if found is None:
            return False
        sequence, body = found
        answer = await self._authority.stamp(body)
        async with self._database.connection() as connection:
            await checkpoints.stamp(connection, sequence, answer)
        _stamped.add(1, {"outcome": "granted"})
        log.info("checkpoint stamped", sequence=sequence)
        return True
