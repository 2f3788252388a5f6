"""Thai and Arabic digits change into each other and nothing else changes."""

from shared.thai.digits import to_arabic, to_thai


def test_all_ten_digits_map_both_ways() -> None:
    assert to_thai("0123456789") == "๐๑๒๓๔๕๖๗๘๙"
    assert to_arabic("๐๑๒๓๔๕๖๗๘๙") == "0123456789"


def test_a_number_is_written_in_thai_digits() -> None:
    assert to_thai(15123) == "๑๕๑๒๓"


def test_letters_and_mixed_digits_stay_in_place() -> None:
    assert to_arabic("สค ๐๐17.๑/ว ๑๕๑23") == "สค 0017.1/ว 15123"
    assert to_thai("สค 0017.1/ว 15123") == "สค ๐๐๑๗.๑/ว ๑๕๑๒๓"


def test_digits_of_other_scripts_are_not_thai() -> None:
    assert to_arabic("໑١१１") == "໑١१１"
