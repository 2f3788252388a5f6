"""`wian verify` at the command line: reads the files, checks them, says what was found."""

import hashlib
import json
import sys
from pathlib import Path

from wian import checkpoint
from wian.verify import Wrong, keys_of, verify


def check_file(
    path: Path, jwks: Path | None, letter: Path | None, content_hash: str | None, proof: Path | None, tsa_roots: Path | None
) -> int:
    """Check the file and print the finding: 0 it is right, 1 something is wrong, 2 it cannot be read."""
    try:
        keys = None if jwks is None else keys_of(json.loads(jwks.read_bytes()))
        if letter is not None:
            content_hash = hashlib.sha256(letter.read_bytes()).hexdigest()
        covered = None if proof is None else checkpoint.read(proof.read_bytes())
        with path.open("rb") as file:
            found = verify(file, keys, content_hash, watch=None if covered is None else covered.sequence)
        if covered is not None:
            covered.check(found, keys or found.keys, None if tsa_roots is None else tsa_roots.read_bytes())
    except Wrong as wrong:
        print(wrong)
        return 1
    except checkpoint.NotCovered as wrong:
        print(f"WRONG: checkpoint: {wrong}")
        return 1
    except (OSError, ValueError) as error:
        print(f"cannot be read: {error}", file=sys.stderr)
        return 2
    print(f"OK: {found.receipts} receipts{', a whole chain' if found.chain else ''}, of content {found.content_hash}")
    if found.own_keys:
        print("The keys stand in the file itself: compare them with the published ones (--jwks) to know whose they are.")
    if covered is not None:
        print(covered.described(checked=tsa_roots is not None))
    return 0
