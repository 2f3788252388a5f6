"""Checks an annex against its signature, offline: the file's bytes, the statement about them, and the key that signed it."""

import hashlib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from services.ack.evidence.form import ANNEX_FORMAT
from wian.verify import Keys, Line, keys_of

SIGNATURE: Final = ".signature.json"
LONGEST_SIGNATURE: Final = 1024 * 1024
PIECE: Final = 1024 * 1024
_MEMBERS: Final[Mapping[str, tuple[type, ...]]] = {
    "format": (str,),
    "circular_id": (str,),
    "letter_number": (str,),
    "content_hash": (str,),
    "recipients": (int,),
    "file_name": (str,),
    "file_bytes": (int,),
    "file_sha256": (str,),
    "made_at": (str,),
    "chain_sequence": (int,),
    "chain_head_sha256": (str, type(None)),
}


class Changed(Exception):
    """The file is not the one that was signed."""


@dataclass(frozen=True, slots=True)
class SignedAnnex:
    """An annex that is as it was signed."""

    statement: Mapping[str, Any]
    own_keys: bool

    def __str__(self) -> str:
        said = self.statement
        chain = f"its circular's chain had {said['chain_sequence']} receipts then"
        return (
            f"OK: annex {said['file_name']} of circular {said['circular_id']}, {said['recipients']} recipients, "
            f"made {said['made_at']}; {chain}; of content {said['content_hash']}"
        )


def is_package(path: Path) -> bool:
    """Whether the file is a ZIP that holds a signature; a workbook is a ZIP too."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as package:
        return any(name.endswith(SIGNATURE) for name in package.namelist())


def check_package(path: Path, keys: Keys | None, content_hash: str | None) -> SignedAnnex:
    """The ZIP as it was downloaded. Raises Changed, or Wrong for the statement itself."""
    try:
        with zipfile.ZipFile(path) as package:
            names = sorted(package.namelist(), key=len)
            if len(names) != 2 or names[1] != names[0] + SIGNATURE:
                raise Changed(f"the package holds {', '.join(names)}, and not one file and its signature")
            with package.open(names[1]) as member:
                line = _statement(member, keys, content_hash)
            line.expect("file_name", names[0])
            with package.open(names[0]) as member:
                _check_file(member, line)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise Changed(f"the package is damaged: {error}") from error
    return SignedAnnex(line.content, keys is None)


def check_annex(path: Path, signature: Path, keys: Keys | None, content_hash: str | None) -> SignedAnnex:
    """The file and its signature, taken out of their ZIP. Raises Changed, or Wrong for the statement itself."""
    with signature.open("rb") as file:
        line = _statement(file, keys, content_hash)
    with path.open("rb") as file:
        _check_file(file, line)
    return SignedAnnex(line.content, keys is None)


def _statement(file: IO[bytes], keys: Keys | None, content_hash: str | None) -> Line:
    line = Line(file.read(LONGEST_SIGNATURE), 1, 0)
    line.check_seal(keys_of(line.content) if keys is None else keys)
    line.require(_MEMBERS)
    line.expect("format", ANNEX_FORMAT)
    if content_hash is not None:
        line.expect("content_hash", content_hash)
    return line


def _check_file(file: IO[bytes], line: Line) -> None:
    wanted, size, digest = line.content["file_bytes"], 0, hashlib.sha256()
    while piece := file.read(PIECE):
        size += len(piece)
        digest.update(piece)
        if size > wanted:
            raise Changed(f"the file was changed: it goes on behind byte {wanted}, where the signed one ends")
    if size < wanted:
        raise Changed(f"the file was changed: it ends at byte {size}, and the signed one has {wanted}")
    if digest.hexdigest() != line.content["file_sha256"]:
        raise Changed(f"the file was changed: its SHA-256 is {digest.hexdigest()}, and {line.content['file_sha256']} was signed")
