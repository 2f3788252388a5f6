"""A Merkle tree over the heads of chains (RFC 9162, section 2.1): one hash stands for all, and a short path shows that one is among them."""

import hashlib
from collections.abc import Sequence

from shared.canonical import canonical_json

DIGEST_BYTES = 32


def head_leaf(circular_id: str, sequence: int, head_sha256: str) -> bytes:
    """The leaf of a circular's chain that went as far as `sequence`, where the receipt has the hash `head_sha256`."""
    head = {"circular_id": circular_id, "head_sha256": head_sha256, "sequence": sequence}
    # Leaves and nodes are hashed apart, so that no node can pass for a leaf.
    return hashlib.sha256(b"\x00" + canonical_json(head)).digest()


def root_and_paths(leaves: Sequence[bytes]) -> tuple[bytes, list[bytes]]:
    """The root over at least one leaf, and for each leaf its path: the hashes beside the way up, one behind the other."""
    if not leaves:
        raise ValueError("a tree has leaves")
    paths = [bytearray() for _ in leaves]
    level = list(leaves)
    height = 0
    while len(level) > 1:
        for position, path in enumerate(paths):
            beside = (position >> height) ^ 1
            if beside < len(level):
                path.extend(level[beside])
        pairs = range(0, len(level) - 1, 2)
        # Who has nobody beside it goes up as it is.
        level = [*(_node(level[at], level[at + 1]) for at in pairs), *level[len(pairs) * 2 :]]
        height += 1
    return level[0], [bytes(path) for path in paths]


def root_from(leaf: bytes, position: int, size: int, path: bytes) -> bytes:
    """The root to which the path leads from the leaf at `position` of `size`. Raises ValueError for a path of another length."""
    steps = [path[at : at + DIGEST_BYTES] for at in range(0, len(path), DIGEST_BYTES)]
    if not 0 <= position < size or len(path) % DIGEST_BYTES:
        raise ValueError("no such leaf")
    found, last = leaf, size - 1
    while last:
        if position % 2 or position < last:
            if not steps:
                raise ValueError("the path is too short")
            beside = steps.pop(0)
            found = _node(beside, found) if position % 2 else _node(found, beside)
        position, last = position // 2, last // 2
    if steps:
        raise ValueError("the path is too long")
    return found


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()
