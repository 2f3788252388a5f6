"""Files of agencies: handed in, worked off with progress, taken up again; in every encoding and format; and exported."""

import asyncio
import io
import zipfile
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter

from services.registry import importing
from services.registry.importing import AgencyImporter, ImportPruner
from shared.contracts.events import AgencySaved
from tests.support.registry import RegistryUnderTest, open_registry

HEADER = "code,name_th,name_en,kind,letter_code,parent_code,email"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
ROWS = [
    ["smk", "จังหวัดสมุทรสาคร", "=1+1", "province", "สค 0017.1", "moi", "saraban@smk.example"],
    ["moi", "กระทรวงมหาดไทย", "'-Interior", "ministry", "", "", ""],
    ["old", "กรมเดิม", "@Old", "department", "", "moi", ""],
]
FILE = "\n".join([HEADER, *(",".join(row) for row in ROWS)]) + "\n"


@pytest.fixture
async def registry(settings_environment: dict[str, str], tmp_path: Path) -> AsyncGenerator[RegistryUnderTest]:
    async with open_registry(settings_environment, tmp_path, registry_import_lease=5, registry_import_kept_days=7) as opened:
        yield opened


def _importer(registry: RegistryUnderTest) -> AgencyImporter:
    (found,) = (worker for worker in registry.parts.workers if isinstance(worker, AgencyImporter))
    return found


async def _hand_in(registry: RegistryUnderTest, content: str | bytes, media_type: str = "text/csv", query: str = "") -> Any:
    raw = content.encode() if isinstance(content, str) else content
    headers = {**registry.operator, "Content-Type": media_type}
    return await registry.http.post(f"/v1/agencies/imports{query}", content=raw, headers=headers)


async def _ended(registry: RegistryUnderTest, answer: Any) -> dict[str, Any]:
    assert answer.status_code == 202, answer.text
    assert await _importer(registry).run_once()
    return (await registry.http.get(answer.headers["location"], headers=registry.operator)).json()


def _counts(job: dict[str, Any]) -> tuple[str, int, int, int]:
    return job["state"], job["created"], job["updated"], job["unchanged"]


def _workbook(rows: list[list[Any]]) -> bytes:
    file = io.BytesIO()
    with xlsxwriter.Workbook(file, {"in_memory": True}) as workbook:
        sheet = workbook.add_worksheet()
        for number, row in enumerate(rows):
            sheet.write_row(number, 0, row)
    return file.getvalue()


async def test_file_is_imported_by_a_worker_and_the_same_again_changes_nothing(registry: RegistryUnderTest) -> None:
    answer = await _hand_in(registry, FILE)
    assert (answer.json()["state"], answer.json()["rows_read"]) == ("waiting", 0)
    job = await _ended(registry, answer)
    assert _counts(job) == ("done", 3, 0, 0)
    assert (job["rows_read"], job["rows_valid"], job["encoding"], job["error_count"]) == (3, 3, "utf-8", 0)
    assert _counts(await _ended(registry, await _hand_in(registry, FILE))) == ("done", 0, 0, 3)
    assert await registry.count("agency_import_parts") == 0
    assert not await _importer(registry).run_once()
    office = await registry.office("zzz")
    assert (await registry.http.get(answer.headers["location"], headers=office.headers)).status_code == 403


async def test_the_planner_knows_of_a_nation_as_soon_as_it_is_imported(registry: RegistryUnderTest) -> None:
    count = importing.ROWS_THAT_CHANGE_PLANS
    rows = "\n".join(f"agency-{n},หน่วยงาน {n},Agency {n},district,,," for n in range(count))
    job = await _ended(registry, await _hand_in(registry, f"code,name_th,name_en,kind,letter_code,parent_code,email\n{rows}\n"))
    assert _counts(job) == ("done", count, 0, 0)
    async with registry.database.connection() as connection:
        assert await connection.fetchval("SELECT reltuples FROM pg_class WHERE oid = 'agencies'::regclass") >= count


