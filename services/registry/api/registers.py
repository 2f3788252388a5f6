"""Routes of registers of outgoing letters."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from services.registry import problems
from services.registry.api.dependencies import DEFAULT_PAGE, After, LetterReader, LetterWriter, Limit, Registry
from services.registry.api.fields import Line, RequestModel
from services.registry.domain import numbering
from services.registry.domain.agencies import printed_unit_code
from services.registry.domain.numbering import CircularSeries, Register
from services.registry.store import registers
from shared.ids import new_id
from shared.pages import Page, page_of, read_id_cursor
from shared.problems import FieldError, ProblemError
from shared.thai.dates import FIRST_BUDDHIST_YEAR, LAST_BUDDHIST_YEAR, bangkok_date, buddhist_year
from shared.thai.numbers import MAX_RUNNING

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


class RegisterOut(BaseModel):
    """A register."""

    register_id: UUID
    unit_code: str
    circular_series: CircularSeries


def _shown(register: Register) -> RegisterOut:
    return RegisterOut(register_id=register.register_id, unit_code=register.unit_code, circular_series=register.circular_series)


def _unit_code(text: str) -> str:
    try:
        return printed_unit_code(text)
    except ProblemError as error:
        field = FieldError("/unit_code", error.problem.code, error.detail)
        raise ProblemError(error.problem, error.detail, errors=[field]) from error


@router.post("", status_code=201, summary="Open a register")
async def open_register(body: RegisterIn, caller: LetterWriter, registry: Registry) -> RegisterOut:
    """Opens a register whose letters are numbered without a gap, from 1 in each Buddhist year, or from `first_number` in the first."""
    register = Register(new_id(), caller.agency(), _unit_code(body.unit_code), body.circular_series)
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
        if not await registers.insert(connection, register):
            known = await registers.get_by_unit_code(connection, register.agency_id, register.unit_code)
            raise ProblemError(problems.REGISTER_EXISTS, f"register_id {known.register_id if known else 'unknown'}")
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
