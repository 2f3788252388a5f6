"""What a file is by its own bytes, held against what its sender says that it is."""

import codecs
from collections.abc import Sequence
from typing import Final, cast

import puremagic

OCTETS: Final = "application/octet-stream"  # RFC 2046, clause 4.5.1: the sender claims nothing
TEXT: Final = "text/plain"
PDF: Final = "application/pdf"
PNG: Final = "image/png"
JPEG: Final = "image/jpeg"
DOCX: Final = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
ODT: Final = "application/vnd.oasis.opendocument.text"
HEAD_BYTES: Final = 8192

_TEXTUAL: Final = ("application/json", "application/xml")
_SIGNATURES_OF_NO_TEXT: Final = (b"PK\x03\x04", b"%PDF-", b"{\\rtf")
_MARKS: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_CONTROLS: Final = frozenset(range(32)) - frozenset(b"\t\n\r\f\x1b")
# Thai offices write text in UTF-8, and older programs in Windows-874.
_ENCODINGS: Final = ("utf-8", "cp874")


def found_types(head: bytes) -> frozenset[str]:
    """The media types that a file beginning with `head` may have by its signature; `text/plain` stands for every text."""
    found = {name for name in _by_signature(head) if name}
    return frozenset(found | {TEXT}) if is_text(head) else frozenset(found)


def is_text(head: bytes) -> bool:
    """Whether these bytes can be the beginning of a text in UTF-8, Windows-874, or UTF-16 with its mark."""
    if head.startswith(_MARKS):
        return True
    if head.startswith(_SIGNATURES_OF_NO_TEXT) or not _CONTROLS.isdisjoint(head):
        return False
    return any(_decodes(head, encoding) for encoding in _ENCODINGS)


def settle_type(claimed: str, found: frozenset[str], allowed: Sequence[str]) -> str | None:
    """The type under which the file is kept: the claimed one when the bytes agree; the found one when nothing is claimed; else None."""
    if claimed == OCTETS:
        certain = sorted(found.intersection(allowed) - {TEXT})
        if certain:
            return certain[0] if len(certain) == 1 else None
        return TEXT if TEXT in found and TEXT in allowed else None
    textual = claimed.startswith("text/") or claimed in _TEXTUAL
    return claimed if claimed in found or (textual and TEXT in found) else None


def _by_signature(head: bytes) -> set[str]:
    try:
        matches = cast("Sequence[puremagic.PureMagicWithConfidence]", puremagic.magic_string(head))  # pyright: ignore[reportUnknownMemberType]
        return {cast("str", match.mime_type) for match in matches}
    except (puremagic.PureError, ValueError):
        # It has no signature that is known, or is empty.
        return set()


def _decodes(head: bytes, encoding: str) -> bool:
    try:
        # The head may end within a character.
        codecs.getincrementaldecoder(encoding)().decode(head)
    except UnicodeDecodeError:
        return False
    return True
