"""Days are Bangkok's, years Buddhist, and a date is read in every form the example letter uses."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone

import pytest

from shared.thai.dates import (
    MONTHS,
    ThaiDateError,
    bangkok_date,
    buddhist_year,
    clock,
    english_date,
    long_date,
    parse_date,
    short_date,
)

LETTER_DAY = date(2017, 11, 9)


def test_the_day_changes_at_bangkok_midnight_not_at_utc_midnight() -> None:
    assert bangkok_date(datetime(2017, 12, 31, 16, 59, 59, tzinfo=UTC)) == date(2017, 12, 31)
    assert bangkok_date(datetime(2017, 12, 31, 17, 0, tzinfo=UTC)) == date(2018, 1, 1)


def test_the_day_does_not_depend_on_the_zone_the_instant_came_in() -> None:
    instant = datetime(2017, 11, 8, 18, 0, tzinfo=UTC)
    assert bangkok_date(instant.astimezone(timezone(timedelta(hours=-8)))) == bangkok_date(instant) == LETTER_DAY


def test_an_instant_without_a_zone_is_refused() -> None:
    naive = datetime(2017, 11, 9, 12, 0)  # noqa: DTZ001 - the fault under test
    with pytest.raises(ValueError, match="time zone"):
        bangkok_date(naive)
    with pytest.raises(ValueError, match="time zone"):
        clock(naive)


def test_the_buddhist_year_turns_on_the_first_of_january() -> None:
    assert buddhist_year(date(2017, 12, 31)) == 2560
    assert buddhist_year(date(2018, 1, 1)) == 2561


def test_dates_are_printed_as_letters_print_them() -> None:
    assert long_date(LETTER_DAY) == "๙ พฤศจิกายน ๒๕๖๐"
    assert short_date(LETTER_DAY) == "๙ พ.ย. ๖๐"
    assert short_date(LETTER_DAY, full_year=True) == "๙ พ.ย. ๒๕๖๐"
    assert english_date(LETTER_DAY) == "9 November 2017"


def test_a_short_year_keeps_its_zero() -> None:
    assert short_date(date(1962, 3, 1)) == "๑ มี.ค. ๐๕"


@pytest.mark.parametrize("printer", [buddhist_year, long_date, short_date, english_date])
def test_a_datetime_is_not_taken_for_a_day(printer: Callable[[date], object]) -> None:
    with pytest.raises(TypeError, match="bangkok_date"):
        printer(datetime(2017, 11, 9, 20, 0, tzinfo=UTC))


def test_a_clock_shows_bangkok_time_with_two_digits_each() -> None:
    assert clock(time(14, 30, 59)) == "๑๔.๓๐ น."
    assert clock(time(9, 5)) == "๐๙.๐๕ น."
    assert clock(datetime(2017, 11, 9, 7, 30, tzinfo=UTC)) == "๑๔.๓๐ น."


def test_there_are_twelve_months_with_distinct_names() -> None:
    assert len(MONTHS) == 12
    for names in zip(*((month.long, month.short, month.english) for month in MONTHS), strict=True):
        assert len(set(names)) == 12
    assert [month.english for month in MONTHS] == [f"{date(2000, n, 1):%B}" for n in range(1, 13)]


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("๙ พฤศจิกายน ๒๕๖๐", LETTER_DAY),
        ("๒๑ ตุลาคม ๒๕๖๐", date(2017, 10, 21)),
        ("๓๑ ต.ค. ๒๕๖๐", date(2017, 10, 31)),
        ("30 ต.ค. 2560", date(2017, 10, 30)),
        ("วันที่ 27 ต.ค. 2560", date(2017, 10, 27)),
        ("ลงวันที่ ๒๐ ตุลาคม ๒๕๖๐", date(2017, 10, 20)),
        ("๙ พ.ย. ๖๐", LETTER_DAY),
        ("9พย60", LETTER_DAY),
        ("๙\u200b พฤศจิกายน ๒๕๖๐", LETTER_DAY),
        ("  ๙  พฤศจิกายน\u00a0พ.ศ. ๒๕๖๐ ", LETTER_DAY),
        ("๙ พ.ย. พ.ศ. ๖๐", LETTER_DAY),
        ("2017-11-09", LETTER_DAY),
        ("๒๐๑๗-๑๑-๐๙", LETTER_DAY),
        ("๒๙ ก.พ. ๒๕๖๗", date(2024, 2, 29)),
        ("๑ ม.ค. ๐๐", date(1957, 1, 1)),
    ],
)
def test_dates_are_read_in_every_usual_form(text: str, day: date) -> None:
    assert parse_date(text) == day


@pytest.mark.parametrize("number", range(1, 13))
def test_every_month_is_read_back_from_what_is_printed(number: int) -> None:
    day = date(2024, number, 28)
    assert parse_date(long_date(day)) == parse_date(short_date(day)) == parse_date(day.isoformat()) == day
    assert parse_date(short_date(day, full_year=True)) == day


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "expected a date such as"),
        ("๙", "expected a date such as"),
        ("๙ พฤศจิกายน", "expected a date such as"),
        ("9/11/2560", "expected a date such as"),
        ("9 November 2017", "expected a date such as"),
        ("2017-11-09T00:00:00", "expected a date such as"),
        ("๙ พฤศจิกายน ๒๕๖๐ และ", "expected a date such as"),
        ("๙ พฤศจิกา ๒๕๖๐", "expected a Thai month"),
        ("๙ พฤศจิกายน ๒๐๑๗", "expected a Buddhist year"),
        ("๙ พฤศจิกายน ๒๔๘๓", "expected a Buddhist year"),
        ("2560-11-09", "expected a common-era year"),
        ("๓๑ พฤศจิกายน ๒๕๖๐", "expected a day of the calendar"),
        ("๒๙ ก.พ. ๒๕๖๐", "expected a day of the calendar"),
        ("2017-13-01", "expected a day of the calendar"),
        ("๙" * 65, "65 characters"),
    ],
)
def test_what_is_not_a_date_is_refused_with_what_was_expected(text: str, expected: str) -> None:
    with pytest.raises(ThaiDateError, match=expected):
        parse_date(text)
