"""Routes of agencies."""

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from services.registry import problems
from services.registry.api.agency_models import AgencyChange, AgencyIn, AgencyOut, entry_of, shown
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
from services.registry.api.fields import AgencyCode, Kind, Line
from services.registry.saving import save_agency
from services.registry.store import agencies
from shared import problems as shared_problems
from shared.pages import Page, page_of, read_cursor
from shared.problems import FieldError, ProblemError
from shared.thai.text import normalise

router = APIRouter(prefix="/v1/agencies", tags=["agencies"])


@router.post("", status_code=201, summary="Register an agency")
async def create_agency(body: AgencyIn, caller: Operator, registry: Registry, response: Response) -> AgencyOut:
    """Adds an agency to the exchange; every service learns of it by event."""
    del caller
    entry = entry_of(body)
    async with registry.database.transaction() as connection:
        await agencies.lock_tree(connection)
        if await agencies.ids_by_codes(connection, [entry.code]):
            raise ProblemError(problems.AGENCY_CODE_TAKEN, f"there is an agency {entry.code!r}")
        agency = await save_agency(connection, entry)
    if agency is None:
        raise LookupError("a new agency is always saved")
    response.headers.update(etag(agency.version))
    return shown(agency)


@router.get("", summary="List agencies")
async def list_agencies(
    caller: Anyone,
    registry: Registry,
    request: Request,
    response: Response,
    q: Annotated[Line | None, Query(description="Part of a name or code; Thai or Arabic digits.")] = None,
    kind: Annotated[Kind | None, Query()] = None,
    code: Annotated[AgencyCode | None, Query(description="Exactly this code.")] = None,
    below: Annotated[AgencyCode | None, Query(description="Only agencies below the one with this code, however deep.")] = None,
    at: Annotated[
        date | None, Query(description="Only agencies that stand on this Bangkok day, under their names of now.")
    ] = None,
    after: After = None,
    limit: Limit = DEFAULT_PAGE,
) -> Page[AgencyOut]:
    """Agencies in the order of their codes, searched by name, kind, code, place in the tree and day; closed ones too."""
    del caller
    search = None if q is None else normalise(q).lower()
    async with registry.database.connection() as connection:
        top = None
        if below is not None:
            top = (await agencies.ids_by_codes(connection, [below])).get(below)
            if top is None:
                raise ProblemError(problems.AGENCY_UNKNOWN, f"there is no agency {below!r}")
        found = await agencies.page(
            connection, after=read_cursor(after), search=search, kind=kind, code=code, limit=limit + 1, at=at, below=top
        )
    return page_of(found, limit, key=lambda agency: agency.entry.code, show=shown, request=request, response=response)


@router.get("/{agency_id}", summary="Read an agency")
async def read_agency(agency_id: UUID, caller: Anyone, registry: Registry, response: Response) -> AgencyOut:
    """One agency."""
    del caller
    async with registry.database.connection() as connection:
        agency = await agencies.get(connection, agency_id)
    if agency is None:
        raise ProblemError(shared_problems.NOT_FOUND)
    response.headers.update(etag(agency.version))
    return shown(agency)


@router.put("/{agency_id}", summary="Change an agency")
async def change_agency(
    agency_id: UUID, body: AgencyChange, caller: Operator, registry: Registry, response: Response, version: OptionalIfMatch
) -> AgencyOut:
    """Replaces what is known of an agency, except its code; the version grows only when something changes.

    What it was before stays in its history. Closing is a call of its own.
    """
    del caller
    entry = entry_of(body)
    keeps = {"valid_until", "successor_codes"} | ({"valid_from", "contact_unit", "telephone"} - body.model_fields_set)
    async with registry.database.transaction() as connection:
        await agencies.lock_tree(connection)
        known = await agencies.get(connection, agency_id)
        if known is None:
            raise ProblemError(shared_problems.NOT_FOUND)
        check_version(known.version, version)
        if known.entry.code != entry.code:
            detail = f"the agency's code is {known.entry.code!r}"
            raise ProblemError(
                problems.AGENCY_CODE_FIXED, detail, errors=[FieldError("/code", problems.AGENCY_CODE_FIXED.code, detail)]
            )
        agency = await save_agency(connection, entry, keeps=keeps, reason=body.reason or None) or known
    response.headers.update(etag(agency.version))
    return shown(agency)
