"""The proof that a checkpoint covers a chain: its signature, the path from the chain's head to its root, and its time-stamp."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast

from cryptography.x509 import load_pem_x509_certificates
from rfc3161_client import VerificationError, VerifierBuilder, decode_timestamp_response

from services.ack.evidence.form import CHECKPOINT_FORMAT, unb64
from services.ack.evidence.merkle import head_leaf, root_from
from wian.verify import Keys, Line, Verified

_PROOF: Final[dict[str, tuple[type, ...]]] = {
    "circular_id": (str,),
    "head_sha256": (str,),
    "path": (str,),
    "position": (int,),
    "sequence": (int,),
    "time_stamp": (str, type(None)),
}
_CHECKPOINT: Final[dict[str, tuple[type, ...]]] = {
    "format": (str,),
    "sequence": (int,),
    "chains": (int,),
    "root_sha256": (str,),
    "made_at": (str,),
}


class NotCovered(Exception):
    """The checkpoint does not prove what the file says."""


@dataclass(slots=True)
class Covered:
    """A checkpoint with the proof for one chain, as it was read."""

    line: Line
    proof: dict[str, Any]
    stamped_at: datetime | None = None

    @property
    def sequence(self) -> int:
        """The number of the last receipt that it covers."""
        return self.proof["sequence"]

    def check(self, found: Verified, keys: Keys, tsa_roots: bytes | None) -> None:
        """Raises NotCovered, or Wrong for the checkpoint's own line. `tsa_roots` are certificates in PEM."""
        self.line.check_seal(keys)
        self.line.require(_CHECKPOINT)
        self.line.expect("format", CHECKPOINT_FORMAT)
        if not found.chain:
            raise NotCovered("it covers whole chains, and the file is none: take the circular's evidence")
        if self.proof["circular_id"] != found.circular_id:
            raise NotCovered(f"it is of circular {self.proof['circular_id']}, the receipts are of {found.circular_id}")
        if found.watched is None:
            raise NotCovered(f"it covers {self.sequence} receipts, and the file has {found.receipts}: it is older, or was cut")
        if found.watched != self.proof["head_sha256"]:
            raise NotCovered(f"receipt {self.sequence} had the hash {self.proof['head_sha256']} then, and has {found.watched}")
        leaf = head_leaf(self.proof["circular_id"], self.sequence, self.proof["head_sha256"])
        try:
            root = root_from(leaf, self.proof["position"], self.line.content["chains"], bytes.fromhex(self.proof["path"]))
        except ValueError as error:
            raise NotCovered(f"the path is none: {error}") from error
        if root.hex() != self.line.content["root_sha256"]:
            raise NotCovered("the path does not lead to its root")
        if tsa_roots is not None:
            self._check_time_stamp(tsa_roots)

    def _check_time_stamp(self, tsa_roots: bytes) -> None:
        if self.proof["time_stamp"] is None:
            raise NotCovered("it bears no time-stamp")
        try:
            stamp = decode_timestamp_response(unb64(self.proof["time_stamp"]))
            builder = VerifierBuilder(roots=load_pem_x509_certificates(tsa_roots))
            builder.build().verify_message(stamp, self.line.body)
        except (ValueError, VerificationError) as error:
            raise NotCovered(f"the time-stamp is not good: {error}") from error
        self.stamped_at = stamp.tst_info.gen_time

    def described(self, *, checked: bool) -> str:
        """What was found, in a sentence."""
        said = f"OK: checkpoint {self.line.content['sequence']} of {self.line.content['made_at']} covers {self.sequence} receipts"
        if self.stamped_at is not None:
            return f"{said}; a time-stamping authority saw it at {self.stamped_at.isoformat()}"
        if self.proof["time_stamp"] is not None and not checked:
            return f"{said}; its time-stamp was not checked: name the authority's root certificates (--tsa-roots)"
        return f"{said}; it bears no time-stamp"


def read(text: bytes) -> Covered:
    """The two lines of ``/v1/circulars/{id}/checkpoint``; raises Wrong or ValueError for what is none."""
    lines = text.splitlines(keepends=True)
    if len(lines) != 2:
        raise ValueError("a checkpoint's proof has two lines")
    proof: object = json.loads(lines[1])
    if not isinstance(proof, dict):
        raise ValueError("the second line is no proof")  # noqa: TRY004 - what was read is wrong, not a caller's type
    read = cast("dict[str, Any]", proof)
    for name, types in _PROOF.items():
        if type(read.get(name)) not in types:
            raise ValueError(f"{name} is missing in the proof, or of another type")
    return Covered(Line(lines[0], 1, 0), read)
