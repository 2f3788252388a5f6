"""Closes an agency: who takes its letters from which day on, and what becomes of the agencies below it."""

from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import Final
from uuid import UUID

from services.registry import problems
from services.registry.domain.agencies import Agency
from services.registry.problems import agencies as agency_problems
from services.registry.saving import save_agencies
from services.registry.store import agencies
from shared import problems as shared_problems
from shared.postgres import Connection
from shared.problems import FieldError, ProblemError

# What a fault of the stored agency is called in the request.
_POINTERS: Final = {"/valid_until": "/day", "/successor_codes": "/successors", "/parent_code": "/children"}


class Children(StrEnum):
    """What becomes of the open agencies directly below a closed one."""

    REFUSE = "refuse"
    MOVE_TO_SUCCESSOR = "move_to_successor"
    KEEP = "keep"


@dataclass(frozen=True, slots=True)
class Closing:
    """From Bangkok day `day` on the agency is closed; its letters go to `successors` (codes)."""

    day: date
    successors: tuple[str, ...]
    reason: str
    children: Children


async def lock_open_agency(connection: Connection, agency_id: UUID) -> Agency:
    """The agency, with the tree locked; raises ProblemError `not_found` or `agency_closed`."""
    await agencies.lock_tree(connection)
    known = await agencies.get(connection, agency_id)
    if known is None:
        raise ProblemError(shared_problems.NOT_FOUND)
    if known.entry.valid_until is not None:
        raise ProblemError(agency_problems.AGENCY_CLOSED, f"{known.entry.code!r} is closed from {known.entry.valid_until} on")
    return known


async def close_agency(connection: Connection, known: Agency, closing: Closing) -> tuple[Agency, list[str]]:
    """Close the agency that `lock_open_agency` gave; returns it as it is now, and the codes of the children that moved.

    Raises ProblemError when a rule of the tree or of the succession forbids it.
    """
    children = await agencies.open_children(connection, known.agency_id, closing.day)
    moved = _moved(known, children, closing)
    closed = replace(known.entry, valid_until=closing.day, successor_codes=closing.successors)
    entries = [closed, *(replace(child.entry, parent_code=parent) for child, parent in moved)]
    plan, faults = await save_agencies(connection, entries, reason=closing.reason)
    if faults:
        problems.refuse([replace(fault, pointer=_POINTERS.get(fault.pointer, fault.pointer)) for _, fault in faults])
    agency = next(saved for saved in plan.saved if saved.agency_id == known.agency_id)
    return agency, [child.entry.code for child, _ in moved]


def _moved(known: Agency, children: list[Agency], closing: Closing) -> list[tuple[Agency, str | None]]:
    match closing.children:
        case Children.KEEP:
            return []
        case Children.REFUSE:
            # A child that takes over leaves the closed agency's place empty above it, which is to be decided as well.
            if children:
                problem = agency_problems.AGENCY_HAS_CHILDREN
                errors = [FieldError("/children", problem.code, child.entry.code) for child in children]
                detail = f"{len(children)} open agencies stand below {known.entry.code!r}"
                raise ProblemError(problem, detail, errors=errors[: problems.MOST_ERRORS_SHOWN])
            return []
        case Children.MOVE_TO_SUCCESSOR:
            if children and len(closing.successors) != 1:
                detail = f"{len(closing.successors)} successors for {len(children)} agencies below {known.entry.code!r}"
                raise ProblemError(agency_problems.AGENCY_CHILDREN_NEED_ONE_SUCCESSOR, detail)
            # A child that is itself the successor comes to stand where the closed agency stood.
            return [
                (child, known.entry.parent_code if child.entry.code == closing.successors[0] else closing.successors[0])
                for child in children
            ]
