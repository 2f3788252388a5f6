"""The check before dispatch through the API: what it finds, what it stops, what may be overruled and is kept."""

import io
import zipfile
from collections.abc import AsyncGenerator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import docx
import httpx
import pytest
from pypdf import PdfReader, PdfWriter

from services.registry.domain.resolution import Resolved
from services.registry.intake import sources
from services.registry.store import preflight as store
from shared.contracts.events import Role
from tests.support.registry import Office, RegistryUnderTest, open_registry
from wian.demo import papers
from wian.demo.example import load

SEED = (Path(__file__).parents[2] / "examples" / "samut-sakhon-2560" / "letter.txt").read_text(encoding="utf-8")
CONTRADICTIONS = {"annex_number_differs": 3, "cited_number_differs": 1, "cited_date_differs": 1}
ENCLOSED = [{"description": "สำเนาหนังสือกระทรวงมหาดไทย ที่ มท ๐๒๑๘/ว ๕๙๙๒ ลงวันที่ ๒๐ ตุลาคม ๒๕๖๐"}]


@pytest.fixture
async def registry(settings_environment: dict[str, str], tmp_path: Path) -> AsyncGenerator[RegistryUnderTest]:
    async with open_registry(settings_environment, tmp_path) as opened:
        yield opened


@pytest.fixture
async def office(registry: RegistryUnderTest) -> Office:
    await registry.office("krabi")
    return await registry.office("smk")


async def _read(
    registry: RegistryUnderTest, office: Office, content: bytes, media_type: str = "text/plain; charset=utf-8"
) -> httpx.Response:
    return await registry.http.post("/v1/letters/read", content=content, headers={**office.headers, "Content-Type": media_type})


