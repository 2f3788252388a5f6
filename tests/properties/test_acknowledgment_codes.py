"""Codes on paper: typed as people type, and no slip of one character or two opens a letter."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from shared.codes import ALPHABET, LENGTH, acknowledgment_code, code_digest, read_code
from shared.thai.digits import to_thai

KEY = "k" * 43
recipients = st.uuids()
places = st.integers(min_value=0, max_value=LENGTH - 1)


def _bare(recipient_id: UUID) -> str:
    return acknowledgment_code(KEY, recipient_id).replace("-", "")


@given(recipients)
def test_a_code_is_read_however_it_is_typed(recipient_id: UUID) -> None:
    code = acknowledgment_code(KEY, recipient_id)
    for typed in (code, code.lower(), code.replace("-", ""), code.replace("-", " "), to_thai(f" {code} ")):
        assert read_code(typed) == code


@given(recipients, places, st.sampled_from(ALPHABET))
def test_one_wrong_character_is_noticed(recipient_id: UUID, place: int, other: str) -> None:
    text = _bare(recipient_id)
    spoilt = text[:place] + other + text[place + 1 :]
    assert (read_code(spoilt) is None) == (spoilt != text)


@given(recipients, places, places)
def test_two_characters_that_changed_places_are_noticed(recipient_id: UUID, one: int, two: int) -> None:
    characters = list(_bare(recipient_id))
    characters[one], characters[two] = characters[two], characters[one]
    assert (read_code("".join(characters)) is None) == ("".join(characters) != _bare(recipient_id))


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(typed: str) -> None:
    code = read_code(typed)
    assert code is None or read_code(code) == code


def test_codes_and_digests_differ_by_recipient_and_by_key() -> None:
    one, other = UUID(int=1), UUID(int=2)
    codes = {acknowledgment_code(key, recipient) for key in (KEY, "other" * 9) for recipient in (one, other)}
    assert len(codes) == 4
    assert len({code_digest(KEY, code) for code in codes}) == 4
