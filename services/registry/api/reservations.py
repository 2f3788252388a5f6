"""Routes of numbers: reserved for late papers, cancelled with a reason, and all of a series in their order."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from services.registry import problems as registry_problems
from services.registry.api.dependencies import DEFAULT_PAGE, After, LetterReader, LetterWriter, Limit, Registry
from services.registry.api.fields import Line, RequestModel
from services.registry.api.registers import own_register
from services.registry.domain.kinds import CORRESPONDENCE, FORMS, Form, Kind
from services.registry.domain.numbering import NumberState, ReservedNumber, Series, SeriesKey, cancelled, series_of
from services.registry.idempotency import Answer, first_answer, keep_answer
from services.registry.problems import numbers as problems
from services.registry.problems import refuse
from services.registry.store import books, registers, reservations
from services.registry.store.reservations import NumberRow
from shared import problems as shared_problems
from shared.idempotency import OptionalIdempotencyKey, request_sha256
from shared.ids import new_id
from shared.pages import Page, page_of, read_number_cursor
from shared.problems import FieldError, ProblemError
from shared.thai.dates import FIRST_BUDDHIST_YEAR, LAST_BUDDHIST_YEAR, bangkok_date, buddhist_year
from shared.thai.numbers import MAX_RUNNING

MOST_RESERVED: Final = 100

router = APIRouter(prefix="/v1", tags=["registers"])


class ReservationIn(RequestModel):
    """Numbers to keep for late papers."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"count": 2, "purpose": "หนังสือที่จะลงนามย้อนหลัง", "expires_at": "2017-12-29T16:30:00+07:00"}]
        }
    )

    count: Annotated[int, Field(ge=1, le=MOST_RESERVED)] = 1
    purpose: Annotated[Line, Field(min_length=1)]
    expires_at: AwareDatetime = Field(description="From this instant on they cannot be used; they stay in the register.")
    kind: Kind = Kind.EXTERNAL
    form: Form | None = None
    circular: bool = False
    year_be: Annotated[int, Field(ge=FIRST_BUDDHIST_YEAR, le=LAST_BUDDHIST_YEAR)] | None = Field(
        default=None, description="The Buddhist year in which they count; default: the current one in Bangkok."
    )