async def _preflight(registry: RegistryUnderTest, office: Office, letter_id: str) -> dict[str, Any]:
    answer = await registry.http.post(f"/v1/letters/{letter_id}/preflight", headers=office.headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["ETag"] == f'"{answer.json()["version"]}"'
    return answer.json()


async def _seed_letter(registry: RegistryUnderTest, office: Office) -> str:
    """The seed as a registered letter whose own text is attached."""
    list_id = await registry.distribution_list(office, "krabi", "smk")
    register_id = await registry.register(office, circular_series="shared", first_number=15123, first_number_year_be=2560)
    letter_id = await registry.draft(office, register_id, list_id=list_id, references=[], enclosures=ENCLOSED)
    attached = await registry.attach(office, letter_id, SEED.encode(), "letter.txt", **{"Content-Type": "text/plain"})
    assert attached.status_code == 201, attached.text
    await registry.registered(office, letter_id)
    return letter_id


async def test_contradictions_of_the_seed_stop_a_dispatch_until_they_are_overruled_with_a_reason(
    registry: RegistryUnderTest, office: Office
) -> None:
    letter_id = await _seed_letter(registry, office)
    found = await _preflight(registry, office, letter_id)
    assert {code: n for code, n in found["counts"].items() if code in CONTRADICTIONS} == CONTRADICTIONS
    assert found["errors"] == 5
    assert found["findings"][0]["remedy"]["th"]
    assert found["counts"]["addressee_without_channel"] == 2

    refused = await registry.dispatch(office, letter_id, "a")
    assert refused.status_code == 422
    assert refused.json()["code"] == "preflight_errors"
    assert {error["code"] for error in refused.json()["errors"]} == set(CONTRADICTIONS)
    assert await registry.count("circulars") == await registry.count("idempotency_keys") == 0

    partly = {"override": {"reason": "ต้นฉบับพิมพ์ไว้เช่นนั้น", "findings": ["annex_number_differs"]}}
    assert {e["code"] for e in (await registry.dispatch(office, letter_id, "a", partly)).json()["errors"]} == {
        "cited_number_differs",
        "cited_date_differs",
    }

    override = {"override": {"reason": "ต้นฉบับพิมพ์ไว้เช่นนั้น", "findings": sorted(CONTRADICTIONS)}}
    sent = await registry.dispatch(office, letter_id, "a", override)
    assert sent.status_code == 202, sent.text
    async with registry.database.connection() as connection:
        kept = await connection.fetchrow("SELECT circular_id, client_id, reason, findings FROM dispatch_overrides")
    assert kept is not None
    assert (str(kept["circular_id"]), kept["reason"]) == (sent.json()["circular_id"], "ต้นฉบับพิมพ์ไว้เช่นนั้น")
    assert kept["client_id"]
    assert len(kept["findings"]) == 5
    assert (await registry.dispatch(office, letter_id, "a", override)).json() == sent.json()
    assert (await registry.dispatch(office, letter_id, "a")).json()["code"] == "idempotency_key_reused"


async def test_a_deadline_that_is_over_stops_a_dispatch_and_a_sound_letter_leaves_no_override(
    registry: RegistryUnderTest, office: Office
) -> None:
    list_id = await registry.distribution_list(office, "krabi")
    register_id = await registry.register(office)
    late = await registry.draft(office, register_id, list_id=list_id, deadline="2017-11-30T16:30:00+07:00")
    await registry.registered(office, late)
    assert (await registry.dispatch(office, late, "late")).json()["errors"][0]["code"] == "deadline_past"
    soon = (datetime.now(UTC) + timedelta(hours=5)).isoformat()
    near = await registry.draft(office, register_id, list_id=list_id, deadline=soon)
    assert (await _preflight(registry, office, near))["counts"]["deadline_too_near"] == 1
    await registry.registered(office, near)
    override = {"override": {"reason": "เผื่อไว้", "findings": ["deadline_past"]}}
    assert (await registry.dispatch(office, near, "near", override)).status_code == 202
    assert await registry.count("dispatch_overrides") == 0


async def test_a_letter_that_passes_another_on_is_held_against_it(registry: RegistryUnderTest, office: Office) -> None:
    list_id = await registry.distribution_list(office, "smk", relay_duty=True)
    register_id = await registry.register(office)
    first = await registry.draft(office, register_id, list_id=list_id)
    await registry.registered(office, first)
    assert (await registry.dispatch(office, first, "first")).status_code == 202
    async with registry.database.connection() as connection:
        recipient_id = str(await connection.fetchval("SELECT recipient_id FROM recipients"))
    cited = {"description": "สำเนาหนังสือ", "number": "สค ๐๐๑๗.๑/ว ๗", "date": "2017-11-10"}
    onward = await registry.draft(office, register_id, list_id=list_id, relay_of_recipient_id=recipient_id, enclosures=[cited])
    found = await _preflight(registry, office, onward)
    assert found["counts"]["cited_number_differs"] == found["counts"]["cited_date_differs"] == 1


async def test_nobody_checks_another_agencys_letter(registry: RegistryUnderTest, office: Office) -> None:
    letter_id = await registry.draft(office, await registry.register(office))
    assert (await _preflight(registry, office, letter_id))["counts"]["list_missing"] == 1
    stranger = await registry.office("stranger")
    answer = await registry.http.post(f"/v1/letters/{letter_id}/preflight", headers=stranger.headers)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_suspects_of_a_long_list_are_found_in_one_quick_statement(registry: RegistryUnderTest, office: Office) -> None:
    agency_id = UUID(office.agency_id)
    named = [Resolved(agency_id, f"ผู้รับ ประจํากรม {n - n % 2}", relay_duty=False, role=Role.ACTION) for n in range(2, 100_002)]
    resolved = [Resolved(agency_id, "หัวหน้า", relay_duty=False, role=Role.ACTION), *named]
    async with registry.database.connection() as connection:
        started = datetime.now(UTC)
        facts = await store.addressee_facts(connection, resolved, kinds_without_saraban=[], day=date(2026, 10, 1))
        took = (datetime.now(UTC) - started).total_seconds()
    assert (facts.total, facts.repeated.count, facts.decomposed.count) == (100_001, 50_000, 100_000)
    assert facts.without_channel.count == 100_001
    assert len(facts.repeated.first) == 100
    # Generous for a busy machine: a plan that is quadratic would take hours.
    assert took < 10


async def test_the_seed_is_read_into_a_draft_that_can_be_saved(registry: RegistryUnderTest, office: Office) -> None:
    await registry.created(
        "/v1/lists",
        {"name": "เดิม", "addressees": [{"title": "ปลัดจังหวัดสมุทรสาคร", "agency_code": "krabi"}]},
        office.headers,
    )
    read = (await _read(registry, office, SEED.encode())).json()
    assert (read["number"], read["draft"]["date"]) == ("สค ๐๐๑๗.๑/ว ๑๕๑๒๓", "2017-11-09")
    assert [len(annex["addressees"]) for annex in read["annexes"]] == [33, 33, 33]
    titles = {a["title"]: a for a in read["annexes"][0]["addressees"]}
    assert titles["ปลัดจังหวัดสมุทรสาคร"]["agency_code"] == "krabi"
    assert titles["อัยการจังหวัดประจำกรม (สคช.)"]["agency_code"] is None
    assert [(e["number"], e["date"]) for e in read["enclosed"]] == [("มท ๐๒๑๘/ว ๕๑๖๒", "2017-10-21")]
    assert {f["code"] for f in read["findings"] if f["severity"] == "error"} == set(CONTRADICTIONS)
    assert "sara_am_decomposed" in {f["code"] for f in read["findings"]}
    assert {"line": 177, "text": "วันที่ 27 ต.ค. 2560"} in read["not_understood"]
    draft = {**read["draft"], "register_id": await registry.register(office)}
    saved = await registry.created("/v1/letters", draft, office.headers)
    assert saved["subject"] == read["draft"]["subject"]
    assert (await _read(registry, office, SEED.replace("“", "").encode("cp874"))).json()["number"] == read["number"]


def _docx() -> bytes:
    document = docx.Document()
    before, table = SEED.split("หน่วยงาน\tผู้รับ/ลงวันที่\n")[:2]
    for line in before.split("\n"):
        document.add_paragraph(line)
    rows = ["หน่วยงาน\tผู้รับ/ลงวันที่", *(line for line in table.split("\n") if "\t" in line)]
    made = document.add_table(rows=len(rows), cols=2)
    for row, line in zip(made.rows, rows, strict=True):
        row.cells[0].text = line.split("\t")[0]
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


async def test_docx_with_its_tables_and_pdf_with_its_text_are_read(registry: RegistryUnderTest, office: Office) -> None:
    read = (await _read(registry, office, _docx(), sources.DOCX)).json()
    assert (read["number"], len(read["annexes"][0]["addressees"])) == ("สค ๐๐๑๗.๑/ว ๑๕๑๒๓", 33)
    assert len(read["draft"]["body"]) == 3
    printed = (await _read(registry, office, papers.pdf(load().province_letter), sources.PDF)).json()
    assert (printed["number"], printed["draft"]["date"]) == ("สค ๐๐๑๗.๑/ว ๑๕๑๒๓", "2017-11-09")
    assert printed["draft"]["enclosures"][0]["number"] == "มท ๐๒๑๘/ว ๕๙๙๒"
    province = load().province_letter
    assert printed["draft"]["subject"] == province["subject"]
    # Where a paragraph ends a page does not tell for certain; what it says it does.
    said, meant = "".join(printed["draft"]["body"]), "".join(cast("list[str]", province["body"]))
    assert said.replace(" ", "") == meant.replace(" ", "")


def _package(*members: tuple[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as package:
        for name, content in members:
            package.writestr(name, content)
    return out.getvalue()


def _blank_pdf(password: str | None = None) -> bytes:
    writer, out = PdfWriter(), io.BytesIO()
    writer.add_blank_page(200, 200)
    if password is not None:
        writer.append_pages_from_reader(PdfReader(io.BytesIO(papers.pdf(load().province_letter))))
        writer.encrypt(password, algorithm="RC4-128")
    writer.write(out)
    return out.getvalue()


@pytest.mark.parametrize(
    ("media_type", "content", "code"),
    [
        (sources.DOCX, _package(("word/document.xml", b"\0" * (65 * 1024 * 1024))), "paper_too_large"),
        (sources.DOCX, _package(("word/vbaProject.bin", b"x")), "paper_macros"),
        (
            sources.DOCX,
            _package(("[Content_Types].xml", b"application/vnd.ms-word.document.macroEnabled.main+xml")),
            "paper_macros",
        ),
        (sources.DOCX, _package(("word/document.xml", b"<")), "paper_unreadable"),
        (sources.DOCX, b"PK\x03\x04", "paper_unreadable"),
        (sources.PDF, b"%PDF-1.7 broken", "paper_unreadable"),
        (sources.PDF, _blank_pdf(), "paper_without_text"),
        (sources.PDF, _blank_pdf("secret"), "paper_encrypted"),
        (sources.TEXT, b" \n", "paper_without_text"),
        (sources.TEXT, b"%PDF-1.7", "paper_unreadable"),
        (sources.TEXT, b"\xff\xfe\xdb", "paper_unreadable"),
        (sources.TEXT, b"a" * (10 * 1024 * 1024 + 1), "paper_too_large"),
        ("application/msword", b"x", "paper_type_refused"),
        ("application/vnd.ms-word.document.macroEnabled.12", b"x", "paper_type_refused"),
    ],
)
async def test_what_cannot_be_read_is_refused_by_name(
    registry: RegistryUnderTest, office: Office, media_type: str, content: bytes, code: str
) -> None:
    answer = await _read(registry, office, content, media_type)
    assert answer.json()["code"] == code, answer.text
