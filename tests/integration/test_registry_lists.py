"""Distribution lists: order, duplicates, unknown agencies, versions, and import."""

import io
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter

from services.registry.domain.file_types import XLSX
from tests.support.registry import Office, RegistryUnderTest, open_registry


@pytest.fixture
async def registry(settings_environment: dict[str, str], tmp_path: Path) -> AsyncGenerator[RegistryUnderTest]:
    async with open_registry(settings_environment, tmp_path, registry_list_max_addressees=5) as opened:
        yield opened


async def _offices(registry: RegistryUnderTest) -> tuple[Office, Office]:
    return await registry.office("smk"), await registry.office("krabi")


def _list(*addressees: tuple[str, str]) -> dict[str, Any]:
    return {"name": "บัญชี", "addressees": [{"title": title, "agency_code": code} for title, code in addressees]}


async def _import(registry: RegistryUnderTest, office: Office, text: str) -> Any:
    headers = {**office.headers, "Content-Type": "text/csv"}
    return await registry.http.post("/v1/lists/import", params={"name": "บัญชี"}, content=text.encode(), headers=headers)


async def test_list_keeps_order_titles_and_relay_duty(registry: RegistryUnderTest) -> None:
    smk, krabi = await _offices(registry)
    body = _list(("ข", "krabi"), ("ก", "smk"))
    body["addressees"][1]["relay_duty"] = True
    made = await registry.created("/v1/lists", body, smk.headers)
    assert [(a["position"], a["title"], a["agency_id"], a["agency_code"], a["relay_duty"]) for a in made["addressees"]] == [
        (1, "ข", krabi.agency_id, "krabi", False),
        (2, "ก", smk.agency_id, "smk", True),
    ]
    read = await registry.http.get(f"/v1/lists/{made['list_id']}", headers=smk.headers)
    assert read.json() == made
    listed = await registry.http.get("/v1/lists", headers=smk.headers)
    assert [(item["list_id"], item["addressee_count"]) for item in listed.json()["items"]] == [(made["list_id"], 2)]


async def test_another_agencys_list_is_not_there(registry: RegistryUnderTest) -> None:
    smk, krabi = await _offices(registry)
    list_id = await registry.distribution_list(smk, "krabi")
    read = await registry.http.get(f"/v1/lists/{list_id}", headers=krabi.headers)
    change = await registry.http.put(
        f"/v1/lists/{list_id}", json=_list(("ก", "smk")), headers={**krabi.headers, "If-Match": '"1"'}
    )
    assert (read.status_code, change.status_code) == (404, 404)
    assert (await registry.http.get("/v1/lists", headers=krabi.headers)).json()["items"] == []


async def test_empty_long_unknown_and_duplicate_lists_are_refused_with_pointers(registry: RegistryUnderTest) -> None:
    smk, _ = await _offices(registry)

    async def refused(body: dict[str, Any]) -> tuple[str, list[str]]:
        answer = await registry.http.post("/v1/lists", json=body, headers=smk.headers)
        assert answer.status_code == 422
        return answer.json()["code"], [error["pointer"] for error in answer.json().get("errors", [])]

    assert await refused(_list()) == ("list_empty", ["/addressees"])
    assert await refused(_list(*((f"ก{n}", "smk") for n in range(6)))) == ("list_too_long", [])
    assert await refused(_list(("ก", "smk"), ("ข", "nobody"), ("ค", "no-one"))) == (
        "agency_unknown",
        ["/addressees/1/agency_code", "/addressees/2/agency_code"],
    )
    assert await refused(_list(("ประจำ ๑", "smk"), ("ก", "smk"), ("ประจํา  1", "smk"))) == ("list_duplicate", ["/addressees/2"])
    assert await registry.count("lists") == 0


async def test_same_title_at_two_agencies_is_two_addressees(registry: RegistryUnderTest) -> None:
    smk, _ = await _offices(registry)
    made = await registry.created("/v1/lists", _list(("ผู้อำนวยการ", "smk"), ("ผู้อำนวยการ", "krabi")), smk.headers)
    assert len(made["addressees"]) == 2


