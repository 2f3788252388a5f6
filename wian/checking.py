"""`wian verify` at the command line: reads the files, checks them, says what was found."""

import hashlib
import json
import sys
from pathlib import Path

from wian import annexes, checkpoint
from wian.verify import Keys, Wrong, keys_of, verify

OWN_KEYS = "The keys stand in the file itself: compare them with the published ones (--jwks) to know whose they are."


def check_file(
    path: Path,
    jwks: Path | None,
    letter: Path | None,
    content_hash: str | None,
    proof: Path | None,
    tsa_roots: Path | None,
    signature: Path | None = None,
) -> int:
    """Check the file and print the finding: 0 it is right, 1 something is wrong, 2 it cannot be read."""
    try:
        keys = None if jwks is None else keys_of(json.loads(jwks.read_bytes()))
        if letter is not None:
            content_hash = hashlib.sha256(letter.read_bytes()).hexdigest()
        if signature is not None or annexes.is_package(path):
            if proof is not None:
                raise ValueError("a checkpoint covers receipts, not an annex: check the circular's evidence with it")
            return _annex(path, signature, keys, content_hash)
        return _receipts(path, keys, content_hash, proof, tsa_roots)
    except Wrong as wrong:
        print(wrong)
        return 1
    except checkpoint.NotCovered as wrong:
        print(f"WRONG: checkpoint: {wrong}")
        return 1
    except annexes.Changed as wrong:
        print(f"WRONG: annex: {wrong}")
        return 1
    except (OSError, ValueError) as error:
        print(f"cannot be read: {error}", file=sys.stderr)
        return 2


def _annex(path: Path, signature: Path | None, keys: Keys | None, content_hash: str | None) -> int:
    if signature is None:
        found = annexes.check_package(path, keys, content_hash)
    else:
        found = annexes.check_annex(path, signature, keys, content_hash)
    print(found)
    if found.own_keys:
        print(OWN_KEYS)
    return 0


def _receipts(path: Path, keys: Keys | None, content_hash: str | None, proof: Path | None, tsa_roots: Path | None) -> int:
    covered = None if proof is None else checkpoint.read(proof.read_bytes())
    with path.open("rb") as file:
        found = verify(file, keys, content_hash, watch=None if covered is None else covered.sequence)
    if covered is not None:
        covered.check(found, keys or found.keys, None if tsa_roots is None else tsa_roots.read_bytes())
    print(f"OK: {found.receipts} receipts{', a whole chain' if found.chain else ''}, of content {found.content_hash}")
    if found.own_keys:
        print(OWN_KEYS)
    if covered is not None:
        print(covered.described(checked=tsa_roots is not None))
    return 0
