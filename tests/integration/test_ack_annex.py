"""The filled annex: 33 rows a page, nothing lost, nothing that a reader's program would run."""

import csv
import io
import json
import re
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import typst
from pypdf import PdfReader

from services.ack import printing, sheet
from services.ack.widths import surely_fitting
from shared.contracts.events import Secrecy
from shared.thai.digits import to_thai
from tests.support.ack import REGISTERED, OpenAck, agency_of, circular, opened_ack
from tests.support.tokens import TokenIssuer

SEED = Path(__file__).parents[2] / "examples" / "samut-sakhon-2560" / "addressees.csv"


@pytest.fixture
async def ack(settings_environment: dict[str, str], token_issuer: TokenIssuer) -> AsyncGenerator[OpenAck]:
    async with opened_ack(settings_environment, token_issuer, ack_annex_max_rows="150") as opened:
        yield opened


def pages_of(content: bytes) -> list[str]:
    """The text of each page, without white space: a PDF breaks lines where it likes.

    pypdf does not read what stands for a glyph that joins a Thai consonant and its marks, so only digits, ASCII and bare
    consonants can be looked for; the words are tested where they are made.
    """
    return [re.sub(r"\s", "", page.extract_text()) for page in PdfReader(io.BytesIO(content)).pages]


@pytest.mark.parametrize(("rows", "on_pages"), [(1, [1]), (33, [33]), (34, [33, 1]), (99, [33, 33, 33]), (100, [33, 33, 33, 1])])
async def test_exactly_33_rows_stand_on_a_page_and_none_is_lost(ack: OpenAck, rows: int, on_pages: list[int]) -> None:
    sent = circular([f"row-{number:03}-" for number in range(1, rows + 1)])
    await ack.apply(*sent.chunks())
    pages = pages_of((await ack.read(sent, "/annex.pdf")).content)
    found = [re.findall(r"row-(\d{3})-", page) for page in pages]
    assert [len(page) for page in found] == on_pages
    assert [int(number) for page in found for number in page] == list(range(1, rows + 1))
    for index, page in enumerate(pages, start=1):
        for heading in ("๐๐๑๗.๑/ว๑๕๑๒๓", "กายน๒๕๖๙", "SHA-256" + "ab" * 32, "๑๑.๓๐น.", to_thai(rows), to_thai(index)):
            assert heading in page, heading


async def test_the_seeds_annex_fills_three_pages(ack: OpenAck) -> None:
    titles = [row["title"] for row in csv.DictReader(SEED.read_text(encoding="utf-8").splitlines())]
    sent = circular(titles)
    await ack.apply(*sent.chunks())
    for recipient in sent.recipients:
        assert (await ack.acknowledge(recipient)).status_code == 200
    pages = pages_of((await ack.read(sent, "/annex.pdf")).content)
    assert [page.count("๑๑๐๗๒ลว.๒๓พ.ย.๖๙๐๙.๓๐น.") for page in pages] == [33, 33, 33]


async def test_long_and_hostile_titles_do_not_break_the_rows(ack: OpenAck) -> None:
    title = "ผู้อำนวยการสำนักงานคณะกรรมการส่งเสริมสวัสดิการและสวัสดิภาพครูและบุคลากรทางการศึกษาจังหวัดสมุทรสาคร" * 4
    hostile = '#emph[x] <b> $x$ "\\#read("/etc/passwd") // /* [ ] ` @x *y* _z_'
    sent = circular([title, hostile, *("ก" * 500 for _ in range(31)), "last-one"], subject="เรื่องยาวมาก " * 60)
    await ack.apply(*sent.chunks())
    pages = pages_of((await ack.read(sent, "/annex.pdf")).content)
    assert len(pages) == 2
    assert "last-one" in pages[1]
    assert re.sub(r"\s", "", hostile) in pages[0]


async def test_a_secret_letters_annex_does_not_name_its_subject(ack: OpenAck) -> None:
    sent = circular(1, secrecy=Secrecy.CONFIDENTIAL, subject="top-subject")
    await ack.apply(*sent.chunks())
    (page,) = pages_of((await ack.read(sent, "/annex.pdf")).content)
    assert "top-subject" not in page


