"""Routes of registers of outgoing letters."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from services.registry import problems
from services.registry.api.dependencies import DEFAULT_PAGE, After, LetterReader, LetterWriter, Limit, Registry
from services.registry.api.fields import Line, RequestModel
from services.registry.domain import numbering
from services.registry.domain.agencies import printed_unit_code
from services.registry.domain.numbering import CircularSeries, Register, Series, distinct_codes
from services.registry.problems import numbers as number_problems
from services.registry.store import registers
from shared import problems as shared_problems
from shared.ids import new_id
from shared.pages import Page, page_of, read_id_cursor
from shared.postgres import Connection
from shared.problems import FieldError, Problem, ProblemError
from shared.thai.dates import FIRST_BUDDHIST_YEAR, LAST_BUDDHIST_YEAR, bangkok_date, buddhist_year
from shared.thai.numbers import MAX_RUNNING

MOST_UNITS: Final = 100

router = APIRouter(prefix="/v1/registers", tags=["registers"])


class RegisterIn(RequestModel):
    """A register of outgoing letters (ทะเบียนหนังสือส่ง)."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"unit_code": "สค ๐๐๑๗.๑", "circular_series": "shared", "first_number": 15123, "first_number_year_be": 2560}
            ]
        }
    )

    unit_code: Line = Field(description="What stands before the slash: สค ๐๐๑๗.๑. Thai or Arabic digits.")
    more_unit_codes: Annotated[tuple[Line, ...], Field(max_length=MOST_UNITS)] = Field(
        default=(), description="Other units whose letters count in the same register."
    )
    circular_series: CircularSeries = Field(
        default=CircularSeries.OWN, description="`own`: circulars (ว) count by themselves; `shared`: with all other letters."
    )
    first_number: Annotated[int, Field(ge=1, le=MAX_RUNNING)] = Field(
        default=1, description="The number with which the office continues in the first year; later years begin with 1."
    )
    first_circular_number: Annotated[int, Field(ge=1, le=MAX_RUNNING)] | None = Field(
        default=None, description="The same for circulars, if they have their own series; default: first_number."
    )
    first_number_year_be: Annotated[int, Field(ge=FIRST_BUDDHIST_YEAR, le=LAST_BUDDHIST_YEAR)] | None = Field(
        default=None, description="The Buddhist year in which first_number counts; default: the current one in Bangkok."
    )


class UnitsIn(RequestModel):
    """Units that join a register."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"unit_codes": ["สค ๐๐๑๗.๒"]}]})

    unit_codes: Annotated[tuple[Line, ...], Field(min_length=1, max_length=MOST_UNITS)]


class SeriesOut(BaseModel):
    """How far a series of a year has come."""

    year_be: int
    series: Series
    last_running: int


class RegisterOut(BaseModel):
    """A register; `unit_code` is the one that letters bear if they name none, the first of `unit_codes`."""

    register_id: UUID
    unit_code: str
    unit_codes: list[str]
    circular_series: CircularSeries


class RegisterWithSeriesOut(RegisterOut):
    """A register with how far each of its series has come."""

    series: list[SeriesOut]


def _shown(register: Register) -> RegisterOut:
    return RegisterOut(
        register_id=register.register_id,
        unit_code=register.unit_codes[0],
        unit_codes=list(register.unit_codes),
        circular_series=register.circular_series,
    )


async def own_register(connection: Connection, register_id: UUID, agency_id: UUID) -> Register:
    """The agency's register; raises ProblemError `not_found`."""
    register = await registers.get(connection, register_id, agency_id)
    if register is None:
        raise ProblemError(shared_problems.NOT_FOUND)
    return register


async def _refuse_taken(connection: Connection, agency_id: UUID, taken: Sequence[str], problem: Problem) -> None:
    if taken:
        known = await registers.register_of_unit(connection, agency_id, taken[0])
        raise ProblemError(problem, f"{taken[0]}: register_id {known or 'unknown'}")


@router.post("", status_code=201, summary="Open a register")
async def open_register(body: RegisterIn, caller: LetterWriter, registry: Registry) -> RegisterOut:
    """Opens a register whose letters are numbered without a gap, from 1 in each Buddhist year, or from `first_number` in the first."""
    units = distinct_codes(
        printed_unit_code(body.unit_code, "/unit_code"),
        [printed_unit_code(code, f"/more_unit_codes/{index}") for index, code in enumerate(body.more_unit_codes)],
    )
    register = Register(new_id(), caller.agency(), units, body.circular_series)
    year = body.first_number_year_be or buddhist_year(bangkok_date(datetime.now(UTC)))
    if body.first_circular_number is not None and body.circular_series is CircularSeries.SHARED:
        detail = "circulars that share the general series have no first number of their own"
        raise ProblemError(
            problems.REGISTER_INVALID,
            detail,
            errors=[FieldError("/first_circular_number", problems.REGISTER_INVALID.code, detail)],
        )
    first = numbering.first_numbers(body.circular_series, body.first_number, body.first_circular_number or body.first_number)
    async with registry.database.transaction() as connection:
        taken = await registers.insert(connection, register)
        await _refuse_taken(connection, register.agency_id, taken, problems.REGISTER_EXISTS)
        await registers.begin_series(connection, register.register_id, year, first)
    return _shown(register)


@router.get("", summary="List your registers")
async def list_registers(
    caller: LetterReader,
    registry: Registry,
    request: Request,
    response: Response,
    after: After = None,
    limit: Limit = DEFAULT_PAGE,
) -> Page[RegisterOut]:
    """The agency's registers, oldest first."""
    async with registry.database.connection() as connection:
        found = await registers.page(connection, caller.agency(), after=read_id_cursor(after), limit=limit + 1)
    return page_of(found, limit, key=lambda register: str(register.register_id), show=_shown, request=request, response=response)


@router.get("/{register_id}", summary="Read a register")
async def read_register(register_id: UUID, caller: LetterReader, registry: Registry) -> RegisterWithSeriesOut:
    """One register, with the last number of each of its series and years."""
    async with registry.database.connection() as connection:
        register = await own_register(connection, register_id, caller.agency())
        series = await registers.last_numbers(connection, register_id)
    shown = [SeriesOut(year_be=one.year_be, series=one.series, last_running=one.last_running) for one in series]
    return RegisterWithSeriesOut(**_shown(register).model_dump(), series=shown)


@router.post("/{register_id}/units", summary="Let more units share a register")
async def add_units(register_id: UUID, body: UnitsIn, caller: LetterWriter, registry: Registry) -> RegisterOut:
    """The letters of these units are numbered in this register from now on. A unit that shares it already changes nothing."""
    agency_id = caller.agency()
    units = [printed_unit_code(code, f"/unit_codes/{index}") for index, code in enumerate(body.unit_codes)]
    async with registry.database.transaction() as connection:
        if not await registers.lock(connection, register_id, agency_id):
            raise ProblemError(shared_problems.NOT_FOUND)
        register = await own_register(connection, register_id, agency_id)
        new = [code for code in dict.fromkeys(units) if code not in register.unit_codes]
        if len(register.unit_codes) + len(new) > MOST_UNITS:
            raise ProblemError(problems.REGISTER_INVALID, f"at most {MOST_UNITS} units share a register")
        taken = await registers.add_units(connection, register_id, agency_id, new)
        await _refuse_taken(connection, agency_id, taken, number_problems.UNIT_CODE_TAKEN)
        register = await own_register(connection, register_id, agency_id)
    return _shown(register)
