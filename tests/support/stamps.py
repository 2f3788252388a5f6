"""Where the receive stamp lies on a page."""

from typing import Final

from shared.pdfium import opened

INK: Final = (0x1F, 0x3A, 0x93)


def inked(pdf: bytes, page: int = 0) -> tuple[float, float, float, float] | None:
    """Where the stamp's ink lies on the page as it is shown, as parts of its width and height: left, top, right, bottom."""
    with opened(pdf) as document:
        bitmap = document[page].render(scale=1, rev_byteorder=True)
        dots, width, height, stride, channels = (
            bytes(bitmap.buffer),
            bitmap.width,
            bitmap.height,
            bitmap.stride,
            bitmap.n_channels,
        )
        bitmap.close()
    found = [
        (x, y)
        for y in range(height)
        for x in range(width)
        if all(abs(dots[y * stride + x * channels + c] - INK[c]) < 60 for c in range(3))
    ]
    if not found:
        return None
    xs, ys = [x for x, _ in found], [y for _, y in found]
    return min(xs) / width, min(ys) / height, (max(xs) + 1) / width, (max(ys) + 1) / height
