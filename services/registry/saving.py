"""Saves agencies: one or a whole file, all or nothing, with an event for each that changed."""

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final, TypeVar
from uuid import UUID

from services.registry import problems
from services.registry.domain.agencies import Agency, AgencyEntry, SavePlan, check_tree, plan_save
from services.registry.domain.succession import check_succession
from services.registry.store import agencies
from shared import outbox
from shared.contracts.events import AgencySaved
from shared.ids import new_id
from shared.postgres import Connection
from shared.problems import FieldError

# Small enough that nobody waits for the loop.
PORTION: Final = 2000

T = TypeVar("T")


async def save_agencies(
    connection: Connection,
    entries: Sequence[AgencyEntry],
    *,
    keeps: Collection[str] = (),
    reason: str | None = None,
    dry_run: bool = False,
) -> tuple[SavePlan, list[tuple[str, FieldError]]]:
    """Create or change the agencies of these entries (their codes differ), in the caller's transaction.

    Fields named in `keeps` stay as they are stored. Returns what was done, or would be done by anything but a dry run; or,
    with faults of the tree and of the succession (by agency code), nothing was.
    """
    await agencies.lock_tree(connection)
    stored: dict[str, Agency] = {}
    for portion in _portions(entries):
        stored |= await agencies.get_by_codes(connection, [entry.code for entry in portion])
    # What a nation takes a second for is left to a thread: this loop answers requests too.
    plan = await asyncio.to_thread(lambda: plan_save([(new_id(), entry) for entry in entries], stored, keeps=keeps))
    saved = {agency.entry.code: agency.entry for agency in plan.saved}
    parents = {entry.parent_code for entry in saved.values() if entry.parent_code is not None}
    faults = await asyncio.to_thread(check_tree, saved, await agencies.tree_above(connection, list(parents)))
    successors = {code for entry in saved.values() for code in entry.successor_codes}
    faults += check_succession(
        {code: entry.life for code, entry in saved.items()}, await agencies.lives(connection, list(successors))
    )
    if faults:
        places = {entry.code: place for place, entry in enumerate(entries)}
        return SavePlan((), (), 0), sorted(faults, key=lambda fault: places[fault[0]])
    if plan.saved and not dry_run:
        await _store(connection, plan, list(parents | successors), reason)
    return plan, []


async def save_agency(
    connection: Connection, entry: AgencyEntry, *, keeps: Collection[str] = (), reason: str | None = None
) -> Agency | None:
    """Create or change one agency; None when it stays as it is. Raises ProblemError for its faults."""
    plan, faults = await save_agencies(connection, [entry], keeps=keeps, reason=reason)
    if faults:
        problems.refuse([fault for _, fault in faults])
    return plan.saved[0] if plan.saved else None


async def _store(connection: Connection, plan: SavePlan, named: Sequence[str], reason: str | None) -> None:
    ids = await agencies.ids_by_codes(connection, named)
    ids |= {agency.entry.code: agency.agency_id for agency in plan.created}
    if plan.created:
        await agencies.insert(connection, plan.created, ids, reason=reason)
    if plan.updated:
        await agencies.update(connection, plan.updated, ids, reason=reason)
    for portion in _portions(plan.saved):
        await outbox.add(connection, "registry", [_saved(agency, ids) for agency in portion])


def _portions(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), PORTION):
        yield items[start : start + PORTION]


def _saved(agency: Agency, ids: Mapping[str, UUID]) -> AgencySaved:
    entry = agency.entry
    return AgencySaved(
        agency_id=agency.agency_id,
        version=agency.version,
        code=entry.code,
        name_th=entry.name_th,
        name_en=entry.name_en,
        kind=entry.kind,
        email=entry.email,
        contact_unit=entry.contact_unit,
        telephone=entry.telephone,
        valid_from=entry.valid_from,
        valid_until=entry.valid_until,
        successor_ids=tuple(ids[code] for code in entry.successor_codes),
        parent_id=None if entry.parent_code is None else ids[entry.parent_code],
    )
