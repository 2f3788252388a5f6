"""Whatever number can exist prints and parses back to itself, and no text breaks the reader."""

from datetime import date

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from shared.thai.dates import ThaiDateError, long_date, parse_date, short_date
from shared.thai.digits import to_arabic, to_thai
from shared.thai.numbers import MAX_LENGTH, MAX_RUNNING, LetterNumber, LetterNumberError, UnitCode, parse_letter_number
from shared.thai.text import has_decomposed_sara_am, normalise

CONSONANTS = st.text(st.characters(min_codepoint=0x0E01, max_codepoint=0x0E2E), min_size=1, max_size=3)
DIGITS = st.text("0123456789", min_size=1, max_size=6)
UNITS = st.one_of(st.just(""), st.lists(DIGITS, min_size=1, max_size=4).map(".".join))
THAI = st.characters(min_codepoint=0x0E01, max_codepoint=0x0E5B)
MESSY = st.text(
    st.one_of(THAI, st.sampled_from(" .()/ว0123456789\u0e4d\u0e32\u0e49\u200b\ufeff\u00a0\n"), st.characters()), max_size=120
)


@st.composite
def unit_codes(draw: st.DrawFn) -> UnitCode:
    inner = draw(st.none() | st.text(st.one_of(THAI, st.characters(codec="utf-8")), max_size=20))
    prefix = draw(CONSONANTS)
    if inner is not None:
        prefix = f"{prefix} ({normalise(inner.replace(')', ''))})"
    try:
        return UnitCode(prefix, draw(UNITS))
    except LetterNumberError as refused:
        assume(refused.reason != "unsafe_characters")
        raise


LETTER_NUMBERS = st.builds(LetterNumber, unit_codes(), st.booleans(), st.integers(1, MAX_RUNNING))


@given(LETTER_NUMBERS)
@example(LetterNumber(UnitCode("ว", ""), circular=True, running=1))
@example(LetterNumber(UnitCode("กท (ว/1)", "0"), circular=False, running=1))
def test_a_number_parses_back_from_its_printed_and_its_normalised_form(number: LetterNumber) -> None:
    assert parse_letter_number(number.printed) == number
    assert parse_letter_number(number.normalised) == number
    assert UnitCode.parse(number.unit.printed) == number.unit
    assert len(number.printed) <= MAX_LENGTH


@given(LETTER_NUMBERS, LETTER_NUMBERS)
def test_the_normalised_form_tells_numbers_apart(one: LetterNumber, other: LetterNumber) -> None:
    assert (one.normalised == other.normalised) == (one == other)


@given(
    CONSONANTS,
    UNITS,
    st.booleans(),
    st.integers(1, MAX_RUNNING),
    st.lists(st.sampled_from(["", " ", "  ", "\u00a0"]), min_size=6, max_size=6),
)
def test_spacing_never_matters(prefix: str, unit: str, circular: bool, running: int, gaps: list[str]) -> None:
    expected = LetterNumber(UnitCode(prefix, unit), circular, running)
    mark = "ว" if circular else ""
    for shown in (str, to_thai):
        text = f"{gaps[0]}ที่{gaps[1]}{prefix}{gaps[2]}{shown(unit)}{gaps[3]}/{gaps[4]}{mark}{gaps[5]}{shown(str(running))}"
        assert parse_letter_number(text) == expected


@given(MESSY)
def test_a_text_is_a_number_or_is_refused_and_nothing_else(text: str) -> None:
    try:
        number = parse_letter_number(text)
    except LetterNumberError:
        return
    assert parse_letter_number(number.printed) == number


@given(MESSY)
def test_normalising_twice_changes_nothing(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once
    assert not has_decomposed_sara_am(once)
    assert to_arabic(once) == once


@given(st.dates(date(1941, 1, 1), date(2256, 12, 31)))
def test_a_day_parses_back_from_its_long_form(day: date) -> None:
    assert parse_date(long_date(day)) == parse_date(short_date(day, full_year=True)) == parse_date(day.isoformat()) == day


@given(st.dates(date(1957, 1, 1), date(2056, 12, 31)))
def test_a_day_of_the_century_parses_back_from_its_short_form(day: date) -> None:
    assert parse_date(short_date(day)) == day


@given(MESSY)
def test_a_text_is_a_date_or_is_refused_and_nothing_else(text: str) -> None:
    try:
        day = parse_date(text)
    except ThaiDateError:
        return
    assert parse_date(long_date(day)) == day


def test_the_reader_stays_fast_on_the_longest_hostile_text() -> None:
    with pytest.raises(LetterNumberError):
        parse_letter_number("ที่" + " " * 40 + "กกก" + " " * 40 + "1.1.1.1.1")
