"""Lays the receive stamp over the first page of an agency's own PDF; a program of its own, so that a hostile file stops nothing else.

Reads the stamp's length (8 bytes, big-endian), the stamp and the PDF from its input. Writes the stamped PDF and ends with 0, or a
sentence of why not and ends with `REFUSED`.
"""

import io
import math
import re
import resource
import sys
from dataclasses import dataclass
from typing import Final

from pypdf import PageObject, PdfReader, PdfWriter, Transformation

REFUSED: Final = 3
MARGIN: Final = 20.0  # points from the page's edges
MOST_OF_A_PAGE: Final = 0.6  # of a small page's width or height the stamp takes no more
LENGTH_BYTES: Final = 8
BEGINNING: Final = 1024  # bytes within which a PDF says that it is one
MEMORY: Final = 1024 * 1024 * 1024
MORE: Final = 64 * 1024 * 1024  # bytes by which the stamped file may be longer


_HEADER: Final = re.compile(r"%PDF-[12]\.[0-9]")


class Refused(Exception):  # noqa: N818 - what is said of a file, not a mistake of ours
    """The PDF cannot be stamped."""


@dataclass(frozen=True, slots=True)
class Box:
    """What is seen of a page, in its own unturned space, in points."""

    left: float
    bottom: float
    right: float
    top: float


def stamped(pdf: bytes, stamp: bytes) -> bytes:
    """The PDF with the stamp on its first page, upper right as it is looked at; raises Refused."""
    reader = PdfReader(io.BytesIO(pdf), strict=False)
    if reader.is_encrypted:
        raise Refused("it is encrypted: take the protection off first")
    writer = PdfWriter(clone_from=reader)
    if _HEADER.fullmatch(reader.pdf_header):
        # Else the library would call it older than it is.
        writer.pdf_header = reader.pdf_header
    if not writer.pages:
        raise Refused("it has no page")
    page, (seal,) = writer.pages[0], PdfReader(io.BytesIO(stamp)).pages
    size = float(seal.mediabox.width), float(seal.mediabox.height)
    rotation = page.rotation % 360
    if rotation % 90:
        raise Refused(f"its first page is turned by {rotation} degrees, which is no right angle")
    scale, turn, at = placed(_seen(page), rotation, size, _unit(page))
    page.merge_transformed_page(seal, Transformation().scale(scale).rotate(turn).translate(*at), over=True)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def placed(box: Box, rotation: int, size: tuple[float, float], unit: float = 1.0) -> tuple[float, int, tuple[float, float]]:
    """How much the stamp is scaled, by how many degrees it is turned, and where its origin then lies.

    `rotation` is the page's, clockwise: the stamp is turned against it, so that it is upright for whoever looks at the page.
    """
    across, down = box.right - box.left, box.top - box.bottom
    if rotation in (90, 270):
        across, down = down, across
    scale = min(1 / unit, MOST_OF_A_PAGE * across / size[0], MOST_OF_A_PAGE * down / size[1])
    width, height = size[0] * scale, size[1] * scale
    margin = min(MARGIN / unit, across * (1 - MOST_OF_A_PAGE) / 2, down * (1 - MOST_OF_A_PAGE) / 2)
    match rotation:
        case 90:
            at = box.left + margin + height, box.top - margin - width
        case 180:
            at = box.left + margin + width, box.bottom + margin + height
        case 270:
            at = box.right - margin - height, box.bottom + margin + width
        case _:
            at = box.right - margin - width, box.top - margin - height
    return scale, rotation, at


def _seen(page: PageObject) -> Box:
    """The crop box, as far as the media box has it; either may have its corners in any order."""
    media, crop = ([float(edge) for edge in box] for box in (page.mediabox, page.cropbox))
    (left, right), (bottom, top) = (
        (max(min(media[i], media[i + 2]), min(crop[i], crop[i + 2])), min(max(media[i], media[i + 2]), max(crop[i], crop[i + 2])))
        for i in (0, 1)
    )
    if not all(map(math.isfinite, (left, bottom, right, top))) or right - left < 1 or top - bottom < 1:
        raise Refused("its first page has no area")
    return Box(left, bottom, right, top)


def _unit(page: PageObject) -> float:
    unit = float(page.user_unit)
    return unit if math.isfinite(unit) and unit > 0 else 1.0


def main() -> int:
    """Stamp what comes in; whatever the library stumbles over is a PDF that cannot be stamped."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    length = int.from_bytes(sys.stdin.buffer.read(LENGTH_BYTES), "big")
    stamp, pdf = sys.stdin.buffer.read(length), sys.stdin.buffer.read()
    longest = len(pdf) + MORE
    resource.setrlimit(resource.RLIMIT_FSIZE, (longest, longest))
    try:
        answer = stamped(pdf, stamp)
    except Refused as refused:
        sys.stdout.buffer.write(str(refused).encode())
        return REFUSED
    except Exception as error:  # noqa: BLE001 - a stranger's file: its faults are told, not raised
        sys.stdout.buffer.write(f"it cannot be read as a PDF ({type(error).__name__})".encode())
        return REFUSED
    sys.stdout.buffer.write(answer)
    return 0


if __name__ == "__main__":
    sys.exit(main())
