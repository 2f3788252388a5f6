"""Routes by which an agency, or one above it, declares days off and extra days of work."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from services.ack.api.dependencies import Ack
from services.ack.calendars import COUNTRY, Kind
from services.ack.declaring import Declarer, declare, visible, withdraw
from services.ack.store import calendars
from shared.access import Principal, Scope, needs

router = APIRouter(prefix="/v1/calendars", tags=["calendars"])

MOST_CHANGES = 1000

CalendarKeeper = Annotated[Principal, Depends(needs(Scope.ACKNOWLEDGE, Scope.OPERATE))]
Whose = Annotated[
    UUID | Literal["country"], Path(description="An agency, or `country` for the operator's days of the whole country.")
]
OnDay = Annotated[date, Path(description="The day in Bangkok, such as 2026-12-11.")]
Why = Annotated[str, Query(max_length=2000, description="Why the day is taken back.")]


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


class ChangeOut(BaseModel):
    """What was declared or taken back, by whom, when and why."""

    model_config = ConfigDict(from_attributes=True)

    change_id: UUID
    day: date
    kind: Literal["closed", "open", "withdrawn"]
    below: bool
    reason: str
    declared_by: UUID
    actor: str = Field(description="The client that called.")
    recorded_at: datetime


class CalendarOut(BaseModel):
    """An agency's calendar, as far as it differs from the public one."""

    days: list[DeclaredOut]
    counting: list[DayOut] = Field(description="With the days of the agencies above and of the country, as deadlines heed them.")
    history: list[ChangeOut] = Field(description=f"The newest {MOST_CHANGES} changes, newest first.")


def _agency(whose: UUID | Literal["country"]) -> UUID:
    return COUNTRY if whose == "country" else whose


def _by(caller: Principal) -> Declarer:
    return Declarer(COUNTRY if caller.is_operator else caller.agency(), caller.client_id)


@router.get("/{whose}", summary="Read an agency's calendar")
async def read_calendar(whose: Whose, caller: CalendarKeeper, ack: Ack) -> CalendarOut:
    """For the agency itself and those above it."""
    agency_id = _agency(whose)
    async with ack.database.connection() as connection:
        await visible(connection, agency_id, _by(caller).agency_id)
        days = await calendars.declared(connection, agency_id)
        counting = (await calendars.effective(connection, [agency_id])).get(agency_id, [])
        history = await calendars.history(connection, agency_id, MOST_CHANGES)
    return CalendarOut(
        days=[DeclaredOut.model_validate(one) for one in days],
        counting=[DayOut.model_validate(one) for one in counting],
        history=[ChangeOut.model_validate(one) for one in history],
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
    await withdraw(ack.database, _agency(whose), day, reason, _by(caller), ack.now())
