"""The canonical form is RFC 8785's for all that letters are made of."""

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from shared.canonical import canonical_json

names = st.text(st.characters(codec="ascii"), max_size=20)
texts = st.text(st.characters(exclude_categories=["Cs"]))
scalars = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | texts
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(names, inner, max_size=5), max_leaves=20
)


@given(values)
def test_it_is_the_form_of_the_rfc(value: object) -> None:
    assert canonical_json(value) == rfc8785.dumps(value)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("value", ["\ud800", 2**53 + 1, -(2**60), {"a": [b"bytes"]}])
def test_what_has_no_such_form_is_refused(value: object) -> None:
    with pytest.raises(TypeError):
        canonical_json(value)
