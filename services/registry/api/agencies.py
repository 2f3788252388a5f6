"""Routes of agencies."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from services.registry import problems
from services.registry.api.bodies import read_csv_body
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
from services.registry.api.fields import AgencyCode, Email, Kind, Line, RequestModel
from services.registry.api.imports import read_rows
from services.registry.domain.agencies import Agency, AgencyEntry, printed_unit_code
from services.registry.domain.tables import line_error, read_table
from services.registry.problems import refuse
from services.registry.saving import save_agencies, save_agency
from services.registry.store import agencies
from shared import problems as shared_problems
from shared.pages import Page, page_of, read_cursor
from shared.problems import FieldError, ProblemError
from shared.thai.text import normalise

COLUMNS = ("code", "name_th", "name_en", "kind", "letter_code", "parent_code", "email")

router = APIRouter(prefix="/v1/agencies", tags=["agencies"])


class AgencyIn(RequestModel):
    """An agency as an operator writes it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "code": "smk-province",
                    "name_th": "จังหวัดสมุทรสาคร",
                    "name_en": "Samut Sakhon Province",
                    "kind": "province",
                    "letter_code": "สค ๐๐๑๗.๑",
                    "parent_code": "moi",
                    "email": "saraban@samut-sakhon.example",
                }
            ]
        }
    )

    code: AgencyCode = Field(description="Chosen once, never changed; lower-case letters, digits, dot, hyphen, underscore.")
    name_th: Annotated[Line, Field(min_length=1)]
    name_en: Line = ""
    kind: Kind = Field(description="A word such as ministry, province, district, school.")
    letter_code: Line | None = Field(default=None, description="The code before the slash of its letters' numbers.")
    parent_code: AgencyCode | None = None
    email: Email | None = Field(default=None, description="The agency's central mailbox (ข้อ 89/1).")

    def entry(self) -> AgencyEntry:
        """The domain's value; raises ProblemError `unit_code_malformed`."""
        letter_code = None if self.letter_code is None else printed_unit_code(self.letter_code)
        return AgencyEntry(self.code, self.name_th, self.name_en, self.kind, letter_code, self.parent_code, self.email)


class AgencyOut(BaseModel):
    """An agency."""

    agency_id: UUID
    code: str
    name_th: str
    name_en: str
    kind: str
    letter_code: str | None
    parent_code: str | None
    email: str | None
    version: int


class ImportOut(BaseModel):
    """What an import did."""

    created: int
    updated: int
    unchanged: int


def _shown(agency: Agency) -> AgencyOut:
    entry = agency.entry
    return AgencyOut(
        agency_id=agency.agency_id,
        code=entry.code,
        name_th=entry.name_th,
        name_en=entry.name_en,
        kind=entry.kind,
        letter_code=entry.letter_code,
        parent_code=entry.parent_code,
        email=entry.email,
        version=agency.version,
    )


def _entry(body: AgencyIn) -> AgencyEntry:
    try:
        return body.entry()
    except ProblemError as error:
        raise ProblemError(
            error.problem, error.detail, errors=[FieldError("/letter_code", error.problem.code, error.detail)]
        ) from error


@router.post("", status_code=201, summary="Register an agency")
async def create_agency(body: AgencyIn, caller: Operator, registry: Registry, response: Response) -> AgencyOut:
    """Adds an agency to the exchange; every service learns of it by event."""
    del caller
    entry = _entry(body)
    async with registry.database.transaction() as connection:
        await agencies.lock_tree(connection)
        if await agencies.ids_by_codes(connection, [entry.code]):
            raise ProblemError(problems.AGENCY_CODE_TAKEN, f"there is an agency {entry.code!r}")
        agency = await save_agency(connection, entry)
    if agency is None:
        raise LookupError("a new agency is always saved")
    response.headers.update(etag(agency.version))
    return _shown(agency)


@router.post(
    "/import",
    summary="Register or change many agencies",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "text/csv": {
                    "schema": {"type": "string"},
                    "example": ",".join(COLUMNS)
                    + "\nmoi,กระทรวงมหาดไทย,Ministry of Interior,ministry,มท ๐๒๑๘,,saraban@moi.example\n",
                }
            },
        }
    },
)
async def import_agencies(caller: Operator, registry: Registry, request: Request) -> ImportOut:
    """Reads a CSV table with the columns code, name_th, name_en, kind, letter_code, parent_code, email.

    All or nothing: with one faulty line nothing is imported and every faulty line is named. The same file again changes
    nothing. A parent may come later in the file.
    """
    del caller
    rows = read_rows(
        read_table(await read_csv_body(request), required=COLUMNS), AgencyIn, nullable=("letter_code", "parent_code", "email")
    )
    entries, lines = _import_entries(rows)
    async with registry.database.transaction() as connection:
        plan, faults = await save_agencies(connection, entries)
    if faults:
        refuse([line_error(lines[code], fault.code, fault.detail) for code, fault in faults], problems.IMPORT_INVALID)
    return ImportOut(created=len(plan.created), updated=len(plan.updated), unchanged=plan.unchanged)


def _import_entries(rows: list[tuple[int, AgencyIn]]) -> tuple[list[AgencyEntry], dict[str, int]]:
    entries: list[AgencyEntry] = []
    lines: dict[str, int] = {}
    errors: list[FieldError] = []
    for line, row in rows:
        first = lines.setdefault(row.code, line)
        if first != line:
            errors.append(line_error(line, "code_twice", f"code {row.code!r} stands on line {first} too"))
        try:
            entries.append(row.entry())
        except ProblemError as error:
            errors.append(line_error(line, error.problem.code, error.detail))
    if errors:
        refuse(errors, problems.IMPORT_INVALID)
    return entries, lines


@router.get("", summary="List agencies")
async def list_agencies(
    caller: Anyone,
    registry: Registry,
    request: Request,
    response: Response,
    q: Annotated[Line | None, Query(description="Part of a name or code; Thai or Arabic digits.")] = None,
    kind: Annotated[Kind | None, Query()] = None,
    code: Annotated[AgencyCode | None, Query(description="Exactly this code.")] = None,
    after: After = None,
    limit: Limit = DEFAULT_PAGE,
) -> Page[AgencyOut]:
    """Agencies in the order of their codes, searched by name, kind or code."""
    del caller
    search = None if q is None else normalise(q).lower()
    async with registry.database.connection() as connection:
        found = await agencies.page(connection, after=read_cursor(after), search=search, kind=kind, code=code, limit=limit + 1)
    return page_of(found, limit, key=lambda agency: agency.entry.code, show=_shown, request=request, response=response)


@router.get("/{agency_id}", summary="Read an agency")
async def read_agency(agency_id: UUID, caller: Anyone, registry: Registry, response: Response) -> AgencyOut:
    """One agency."""
    del caller
    async with registry.database.connection() as connection:
        agency = await agencies.get(connection, agency_id)
    if agency is None:
        raise ProblemError(shared_problems.NOT_FOUND)
    response.headers.update(etag(agency.version))
    return _shown(agency)


@router.put("/{agency_id}", summary="Change an agency")
async def change_agency(
    agency_id: UUID, body: AgencyIn, caller: Operator, registry: Registry, response: Response, version: OptionalIfMatch
) -> AgencyOut:
    """Replaces what is known of an agency, except its code; the version grows only when something changes."""
    del caller
    entry = _entry(body)
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
        agency = await save_agency(connection, entry) or known
    response.headers.update(etag(agency.version))
    return _shown(agency)
