"""PDFs that are broken, or made to break whoever reads them: each small, written byte by byte."""

import io
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pypdf import PdfWriter
from pypdf.generic import ArrayObject, DecodedStreamObject, DictionaryObject, NameObject, NumberObject, TextStringObject


class Expected(StrEnum):
    """What must become of it."""

    STAMPED = "stamped"
    REFUSED = "refused"
    EITHER = "either"  # damaged: whether it can be mended is the library's affair


@dataclass(frozen=True, slots=True)
class Hostile:
    """A file and what must become of it."""

    data: bytes
    expected: Expected


def pdf(objects: Mapping[int, bytes]) -> bytes:
    """A PDF of these objects by number, with a table that finds them."""
    out = bytearray(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
    offsets: dict[int, int] = {}
    for number, body in objects.items():
        offsets[number] = len(out)
        out += b"%d 0 obj\n" % number + body + b"\nendobj\n"
    table = len(out)
    out += b"xref\n0 1\n0000000000 65535 f \n"
    for number, offset in sorted(offsets.items()):
        out += b"%d 1\n%010d 00000 n \n" % (number, offset)
    size = max(objects) + 1
    return bytes(out + b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (size, table))


def page(more: bytes = b"", box: bytes = b"[0 0 595 842]", parent: bytes = b"2 0 R") -> bytes:
    return b"<< /Type /Page /Parent " + parent + b" /MediaBox " + box + b" " + more + b" >>"


def stream(data: bytes, more: bytes = b"", *, length: bytes | None = None) -> bytes:
    return b"<< /Length " + (length or b"%d" % len(data)) + b" " + more + b" >>\nstream\n" + data + b"\nendstream"


def one_page(
    more: bytes = b"", others: Mapping[int, bytes] | None = None, *, catalog: bytes = b"", box: bytes = b"[0 0 595 842]"
) -> bytes:
    """A page with these entries, beside these objects."""
    return pdf(
        {
            1: b"<< /Type /Catalog /Pages 2 0 R " + catalog + b" >>",
            2: b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            3: page(more, box),
            **(others or {}),
        }
    )


def bomb(levels: int, size: int) -> bytes:
    """So many zero bytes, packed so many times over."""
    data = bytes(size)
    for _ in range(levels):
        data = zlib.compress(data, 9)
    return data


def filters(names: Sequence[bytes]) -> bytes:
    return b"/Filter [" + b" ".join(names) + b"]"


def _tree(depth: int) -> bytes:
    """Pages below pages, so many deep."""
    objects = {1: b"<< /Type /Catalog /Pages 2 0 R >>"}
    for number in range(2, depth + 2):
        parent = b"" if number == 2 else b"/Parent %d 0 R " % (number - 1)
        objects[number] = b"<< /Type /Pages " + parent + b"/Kids [%d 0 R] /Count 1 >>" % (number + 1)
    objects[depth + 2] = page(parent=b"%d 0 R" % (depth + 1))
    return pdf(objects)


def _fan(levels: int, width: int) -> bytes:
    """Each level names the next one many times: a small file of width ** levels pages."""
    objects = {1: b"<< /Type /Catalog /Pages 2 0 R >>"}
    for number in range(2, levels + 2):
        objects[number] = b"<< /Type /Pages /Kids [" + b"%d 0 R " % (number + 1) * width + b"] /Count %d >>" % width**levels
    objects[levels + 2] = page()
    return pdf(objects)


def _nested(opening: bytes, closing: bytes, depth: int) -> bytes:
    return one_page(b"/Deep " + opening * depth + closing * depth)


def _object_stream(first: bytes, count: bytes) -> bytes:
    packed = zlib.compress(b"3 0 " + page())
    return pdf(
        {
            1: b"<< /Type /Catalog /Pages 2 0 R >>",
            2: b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            4: stream(packed, b"/Type /ObjStm /Filter /FlateDecode /N " + count + b" /First " + first),
        }
    )


def _many_object_streams(count: int) -> bytes:
    """So many bombs that a table which is not there has to be looked for in."""
    packed = bomb(1, 60_000_000)
    objects = {number: stream(packed, b"/Type /ObjStm /Filter /FlateDecode /N 1 /First 4") for number in range(4, 4 + count)}
    return pdf({1: b"<< /Type /Catalog /Pages 2 0 R >>", 2: b"<< /Type /Pages /Kids [999 0 R] /Count 1 >>", **objects}).replace(
        b"startxref\n", b"startxref\n9"
    )


def _cross_reference_stream(size: bytes, widths: bytes = b"[1 4 2]", index: bytes = b"") -> bytes:
    start = b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n2 0 obj\n<< /Type /Pages /Kids [3 0 R] /Count 1 >>\nendobj\n"
    start += b"3 0 obj\n" + page() + b"\nendobj\n"
    rows = zlib.compress(bytes(7 * 5))
    body = b"9 0 obj\n" + stream(
        rows, b"/Type /XRef /Root 1 0 R /Filter /FlateDecode /Size " + size + b" /W " + widths + b" " + index
    )
    return start + body + b"\nendobj\nstartxref\n%d\n%%%%EOF\n" % len(start)


def _previous(target: Callable[[int], int]) -> bytes:
    whole = one_page()
    at = whole.rindex(b"xref", 0, whole.rindex(b"startxref"))
    return whole.replace(b"/Root 1 0 R", b"/Root 1 0 R /Prev %d" % target(at))


def _active() -> bytes:
    """What a program opens by itself: scripts, an action, a file inside, a form of another kind."""
    writer = PdfWriter()
    writer.add_blank_page(595, 842)
    writer.add_attachment("run.exe", b"MZ" + bytes(1000))
    script = DictionaryObject(
        {NameObject("/S"): NameObject("/JavaScript"), NameObject("/JS"): TextStringObject("while (true) {}")}
    )
    form = DecodedStreamObject()
    form.set_data(b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><xdp:xdp xmlns:xdp="x">&a;</xdp:xdp>')
    root = writer.root_object
    root[NameObject("/OpenAction")] = script
    root[NameObject("/AcroForm")] = DictionaryObject(
        {NameObject("/XFA"): writer._add_object(form), NameObject("/Fields"): ArrayObject()}
    )
    writer.pages[0][NameObject("/AA")] = DictionaryObject({NameObject("/O"): script})
    writer.pages[0][NameObject("/Launch")] = DictionaryObject(
        {
            NameObject("/S"): NameObject("/Launch"),
            NameObject("/F"): TextStringObject("/bin/sh"),
            NameObject("/N"): NumberObject(1),
        }
    )
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def _encrypted(algorithm: str) -> bytes:
    writer = PdfWriter()
    writer.add_blank_page(595, 842)
    writer.encrypt("", "owner", algorithm=algorithm)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def corpus() -> dict[str, Hostile]:
    """The files by name."""
    plain = one_page(b"/Contents 4 0 R", {4: stream(b"0 0 10 10 re f")})
    stamped = {
        "plain": plain,
        "garbage-behind": plain + b"\n" + bytes(range(256)) * 40,
        "garbage-before": b"\r\n" * 100 + plain,
        "two-ends": plain + plain,
        "active-content": _active(),
        "rotated-90": one_page(b"/Rotate 90"),
        "rotated-450": one_page(b"/Rotate 450"),
        "rotated-minus-90": one_page(b"/Rotate -90"),
        "contents-of-nothing": one_page(b"/Contents 99 0 R"),
        "huge-count": plain.replace(b"/Count 1 ", b"/Count 1000000000 "),
        "negative-count": plain.replace(b"/Count 1 ", b"/Count -7 "),
        "unseen-bomb": one_page(b"/Unseen 4 0 R", {4: stream(bomb(1, 300_000_000), b"/Filter /FlateDecode")}),
    }
    refused = {
        "nothing": b"",
        "only-a-name": b"%PDF-",
        "workbook": b"PK\x03\x04" + bytes(500),
        "picture": b"\x89PNG\r\n\x1a\n" + bytes(500),
        "zero-pages": pdf({1: b"<< /Type /Catalog /Pages 2 0 R >>", 2: b"<< /Type /Pages /Kids [] /Count 0 >>"}),
        "no-catalog": pdf({1: b"<< >>"}),
        "encrypted-rc4": _encrypted("RC4-128"),
        "encrypted-aes": _encrypted("AES-256"),
        "encrypted-in-an-unknown-way": one_page().replace(b"/Root 1 0 R", b"/Root 1 0 R /Encrypt << /Filter /Own /V 9 >>"),
        "nan-box": one_page(box=b"[0 0 nan nan]"),
        "infinite-box": one_page(box=b"[0 0 1" + b"0" * 400 + b" 1" + b"0" * 400 + b"]"),
        "empty-box": one_page(box=b"[5 5 5 5]"),
        "short-box": one_page(box=b"[0 0 595]"),
        "names-for-a-box": one_page(box=b"[/a /b /c /d]"),
        "no-box": one_page(box=b"null"),
        "rotated-by-45": one_page(b"/Rotate 45"),
        "rotated-by-1e9": one_page(b"/Rotate 1000000000"),
        "many-object-streams": _many_object_streams(300),
        "runs-that-grow-too-far": one_page(b"/Contents 4 0 R", {4: stream(b"\x81\x00" * 560_000, b"/Filter /RunLengthDecode")}),
        "kids-of-themselves": pdf(
            {1: b"<< /Type /Catalog /Pages 2 0 R >>", 2: b"<< /Type /Pages /Kids [2 0 R 2 0 R] /Count 2 >>"}
        ),
        "pages-that-are-a-number": pdf({1: b"<< /Type /Catalog /Pages 2 0 R >>", 2: b"42"}),
        "reference-to-itself": pdf({1: b"<< /Type /Catalog /Pages 2 0 R >>", 2: b"2 0 R"}),
    }
    either = {
        "truncated": plain[: len(plain) // 2],
        "truncated-in-the-table": plain[: plain.rindex(b"xref\n0") + 20],
        "no-table": plain[: plain.index(b"xref\n0")],
        "table-elsewhere": plain.replace(b"startxref\n", b"startxref\n9"),
        "table-of-lies": plain.replace(b" 00000 n", b" 00007 n"),
        "previous-table-is-itself": _previous(lambda at: at),
        "previous-table-is-before-the-file": _previous(lambda _: -5),
        "previous-table-is-behind-the-file": _previous(lambda _: 10**18),
        "huge-object-number": plain.replace(b"3 0 obj", b"99999999999999999999 0 obj").replace(
            b"[3 0 R]", b"[99999999999999999999 0 R]"
        ),
        "huge-size": plain.replace(b"/Size 5", b"/Size 999999999999"),
        "huge-table": plain.replace(b"xref\n0 1\n", b"xref\n0 4000000000\n"),
        "enormous-box": one_page(box=b"[-1e9 -1e9 1e9 1e9]"),
        "enormous-plain-box": one_page(box=b"[0 0 99999999999 99999999999]"),
        "parent-is-its-kid": one_page().replace(b"/Kids [3 0 R]", b"/Kids [3 0 R] /Parent 3 0 R"),
        "deep-pages": _tree(3000),
        "very-deep-pages": _tree(20_000),
        "fan-of-pages": _fan(9, 10),
        "deep-arrays": _nested(b"[", b"]", 50_000),
        "deep-dictionaries": _nested(b"<</a ", b">>", 50_000),
        "unclosed-arrays": _nested(b"[", b"", 100_000),
        "unclosed-string": one_page(b"/T (" + b"(" * 200_000),
        "long-name": one_page(b"/" + b"x" * 1_000_000 + b" 1"),
        "long-number": one_page(b"/N " + b"9" * 1_000_000),
        "bomb": one_page(b"/Contents 4 0 R", {4: stream(bomb(1, 300_000_000), b"/Filter /FlateDecode")}),
        "bomb-in-a-bomb": one_page(b"/Contents 4 0 R", {4: stream(bomb(2, 2_000_000_000 // 8), filters([b"/FlateDecode"] * 2))}),
        "a-thousand-filters": one_page(b"/Contents 4 0 R", {4: stream(bomb(1, 1000), filters([b"/FlateDecode"] * 1000))}),
        "runs-that-grow": one_page(b"/Contents 4 0 R", {4: stream(b"\x81\x00" * 400_000, b"/Filter /RunLengthDecode")}),
        "many-bombs": one_page(
            b"/Contents [" + b"4 0 R " * 500 + b"]", {4: stream(bomb(1, 50_000_000), b"/Filter /FlateDecode")}
        ),
        "predictor-of-a-wide-row": one_page(
            b"/Contents 4 0 R",
            {4: stream(bomb(1, 1000), b"/Filter /FlateDecode /DecodeParms << /Predictor 15 /Columns 2000000000 /Colors 32 >>")},
        ),
        "unknown-filter": one_page(b"/Contents 4 0 R", {4: stream(b"x", b"/Filter /Nothing")}),
        "stream-of-another-length": one_page(b"/Contents 4 0 R", {4: stream(b"0 0 1 1 re f", length=b"999999999999")}),
        "stream-whose-length-is-itself": one_page(b"/Contents 4 0 R", {4: stream(b"0 0 1 1 re f", length=b"4 0 R")}),
        "resources-of-themselves": one_page(b"/Resources 4 0 R", {4: b"<< /XObject << /A 4 0 R >> /Font 4 0 R >>"}),
        "form-inside-itself": one_page(
            b"/Contents 5 0 R /Resources << /XObject << /A 4 0 R >> >>",
            {
                4: stream(b"/A Do", b"/Type /XObject /Subtype /Form /BBox [0 0 1 1] /Resources << /XObject << /A 4 0 R >> >>"),
                5: stream(b"/A Do"),
            },
        ),
        "nameless-resources": one_page(b"/Resources 7"),
        "contents-that-are-a-page": one_page(b"/Contents 3 0 R"),
        "operators-without-end": one_page(b"/Contents 4 0 R", {4: stream(b"q " * 2_000_000)}),
        "inline-image-without-end": one_page(b"/Contents 4 0 R", {4: stream(b"BI /W 9 /H 9 ID " + b"EI" * 200_000)}),
        "rotated-by-a-name": one_page(b"/Rotate /Up"),
        "unit-of-nan": one_page(b"/UserUnit nan"),
        "unit-of-1e308": one_page(b"/UserUnit 1" + b"0" * 308),
        "object-stream-of-lies": _object_stream(b"999999999", b"1"),
        "object-stream-of-many": _object_stream(b"4", b"2000000000"),
        "table-stream-of-many": _cross_reference_stream(b"2000000000"),
        "table-stream-of-wide-rows": _cross_reference_stream(b"5", b"[2000000000 2000000000 2000000000]"),
        "table-stream-of-a-negative-index": _cross_reference_stream(b"5", index=b"/Index [-1 2000000000]"),
        "annotations-of-themselves": one_page(b"/Annots [3 0 R 4 0 R]", {4: b"[4 0 R]"}),
        "outlines-in-a-ring": one_page(
            others={4: b"<< /First 5 0 R /Last 5 0 R >>", 5: b"<< /Title (x) /Next 5 0 R /Parent 4 0 R /First 4 0 R >>"},
            catalog=b"/Outlines 4 0 R",
        ),
        "names-in-a-ring": one_page(others={4: b"<< /Kids [4 0 R] /Names 4 0 R >>"}, catalog=b"/Names << /Dests 4 0 R >>"),
        "a-hundred-thousand-comments": plain + b"%\n" * 100_000,
        "zeros": b"%PDF-1.7\n" + bytes(5_000_000),
        "lines": b"%PDF-1.7\n" + b"\n" * 5_000_000,
        "beginnings-of-objects": b"%PDF-1.7\n" + b"1 0 obj\n" * 500_000 + b"%%EOF\n",
        "operators-packed": one_page(
            b"/Contents 4 0 R", {4: stream(zlib.compress(b"q Q " * 15_000_000), b"/Filter /FlateDecode")}
        ),
        "a-million-objects-that-are-not-there": one_page(b"/X [" + b"9 0 R " * 300_000 + b"]"),
    }
    return {
        **{name: Hostile(data, Expected.STAMPED) for name, data in stamped.items()},
        **{name: Hostile(data, Expected.REFUSED) for name, data in refused.items()},
        **{name: Hostile(data, Expected.EITHER) for name, data in either.items()},
    }
