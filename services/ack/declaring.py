"""Declares days and office hours and takes them back: the change, its history and the work that follows from it, in one transaction."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, TypeVar
from uuid import UUID

from services.ack import problems
from services.ack.calendars import COUNTRY, MOST_DAYS_A_YEAR, MOST_HOURS_A_YEAR, Kind, may_declare
from services.ack.decide import read_statement
from services.ack.store import calendars, office_hours
from services.ack.store.calendars import Change, Declared
from services.ack.store.office_hours import DeclaredHours
from shared import problems as common
from shared.ids import new_id
from shared.postgres import Connection, Database
from shared.problems import FieldError, ProblemError
from shared.thai.working_time import Hours

HOURS: Final = "hours"

Standing = TypeVar("Standing", bound=Declared | DeclaredHours)


@dataclass(frozen=True, slots=True)
class Book:
    """Where what is declared stands, and what the history calls the taking back of it."""

    declared: Callable[[Connection, UUID], Awaitable[Sequence[Declared | DeclaredHours]]]
    remove: Callable[[Connection, UUID, date], Awaitable[None]]
    withdrawn: str


DAYS: Final = Book(calendars.declared, calendars.remove, "withdrawn")
OFFICE_HOURS: Final = Book(office_hours.declared, office_hours.remove, "hours_withdrawn")


@dataclass(frozen=True, slots=True)
class Declarer:
    """Who declares; the operator of the exchange declares for the country."""

    agency_id: UUID
    client_id: str


async def visible(connection: Connection, agency_id: UUID, caller: UUID) -> list[UUID]:
    """The agency and those above it; raises ProblemError `not_found` unless the caller is one of them."""
    line = [COUNTRY] if agency_id == COUNTRY else await calendars.line(connection, agency_id)
    if caller not in line:
        raise ProblemError(common.NOT_FOUND)
    return line


async def declare(
    database: Database, agency_id: UUID, day: date, kind: Kind, said: str, by: Declarer, now: datetime, *, below: bool
) -> Declared:
    """Let the day stand in the agency's calendar; the same again changes nothing."""
    reason = _reason(said)
    async with database.transaction() as connection:
        line = await _permitted(connection, agency_id, day, by, now)
        standing = await calendars.declared(connection, agency_id)
        before = _of_day(standing, day, line, by)
        if before is not None and (before.kind, before.below, before.reason) == (kind, below, reason):
            return before
        if before is None and sum(one.day.year == day.year for one in standing) >= MOST_DAYS_A_YEAR:
            raise ProblemError(problems.CALENDAR_FULL, f"{MOST_DAYS_A_YEAR} days of {day.year} are declared already")
        entry = Declared(day, kind, below, reason, by.agency_id, now)
        await calendars.save(connection, agency_id, entry)
        change = Change(new_id(), day, kind.value, below, reason, by.agency_id, by.client_id, now)
        await calendars.add_change(connection, agency_id, change)
    return entry


async def declare_hours(
    database: Database, agency_id: UUID, day: date, hours: Hours, said: str, by: Declarer, now: datetime, *, below: bool
) -> DeclaredHours:
    """Let the hours count from the day on, until the next that are declared; the same again changes nothing."""
    reason = _reason(said)
    async with database.transaction() as connection:
        line = await _permitted(connection, agency_id, day, by, now)
        standing = await office_hours.declared(connection, agency_id)
        before = _of_day(standing, day, line, by)
        if before is not None and (before.hours, before.below, before.reason) == (hours, below, reason):
            return before
        if before is None and sum(one.day.year == day.year for one in standing) >= MOST_HOURS_A_YEAR:
            raise ProblemError(problems.CALENDAR_FULL, f"hours from {MOST_HOURS_A_YEAR} days of {day.year} are declared already")
        entry = DeclaredHours(day, hours, below, reason, by.agency_id, now)
        await office_hours.save(connection, agency_id, entry)
        change = Change(new_id(), day, HOURS, below, reason, by.agency_id, by.client_id, now, list(hours.minutes))
        await calendars.add_change(connection, agency_id, change)
    return entry


async def withdraw(database: Database, agency_id: UUID, day: date, said: str, by: Declarer, now: datetime, what: Book) -> None:
    """Take back what was declared for the day or from it on; its history stays. Raises ProblemError `not_found` when nothing was."""
    reason = _reason(said)
    async with database.transaction() as connection:
        line = await _permitted(connection, agency_id, day, by, now)
        before = _of_day(await what.declared(connection, agency_id), day, line, by)
        if before is None:
            raise ProblemError(common.NOT_FOUND)
        await what.remove(connection, agency_id, day)
        change = Change(new_id(), day, what.withdrawn, before.below, reason, by.agency_id, by.client_id, now)
        await calendars.add_change(connection, agency_id, change)


async def _permitted(connection: Connection, agency_id: UUID, day: date, by: Declarer, now: datetime) -> list[UUID]:
    """The agency and those above it, with the calendars locked, if the caller may change what is declared from that day on."""
    await calendars.lock(connection)
    line = await visible(connection, agency_id, by.agency_id)
    by_itself = by.agency_id == agency_id and agency_id != COUNTRY
    if not may_declare(day, now, by_itself=by_itself):
        raise ProblemError(problems.CALENDAR_DAY_INVALID)
    return line


def _of_day(standing: Sequence[Standing], day: date, line: Sequence[UUID], by: Declarer) -> Standing | None:
    before = next((one for one in standing if one.day == day), None)
    # What an agency above has declared is changed by it, or by one above it.
    if before is not None and before.declared_by in line and line.index(by.agency_id) < line.index(before.declared_by):
        raise ProblemError(problems.CALENDAR_DECLARED_ABOVE)
    return before


def _reason(said: str) -> str:
    errors: list[FieldError] = []
    reason = read_statement("reason", said, errors)
    if errors:
        raise ProblemError(problems.STATEMENT_INVALID, errors[0].detail, errors=errors)
    return reason
