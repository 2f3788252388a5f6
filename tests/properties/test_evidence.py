"""Whatever is changed in an export is found, and where one byte was changed that byte is told."""

import hashlib
from io import BytesIO
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from joserfc.jwk import OKPKey

from services.ack.evidence.form import FORMAT, HEADER_FORMAT, Signer
from wian.verify import Wrong, keys_of, verify

CONTENT = hashlib.sha256(b"letter").hexdigest()


def export(receipts: int) -> list[bytes]:
    """A circular's chain as it is exported."""
    key = OKPKey.generate_key("Ed25519")
    kid = key.thumbprint()
    signer = Signer(kid, key.as_dict(private=True))
    about = {"circular_id": "c", "content_hash": CONTENT, "recipient_id": None}
    lines, previous = list[bytes](), None
    for sequence in range(1, receipts + 1):
        body: dict[str, Any] = {"format": FORMAT, "sequence": sequence, "previous_sha256": previous, "title": "จังหวัด"}
        sealed = signer.seal(about | body)
        lines.append(sealed.line("receipt"))
        previous = sealed.sha256
    public = {"keys": [{**key.as_dict(private=False), "kid": kid}]}
    whole = {"format": HEADER_FORMAT, "scope": "circular", "receipts": receipts, "head_sha256": previous}
    return [signer.seal(about | public | whole).line("header"), *lines]


EXPORT = export(4)
BYTES = b"".join(EXPORT)


def test_an_export_as_it_was_made_is_right() -> None:
    assert verify(EXPORT).receipts == 4


@settings(max_examples=150, deadline=None)
@example(at=len(BYTES) - 1, change=1)
@example(at=0, change=1)
@given(at=st.integers(0, len(BYTES) - 1), change=st.integers(1, 255))
def test_one_changed_byte_is_found_in_its_line(at: int, change: int) -> None:
    damaged = bytearray(BYTES)
    damaged[at] ^= change
    with pytest.raises(Wrong) as found:
        verify(BytesIO(damaged))
    fault = found.value.fault
    if fault.check == "hash":
        assert (fault.exact, fault.offset) == (True, at)
    assert fault.offset <= at


@pytest.mark.parametrize(
    ("lines", "check"),
    [
        ([0, 1, 3, 4], "gap"),
        ([0, 1, 2, 3], "gap"),
        ([0, 2, 1, 3, 4], "gap"),
        ([0, 1, 2, 2, 3, 4], "gap"),
        ([1, 2, 3], "key unknown"),
        ([0, 1, 0], "form"),
    ],
)
def test_removed_swapped_and_repeated_receipts_are_found(lines: list[int], check: str) -> None:
    with pytest.raises(Wrong) as found:
        verify([EXPORT[at] for at in lines])
    assert found.value.fault.check == check


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sequence", None),
        ("sequence", [1]),
        ("sequence", True),
        ("sequence", "1"),
        ("content_hash", 7),
        ("previous_sha256", []),
    ],
)
def test_what_a_stranger_has_signed_in_another_form_is_refused(name: str, value: object) -> None:
    key = OKPKey.generate_key("Ed25519")
    signer = Signer(key.thumbprint(), key.as_dict(private=True))
    body = {"format": FORMAT, "sequence": 1, "previous_sha256": None, "content_hash": CONTENT, name: value}
    keys = keys_of({"keys": [{**key.as_dict(private=False), "kid": key.thumbprint()}]})
    with pytest.raises(Wrong) as found:
        verify([signer.seal(body).line("receipt")], keys)
    assert found.value.fault.check == "form"


def test_a_header_of_another_form_is_refused() -> None:
    key = OKPKey.generate_key("Ed25519")
    signer = Signer(key.thumbprint(), key.as_dict(private=True))
    public = {"keys": [{**key.as_dict(private=False), "kid": key.thumbprint()}]}
    whole = {"format": HEADER_FORMAT, "circular_id": "c", "recipient_id": None, "content_hash": CONTENT, "receipts": 0}
    for more in ({}, {"scope": "everything", "head_sha256": None}, {"scope": "circular", "head_sha256": 1}):
        with pytest.raises(Wrong) as found:
            verify([signer.seal(whole | public | more).line("header")])
        assert found.value.fault.check == "form"
    assert keys_of({"keys": [{"kid": [], "x": "x"}, {"kid": "k", "x": 7}, 3]}) == {}


def test_a_receipt_of_another_letter_is_found() -> None:
    with pytest.raises(Wrong, match="content_hash"):
        verify(EXPORT, content_hash="0" * 64)