async def test_imports_that_ended_long_ago_are_forgotten_and_what_they_saved_stays(registry: RegistryUnderTest) -> None:
    (pruner,) = (worker for worker in registry.parts.workers if isinstance(worker, ImportPruner))
    ended = [await _hand_in(registry, FILE) for _ in range(2)]
    for answer in ended:
        await _ended(registry, answer)
    waiting = await _hand_in(registry, FILE)
    old, recent, open_one = [answer.headers["location"] for answer in (*ended, waiting)]
    async with registry.database.connection() as connection:
        for days, location in ((8, old), (6, recent)):
            await connection.execute(
                "UPDATE agency_imports SET finished_at = now() - $1 * interval '1 day' WHERE import_id = $2::text::uuid",
                days,
                location.rpartition("/")[2],
            )
        await connection.execute("UPDATE agency_imports SET created_at = now() - interval '30 days'")
    await pruner.run_once()
    seen = [(await registry.http.get(path, headers=registry.operator)).status_code for path in (old, recent, open_one)]
    assert seen == [404, 200, 200]
    assert await registry.count("agencies") == 3


async def test_dry_run_says_what_would_be_and_does_nothing(registry: RegistryUnderTest) -> None:
    assert _counts(await _ended(registry, await _hand_in(registry, FILE, query="?dry_run=true"))) == ("done", 3, 0, 0)
    assert await registry.count("agencies") == 0
    assert await registry.count("outbox") == 0


@pytest.mark.parametrize(("content", "encoding"), [(FILE.encode("cp874"), "windows-874"), (FILE.encode("utf-8-sig"), "utf-8")])
async def test_thai_in_windows_874_and_a_byte_order_mark_are_read(
    registry: RegistryUnderTest, content: bytes, encoding: str
) -> None:
    job = await _ended(registry, await _hand_in(registry, content))
    assert (job["state"], job["encoding"]) == ("done", encoding)
    found = await registry.http.get("/v1/agencies?code=moi", headers=registry.operator)
    assert found.json()["items"][0]["name_th"] == "กระทรวงมหาดไทย"


async def test_faulty_file_names_one_error_a_row_and_their_number_and_imports_nothing(registry: RegistryUnderTest) -> None:
    lines = [f"BAD {n},,x,school,0017,,not-an-address" for n in range(150)]
    job = await _ended(registry, await _hand_in(registry, "\n".join([HEADER, "ok,ดี,,school,,,", *lines])))
    assert (job["state"], job["problem"], job["error_count"], job["rows_valid"]) == ("failed", "import_invalid", 150, 1)
    assert [error["pointer"] for error in job["errors"]] == [f"line {n}" for n in range(3, 103)]
    tree = f"{HEADER},valid_until,successor_codes\na,ก,,x,,b,,,\nb,ข,,x,,a,,,\nc,ค,,x,,,,2020-01-01,c\nd,ง,,x,,,,,\n"
    job = await _ended(registry, await _hand_in(registry, tree))
    assert [(error["pointer"], error["code"]) for error in job["errors"]] == [
        ("line 2", "agency_tree_cycle"),
        ("line 3", "agency_tree_cycle"),
        ("line 4", "agency_succession_cycle"),
    ]
    broken = await _ended(registry, await _hand_in(registry, b"\xff\xfe\x00"))
    assert (broken["state"], broken["errors"][0]["code"]) == ("failed", "not_utf8")
    assert await registry.count("agencies") == 0
    assert await registry.count("outbox") == 0


async def test_workbook_is_read_as_the_same_table(registry: RegistryUnderTest) -> None:
    sheet = [[*HEADER.split(","), "valid_from"], [], *([*row, "๑ ตุลาคม ๒๕๖๐"] for row in ROWS[1:])]
    job = await _ended(registry, await _hand_in(registry, _workbook(sheet), XLSX))
    assert _counts(job) == ("done", 2, 0, 0)
    faulty = await _ended(registry, await _hand_in(registry, _workbook([*sheet, ["BAD"]]), XLSX))
    assert [error["pointer"] for error in faulty["errors"]] == ["line 5"]


def _with_part(name: str, content: bytes) -> bytes:
    file = io.BytesIO(_workbook([HEADER.split(",")]))
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as workbook:
        workbook.writestr(name, content)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (_with_part("xl/vbaProject.bin", b"macro"), "import_macros"),
        (_with_part("xl/media/zero.bin", bytes(3_000_000)), "import_zip_bomb"),
        (_with_part("xl/workbook.xml.bak", b"")[:-30], "import_unreadable"),
        (b"PK\x03\x04 no archive", "import_unreadable"),
    ],
)
async def test_hostile_workbook_is_refused_by_its_code(
    settings_environment: dict[str, str], tmp_path: Path, content: bytes, code: str
) -> None:
    async with open_registry(settings_environment, tmp_path, registry_import_max_inflated_bytes=2_000_000) as registry:
        job = await _ended(registry, await _hand_in(registry, content, XLSX))
        assert (job["state"], job["problem"], job["error_count"]) == ("failed", code, 1)


