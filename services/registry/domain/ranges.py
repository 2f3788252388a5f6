"""Which part of a file a request asks for (RFC 9110, section 14)."""

import re
from dataclasses import dataclass
from typing import Final

# One range: a server may answer a request for several with the whole file (section 14.2), and no client of letters sends them.
_ONE_RANGE: Final = re.compile(r"^bytes=\s*(\d{0,18})-(\d{0,18})\s*$", re.ASCII | re.IGNORECASE)


class RangeError(ValueError):
    """The file has nothing where the range begins."""


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes `start` to `end` of a file, `end` not among them."""

    start: int
    end: int

    @property
    def length(self) -> int:
        """How many bytes."""
        return self.end - self.start


def asked_part(header: str | None, size: int) -> Part | None:
    """The part of a file of `size` bytes that a Range header names; None for the whole: without header, or one that is not understood.

    Raises RangeError for a range that begins behind the end.
    """
    match = None if header is None else _ONE_RANGE.match(header)
    if match is None or match[1] == match[2] == "":
        return None
    if match[1] == "":
        last = int(match[2])
        if last == 0:
            raise RangeError("the last 0 bytes of a file are nothing")
        return Part(max(0, size - last), size)
    start = int(match[1])
    end = size if match[2] == "" else min(int(match[2]) + 1, size)
    if match[2] != "" and int(match[2]) < start:
        return None
    if start >= size:
        raise RangeError(f"the file has {size} bytes")
    return Part(start, end)


def still_holds(if_range: str | None, tag: str) -> bool:
    """Whether a part may be sent: no If-Range, or the strong tag of the file as it is (section 13.1.5)."""
    return if_range is None or if_range.strip() == tag


def matches(if_none_match: str | None, tag: str) -> bool:
    """Whether the caller has the file already (section 13.1.2: compared weakly; `*` is any file)."""
    if if_none_match is None:
        return False
    tags = {part.strip().removeprefix("W/") for part in if_none_match.split(",")}
    return tag in tags or "*" in tags
