"""Routes of what becomes of an agency: its closing, its successors, its history."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from services.registry.api.agency_models import AgencyOut, Day, shown, today
from services.registry.api.dependencies import (
    DEFAULT_PAGE,
    After,
    Anyone,
    Limit,
    Operator,
    OptionalIfMatch,
    Registry,
    check_version,
    etag,
)
from services.registry.api.fields import AgencyCode, Line, RequestModel
from services.registry.closing import Children, Closing, close_agency, lock_open_agency
from services.registry.domain.agencies import AgencyVersion, with_changes
from services.registry.domain.succession import Active, ClosedWithoutSuccessor, NotYet, SplitNeedsChoice, Successor
from services.registry.store import agencies, succession
from shared import problems as shared_problems
from shared.pages import Page, page_of, read_number_cursor
from shared.problems import ProblemError

router = APIRouter(prefix="/v1/agencies", tags=["agencies"])


class CloseIn(RequestModel):
    """The end of an agency: a merge when others name the same successor, a split when it names several."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "day": "2026-10-01",
                    "successors": ["mdes"],
                    "reason": "พระราชบัญญัติปรับปรุงกระทรวง ทบวง กรม",
                    "children": "move_to_successor",
                }
            ]
        }
    )

    day: Day = Field(description="The first Bangkok day on which it is closed; it may lie in the past or in the future.")
    successors: tuple[AgencyCode, ...] = Field(
        default=(), max_length=100, description="Codes of the agencies that take over; each must stand on that day."
    )
    reason: Annotated[Line, Field(min_length=1, description="Why, for the history: the decree or announcement, say.")]
    children: Children = Field(default=Children.REFUSE, description="What becomes of the open agencies directly below.")


class CloseOut(AgencyOut):
    """The closed agency."""

    moved_children: list[str] = Field(description="Codes of the agencies that now stand elsewhere in the tree.")


class VersionOut(BaseModel):
    """An agency as it was from `saved_at` on, until the next version."""

    version: int
    saved_at: datetime
    reason: str | None
    changed: list[str] = Field(description="The fields that the version before had otherwise.")
    name_th: str
    name_en: str
    kind: str
    letter_code: str | None
    parent_code: str | None
    email: str | None
    contact_unit: str | None
    telephone: str | None
    valid_from: date | None
    valid_until: date | None
    successor_codes: list[str]


class ResolutionOut(BaseModel):
    """Who takes a letter to the agency on a day."""

    outcome: Literal["active", "not_yet", "successor", "split_needs_choice", "closed_without_successor"]
    chain: list[UUID] = Field(description="From the agency itself to the last that the way leads to without a choice.")
    choices: list[UUID] = Field(description="After a split: the agencies among which the sender must choose.")


@router.post("/{agency_id}/close", summary="Close an agency")
async def close(
    agency_id: UUID, body: CloseIn, caller: Operator, registry: Registry, response: Response, version: OptionalIfMatch
) -> CloseOut:
    """From `day` on, letters to the agency go to its successor; with several, the sender must choose; with none, nobody gets them.

    An agency with open agencies below it is closed only when `children` says what becomes of them.
    """
    del caller
    closing = Closing(body.day, body.successors, body.reason, body.children)
    async with registry.database.transaction() as connection:
        known = await lock_open_agency(connection, agency_id)
        check_version(known.version, version)
        agency, moved = await close_agency(connection, known, closing)
    response.headers.update(etag(agency.version))
    return CloseOut(**shown(agency).model_dump(), moved_children=moved)


@router.get("/{agency_id}/resolution", summary="Find who takes an agency's letters")
async def resolution(
    agency_id: UUID,
    caller: Anyone,
    registry: Registry,
    at: Annotated[date | None, Query(description="The Bangkok day; today when it is left out.")] = None,
) -> ResolutionOut:
    """The agency itself while it stands, otherwise the end of its chain of successors."""
    del caller
    async with registry.database.connection() as connection:
        if await agencies.get(connection, agency_id) is None:
            raise ProblemError(shared_problems.NOT_FOUND)
        found = (await succession.resolve_all(connection, [agency_id], at or today()))[agency_id]
    match found:
        case Active():
            return ResolutionOut(outcome="active", chain=[agency_id], choices=[])
        case NotYet():
            return ResolutionOut(outcome="not_yet", chain=[agency_id], choices=[])
        case Successor(chain):
            return ResolutionOut(outcome="successor", chain=list(chain), choices=[])
        case SplitNeedsChoice(chain, choices):
            return ResolutionOut(outcome="split_needs_choice", chain=list(chain), choices=list(choices))
        case ClosedWithoutSuccessor(chain):
            return ResolutionOut(outcome="closed_without_successor", chain=list(chain), choices=[])


@router.get("/{agency_id}/history", summary="Read an agency's history")
async def history(
    agency_id: UUID,
    caller: Anyone,
    registry: Registry,
    request: Request,
    response: Response,
    after: After = None,
    limit: Limit = DEFAULT_PAGE,
) -> Page[VersionOut]:
    """Every version of the agency, oldest first: its names, parent, kind, days and successors, with what changed, when and why."""
    del caller
    last = read_number_cursor(after) or 0
    async with registry.database.connection() as connection:
        # The version before the page tells what the page's first one changed.
        found = await agencies.history(connection, agency_id, after=max(last - 1, 0), limit=limit + 2)
    if not found and last == 0:
        raise ProblemError(shared_problems.NOT_FOUND)
    versions = [version for version in with_changes(found) if version.version > last][: limit + 1]
    return page_of(versions, limit, key=lambda one: str(one.version), show=_shown, request=request, response=response)


def _shown(version: AgencyVersion) -> VersionOut:
    entry = version.entry
    return VersionOut(
        version=version.version,
        saved_at=version.saved_at,
        reason=version.reason,
        changed=list(version.changed),
        name_th=entry.name_th,
        name_en=entry.name_en,
        kind=entry.kind,
        letter_code=entry.letter_code,
        parent_code=entry.parent_code,
        email=entry.email,
        contact_unit=entry.contact_unit,
        telephone=entry.telephone,
        valid_from=entry.valid_from,
        valid_until=entry.valid_until,
        successor_codes=list(entry.successor_codes),
    )
