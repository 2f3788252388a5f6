"""Sealing what is kept encrypted with the first key, so that a key that was replaced can be thrown away."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

import structlog

from services.dispatch.store import seals
from services.dispatch.store.seals import Seals
from services.dispatch.vault import SecretLost, Vault
from shared.postgres import Database

BATCH: Final = 200

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Resealed:
    """How many endpoints were looked at, how many were sealed anew, and how many no key opens."""

    endpoints: int
    changed: int
    lost: int


async def reseal(database: Database, vault: Vault) -> Resealed:
    """Seal all with the first key, in batches that commit by themselves; doing it again, or side by side, changes nothing more."""
    looked, changed, lost, after = 0, 0, 0, None
    while True:
        async with database.connection() as connection:
            found = await seals.read(connection, after, BATCH)
        if not found:
            return Resealed(looked, changed, lost)
        after = found[-1][0]
        looked += len(found)
        anew: list[tuple[UUID, Seals, Seals]] = []
        for agency_id, kept in found:
            try:
                sealed = _anew(kept, vault)
            except SecretLost:
                lost += 1
                log.error("no key opens what is kept", agency_id=str(agency_id))
                continue
            if sealed != kept:
                anew.append((agency_id, kept, sealed))
        async with database.transaction() as connection:
            await seals.write(connection, anew)
        changed += len(anew)


def _anew(kept: Seals, vault: Vault) -> Seals:
    def first(sealed: bytes) -> bytes:
        return sealed if vault.is_current(sealed) else vault.seal(vault.open(sealed))

    return Seals(
        secret=first(kept.secret),
        signing_key=None if kept.signing_key is None else first(kept.signing_key),
        old_secrets=tuple(first(one) for one in kept.old_secrets),
        old_signing_keys=tuple(first(one) for one in kept.old_signing_keys),
    )
