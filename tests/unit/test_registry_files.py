"""What files are, and which part of them is asked for."""

import io

import pytest

from services.registry.archives import (
    MOST_PARTS,
    ArchiveBrokenError,
    ArchiveEncryptedError,
    ArchiveTooLargeError,
    inspect_container,
)
from services.registry.domain.file_types import DOCX, JPEG, OCTETS, PDF, PNG, TEXT, found_types, is_text, settle_type
from services.registry.domain.ranges import Part, RangeError, asked_part, matches, still_holds
from services.registry.scanning import parse_address
from tests.support.files import ODT, a_docx, a_zip, an_office_package, encrypted

ALLOWED = (PDF, PNG, JPEG, TEXT, "text/csv", DOCX)
MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("head", "claimed", "settled"),
    [
        (b"%PDF-1.7\n", PDF, PDF),
        (b"%PDF-1.7\n", OCTETS, PDF),
        (b"%PDF-1.7\n", TEXT, None),
        (b"\x89PNG\r\n\x1a\n" + bytes(40), PNG, PNG),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF\0" + bytes(40), JPEG, JPEG),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF\0" + bytes(40), PDF, None),
        (b"MZ\x90\x00" + bytes(100), PDF, None),
        (b"MZ\x90\x00" + bytes(100), OCTETS, None),
        (b"MZ\x90\x00" + bytes(100), TEXT, None),
        (b"\x7fELF" + bytes(60), TEXT, None),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), DOCX, None),
        ("เรื่อง การพัฒนางาน".encode(), TEXT, TEXT),
        ("เรื่อง การพัฒนางาน".encode("cp874"), TEXT, TEXT),
        ("ลำดับ,ชื่อ\n๑,กระบี่\n".encode(), "text/csv", "text/csv"),
        ("ลำดับ,ชื่อ\n๑,กระบี่\n".encode(), OCTETS, TEXT),
        ("เรื่อง".encode("utf-16"), TEXT, TEXT),
        (b"BM is how this note begins", TEXT, TEXT),
        (b"<!DOCTYPE html><script>alert(1)</script>", PDF, None),
        (b"\x00\x01\x02", OCTETS, None),
    ],
)
def test_type_is_settled_by_the_bytes(head: bytes, claimed: str, settled: str | None) -> None:
    assert settle_type(claimed, found_types(head), ALLOWED) == settled


def test_text_may_be_cut_within_a_character() -> None:
    assert is_text("ก".encode()[:2])
    assert not is_text(b"\xff\xfe\x00"[1:] + b"\x00")


def test_office_documents_are_told_apart_by_their_own_description() -> None:
    assert inspect_container(io.BytesIO(a_docx()), 10 * MIB).media_type == DOCX
    assert inspect_container(io.BytesIO(a_zip({"mimetype": ODT.encode(), "content.xml": b"<x/>"})), MIB).media_type == ODT
    assert inspect_container(io.BytesIO(a_zip({"a.exe": b"MZ"})), MIB).media_type is None


@pytest.mark.parametrize(
    "package",
    [
        an_office_package({"word/vbaProject.bin": b"\xd0\xcf\x11\xe0"}),
        an_office_package({}, main="application/vnd.ms-word.document.macroEnabled"),
        an_office_package({"xl/macrosheets/sheet1.xml": b"<x/>"}),
        a_zip({"mimetype": ODT.encode(), "Basic/Standard/Module1.xml": b"<x/>"}),
        a_zip({"mimetype": ODT.encode(), "Scripts/python/run.py": b"import os"}),
        an_office_package(
            {
                "word/_rels/settings.xml.rels": b'<Relationships><Relationship Id="rId1" '
                b'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/attachedTemplate" '
                b'Target="http://evil.example/t.dotm" TargetMode="External"/></Relationships>'
            }
        ),
    ],
)
def test_macros_are_found_wherever_they_hide(package: bytes) -> None:
    assert inspect_container(io.BytesIO(package), MIB).macros


