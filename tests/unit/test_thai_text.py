"""Titles typed differently compare equal, and what can deceive a reader is found."""

import unicodedata

import pytest

from shared.thai.text import has_decomposed_sara_am, has_unsafe_characters, normalise, repair_sara_am

TYPED = "อัยการจังหวัดประจ\u0e4d\u0e32กรม (สคช.)"
PROPER = "อัยการจังหวัดประจ\u0e33กรม (สคช.)"


def test_a_decomposed_sara_am_is_found_and_repaired() -> None:
    assert has_decomposed_sara_am(TYPED)
    assert not has_decomposed_sara_am(PROPER)
    assert repair_sara_am(TYPED) == PROPER
    assert repair_sara_am(PROPER) == PROPER


@pytest.mark.parametrize("typed", ["น\u0e4d\u0e49\u0e32", "น\u0e49\u0e4d\u0e32"])
def test_a_tone_mark_between_or_before_the_two_parts_is_kept(typed: str) -> None:
    assert has_decomposed_sara_am(typed)
    assert repair_sara_am(typed) == "น\u0e49\u0e33"


def test_a_nikhahit_of_its_own_is_left_alone() -> None:
    assert repair_sara_am("ก\u0e4dก\u0e32") == "ก\u0e4dก\u0e32"


def test_canonical_composition_alone_does_not_repair_it() -> None:
    assert unicodedata.normalize("NFC", TYPED) == TYPED


def test_titles_that_read_alike_compare_equal() -> None:
    dirty = f"\ufeff {TYPED}\u200b \u00a0\n ๔\t"
    assert normalise(dirty) == f"{PROPER} 4"


def test_a_zero_width_character_does_not_hide_a_decomposed_sara_am() -> None:
    assert normalise("ประจ\u0e4d\u200b\u0e32") == "ประจ\u0e33"


def test_sara_am_survives_and_letters_are_not_folded() -> None:
    assert normalise("นํ้า ＡＢ ฯ ๆ Ａ") == "น้ำ ＡＢ ฯ ๆ Ａ"
    assert "\u0e33" in normalise("จำนวน")


@pytest.mark.parametrize("character", ["\x00", "\x1b", "\r", "\x7f", "\x85", "\u202e", "\u202a", "\u2066", "\u2069", "\ud800"])
def test_control_characters_overrides_and_surrogates_are_unsafe(character: str) -> None:
    assert has_unsafe_characters(f"เรื่อง{character}")


@pytest.mark.parametrize("text", ["", "บรรทัดหนึ่ง\nบรรทัดสอง\tตาราง", TYPED, "“GECC” \u00a0 \u200b"])
def test_line_ends_tabs_and_ordinary_text_are_safe(text: str) -> None:
    assert not has_unsafe_characters(text)
