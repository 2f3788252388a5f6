"""Where the receive stamp lies on a page."""

from typing import Final

import pypdfium2

INK: Final = (0x1F, 0x3A, 0x93)


def inked(pdf: bytes, page: int = 0) -> tuple[float, float, float, float] | None:
    """Where the stamp's ink lies on the page as it is shown, as parts of its width and height: left, top, right, bottom."""
    document = pypdfium2.PdfDocument(pdf)
    bitmap = document[page].render(scale=1, rev_byteorder=True)
    dots, width, height = bytes(bitmap.buffer), bitmap.width, bitmap.height
    found = [
        (x, y)
        for y in range(height)
        for x in range(width)
        if all(abs(dots[y * bitmap.stride + x * bitmap.n_channels + c] - INK[c]) < 60 for c in range(3))
    ]
    document.close()
    if not found:
        return None
    xs, ys = [x for x, _ in found], [y for _, y in found]
    return min(xs) / width, min(ys) / height, (max(xs) + 1) / width, (max(ys) + 1) / height
