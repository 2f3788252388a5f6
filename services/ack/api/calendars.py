"""Routes by which an agency, or one above it, declares days off, extra days of work and office hours."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from services.ack import problems
from services.ack.api.dependencies import Ack
from services.ack.calendars import COUNTRY, Kind
from services.ack.declaring import DAYS, OFFICE_HOURS, Declarer, declare, declare_hours, visible, withdraw
from services.ack.office_hours import HoursError, read_hours, written
from services.ack.store import calendars, office_hours
from services.ack.store.calendars import Change
from services.ack.store.office_hours import DeclaredHours
from shared.access import Principal, Scope, needs
from shared.problems import FieldError, ProblemError
from shared.thai.working_time import Hours

router = APIRouter(prefix="/v1/calendars", tags=["calendars"])

MOST_CHANGES = 1000

CalendarKeeper = Annotated[Principal, Depends(needs(Scope.ACKNOWLEDGE, Scope.OPERATE))]
Whose = Annotated[
    UUID | Literal["country"], Path(description="An agency, or `country` for the operator's days of the whole country.")
]
OnDay = Annotated[date, Path(description="The day in Bangkok, such as 2026-12-11.")]
Why = Annotated[str, Query(max_length=2000, description="Why it is taken back.")]


class DayIn(BaseModel):
    """What the day is for the agency."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"kind": "closed", "reason": "น้ำท่วม ประกาศจังหวัด", "below": True}]}
    )

    kind: Kind = Field(description="`closed` วันหยุด, `open` วันทำการชดเชย.")
    reason: str = Field(max_length=2000, description="Shown to senders whose letters' deadlines follow from it.")
    below: bool = Field(default=False, description="Whether it counts for all agencies below too; a nearer calendar goes before.")


class DayOut(BaseModel):
    """A day that counts for the agency."""

    model_config = ConfigDict(from_attributes=True)

    day: date
    kind: Kind
    reason: str


class DeclaredOut(DayOut):
    """A day that stands in the agency's own calendar."""

    below: bool
    declared_by: UUID = Field(description="The agency that declared it; nil: the operator.")
    declared_at: datetime


class Span(BaseModel):
    """From when until when an office is open."""

    model_config = ConfigDict(extra="forbid")

    opens: str = Field(max_length=20, description="08:30")
    closes: str = Field(max_length=20, description="16:30; 24:00 is midnight.")


class HoursIn(BaseModel):
    """The hours of a working day, from a day on until the next that are declared."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "spans": [{"opens": "08:30", "closes": "12:00"}, {"opens": "13:00", "closes": "15:30"}],
                    "reason": "เดือนถือศีลอด ประกาศจังหวัด",
                    "below": True,
                }
            ]
        },
    )

    spans: list[Span] = Field(max_length=10, description="1 to 4 of them in order, together 4 hours or more.")
    reason: str = Field(max_length=2000, description="Shown to senders whose letters' deadlines follow from it.")
    below: bool = Field(default=False, description="Whether they count for all agencies below too; nearer ones go before.")


class HoursOut(BaseModel):
    """Hours that count from a day on, until the next."""

    day: date
    spans: list[Span]
    reason: str


class DeclaredHoursOut(HoursOut):
    """Hours that stand in the agency's own calendar."""

    below: bool
    declared_by: UUID = Field(description="The agency that declared them; nil: the operator.")
    declared_at: datetime


class ChangeOut(BaseModel):
    """What was declared or taken back, by whom, when and why."""

    change_id: UUID
    day: date
    kind: Literal["closed", "open", "withdrawn", "hours", "hours_withdrawn"]
    spans: list[Span] | None = Field(description="Of hours that were declared.")
    below: bool
    reason: str
    declared_by: UUID
    actor: str = Field(description="The client that called.")
    recorded_at: datetime


class CalendarOut(BaseModel):
    """An agency's calendar, as far as it differs from the public one."""

    days: list[DeclaredOut]
    counting: list[DayOut] = Field(description="With the days of the agencies above and of the country, as deadlines heed them.")
    hours: list[DeclaredHoursOut]
    counting_hours: list[HoursOut] = Field(description="With those above, by day; before the first of them 08:30 to 16:30.")
    history: list[ChangeOut] = Field(description=f"The newest {MOST_CHANGES} changes, newest first.")


