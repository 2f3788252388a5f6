"""Saves agencies: one or a whole file, all or nothing, with an event for each that changed."""

from collections.abc import Sequence

from services.registry import problems
from services.registry.domain.agencies import Agency, AgencyEntry, SavePlan, check_tree, plan_save
from services.registry.store import agencies
from shared import outbox
from shared.contracts.events import AgencySaved
from shared.ids import new_id
from shared.postgres import Connection
from shared.problems import FieldError


async def save_agencies(connection: Connection, entries: Sequence[AgencyEntry]) -> tuple[SavePlan, list[tuple[str, FieldError]]]:
    """Create or change the agencies of these entries (their codes differ), in the caller's transaction.

    Returns what was done; or, with faults of the tree (by agency code), nothing was.
    """
    await agencies.lock_tree(connection)
    faults = check_tree({entry.code: entry for entry in entries}, await agencies.tree(connection))
    if faults:
        return SavePlan((), (), 0), faults
    stored = await agencies.get_by_codes(connection, [entry.code for entry in entries])
    plan = plan_save([(new_id(), entry) for entry in entries], stored)
    await _store(connection, plan)
    await outbox.add(connection, "registry", [_saved(agency) for agency in plan.saved])
    return plan, []


async def save_agency(connection: Connection, entry: AgencyEntry) -> Agency | None:
    """Create or change one agency; None when it stays as it is. Raises ProblemError for faults of the tree."""
    plan, faults = await save_agencies(connection, [entry])
    if faults:
        problems.refuse([fault for _, fault in faults])
    return plan.saved[0] if plan.saved else None


async def _store(connection: Connection, plan: SavePlan) -> None:
    parents = [agency.entry.parent_code for agency in plan.saved if agency.entry.parent_code is not None]
    ids = await agencies.ids_by_codes(connection, parents)
    ids |= {agency.entry.code: agency.agency_id for agency in plan.created}
    if plan.created:
        await agencies.insert(
            connection, plan.created, [ids[a.entry.parent_code] if a.entry.parent_code else None for a in plan.created]
        )
    if plan.updated:
        await agencies.update(
            connection, plan.updated, [ids[a.entry.parent_code] if a.entry.parent_code else None for a in plan.updated]
        )


def _saved(agency: Agency) -> AgencySaved:
    entry = agency.entry
    return AgencySaved(
        agency_id=agency.agency_id,
        version=agency.version,
        code=entry.code,
        name_th=entry.name_th,
        name_en=entry.name_en,
        kind=entry.kind,
        email=entry.email,
    )
