"""The sealer: gives each recorded event its receipt, in the chain of its circular, beside the path on which answers are taken."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

import structlog
from opentelemetry import metrics

from services.ack.evidence.form import FORMAT, Signer, etsi_event, moment
from services.ack.store import evidence
from services.ack.store.evidence import Chain, Placed
from shared.postgres import Connection, Database, Row, Unavailable
from shared.runtime import pause
from shared.signing import KeyBox

BATCH: Final = 500
PURPOSE: Final = b"wian ack evidence keys"

log = structlog.stdlib.get_logger(__name__)
_sealed = metrics.get_meter("wian.ack").create_counter(
    "wian.ack.receipts", unit="{receipt}", description="Receipts that were signed."
)


class EvidenceKeys:
    """The keys that sign receipts; the first use makes one when there is none."""

    def __init__(self, secret: str, now: Callable[[], datetime]) -> None:
        self._box = KeyBox(secret, purpose=PURPOSE, setting="WIAN_ACK_KEY_ENCRYPTION_KEY")
        self._now = now
        self._signer: Signer | None = None

    async def ensure(self, database: Database) -> None:
        """Make the first key; raises SigningKeyLocked when there is one that does not open."""
        async with database.transaction() as connection:
            stored = await evidence.current_key(connection)
            if stored is None:
                # Several replicas come at once: one makes the key, the others then find it.
                await evidence.lock_to_change_key(connection)
                stored = await evidence.current_key(connection)
            if stored is None:
                await evidence.replace_key(connection, self._box.make(), self._now())
            else:
                self._box.open(stored)

    async def signer(self, connection: Connection) -> Signer:
        """What signs until the transaction ends. `ensure` comes first."""
        await evidence.lock_to_sign(connection)
        stored = await evidence.current_key(connection)
        if stored is None:
            raise LookupError("there is no key yet: `ensure` comes first")
        if self._signer is None or self._signer.kid != stored.kid:
            self._signer = Signer(stored.kid, self._box.open(stored).as_dict(private=True))
        return self._signer

    async def rotate(self, database: Database) -> str:
        """Retire the key that signs and make another, whose id is returned. Old public parts stay published."""
        key = self._box.make()
        async with database.transaction() as connection:
            await evidence.lock_to_change_key(connection)
            await evidence.replace_key(connection, key, self._now())
        return key.kid


class Sealer:
    """Seals what has no receipt. Several may run: a chain is in one's hands at a time, and nothing waits for it."""

    name = "sealer"

    def __init__(self, database: Database, keys: EvidenceKeys, now: Callable[[], datetime], poll_interval: float) -> None:
        self._database = database
        self._keys = keys
        self._now = now
        self._poll_interval = poll_interval

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                await self._keys.ensure(self._database)
                while await self.run_once() and not stop.is_set():
                    pass
            except Unavailable as error:
                log.warning("receipts wait for the database", error=repr(error))
            await pause(self._poll_interval, stop)

    async def run_once(self) -> int:
        """Seal the oldest events whose chains are free; returns how many. The queue, the receipts and the chains change together."""
        async with self._database.connection() as connection:
            waiting = await evidence.waiting(connection, BATCH)
            if not waiting:
                return 0
            # Committed at once: a chain that another sealer has begun and not committed would have to be waited for.
            await evidence.begin_chains(connection, sorted({circular_id for _, circular_id in waiting}))
        async with self._database.transaction() as connection:
            signer = await self._keys.signer(connection)
            chains = await evidence.lock_chains(connection, sorted({circular_id for _, circular_id in waiting}))
            rows = await evidence.take(connection, [event_id for event_id, _ in waiting], list(chains))
            now = self._now()
            # Signing takes a tenth of a millisecond each: this loop answers requests too.
            placed = await asyncio.to_thread(lambda: [_place(row, chains, signer, now) for row in rows])
            if placed:
                await evidence.insert_receipts(connection, placed, signer.kid, now)
                await evidence.advance(connection, list(chains.values()))
        _sealed.add(len(placed))
        return len(placed)


def _place(row: Row, chains: dict[Any, Chain], signer: Signer, now: datetime) -> Placed:
    """The receipt that follows its chain's head, which it becomes."""
    before = chains[row["circular_id"]]
    sealed = signer.seal(
        {
            "format": FORMAT,
            "circular_id": str(row["circular_id"]),
            "sequence": before.sequence + 1,
            "previous_sha256": before.head_sha256,
            "event_id": str(row["event_id"]),
            "type": row["type"],
            "etsi_event": etsi_event(row["type"], row["channel"]),
            "recipient_id": str(row["recipient_id"]),
            "agency_id": str(row["agency_id"]),
            "title": row["title"],
            "letter_number": row["number"],
            "content_hash": row["content_hash"],
            "occurred_at": moment(row["occurred_at"]),
            "recorded_at": moment(row["recorded_at"]),
            "sealed_at": moment(now),
            "actor": row["actor"],
            "channel": row["channel"],
            "grade": row["grade"],
            "data": row["data"],
        }
    )
    after = Chain(before.circular_id, before.sequence + 1, sealed.sha256)
    chains[before.circular_id] = after
    return Placed(after, row["event_id"], row["recipient_id"], before.head_sha256, sealed)