async def test_a_list_too_long_to_print_is_given_as_csv(ack: OpenAck) -> None:
    sent = circular(151)
    await ack.apply(*sent.chunks())
    refused = await ack.read(sent, "/annex.pdf")
    assert (refused.status_code, refused.json()["code"]) == (422, "annex_too_long")
    assert len((await ack.read(sent, "/annex.csv")).text.splitlines()) == 152


async def test_a_long_list_is_printed_in_parts_and_nothing_shows_it(ack: OpenAck, monkeypatch: pytest.MonkeyPatch) -> None:
    # A part is 2 pages here; the last one is not full.
    monkeypatch.setattr(printing, "PAGES_OF_A_PART", 2)
    monkeypatch.setattr(printing, "ROWS_OF_A_PART", 66)
    sent = circular([f"row-{number:03}-" for number in range(1, 144)])
    await ack.apply(*sent.chunks())
    pages = pages_of((await ack.read(sent, "/annex.pdf")).content)
    found = [re.findall(r"row-(\d{3})-", page) for page in pages]
    assert [len(page) for page in found] == [33, 33, 33, 33, 11]
    assert [int(number) for page in found for number in page] == list(range(1, 144))
    for number, page in enumerate(pages, start=1):
        # pypdf reads a mark too many inside "จาก".
        assert re.search(rf"{to_thai(number)}จ.?าก๕", page), page
        assert to_thai("143") in page


def test_what_is_said_to_fit_does_fit(tmp_path: Path) -> None:
    fonts = sheet.fonts()
    rows = [row["title"] for row in csv.DictReader(SEED.read_text(encoding="utf-8").splitlines())]
    rows += ["กำนันน้ำทำ ก็ที่ปิ่น (ฌาปนกิจ) ๑๒๓", "AVATAR To Yo 100%", "๛๛๛ ฯลฯ"]
    source = tmp_path / "widths.typ"
    source.write_text(
        '#set text(font: "Sarabun", lang: "th")\n#context [#metadata(json(bytes(sys.inputs.rows))'
        ".map(r => measure(text(size: r.at(1) * 1pt, r.at(0))).width.pt())) <widths>]",
        encoding="utf-8",
    )
    sizes = [surely_fitting(row, sheet.TITLE_WIDTH, 12, 2, fonts) for row in rows]
    assert None not in sizes
    data = json.dumps(list(zip(rows, sizes, strict=True)))
    widths = json.loads(typst.query(source, "<widths>", field="value", one=True, font_paths=fonts, sys_inputs={"rows": data}))
    assert max(widths) <= sheet.TITLE_WIDTH
    assert surely_fitting("漢", sheet.TITLE_WIDTH, 12, 2, fonts) is None, "what is not known is measured"
    assert surely_fitting("ก" * 100, sheet.TITLE_WIDTH, 12, 8.5, fonts) is None


async def test_exports_beyond_one_batch_are_whole(ack: OpenAck) -> None:
    sent = circular(2100)
    await ack.apply(*sent.chunks())
    rows = list(csv.DictReader(io.StringIO((await ack.read(sent, "/annex.csv")).text.removeprefix("\ufeff"))))
    assert [int(row["position"]) for row in rows] == list(range(1, 2101))
    exported = (await ack.read(sent, "/annex.json")).json()
    assert exported["circular"]["recipients"] == 2100
    assert [row["position"] for row in exported["recipients"]] == list(range(1, 2101))


@pytest.mark.parametrize("start", ["=1+1", "+1", "-1", "@SUM(A1)", '=HYPERLINK("x")'])
async def test_a_spreadsheet_runs_no_cell(ack: OpenAck, start: str) -> None:
    sent = circular([f"{start} title"])
    (recipient,) = sent.recipients
    await ack.apply(*sent.chunks(), agency_of(recipient, name=f"{start} agency"))
    body = {**REGISTERED, "receive_number": f"{start}7", "registrar_name": f"{start} name", "unit": f"{start}, unit"}
    assert (await ack.acknowledge(recipient, body)).status_code == 200
    answer = await ack.read(sent, "/annex.csv")
    assert answer.content.startswith(b"\xef\xbb\xbf")
    (row,) = csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff")))
    assert row["title"] == f"'{start} title"
    assert row["receive_number"] == f"'{start}7"
    for cell in row.values():
        assert not cell.startswith(("=", "+", "-", "@"))
    assert (await ack.rows(sent))[0]["receive_number"] == f"{start}7", "the record itself is as it was written"
