"""Text out of the files in which letters come: TXT in UTF-8 or Windows-874, PDF with a text layer, DOCX without macros."""

import io
import re
from collections.abc import Iterator
from typing import Any, Final

import docx
import pypdfium2
from docx.document import Document
from docx.table import Table
from docx.text.paragraph import Paragraph

from services.registry.archives import ArchiveBrokenError, ArchiveEncryptedError, ArchiveTooLargeError, inspect_container
from services.registry.domain.file_types import DOCX, PDF, TEXT
from services.registry.problems import preflight as problems
from shared.pdfium import opened
from shared.problems import ProblemError

TYPES: Final = (TEXT, PDF, DOCX)

MOST_PAGES: Final = 300
MOST_CHARACTERS: Final = 5_000_000
# A DOCX is a ZIP: what it would unpack to is bounded before anything is unpacked.
MOST_UNPACKED_BYTES: Final = 64 * 1024 * 1024

_DOUBLED: Final = re.compile("([ก-ฮ][\u0e31\u0e34-\u0e3a\u0e47-\u0e4e]{2,})\\1")
_ENCRYPTED: Final = 4  # FPDF_ERR_PASSWORD


def text_of(content: bytes, media_type: str) -> tuple[str, bool]:
    """The text, and whether its lines are those of a page; raises ProblemError for what cannot be read."""
    if media_type == PDF:
        text = _pdf(content)
    elif media_type == DOCX:
        text = _docx(content)
    elif media_type == TEXT:
        text = _plain(content)
    else:
        raise ProblemError(problems.PAPER_TYPE_REFUSED, f"taken: {', '.join(TYPES)}")
    if not text.strip():
        raise ProblemError(problems.PAPER_WITHOUT_TEXT)
    return text[:MOST_CHARACTERS], media_type == PDF


def _plain(content: bytes) -> str:
    if content.startswith((b"PK\x03\x04", b"%PDF-")) or b"\0" in content:
        raise ProblemError(problems.PAPER_UNREADABLE, "these bytes are no text")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    try:
        return content.decode("cp874")
    except UnicodeDecodeError as error:
        raise ProblemError(problems.PAPER_UNREADABLE, "neither UTF-8 nor Windows-874") from error


def _pdf(content: bytes) -> str:
    try:
        with opened(content) as document:
            return _pages_text(document)
    except pypdfium2.PdfiumError as error:
        if getattr(error, "err_code", None) == _ENCRYPTED:
            raise ProblemError(problems.PAPER_ENCRYPTED) from error
        raise ProblemError(problems.PAPER_UNREADABLE, "not a PDF") from error


def _pages_text(document: pypdfium2.PdfDocument) -> str:
    try:
        if len(document) > MOST_PAGES:
            raise ProblemError(problems.PAPER_TOO_LARGE, f"at most {MOST_PAGES} pages")
        return "\n".join(_page_text(document, index) for index in range(len(document)))
    except pypdfium2.PdfiumError as error:
        raise ProblemError(problems.PAPER_UNREADABLE, "a page of the PDF is damaged") from error


def _page_text(document: pypdfium2.PdfDocument, index: int) -> str:
    page: Any = document[index].get_textpage()
    # Where a consonant bears two marks, PDFium may give the cluster twice: no Thai word holds such a pair.
    return _DOUBLED.sub(r"\1", str(page.get_text_bounded()))


def _docx(content: bytes) -> str:
    _check_package(content)
    try:
        return "\n".join(_blocks(docx.Document(io.BytesIO(content))))
    # A package that is no document fails in as many ways as XML and ZIP have.
    except Exception as error:
        raise ProblemError(problems.PAPER_UNREADABLE, f"not a DOCX document: {type(error).__name__}") from error


def _check_package(content: bytes) -> None:
    try:
        container = inspect_container(io.BytesIO(content), MOST_UNPACKED_BYTES)
    except ArchiveTooLargeError as error:
        raise ProblemError(problems.PAPER_TOO_LARGE, f"unpacked {error}") from error
    except ArchiveEncryptedError as error:
        raise ProblemError(problems.PAPER_ENCRYPTED) from error
    except ArchiveBrokenError as error:
        raise ProblemError(problems.PAPER_UNREADABLE, "not a DOCX document") from error
    if container.macros:
        raise ProblemError(problems.PAPER_MACROS)


def _blocks(document: Document) -> Iterator[str]:
    for block in document.iter_inner_content():
        match block:
            case Paragraph():
                yield block.text
            case Table():
                for row in block.rows:
                    cells = [cell.text.replace("\n", " ") for cell in row.cells]
                    yield "\t".join(cells)