class VoidIn(RequestModel):
    """Why a number is cancelled."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "ออกเลขผิดทะเบียน"}]})

    reason: Annotated[Line, Field(min_length=1)]


class ReservedNumberOut(BaseModel):
    """A number that was set aside."""

    running: int
    state: NumberState
    letter_id: UUID | None
    void_reason: str | None


class ReservationOut(BaseModel):
    """Numbers that were set aside together."""

    reservation_id: UUID
    register_id: UUID
    year_be: int
    series: Series
    purpose: str
    expires_at: datetime
    numbers: list[ReservedNumberOut]


class NumberOut(BaseModel):
    """A number of a series, and what became of it."""

    running: int
    state: NumberState
    letter_id: UUID | None
    number: str | None
    subject: str | None
    reservation_id: UUID | None
    purpose: str | None
    expires_at: datetime | None
    void_reason: str | None


def _shown(numbers: list[ReservedNumber], now: datetime) -> ReservationOut:
    first = numbers[0]
    return ReservationOut(
        reservation_id=first.reservation_id,
        register_id=first.key.register_id,
        year_be=first.key.year_be,
        series=first.key.series,
        purpose=first.purpose,
        expires_at=first.expires_at,
        numbers=[
            ReservedNumberOut(
                running=number.running, state=number.state(now), letter_id=number.letter_id, void_reason=number.void_reason
            )
            for number in numbers
        ],
    )


def _check(body: ReservationIn, now: datetime, most: timedelta) -> None:
    errors: list[FieldError] = []
    code = problems.RESERVATION_INVALID.code
    if body.expires_at <= now:
        errors.append(FieldError("/expires_at", code, "the instant is past"))
    elif body.expires_at > now + most:
        errors.append(FieldError("/expires_at", code, f"a reservation lasts {most.days} days at most"))
    if (body.form is None) == bool(FORMS[body.kind]) or (body.form is not None and body.form not in FORMS[body.kind]):
        allowed = ", ".join(FORMS[body.kind]) or "no form"
        errors.append(FieldError("/form", code, f"{body.kind} has {allowed}"))
    if body.circular and body.kind not in CORRESPONDENCE:
        errors.append(FieldError("/circular", code, f"{body.kind} bears no ว"))
    if errors:
        refuse(errors, problems.RESERVATION_INVALID)


@router.post("/registers/{register_id}/reservations", status_code=201, summary="Reserve numbers", response_model=ReservationOut)
async def reserve_numbers(
    register_id: UUID, body: ReservationIn, caller: LetterWriter, registry: Registry, key: OptionalIdempotencyKey
) -> Answer:
    """Takes the next numbers of a series for letters that are still to come. What is not used in time stays in the register, unused."""
    agency_id, now = caller.agency(), datetime.now(UTC)
    sha256 = request_sha256({f"reserve in {register_id}": body.model_dump(mode="json")})
    async with registry.database.transaction() as connection:
        answer = await first_answer(connection, agency_id, key, sha256)
        if answer is None:
            _check(body, now, timedelta(days=registry.settings.registry_reservation_days))
            register = await own_register(connection, register_id, agency_id)
            series = series_of(register.circular_series, body.kind, body.form, circular=body.circular)
            counted_in = SeriesKey(register_id, body.year_be or buddhist_year(bangkok_date(now)), series)
            taken = await registers.take_numbers(connection, counted_in, most=MAX_RUNNING, count=body.count)
            if taken is None:
                raise ProblemError(registry_problems.NUMBERS_EXHAUSTED, f"at most {MAX_RUNNING} numbers in a year")
            reservation_id = new_id()
            await reservations.insert(
                connection, counted_in, taken, reservation_id=reservation_id, purpose=body.purpose, expires_at=body.expires_at
            )
            reserved = await reservations.of_reservation(connection, reservation_id, agency_id)
            answer = _shown(reserved, now).model_dump(mode="json")
            await keep_answer(connection, agency_id, key, answer)
    return answer


@router.get("/reservations/{reservation_id}", summary="Read a reservation")
async def read_reservation(reservation_id: UUID, caller: LetterReader, registry: Registry) -> ReservationOut:
    """What became of each number that was set aside."""
    async with registry.database.connection() as connection:
        numbers = await reservations.of_reservation(connection, reservation_id, caller.agency())
    if not numbers:
        raise ProblemError(shared_problems.NOT_FOUND)
    return _shown(numbers, datetime.now(UTC))


@router.post("/reservations/{reservation_id}/numbers/{running}/void", summary="Cancel a reserved number")
async def void_number(
    reservation_id: UUID, running: int, body: VoidIn, caller: LetterWriter, registry: Registry
) -> ReservationOut:
    """The number stays in the register as cancelled, with the reason, and is never used. An expired number may be voided too."""
    if not 1 <= running <= MAX_RUNNING:
        raise ProblemError(shared_problems.NOT_FOUND)
    agency_id, now = caller.agency(), datetime.now(UTC)
    async with registry.database.transaction() as connection:
        number = await reservations.get(connection, reservation_id, agency_id, running)
        if number is None:
            raise ProblemError(shared_problems.NOT_FOUND)
        match number.state(now):
            case NumberState.ISSUED:
                raise ProblemError(problems.NUMBER_USED, f"letter_id {number.letter_id}")
            case NumberState.VOID:
                raise ProblemError(problems.NUMBER_VOID, number.void_reason or "")
            case NumberState.HELD | NumberState.EXPIRED:
                await reservations.void(connection, number, body.reason)
                register = await own_register(connection, number.key.register_id, agency_id)
                await books.enter_cancelled(
                    connection,
                    entry_id=new_id(),
                    agency_id=agency_id,
                    number=cancelled(register, number),
                    day=bangkok_date(now),
                    reason=body.reason,
                )
        numbers = await reservations.of_reservation(connection, reservation_id, agency_id)
    return _shown(numbers, now)


def _number(row: NumberRow, now: datetime) -> NumberOut:
    held = row.reservation
    return NumberOut(
        running=row.running,
        state=NumberState.ISSUED if held is None else held.state(now),
        letter_id=row.letter_id,
        number=row.number,
        subject=row.subject,
        reservation_id=None if held is None else held.reservation_id,
        purpose=None if held is None else held.purpose,
        expires_at=None if held is None else held.expires_at,
        void_reason=None if held is None else held.void_reason,
    )


@router.get("/registers/{register_id}/numbers", summary="List the numbers of a series")
async def list_numbers(
    register_id: UUID,
    caller: LetterReader,
    registry: Registry,
    request: Request,
    response: Response,
    year_be: Annotated[int, Query(ge=FIRST_BUDDHIST_YEAR, le=LAST_BUDDHIST_YEAR)],
    series: Annotated[Series, Query()] = Series.GENERAL,
    after: After = None,
    limit: Limit = DEFAULT_PAGE,
) -> Page[NumberOut]:
    """Every number of the series in its order, with what became of it: none is missing from the first to the last."""
    now = datetime.now(UTC)
    async with registry.database.connection() as connection:
        await own_register(connection, register_id, caller.agency())
        counted_in = SeriesKey(register_id, year_be, series)
        found = await reservations.numbers(connection, counted_in, after=read_number_cursor(after) or 0, limit=limit + 1)
    return page_of(
        found,
        limit,
        key=lambda row: str(row.running),
        show=lambda row: _number(row, now),
        request=request,
        response=response,
    )
