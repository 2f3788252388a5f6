"""Letter numbers are read however they are typed, printed one way, and refused with a reason."""

import pytest

from shared.thai.numbers import (
    MAX_RUNNING,
    LetterNumber,
    LetterNumberError,
    UnitCode,
    YearlyNumber,
    parse_letter_number,
    parse_yearly_number,
)

PROVINCE = LetterNumber(UnitCode("สค", "0017.1"), circular=True, running=15123)


@pytest.mark.parametrize(
    "text",
    [
        "สค ๐๐๑๗.๑/ว ๑๕๑๒๓",
        "ที่ สค ๐๐๑๗.๑/ว ๑๕๑๒๓",
        "ที่สค๐๐๑๗.๑/ว๑๕๑๒๓",
        "  สค  0017.1 / ว 15123  ",
        "สค ๐๐17.1/ว ๑๕๑23",
        "สค\u00a0๐๐๑๗.๑/ว\u200b ๑๕๑๒๓",
    ],
)
def test_spacing_digits_and_the_leading_word_do_not_count(text: str) -> None:
    assert parse_letter_number(text) == PROVINCE


def test_a_number_is_printed_and_compared_in_one_form_each() -> None:
    assert PROVINCE.printed == "สค ๐๐๑๗.๑/ว ๑๕๑๒๓"
    assert PROVINCE.normalised == "สค 0017.1/ว 15123"
    assert PROVINCE.unit.printed == "สค ๐๐๑๗.๑"


def test_the_two_ways_of_typing_a_circular_number_are_the_same() -> None:
    assert parse_letter_number("มท ๐๒๑๘/ว๕๑๖๒") == parse_letter_number("มท ๐๒๑๘/ว ๕๑๖๒")


def test_the_numbers_that_the_paper_confuses_stay_different() -> None:
    assert parse_letter_number("มท ๐๒๑๘/ว๕๑๖๒") != parse_letter_number("มท ๐๒๑๘/ว ๕๙๙๒")


def test_an_ordinary_number_is_not_a_circular_one() -> None:
    ordinary = parse_letter_number("สค ๐๐๑๗.๑/๑๕๑๒๓")
    assert not ordinary.circular
    assert ordinary != PROVINCE
    assert ordinary.printed == "สค ๐๐๑๗.๑/๑๕๑๒๓"


def test_leading_zeros_belong_to_the_unit_and_not_to_the_running_number() -> None:
    number = parse_letter_number("นร ๐๑๐๖.๐๑/๐๐๗")
    assert number.unit.unit == "0106.01"
    assert number.running == 7


def test_a_prefix_may_hold_a_part_in_parentheses() -> None:
    number = parse_letter_number("กท(สนศ. ๒) ๐๔๐๑/ว ๓")
    assert number.unit == UnitCode("กท (สนศ. 2)", "0401")
    assert number.printed == "กท (สนศ. ๒) ๐๔๐๑/ว ๓"


def test_a_unit_may_be_without_digits() -> None:
    number = parse_letter_number("ศธ/ว ๑๒")
    assert number.unit == UnitCode("ศธ", "")
    assert number.printed == "ศธ/ว ๑๒"


def test_a_unit_code_is_read_alone() -> None:
    assert UnitCode.parse(" สค๐๐๑๗.๑ ") == PROVINCE.unit
    assert UnitCode.parse("สค") == UnitCode("สค", "")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "wrong_shape"),
        ("ว ๑๕๑๒๓", "wrong_shape"),
        ("สค ๐๐๑๗.๑", "wrong_shape"),
        ("สค ๐๐๑๗.๑/ว", "wrong_shape"),
        ("สค ๐๐๑๗./ว ๑", "wrong_shape"),
        ("สคคค ๐๐๑๗/ว ๑", "wrong_shape"),
        ("SK 0017.1/ว 15123", "wrong_shape"),
        ("สค ๐๐๑๗.๑/ว ๑๕๑๒๓/๒๕๖๐", "wrong_shape"),
        ("สค ๐๐๑๗.๑/ว -๑", "wrong_shape"),
        ("สค ٠٠١٧/ว ٣", "wrong_shape"),
        ("สค ໐໐໑໗/ว ໓", "wrong_shape"),
        ("สค ๐๐๑๗/ว ٣", "wrong_shape"),
        ("สค ๐๐๑๗.๑/ว ๐", "running_out_of_range"),
        (f"สค ๐๐๑๗.๑/ว {MAX_RUNNING + 1}", "running_out_of_range"),
        ("สค ๐๐๑๗.๑/ว ๑\x00", "unsafe_characters"),
        ("สค ๐๐๑๗.๑/\u202eว ๑", "unsafe_characters"),
        ("สค ๐๐๑๗.๑/ว " + "๑" * 90, "too_long"),
    ],
)
def test_what_is_not_a_letter_number_is_refused_with_a_reason(text: str, reason: str) -> None:
    with pytest.raises(LetterNumberError) as caught:
        parse_letter_number(text)
    assert caught.value.reason == reason
    assert "expected" in str(caught.value)


def test_a_hundred_characters_are_read_and_one_more_is_not() -> None:
    text = "สค ๐๐๑๗.๑/ว ๑๕๑๒๓"
    assert parse_letter_number(text.rjust(100)) == PROVINCE
    with pytest.raises(LetterNumberError, match="at most 100"):
        parse_letter_number(text.rjust(101))


@pytest.mark.parametrize(
    ("prefix", "unit", "reason"),
    [
        ("สค", "๐๐๑๗", "not_canonical"),
        ("สค ", "0017", "not_canonical"),
        ("กท(สนศ)", "0017", "not_canonical"),
        ("กท ( สนศ )", "0017", "not_canonical"),
        ("สค 0017", "", "not_canonical"),
        ("สค", "0017.1/2", "wrong_shape"),
        ("", "0017", "wrong_shape"),
        ("กท (" + "ก" * 80 + ")", "1", "too_long"),
    ],
)
def test_a_unit_code_that_would_not_print_and_parse_back_is_refused(prefix: str, unit: str, reason: str) -> None:
    with pytest.raises(LetterNumberError) as caught:
        UnitCode(prefix, unit)
    assert caught.value.reason == reason


@pytest.mark.parametrize("running", [0, -1, MAX_RUNNING + 1])
def test_a_running_number_outside_the_series_is_refused(running: int) -> None:
    with pytest.raises(LetterNumberError):
        LetterNumber(PROVINCE.unit, circular=True, running=running)


def test_yearly_number_is_read_in_both_digits_and_printed_in_thai() -> None:
    for text in ("๑๒/๒๕๖๐", " ที่ 12 / 2560 ", "เลขที่ ๐๑๒/2560"):
        assert parse_yearly_number(text) == YearlyNumber(12, 2560)
    assert YearlyNumber(12, 2560).printed == "๑๒/๒๕๖๐"
    assert parse_yearly_number(YearlyNumber(12, 2560).printed).normalised == "12/2560"


@pytest.mark.parametrize(
    ("text", "reason"),
    [("๑๒/๖๐", "wrong_shape"), ("๐/๒๕๖๐", "running_out_of_range"), ("๑/๒๐๑๗", "year_out_of_range"), ("สค ๑/๒๕๖๐", "wrong_shape")],
)
def test_what_is_no_yearly_number_is_refused(text: str, reason: str) -> None:
    with pytest.raises(LetterNumberError) as refused:
        parse_yearly_number(text)
    assert refused.value.reason == reason