def test_document_without_macros_has_none() -> None:
    local = b'<Relationship Type="x/attachedTemplate" Target="file.dotx"/>'
    assert not inspect_container(io.BytesIO(a_docx()), 10 * MIB).macros
    assert not inspect_container(io.BytesIO(an_office_package({"word/_rels/settings.xml.rels": local})), MIB).macros


def _understated(archive: bytes, true: int, said: int) -> bytes:
    """The archive whose one part says that it unpacks to `said` bytes."""
    assert archive.count(true.to_bytes(4, "little")) == 2
    return archive.replace(true.to_bytes(4, "little"), said.to_bytes(4, "little"))


def test_bomb_is_refused_whatever_it_says_of_itself() -> None:
    bomb = a_zip({"word/document.xml": bytes(30 * MIB)})
    assert len(bomb) < 40_000
    with pytest.raises(ArchiveTooLargeError):
        inspect_container(io.BytesIO(bomb), 10 * MIB)
    with pytest.raises(ArchiveBrokenError):
        inspect_container(io.BytesIO(_understated(bomb, 30 * MIB, 1000)), 10 * MIB)
    with pytest.raises(ArchiveTooLargeError):
        inspect_container(io.BytesIO(a_zip({str(number): b"" for number in range(MOST_PARTS + 1)})), MIB)
    nested = a_zip({"inner.zip": bomb})
    assert inspect_container(io.BytesIO(nested), MIB).media_type is None, "what is packed twice is unpacked by nobody here"


def test_encrypted_and_broken_archives_are_told_apart() -> None:
    whole = a_zip({"word/document.xml": b"<w/>" * 50})
    with pytest.raises(ArchiveEncryptedError):
        inspect_container(io.BytesIO(encrypted(whole)), MIB)
    for broken in (whole[:-30], b"PK\x03\x04" + bytes(50), whole.replace(b"word/document.xml", b"word/documen+.xml", 1)):
        with pytest.raises(ArchiveBrokenError):
            inspect_container(io.BytesIO(broken), MIB)


@pytest.mark.parametrize(
    ("header", "part"),
    [
        (None, None),
        ("bytes=0-0", Part(0, 1)),
        ("bytes=0-99", Part(0, 100)),
        ("bytes=10-", Part(10, 100)),
        ("bytes=90-1000", Part(90, 100)),
        ("bytes=-10", Part(90, 100)),
        ("bytes=-1000", Part(0, 100)),
        ("Bytes = 1-2", None),
        ("bytes=1-2,5-6", None),
        ("bytes=5-2", None),
        ("bytes=-", None),
        ("lines=1-2", None),
        ("bytes=๑-๒", None),
    ],
)
def test_range_is_read_as_the_rfc_says(header: str | None, part: Part | None) -> None:
    assert asked_part(header, 100) == part


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=500-600", "bytes=-0"])
def test_range_behind_the_end_is_refused(header: str) -> None:
    with pytest.raises(RangeError):
        asked_part(header, 100)


def test_conditions_compare_tags() -> None:
    assert matches('W/"a", "b"', '"a"')
    assert matches("*", '"a"')
    assert not matches('"b"', '"a"')
    assert not matches(None, '"a"')
    assert still_holds(None, '"a"')
    assert still_holds('"a"', '"a"')
    assert not still_holds('W/"a"', '"a"')
    assert not still_holds("Mon, 23 Nov 2026 10:00:00 GMT", '"a"')


def test_scanner_address() -> None:
    assert parse_address("unix:///run/clamav/clamd.ctl") == "/run/clamav/clamd.ctl"
    assert parse_address("tcp://clamd:3310") == ("clamd", 3310)
    assert parse_address("tcp://[::1]:3310") == ("::1", 3310)
    for wrong in ("clamd:3310", "tcp://clamd", "tcp://clamd:70000", "unix://relative", "http://clamd:3310"):
        with pytest.raises(ValueError, match="unix:///path"):
            parse_address(wrong)
