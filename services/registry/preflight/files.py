"""Attachments against the enclosures that the letter lists, and against what files may be."""

from collections.abc import Iterator
from pathlib import PurePath
from typing import Final

from services.registry.domain.file_types import DOCX, JPEG, ODT, PDF, PNG, XLSX
from services.registry.preflight import findings as kinds
from services.registry.preflight.facts import LetterFacts, Rules
from services.registry.preflight.findings import Finding

# Only types whose names are beyond doubt: .csv is text to one office and a spreadsheet to another.
_TYPES: Final = {
    ".pdf": PDF,
    ".png": PNG,
    ".jpg": JPEG,
    ".jpeg": JPEG,
    ".docx": DOCX,
    ".xlsx": XLSX,
    ".odt": ODT,
}


def check(facts: LetterFacts, rules: Rules) -> Iterator[Finding]:
    """What is missing, unlisted, repeated, too large or of the wrong type."""
    promised, present = len(facts.draft.enclosures), len(facts.attachments)
    if present < promised:
        yield Finding(kinds.FILE_MISSING, "/enclosures", f"{promised} enclosures are listed, {present} files attached")
    elif present and not promised:
        yield Finding(kinds.FILE_NOT_LISTED, "/attachments", f"{present} files are attached")
    seen: set[str] = set()
    for index, file in enumerate(facts.attachments):
        pointer = f"/attachments/{index}"
        if file.media_type not in rules.file_types:
            yield Finding(kinds.FILE_TYPE_REFUSED, pointer, f"{file.file_name[:200]!r} is {file.media_type}")
        if file.size > rules.file_max_bytes:
            yield Finding(kinds.FILE_TOO_LARGE, pointer, f"{file.size} bytes, at most {rules.file_max_bytes}")
        named = _TYPES.get(PurePath(file.file_name).suffix.lower())
        if named is not None and named != file.media_type:
            yield Finding(kinds.FILE_TYPE_DIFFERS, pointer, f"{file.file_name[:200]!r} is {file.media_type}")
        if file.sha256 in seen:
            yield Finding(kinds.FILE_REPEATED, pointer, f"sha256 {file.sha256}")
        seen.add(file.sha256)
