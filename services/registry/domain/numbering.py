"""Letter numbers: which series of which Buddhist year a letter is numbered in."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from services.registry import problems
from services.registry.domain.kinds import CORRESPONDENCE, Form, Kind
from services.registry.problems import numbers
from shared.problems import FieldError, ProblemError
from shared.thai.dates import buddhist_year
from shared.thai.numbers import LetterNumber, UnitCode, YearlyNumber


class Series(StrEnum):
    """`general` and `circular` (ข้อ 32) number correspondence; each form of the other kinds has a series of its own.

    `circular` is used only by registers whose circulars do not share the general series.
    """

    GENERAL = "general"
    CIRCULAR = "circular"
    ORDER = "order"
    RULE = "rule"
    BY_LAW = "by_law"
    ANNOUNCEMENT = "announcement"
    STATEMENT = "statement"
    NEWS = "news"
    CERTIFICATE = "certificate"
    MINUTES = "minutes"
    NOTE = "note"
    OTHER = "other"


class CircularSeries(StrEnum):
    """Whether the circulars of a register have their own series, or share the general one."""

    OWN = "own"
    SHARED = "shared"


class NumberState(StrEnum):
    """What became of a number of a register; none of them is ever issued again."""

    ISSUED = "issued"  # a letter bears it
    HELD = "held"  # reserved for a late paper
    EXPIRED = "expired"  # reserved, and not used in time
    VOID = "void"  # cancelled, with a reason


@dataclass(frozen=True, slots=True)
class Register:
    """A register of outgoing letters; several units may share it, so that their letters count together."""

    register_id: UUID
    agency_id: UUID
    unit_codes: tuple[str, ...]  # as printed: สค ๐๐๑๗.๑; the first is the one that letters bear if they name none
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


@dataclass(frozen=True, slots=True)
class Numbering:
    """What of a letter decides its number: `date` is the day in Bangkok that the letter bears."""

    kind: Kind
    form: Form | None
    circular: bool
    unit_code: str | None
    date: date


@dataclass(frozen=True, slots=True)
class ReservedNumber:
    """A number that was set aside; at `expires_at` it can no longer be used."""

    reservation_id: UUID
    key: SeriesKey
    running: int
    purpose: str
    expires_at: datetime
    letter_id: UUID | None
    void_reason: str | None

    def state(self, now: datetime) -> NumberState:
        """What the number is at the instant `now`."""
        if self.letter_id is not None:
            return NumberState.ISSUED
        if self.void_reason is not None:
            return NumberState.VOID
        return NumberState.HELD if now < self.expires_at else NumberState.EXPIRED


def series_of(circular_series: CircularSeries, kind: Kind, form: Form | None, *, circular: bool) -> Series:
    """The series that numbers letters of this kind; raises ValueError when the form that tells it is missing."""
    if kind in CORRESPONDENCE:
        return Series.CIRCULAR if circular and circular_series is CircularSeries.OWN else Series.GENERAL
    if form is None:
        raise ValueError(f"a letter of kind {kind} is numbered by its form")
    return Series(form.value)


def series_key(register: Register, letter: Numbering) -> SeriesKey:
    """The series and the Buddhist year in which a letter is numbered."""
    series = series_of(register.circular_series, letter.kind, letter.form, circular=letter.circular)
    return SeriesKey(register.register_id, buddhist_year(letter.date), series)


def issue(register: Register, letter: Numbering, running: int) -> IssuedNumber:
    """The letter's number: with its unit's code, and with ว when it is a circular (ข้อ 32); forms by year."""
    key = series_key(register, letter)
    if letter.kind not in CORRESPONDENCE:
        return IssuedNumber(key, running, YearlyNumber(running, key.year_be).printed)
    unit = UnitCode.parse(letter.unit_code or register.unit_codes[0])
    return IssuedNumber(key, running, LetterNumber(unit, circular=letter.circular, running=running).printed)


def cancelled(register: Register, reserved: ReservedNumber) -> IssuedNumber:
    """A reserved number as the book shows it when no letter will ever bear it."""
    key, running = reserved.key, reserved.running
    if key.series not in {Series.GENERAL, Series.CIRCULAR}:
        return IssuedNumber(key, running, YearlyNumber(running, key.year_be).printed)
    unit = UnitCode.parse(register.unit_codes[0])
    return IssuedNumber(key, running, LetterNumber(unit, circular=key.series is Series.CIRCULAR, running=running).printed)


def check_unit_code(register: Register, unit_code: str | None) -> None:
    """Refuse a unit code that does not share the register."""
    if unit_code is None or unit_code in register.unit_codes:
        return
    detail = f"the register numbers the letters of {', '.join(register.unit_codes)}"
    raise ProblemError(
        problems.REGISTER_INVALID, detail, errors=[FieldError("/unit_code", problems.REGISTER_INVALID.code, detail)]
    )


def check_usable(reserved: ReservedNumber, key: SeriesKey, now: datetime) -> None:
    """Refuse a reserved number that is spent, void or expired, or that counts in another series or year."""
    match reserved.state(now):
        case NumberState.ISSUED:
            raise ProblemError(numbers.NUMBER_USED, f"letter_id {reserved.letter_id}")
        case NumberState.VOID:
            raise ProblemError(numbers.NUMBER_VOID, reserved.void_reason or "")
        case NumberState.EXPIRED:
            raise ProblemError(numbers.RESERVATION_EXPIRED, f"it expired at {reserved.expires_at.isoformat()}")
        case NumberState.HELD:
            pass
    if reserved.key != key:
        detail = f"the letter counts in series {key.series} of {key.year_be}, the number in {reserved.key.series} of {reserved.key.year_be}"
        raise ProblemError(numbers.RESERVATION_OTHER_SERIES, detail)


def first_numbers(series: CircularSeries, first_general: int, first_circular: int) -> dict[Series, int]:
    """The number with which each series of a new register begins in its first year."""
    if series is CircularSeries.SHARED:
        return {Series.GENERAL: first_general}
    return {Series.GENERAL: first_general, Series.CIRCULAR: first_circular}


def distinct_codes(first: str, more: Sequence[str]) -> tuple[str, ...]:
    """The unit codes of a register, in the order given, each once."""
    return tuple(dict.fromkeys((first, *more)))
