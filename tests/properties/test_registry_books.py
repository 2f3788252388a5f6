"""The books' rules: receive numbers are read as they are written, and a text finds itself however it is typed."""

from datetime import date
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from services.registry.domain.books import MOST_PIECES, Filter, running_of, search_text
from shared.thai.digits import to_thai
from shared.thai.numbers import MAX_RUNNING

TEXTS = st.text(alphabet="กขคง าำํ่๐๑๒09aB%_\\\u200b", max_size=30)


@given(st.integers(1, MAX_RUNNING), st.integers(2484, 2799), st.booleans())
def test_a_numeric_receive_number_is_its_number_with_the_year_or_without(running: int, year: int, thai: bool) -> None:
    def written(text: str) -> str:
        return to_thai(text) if thai else text

    assert running_of(written(f" {running} "), year) == running
    assert running_of(written(f"{running}/{year}"), year) == running
    assert running_of(written(f"{running} / {year % 100:02}"), year) == running
    assert running_of(written(f"{running}/{year + 1}"), year) == 0


@given(st.text(max_size=20))
def test_any_other_receive_number_is_none_or_within_bounds(number: str) -> None:
    assert 0 <= running_of(number, 2560) <= MAX_RUNNING


@given(TEXTS, TEXTS, TEXTS)
def test_a_part_of_a_text_stands_in_it_as_the_pattern_says(before: str, part: str, after: str) -> None:
    where = Filter(UUID(int=0), None, date.min, date.max, search_text(part), {})
    assert where.text in search_text(before, part, after)
    # A pattern of its own would be one that takes % or _ for a sign.
    unescaped = where.pattern[1:-1].replace("\\\\", "\0").replace("\\%", "").replace("\\_", "")
    assert "%" not in unescaped
    assert "_" not in unescaped
    assert search_text(search_text(part)) == search_text(part)


@given(st.text(min_size=2, max_size=200))
def test_a_search_is_made_of_few_parts_of_the_text_from_end_to_end(text: str) -> None:
    pieces = Filter(UUID(int=0), None, date.min, date.max, text, {}).pieces
    assert 1 <= len(pieces) <= MOST_PIECES
    assert all(piece in text and 2 <= len(piece) <= 3 for piece in pieces)
    assert text.startswith(pieces[0])
    assert text.endswith(pieces[-1])