async def test_cell_far_away_costs_the_reader_its_life_and_not_the_service(registry: RegistryUnderTest) -> None:
    file = io.BytesIO()
    with xlsxwriter.Workbook(file, {"in_memory": True}) as workbook:
        sheet = workbook.add_worksheet()
        sheet.write(0, 0, "code")
        sheet.write(1_048_575, 16_383, "x")
    job = await _ended(registry, await _hand_in(registry, file.getvalue(), XLSX))
    assert (job["state"], job["problem"]) == ("failed", "import_unreadable")


async def test_file_of_another_kind_is_refused_at_once(settings_environment: dict[str, str], tmp_path: Path) -> None:
    async with open_registry(settings_environment, tmp_path, registry_import_max_bytes=2048) as registry:
        for content, media_type, expected in (
            (FILE, "application/json", (415, "import_format_unknown")),
            (FILE, XLSX, (415, "import_format_unknown")),
            (_workbook([["code"]])[:1000], "text/csv", (415, "import_format_unknown")),
            (FILE, "application/vnd.ms-excel.sheet.macroEnabled.12", (422, "import_macros")),
            (FILE + "x" * 3000, "text/csv", (413, "body_too_large")),
        ):
            answer = await _hand_in(registry, content, media_type)
            assert (answer.status_code, answer.json()["code"]) == expected
        assert await registry.count("agency_imports") == 0


async def test_import_whose_worker_was_lost_is_taken_up_again_and_the_lost_one_changes_nothing(
    registry: RegistryUnderTest,
) -> None:
    answer = await _hand_in(registry, FILE)
    async with registry.database.transaction() as connection:
        # The tree is held: the first worker comes as far as saving.
        await connection.execute("LOCK TABLE agencies IN ACCESS EXCLUSIVE MODE")
        lost = asyncio.create_task(_importer(registry).run_once())
        async with asyncio.timeout(10), registry.database.connection() as other:
            while await other.fetchval("SELECT state FROM agency_imports") != "saving":
                await asyncio.sleep(0.01)
            await other.execute("UPDATE agency_imports SET state = 'waiting', lease_token = NULL, leased_until = NULL")
    assert await lost
    assert await registry.count("agencies") == 0
    job = await _ended(registry, answer)
    assert _counts(job) == ("done", 3, 0, 0)
    assert len(await registry.outbox(AgencySaved.TYPE)) == 3


async def test_import_that_never_ends_is_given_up(registry: RegistryUnderTest) -> None:
    answer = await _hand_in(registry, FILE)
    async with registry.database.connection() as connection:
        await connection.execute("UPDATE agency_imports SET attempts = 5")
    assert (await _ended(registry, answer))["problem"] == "import_abandoned"


@pytest.mark.parametrize("form", ["csv", "xlsx"])
async def test_what_is_exported_imports_again_without_a_change(registry: RegistryUnderTest, form: str) -> None:
    await _ended(registry, await _hand_in(registry, FILE))
    (old,) = (await registry.http.get("/v1/agencies?code=old", headers=registry.operator)).json()["items"]
    body = {"day": "2026-10-01", "successors": ["moi", "smk"], "reason": "ยุบเลิก"}
    closed = await registry.http.post(f"/v1/agencies/{old['agency_id']}/close", json=body, headers=registry.operator)
    assert closed.status_code == 200, closed.text
    office = await registry.office("zzz")
    answer = await registry.http.get(f"/v1/agencies/export?format={form}", headers=office.headers)
    assert answer.status_code == 200
    if form == "csv":
        assert "old,กรมเดิม,'@Old,department,,moi,,,2026-10-01,moi smk" in answer.content.decode("utf-8-sig")
    media_type = "text/csv" if form == "csv" else XLSX
    assert _counts(await _ended(registry, await _hand_in(registry, answer.content, media_type))) == ("done", 0, 0, 4)
    # A file without the newer columns leaves days and successors as they are.
    assert _counts(await _ended(registry, await _hand_in(registry, FILE))) == ("done", 0, 0, 3)