async def test_change_needs_the_version_that_it_changes(registry: RegistryUnderTest) -> None:
    smk, _ = await _offices(registry)
    list_id = await registry.distribution_list(smk, "krabi", "smk")
    path = f"/v1/lists/{list_id}"
    without = await registry.http.put(path, json=_list(("ก", "smk")), headers=smk.headers)
    assert (without.status_code, without.json()["code"]) == (428, "if_match_missing")
    changed = await registry.http.put(path, json=_list(("ก", "smk")), headers={**smk.headers, "If-Match": '"1"'})
    assert (changed.status_code, changed.headers["etag"], len(changed.json()["addressees"])) == (200, '"2"', 1)
    for stale in ('"1"', "*", '"x"', 'W/"2"'):
        late = await registry.http.put(path, json=_list(("ข", "smk")), headers={**smk.headers, "If-Match": stale})
        assert (late.status_code, late.json()["code"]) == (412, "version_conflict")
    assert (await registry.http.get(path, headers=smk.headers)).json()["addressees"][0]["title"] == "ก"


async def test_import_keeps_the_order_of_the_file(registry: RegistryUnderTest) -> None:
    smk, _ = await _offices(registry)
    answer = await _import(registry, smk, "agency_code,title,relay_duty\nkrabi,ข,true\nsmk,ก,\n")
    assert answer.status_code == 201
    assert [(a["title"], a["agency_code"], a["relay_duty"]) for a in answer.json()["addressees"]] == [
        ("ข", "krabi", True),
        ("ก", "smk", False),
    ]


def _workbook(*rows: tuple[object, ...]) -> bytes:
    file = io.BytesIO()
    with xlsxwriter.Workbook(file, {"in_memory": True}) as workbook:
        sheet = workbook.add_worksheet()
        for number, row in enumerate(rows):
            sheet.write_row(number, 0, row)
    return file.getvalue()


async def test_import_reads_a_workbook_as_it_reads_csv(registry: RegistryUnderTest) -> None:
    smk, _ = await _offices(registry)
    header = ("title", "agency_code", "relay_duty", "role")
    table = _workbook(header, ("นายก", "krabi", True, "copy"), ("ปลัด", "smk", "", ""))
    headers = {**smk.headers, "Content-Type": XLSX}
    answer = await registry.http.post("/v1/lists/import", params={"name": "บัญชี"}, content=table, headers=headers)
    assert answer.status_code == 201, answer.text
    assert [(a["title"], a["agency_code"], a["relay_duty"], a["role"]) for a in answer.json()["addressees"]] == [
        ("นายก", "krabi", True, "copy"),
        ("ปลัด", "smk", False, "action"),
    ]
    faulty = _workbook(header, ("ก", "nobody", "", ""), ("", "", "", ""), ("ข", "krabi", "maybe", ""), ("ค", "no-one", "", ""))
    refused = await registry.http.post("/v1/lists/import", params={"name": "บัญชี"}, content=faulty, headers=headers)
    assert (refused.status_code, [error["pointer"] for error in refused.json()["errors"]]) == (422, ["line 4"])
    for content, code in ((b"PK\x03\x04 broken", "import_unreadable"), (b"title,agency_code\n", "import_unreadable")):
        spoilt = await registry.http.post("/v1/lists/import", params={"name": "บัญชี"}, content=content, headers=headers)
        assert spoilt.json()["code"] == code
    assert await registry.count("lists") == 1


async def test_import_with_faulty_lines_names_each_and_makes_no_list(registry: RegistryUnderTest) -> None:
    smk, _ = await _offices(registry)
    answer = await _import(registry, smk, "title,agency_code\nก,smk\nข,nobody\nก ,smk\nค,krabi\n")
    assert (answer.status_code, answer.json()["code"]) == (422, "import_invalid")
    assert [(e["pointer"], e["code"]) for e in answer.json()["errors"]] == [
        ("line 3", "agency_unknown"),
        ("line 4", "list_duplicate"),
    ]
    answer = await _import(registry, smk, "title,agency_code,relay_duty\n,smk,perhaps\n")
    assert {e["pointer"] for e in answer.json()["errors"]} == {"line 2"}
    assert len(answer.json()["errors"]) == 2
    empty = await _import(registry, smk, "title,agency_code\n")
    assert empty.json()["code"] == "list_empty"
    assert await registry.count("lists") == 0
