"""ZIP containers as documents come in: what they hold, found without trusting what they say of themselves."""

import re
import zipfile
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

ZIP_START: Final = b"PK\x03\x04"
MOST_PARTS: Final = 2_000
_PIECE: Final = 1024 * 1024
_LEAF_MOST: Final = 4 * 1024 * 1024
_ENCRYPTED: Final = 1  # general purpose flag, APPNOTE 4.4.4
_BROKEN: Final = (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, OSError, RuntimeError, ValueError, KeyError)

_CONTENT_TYPES: Final = "[Content_Types].xml"
_MAIN_PART: Final = re.compile(rb"ContentType\s*=\s*[\"'](application/[\w.+-]+)\.main\+xml[\"']", re.IGNORECASE)
_MACRO_PARTS: Final = ("vbaproject.bin", "vbadata.xml")
_MACRO_FOLDERS: Final = ("/macrosheets/", "/basic/", "/scripts/", "/dialogs/")
# A template that is fetched when the document is opened, and brings the macros that the document itself does not have.
_REMOTE_TEMPLATE: Final = re.compile(rb"<[^<>]*attachedTemplate[^<>]*>", re.IGNORECASE)
_EXTERNAL: Final = re.compile(rb"TargetMode\s*=\s*[\"']External", re.IGNORECASE)


class ArchiveBrokenError(ValueError):
    """It is no ZIP archive, or a part of it cannot be read."""


class ArchiveTooLargeError(ValueError):
    """It would unpack to more than it may."""


class ArchiveEncryptedError(ValueError):
    """A part of it is encrypted, so nobody can tell what it is."""


@dataclass(frozen=True, slots=True)
class Container:
    """What was found: the media type that the container's own description gives, None when it has none; and whether it holds macros."""

    media_type: str | None
    macros: bool


def inspect_container(file: IO[bytes] | Path, most_inflated: int) -> Container:
    """What the archive is, after every part was unpacked and counted: at most `most_inflated` bytes in MOST_PARTS parts.

    Raises ArchiveBrokenError, ArchiveTooLargeError or ArchiveEncryptedError.
    """
    with _opened(file) as archive:
        parts = archive.infolist()
        if any(part.flag_bits & _ENCRYPTED for part in parts):
            raise ArchiveEncryptedError("a part is encrypted")
        if len(parts) > MOST_PARTS or sum(part.file_size for part in parts) > most_inflated:
            raise ArchiveTooLargeError(f"at most {most_inflated} bytes in {MOST_PARTS} parts")
        left = most_inflated
        for part in parts:
            # An entry that unpacks to more than it says ends with a wrong checksum; one that says too much was refused above.
            with archive.open(part) as content:
                while piece := content.read(_PIECE):
                    left -= len(piece)
            if left < 0:
                raise ArchiveTooLargeError(f"at most {most_inflated} bytes in {MOST_PARTS} parts")
        return Container(_media_type(archive), _holds_macros(archive))


@contextmanager
def _opened(file: IO[bytes] | Path) -> Generator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(file) as archive:
            yield archive
    except (ArchiveBrokenError, ArchiveTooLargeError, ArchiveEncryptedError):
        raise
    except _BROKEN as error:
        raise ArchiveBrokenError(f"the archive is broken: {type(error).__name__}") from error


def _leaf(archive: zipfile.ZipFile, name: str) -> bytes:
    with archive.open(name) as content:
        return content.read(_LEAF_MOST)


def _media_type(archive: zipfile.ZipFile) -> str | None:
    names = archive.namelist()
    if _CONTENT_TYPES in names:
        # ECMA-376, part 2: the main part's type names the document's.
        main = _MAIN_PART.search(_leaf(archive, _CONTENT_TYPES))
        return None if main is None else main[1].decode("ascii").lower()
    if "mimetype" in names:
        # OpenDocument 1.3, part 2, clause 3.3.
        return _leaf(archive, "mimetype").decode("ascii", "replace").strip().lower()
    return None


def _holds_macros(archive: zipfile.ZipFile) -> bool:
    names = archive.namelist()
    lowered = [f"/{name.lower()}" for name in names]
    if any(name.endswith(_MACRO_PARTS) or any(folder in name for folder in _MACRO_FOLDERS) for name in lowered):
        return True
    if _CONTENT_TYPES in names and b"macroenabled" in _leaf(archive, _CONTENT_TYPES).lower():
        return True
    relations = [name for name in names if name.lower().endswith("/_rels/settings.xml.rels")]
    return any(_EXTERNAL.search(found) for name in relations for found in _REMOTE_TEMPLATE.findall(_leaf(archive, name)))
