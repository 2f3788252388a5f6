"""PDFium keeps state of its own for the whole process: whoever calls it, in whichever thread and service, takes its turn.

Two calls at once end the process. Documents are closed in their turn too, and never left to the garbage collector.
"""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

import pypdfium2

_TURN: Final = threading.RLock()


@contextmanager
def pdfium() -> Generator[None]:
    """Nobody else in this process calls PDFium meanwhile; not for the event loop's thread, which it may hold up."""
    with _TURN:
        yield


@contextmanager
def opened(content: bytes) -> Generator[pypdfium2.PdfDocument]:
    """The document, for one who has its turn until it is closed. Raises PdfiumError."""
    with _TURN:
        document = pypdfium2.PdfDocument(content)
        try:
            yield document
        finally:
            document.close()
