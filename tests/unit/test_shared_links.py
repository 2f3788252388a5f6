"""Signed links: one character changed, another purpose or too old, and they open nothing."""

from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.links import LinkError, LinkSigner, Purpose

SIGNER = LinkSigner("k" * 43)


def test_link_names_its_subject() -> None:
    subject = uuid4()
    assert SIGNER.read(Purpose.ACKNOWLEDGE, SIGNER.sign(Purpose.ACKNOWLEDGE, subject)) == subject


def test_link_of_another_purpose_or_key_opens_nothing() -> None:
    link = SIGNER.sign(Purpose.TRACK, uuid4())
    with pytest.raises(LinkError):
        SIGNER.read(Purpose.ACKNOWLEDGE, link)
    with pytest.raises(LinkError):
        LinkSigner("x" * 43).read(Purpose.TRACK, link)


def test_old_link_opens_nothing() -> None:
    link = SIGNER.sign(Purpose.FILE, uuid4())
    with pytest.raises(LinkError):
        SIGNER.read(Purpose.FILE, link, max_age=-1)


@given(st.integers(min_value=0), st.characters(codec="utf-8"))
def test_changed_link_opens_nothing(place: int, character: str) -> None:
    link = SIGNER.sign(Purpose.ACKNOWLEDGE, uuid4())
    # The last character of a base64 part carries unused bits; every other one counts.
    at = place % (len(link) - 1)
    if link[at] == character or at + 1 == len(link):
        return
    with pytest.raises(LinkError):
        SIGNER.read(Purpose.ACKNOWLEDGE, link[:at] + character + link[at + 1 :])
