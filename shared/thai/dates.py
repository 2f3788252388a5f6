"""Dates and times as official letters write them: Bangkok days, Buddhist years, Thai months."""

import re
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Final
from zoneinfo import ZoneInfo

from shared.thai.digits import to_thai
from shared.thai.text import normalise

BANGKOK: Final = ZoneInfo("Asia/Bangkok")
BUDDHIST_OFFSET: Final = 543

# The year has begun on 1 January since B.E. 2484; before that "year + 543" does not hold for every month.
FIRST_BUDDHIST_YEAR: Final = 2484
LAST_BUDDHIST_YEAR: Final = 2799
MAX_DATE_LENGTH: Final = 64
_CENTURY_OF_SHORT_YEARS: Final = 2500


@dataclass(frozen=True, slots=True)
class Month:
    """One month's names: in full, abbreviated (with its dots), and in English."""

    long: str
    short: str
    english: str


MONTHS: Final = (
    Month("มกราคม", "ม.ค.", "January"),
    Month("กุมภาพันธ์", "ก.พ.", "February"),
    Month("มีนาคม", "มี.ค.", "March"),
    Month("เมษายน", "เม.ย.", "April"),
    Month("พฤษภาคม", "พ.ค.", "May"),
    Month("มิถุนายน", "มิ.ย.", "June"),
    Month("กรกฎาคม", "ก.ค.", "July"),
    Month("สิงหาคม", "ส.ค.", "August"),
    Month("กันยายน", "ก.ย.", "September"),
    Month("ตุลาคม", "ต.ค.", "October"),
    Month("พฤศจิกายน", "พ.ย.", "November"),
    Month("ธันวาคม", "ธ.ค.", "December"),
)

_THAI_DATE: Final = re.compile(r"(?:(?:ลง)?วันที่\s*)?([0-9]{1,2})\s*([ก-๎.\s]{2,16}?)\s*(?:พ\.\s*ศ\.\s*)?([0-9]{4}|[0-9]{2})")
_ISO_DATE: Final = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_EXPECTED: Final = "expected a date such as '๙ พฤศจิกายน ๒๕๖๐', '9 พ.ย. 60' or '2017-11-09'"


class ThaiDateError(ValueError):
    """A text is not a date that this module reads; the message says what was expected."""


def bangkok_date(instant: datetime) -> date:
    """Return the day on which the instant falls in Bangkok: the day that counts for a letter, never the UTC day.

    Raises ValueError for a datetime without a time zone.
    """
    return _in_bangkok(instant).date()


def buddhist_year(d: date) -> int:
    """Return the Buddhist year of a day: the common year + 543, by the calendar year from 1 January."""
    return _day(d).year + BUDDHIST_OFFSET


def long_date(d: date) -> str:
    """Return '๙ พฤศจิกายน ๒๕๖๐': the form of a letter's own date (the Regulation on Correspondence Work, ข้อ 11)."""
    return to_thai(f"{_day(d).day} {MONTHS[d.month - 1].long} {buddhist_year(d)}")


def short_date(d: date, *, full_year: bool = False) -> str:
    """Return '๙ พ.ย. ๖๐', or '๙ พ.ย. ๒๕๖๐' with the full year: the form of stamps and of narrow columns (practice).

    The two-digit form is unambiguous for B.E. 2500 to 2599 only.
    """
    year = buddhist_year(d)
    shown = str(year) if full_year else f"{year % 100:02}"
    return to_thai(f"{d.day} {MONTHS[d.month - 1].short} {shown}")


def english_date(d: date) -> str:
    """Return '9 November 2017', for pages in English; letters themselves never use it."""
    return f"{_day(d).day} {MONTHS[d.month - 1].english} {d.year}"


def clock(t: time | datetime) -> str:
    """Return '๑๔.๓๐ น.': the form of a receive stamp's time (practice). Seconds are dropped.

    A datetime is shown in Bangkok's time (ValueError without a time zone); a time of day as it stands.
    """
    shown = _in_bangkok(t) if isinstance(t, datetime) else t
    return to_thai(f"{shown.hour:02}.{shown.minute:02} น.")


def parse_date(text: str) -> date:
    """Return the day that a Thai or ISO text names; digits may be Thai or Arabic.

    '๙ พฤศจิกายน ๒๕๖๐', '30 ต.ค. 2560' and '๙ พ.ย. ๖๐' hold Buddhist years, '2017-11-09' a common one. By convention a
    two-digit year is 25xx, and 'วันที่' or 'ลงวันที่' may stand in front. A year that only the other calendar can
    mean is refused, not guessed. Raises ThaiDateError.
    """
    if len(text) > MAX_DATE_LENGTH:
        raise ThaiDateError(f"{_EXPECTED}, got {len(text)} characters")
    arabic = normalise(text)
    if iso := _ISO_DATE.fullmatch(arabic):
        return _iso_day(int(iso[1]), int(iso[2]), int(iso[3]), text)
    if thai := _THAI_DATE.fullmatch(arabic):
        return _checked_day(_common_year(thai[3], text), _month_number(thai[2], text), int(thai[1]), text)
    raise ThaiDateError(f"{_EXPECTED}, got {text!r}")


def _in_bangkok(instant: datetime) -> datetime:
    if instant.utcoffset() is None:
        raise ValueError(f"expected a datetime with a time zone, got {instant.isoformat()}")
    return instant.astimezone(BANGKOK)


def _day(d: date) -> date:
    # A datetime is a date to Python; its own day may be the UTC day, which is the wrong one for seven hours.
    if isinstance(d, datetime):
        raise TypeError("expected a date, got a datetime: take its bangkok_date first")
    return d


def _bare(month: str) -> str:
    return re.sub(r"[.\s]", "", month)


_MONTH_NUMBERS: Final = {name: number for number, month in enumerate(MONTHS, 1) for name in (month.long, _bare(month.short))}


def _month_number(name: str, text: str) -> int:
    number = _MONTH_NUMBERS.get(_bare(name))
    if number is None:
        raise ThaiDateError(f"expected a Thai month such as 'พฤศจิกายน' or 'พ.ย.', got {name!r} in {text!r}")
    return number


def _common_year(digits: str, text: str) -> int:
    year = int(digits)
    if len(digits) == 2:
        return _CENTURY_OF_SHORT_YEARS + year - BUDDHIST_OFFSET
    if not FIRST_BUDDHIST_YEAR <= year <= LAST_BUDDHIST_YEAR:
        raise ThaiDateError(
            f"expected a Buddhist year from {FIRST_BUDDHIST_YEAR} to {LAST_BUDDHIST_YEAR}, got {year} in {text!r}"
        )
    return year - BUDDHIST_OFFSET


def _iso_day(year: int, month: int, day: int, text: str) -> date:
    if not FIRST_BUDDHIST_YEAR <= year + BUDDHIST_OFFSET <= LAST_BUDDHIST_YEAR:
        raise ThaiDateError(f"expected a common-era year in an ISO date such as '2017-11-09', got {year} in {text!r}")
    return _checked_day(year, month, day, text)


def _checked_day(year: int, month: int, day: int, text: str) -> date:
    try:
        return date(year, month, day)
    except ValueError as error:
        raise ThaiDateError(f"expected a day of the calendar, got {text!r}") from error
