"""Whom a letter itself names for a copy (สำเนาส่ง), as recipients behind those of its list."""

from datetime import date

from services.registry.domain.letters import Draft
from services.registry.domain.resolution import Resolved, Sieve
from services.registry.store import agencies, succession
from shared.contracts.events import Role
from shared.postgres import Connection


async def resolve_copies(connection: Connection, draft: Draft, day: date) -> list[Resolved]:
    """The agencies that the letter names by code, each once and in order; who follows a closed one on `day` is in its place."""
    codes = [(copy.agency_code, copy.title) for copy in draft.copy_to if copy.agency_code is not None]
    if not codes:
        return []
    ids = await agencies.ids_by_codes(connection, sorted({code for code, _ in codes}))
    named = [Resolved(ids[code], title, relay_duty=False, role=Role.COPY) for code, title in codes]
    elsewhere = await succession.elsewhere(connection, [one.agency_id for one in named], day)
    first: dict[object, Resolved] = {}
    for one in Sieve().sift(named, frozenset(), elsewhere):
        first.setdefault(one.agency_id, one)
    return list(first.values())
