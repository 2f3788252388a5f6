"""Names and digests of files that come from outside."""

import base64
import binascii
import re
import unicodedata
from typing import Final
from urllib.parse import quote

from services.registry.problems import attachments as problems
from shared.problems import ProblemError
from shared.thai.text import has_unsafe_characters

MAX_NAME_LENGTH: Final = 200

_FORBIDDEN: Final = re.compile(r'[<>:"|?*;]')
_INVISIBLE: Final = re.compile("[\u200b-\u200f\u2060-\u2064\ufeff]")
_DIGEST: Final = re.compile(r"(?:^|,)\s*sha-256=:([A-Za-z0-9+/=]*):\s*(?:,|$)")


def safe_file_name(name: str) -> str:
    """The last part of `name` without what a file system, a header or a reader could be deceived by.

    Raises ProblemError `attachment_name_invalid` when nothing usable is left.
    """
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", name))[-1]
    visible = "".join(c for c in _INVISIBLE.sub("", last) if c not in "\n\t" and not has_unsafe_characters(c))
    cleaned = " ".join(_FORBIDDEN.sub("_", visible).split()).strip(". ")
    if not cleaned:
        raise ProblemError(problems.ATTACHMENT_NAME_INVALID, f"nothing usable is left of {name!r}")
    if len(cleaned) <= MAX_NAME_LENGTH:
        return cleaned
    stem, dot, suffix = cleaned.rpartition(".")
    if not dot or len(suffix) > 10:
        return cleaned[:MAX_NAME_LENGTH]
    return f"{stem[: MAX_NAME_LENGTH - len(suffix) - 1]}.{suffix}"


def content_disposition(file_name: str) -> str:
    """The header that offers a file to be saved, never shown (RFC 6266), with the name in UTF-8 (RFC 8187)."""
    plain = "".join(c if " " <= c <= "~" and c not in '"\\%' else "_" for c in file_name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(file_name, safe='')}"


def read_content_digest(header: str | None) -> bytes | None:
    """The SHA-256 that a Content-Digest header names (RFC 9530), or None when it names none.

    Raises ProblemError `digest_malformed` for a header that cannot be read.
    """
    if header is None:
        return None
    match = _DIGEST.search(header)
    if match is None:
        raise ProblemError(problems.DIGEST_MALFORMED, "expected sha-256=:base64:")
    try:
        digest = base64.b64decode(match[1], validate=True)
    except binascii.Error as error:
        raise ProblemError(problems.DIGEST_MALFORMED, "expected sha-256=:base64:") from error
    if len(digest) != 32:
        raise ProblemError(problems.DIGEST_MALFORMED, f"a SHA-256 has 32 bytes, got {len(digest)}")
    return digest