def _agency(whose: UUID | Literal["country"]) -> UUID:
    return COUNTRY if whose == "country" else whose


def _by(caller: Principal) -> Declarer:
    return Declarer(COUNTRY if caller.is_operator else caller.agency(), caller.client_id)


def _spans(hours: Hours) -> list[Span]:
    return [Span(opens=opens, closes=closes) for opens, closes in written(hours)]


def _declared_hours(entry: DeclaredHours) -> DeclaredHoursOut:
    return DeclaredHoursOut(
        day=entry.day,
        spans=_spans(entry.hours),
        reason=entry.reason,
        below=entry.below,
        declared_by=entry.declared_by,
        declared_at=entry.declared_at,
    )


def _change(change: Change) -> ChangeOut:
    spans = None if change.minutes is None else _spans(Hours(tuple(change.minutes)))
    return ChangeOut(spans=spans, **{name: getattr(change, name) for name in ChangeOut.model_fields if name != "spans"})


@router.get("/{whose}", summary="Read an agency's calendar")
async def read_calendar(whose: Whose, caller: CalendarKeeper, ack: Ack) -> CalendarOut:
    """For the agency itself and those above it."""
    agency_id = _agency(whose)
    async with ack.database.connection() as connection:
        await visible(connection, agency_id, _by(caller).agency_id)
        days = await calendars.declared(connection, agency_id)
        counting = (await calendars.effective(connection, [agency_id])).get(agency_id, [])
        hours = await office_hours.declared(connection, agency_id)
        counting_hours = (await office_hours.effective(connection, [agency_id])).get(agency_id, ())
        history = await calendars.history(connection, agency_id, MOST_CHANGES)
    return CalendarOut(
        days=[DeclaredOut.model_validate(one) for one in days],
        counting=[DayOut.model_validate(one) for one in counting],
        hours=[_declared_hours(one) for one in hours],
        counting_hours=[HoursOut(day=one.day, spans=_spans(one.hours), reason=one.reason) for one in counting_hours],
        history=[_change(one) for one in history],
    )


@router.put("/{whose}/days/{day}", summary="Declare a day off or an extra day of work")
async def declare_day(whose: Whose, day: OnDay, body: DayIn, caller: CalendarKeeper, ack: Ack) -> DeclaredOut:
    """New deadlines heed it at once; open ones move later within minutes where it takes working time away, and never earlier."""
    agency_id = _agency(whose)
    found = await declare(
        ack.database,
        agency_id,
        day,
        body.kind,
        body.reason,
        _by(caller),
        ack.now(),
        below=body.below or agency_id == COUNTRY,
    )
    return DeclaredOut.model_validate(found)


@router.delete("/{whose}/days/{day}", summary="Take a declared day back", status_code=204)
async def withdraw_day(whose: Whose, day: OnDay, reason: Why, caller: CalendarKeeper, ack: Ack) -> None:
    """Its history stays, and so does every deadline that it has moved later."""
    await withdraw(ack.database, _agency(whose), day, reason, _by(caller), ack.now(), DAYS)


@router.put("/{whose}/hours/{day}", summary="Declare office hours from a day on")
async def set_office_hours(whose: Whose, day: OnDay, body: HoursIn, caller: CalendarKeeper, ack: Ack) -> DeclaredHoursOut:
    """New deadlines heed them at once; open ones move later within minutes where hours are taken away, and never earlier."""
    agency_id = _agency(whose)
    try:
        hours = read_hours((span.opens, span.closes) for span in body.spans)
    except HoursError as error:
        found = FieldError("/spans", problems.OFFICE_HOURS_INVALID.code, str(error))
        raise ProblemError(problems.OFFICE_HOURS_INVALID, str(error), errors=[found]) from error
    entry = await declare_hours(
        ack.database,
        agency_id,
        day,
        hours,
        body.reason,
        _by(caller),
        ack.now(),
        below=body.below or agency_id == COUNTRY,
    )
    return _declared_hours(entry)


@router.delete("/{whose}/hours/{day}", summary="Take declared office hours back", status_code=204)
async def withdraw_office_hours(whose: Whose, day: OnDay, reason: Why, caller: CalendarKeeper, ack: Ack) -> None:
    """What was in force before counts again; the history stays, and so does every deadline that was moved later."""
    await withdraw(ack.database, _agency(whose), day, reason, _by(caller), ack.now(), OFFICE_HOURS)
