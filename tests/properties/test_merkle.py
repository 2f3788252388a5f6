"""Trees and paths are those of RFC 9162, for every number of leaves."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ack.evidence.merkle import head_leaf, root_and_paths, root_from


def leaves_of(count: int) -> list[bytes]:
    return [hashlib.sha256(b"%d" % n).digest() for n in range(count)]


def by_the_book(leaves: list[bytes]) -> bytes:
    """Section 2.1.1, as it is written: split at the largest power of two below the number of leaves."""
    if len(leaves) == 1:
        return leaves[0]
    half = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + by_the_book(leaves[:half]) + by_the_book(leaves[half:])).digest()


@given(st.integers(1, 70))
def test_the_root_is_the_standards_and_every_path_leads_to_it(count: int) -> None:
    leaves = leaves_of(count)
    root, paths = root_and_paths(leaves)
    assert root == by_the_book(leaves)
    for position, (leaf, path) in enumerate(zip(leaves, paths, strict=True)):
        assert root_from(leaf, position, count, path) == root


@given(st.integers(2, 40), st.data())
def test_no_other_leaf_place_or_path_leads_there(count: int, data: st.DataObject) -> None:
    leaves = leaves_of(count)
    root, paths = root_and_paths(leaves)
    position = data.draw(st.integers(0, count - 1))
    other = data.draw(st.integers(0, count - 1).filter(lambda one: one != position))
    path = bytearray(paths[position])
    assert root_from(leaves[other], position, count, bytes(path)) != root
    path[data.draw(st.integers(0, len(path) - 1))] ^= data.draw(st.integers(1, 255))
    assert root_from(leaves[position], position, count, bytes(path)) != root
    for wrong in (bytes(path[:-32]), bytes(path) + bytes(32), bytes(path[:-1])):
        with pytest.raises(ValueError, match=r"path|leaf"):
            root_from(leaves[position], position, count, wrong)


def test_a_head_is_its_circular_its_length_and_its_hash() -> None:
    heads = {head_leaf("a", 1, "0" * 64), head_leaf("b", 1, "0" * 64), head_leaf("a", 2, "0" * 64), head_leaf("a", 1, "1" * 64)}
    assert len(heads) == 4
    with pytest.raises(ValueError, match="leaves"):
        root_and_paths([])
