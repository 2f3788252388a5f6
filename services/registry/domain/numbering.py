"""Letter numbers: which series of which Buddhist year a letter is numbered in."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from uuid import UUID

from shared.thai.dates import buddhist_year
from shared.thai.numbers import LetterNumber, UnitCode


class Series(StrEnum):
    """`circular` is used only by registers whose circulars have a series of their own (ข้อ 32)."""

    GENERAL = "general"
    CIRCULAR = "circular"


class CircularSeries(StrEnum):
    """Whether the circulars of a register have their own series, or share the general one."""

    OWN = "own"
    SHARED = "shared"


@dataclass(frozen=True, slots=True)
class Register:
    """A register of outgoing letters."""

    register_id: UUID
    agency_id: UUID
    unit_code: str  # as printed: สค ๐๐๑๗.๑
    circular_series: CircularSeries


@dataclass(frozen=True, slots=True)
class SeriesKey:
    """Where a running number counts; with the running number, the whole key of a letter's number."""

    register_id: UUID
    year_be: int
    series: Series


@dataclass(frozen=True, slots=True)
class IssuedNumber:
    """A number that was issued: its key, and how it is printed."""

    key: SeriesKey
    running: int
    printed: str


def series_key(register: Register, letter_date: date, *, circular: bool) -> SeriesKey:
    """The series that numbers a letter of `letter_date`, the day in Bangkok that the letter bears."""
    own = circular and register.circular_series is CircularSeries.OWN
    return SeriesKey(register.register_id, buddhist_year(letter_date), Series.CIRCULAR if own else Series.GENERAL)


def issue(register: Register, key: SeriesKey, running: int, *, circular: bool) -> IssuedNumber:
    """The number `running` of the series `key`, printed with ว when the letter is a circular (ข้อ 32)."""
    number = LetterNumber(UnitCode.parse(register.unit_code), circular=circular, running=running)
    return IssuedNumber(key, running, number.printed)


def first_numbers(series: CircularSeries, first_general: int, first_circular: int) -> dict[Series, int]:
    """The number with which each series of a new register begins in its first year."""
    if series is CircularSeries.SHARED:
        return {Series.GENERAL: first_general}
    return {Series.GENERAL: first_general, Series.CIRCULAR: first_circular}
