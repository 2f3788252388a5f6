"""Files as offices attach them, whole and spoilt."""

import io
import zipfile
from collections.abc import Mapping

import docx

DOCX_MAIN = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
ODT = "application/vnd.oasis.opendocument.text"


def a_docx() -> bytes:
    """A document as a word processor saves it."""
    made = docx.Document()
    made.add_paragraph("เรียน ผู้ว่าราชการจังหวัด")
    written = io.BytesIO()
    made.save(written)
    return written.getvalue()


def a_zip(parts: Mapping[str, bytes]) -> bytes:
    """An archive of these parts."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return written.getvalue()


def an_office_package(more: Mapping[str, bytes], main: str = DOCX_MAIN) -> bytes:
    """The least that is an Office document of that type, with more parts."""
    types = f'<Types><Override PartName="/word/document.xml" ContentType="{main}.main+xml"/></Types>'
    return a_zip({"[Content_Types].xml": types.encode(), "word/document.xml": b"<w/>", **more})


def encrypted(archive: bytes) -> bytes:
    """The archive with its first part marked as encrypted, in its own header and in the directory."""
    spoilt = bytearray(archive)
    spoilt[6] |= 1
    spoilt[archive.index(b"PK\x01\x02") + 8] |= 1
    return bytes(spoilt)
