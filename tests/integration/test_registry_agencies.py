"""Agencies: saving, the tree, searching, and importing a whole file or nothing."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from shared.contracts.events import AgencySaved
from tests.support.registry import RegistryUnderTest, open_registry

HEADER = "code,name_th,name_en,kind,letter_code,parent_code,email"
FILE = f"""\ufeff{HEADER}
smk,จังหวัดสมุทรสาคร,Samut Sakhon Province,province,สค 0017.1,moi,saraban@smk.example

"smk-mueang","อำเภอเมืองสมุทรสาคร",Mueang District,district,,smk,
moi,กระทรวงมหาดไทย,Ministry of Interior,ministry,มท ๐๒๑๘,,
"""


@pytest.fixture
async def registry(settings_environment: dict[str, str], tmp_path: Path) -> AsyncGenerator[RegistryUnderTest]:
    async with open_registry(settings_environment, tmp_path) as opened:
        yield opened


def _agency(code: str, **more: object) -> dict[str, Any]:
    return {"code": code, "name_th": f"สำนักงาน {code}", "name_en": "", "kind": "province", **more}


async def _import(registry: RegistryUnderTest, text: str | bytes) -> Any:
    content = text.encode() if isinstance(text, str) else text
    headers = {**registry.operator, "Content-Type": "text/csv; charset=utf-8"}
    return await registry.http.post("/v1/agencies/import", content=content, headers=headers)


async def test_agency_is_kept_with_its_letter_code_as_printed_and_told_to_the_others(registry: RegistryUnderTest) -> None:
    contact = {"contact_unit": "งานสารบรรณ", "telephone": "๐ ๓๔๔๑ ๑๒๕๑-๕๒ ต่อ ๑๒"}
    made = await registry.created(
        "/v1/agencies", _agency("smk", letter_code=" สค 0017.1 ", email="สารบรรณ@สมุทรสาคร.ไทย", **contact), registry.operator
    )
    assert made == {**made, **contact}
    assert (made["letter_code"], made["version"]) == ("สค ๐๐๑๗.๑", 1)
    read = await registry.http.get(f"/v1/agencies/{made['agency_id']}", headers=registry.operator)
    assert read.json() == made
    assert read.headers["etag"] == '"1"'
    (event,) = await registry.outbox(AgencySaved.TYPE)
    names = ("agency_id", "version", "code", "name_th", "name_en", "kind", "email", "valid_from", "valid_until")
    names += ("contact_unit", "telephone")
    assert AgencySaved.model_validate(event).model_dump(mode="json") == {
        **{name: made[name] for name in names},
        "successor_ids": [],
        "parent_id": None,
    }


async def test_version_grows_only_with_a_change(registry: RegistryUnderTest) -> None:
    made = await registry.created("/v1/agencies", _agency("smk"), registry.operator)
    path = f"/v1/agencies/{made['agency_id']}"
    same = await registry.http.put(path, json=_agency("smk"), headers=registry.operator)
    assert same.json()["version"] == 1
    changed = await registry.http.put(
        path, json=_agency("smk", name_en="Province"), headers={**registry.operator, "If-Match": '"1"'}
    )
    assert (changed.json()["version"], changed.headers["etag"]) == (2, '"2"')
    late = await registry.http.put(path, json=_agency("smk"), headers={**registry.operator, "If-Match": '"1"'})
    assert (late.status_code, late.json()["code"]) == (412, "version_conflict")
    assert [event["version"] for event in await registry.outbox(AgencySaved.TYPE)] == [1, 2]


async def test_whom_to_call_stays_until_it_is_said_otherwise_and_changes_are_in_the_history(registry: RegistryUnderTest) -> None:
    made = await registry.created("/v1/agencies", _agency("smk", telephone="1669"), registry.operator)
    path = f"/v1/agencies/{made['agency_id']}"
    renamed = await registry.http.put(path, json=_agency("smk", name_en="Province"), headers=registry.operator)
    assert (renamed.json()["version"], renamed.json()["telephone"]) == (2, "1669")
    unsaid = _agency("smk", name_en="Province", telephone=None, contact_unit="งานสารบรรณ")
    changed = await registry.http.put(path, json=unsaid, headers=registry.operator)
    assert (changed.json()["contact_unit"], changed.json()["telephone"]) == ("งานสารบรรณ", None)
    history = (await registry.http.get(f"{path}/history", headers=registry.operator)).json()["items"]
    assert [(one["contact_unit"], one["telephone"]) for one in history] == [(None, "1669"), (None, "1669"), ("งานสารบรรณ", None)]
    assert history[-1]["changed"] == ["contact_unit", "telephone"]


@pytest.mark.parametrize(
    ("change", "status", "code", "pointer"),
    [
        ({"telephone": "โทรศัพท์"}, 422, "request_invalid", None),
        ({"telephone": "๐ ๓๔๔๑\n๑๒๕๑"}, 422, "request_invalid", None),
        ({"contact_unit": "\u202eงานสารบรรณ"}, 422, "request_invalid", None),
        ({"letter_code": "0017"}, 422, "unit_code_malformed", "/letter_code"),
        ({"parent_code": "nobody"}, 422, "agency_unknown", "/parent_code"),
        ({"parent_code": "smk"}, 422, "agency_tree_cycle", "/parent_code"),
        ({"name_th": "\u202eชื่อ"}, 422, "request_invalid", None),
        ({"name_th": " "}, 422, "request_invalid", None),
        ({"name_th": "ก" * 501}, 422, "request_invalid", None),
        ({"code": "SMK ม"}, 422, "request_invalid", None),
        ({"email": "a@b.c\nBcc: x@y.z"}, 422, "request_invalid", None),
        ({"email": "สาร\u200bบรรณ@b.go.th"}, 422, "request_invalid", None),
        ({"kind": "Prov ince"}, 422, "request_invalid", None),
        ({"unknown": 1}, 422, "request_invalid", None),
    ],
)
async def test_faulty_agency_is_refused_and_nothing_is_stored(
    registry: RegistryUnderTest, change: dict[str, object], status: int, code: str, pointer: str | None
) -> None:
    answer = await registry.http.post("/v1/agencies", json={**_agency("smk"), **change}, headers=registry.operator)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    if pointer is not None:
        assert answer.json()["errors"][0]["pointer"] == pointer
    assert await registry.count("agencies") == 0
    assert await registry.count("outbox") == 0


async def test_code_is_taken_once_and_does_not_change(registry: RegistryUnderTest) -> None:
    made = await registry.created("/v1/agencies", _agency("smk"), registry.operator)
    taken = await registry.http.post("/v1/agencies", json=_agency("smk"), headers=registry.operator)
    assert (taken.status_code, taken.json()["code"]) == (409, "agency_code_taken")
    moved = await registry.http.put(f"/v1/agencies/{made['agency_id']}", json=_agency("smk2"), headers=registry.operator)
    assert (moved.status_code, moved.json()["code"]) == (422, "agency_code_fixed")
    nobody = await registry.http.put(f"/v1/agencies/{uuid4()}", json=_agency("smk"), headers=registry.operator)
    assert nobody.status_code == 404


async def test_two_changes_at_once_cannot_close_a_circle(registry: RegistryUnderTest) -> None:
    first = await registry.created("/v1/agencies", _agency("a"), registry.operator)
    second = await registry.created("/v1/agencies", _agency("b"), registry.operator)
    answers = await asyncio.gather(
        registry.http.put(f"/v1/agencies/{first['agency_id']}", json=_agency("a", parent_code="b"), headers=registry.operator),
        registry.http.put(f"/v1/agencies/{second['agency_id']}", json=_agency("b", parent_code="a"), headers=registry.operator),
    )
    assert sorted(answer.status_code for answer in answers) == [200, 422]


async def test_import_takes_parents_that_come_later_and_the_same_file_again_changes_nothing(registry: RegistryUnderTest) -> None:
    first = await _import(registry, FILE)
    assert first.json() == {"created": 3, "updated": 0, "unchanged": 0, "encoding": "utf-8"}
    assert len(await registry.outbox(AgencySaved.TYPE)) == 3
    again = await _import(registry, FILE)
    assert again.json() == {"created": 0, "updated": 0, "unchanged": 3, "encoding": "utf-8"}
    changed = await _import(registry, FILE.replace("Mueang District", "Mueang"))
    assert changed.json() == {"created": 0, "updated": 1, "unchanged": 2, "encoding": "utf-8"}
    assert len(await registry.outbox(AgencySaved.TYPE)) == 4
    found = (await registry.http.get("/v1/agencies?code=smk-mueang", headers=registry.operator)).json()["items"]
    assert [(a["parent_code"], a["email"], a["version"]) for a in found] == [("smk", None, 2)]


async def test_import_with_faulty_lines_names_each_and_imports_nothing(registry: RegistryUnderTest) -> None:
    text = f"""{HEADER}
ok,ดี,Fine,school,,,
BAD CODE,ชื่อ,Name,school,,,
x,ชื่อ,Name,school,0017,,not-an-address
"""
    answer = await _import(registry, text)
    assert (answer.status_code, answer.json()["code"]) == (422, "import_invalid")
    assert {error["pointer"] for error in answer.json()["errors"]} == {"line 3", "line 4"}
    assert await registry.count("agencies") == 0

    text = f"{HEADER}\nok,ดี,Fine,school,,nobody,\nok,ดี,Fine,school,,,\n"
    assert [e["pointer"] for e in (await _import(registry, text)).json()["errors"]] == ["line 3"]
    text = f"{HEADER}\nok,ดี,Fine,school,,nobody,\na,ก,A,school,,b,\nb,ข,B,school,,a,\n"
    errors = (await _import(registry, text)).json()["errors"]
    assert [(e["pointer"], e["code"]) for e in errors] == [
        ("line 2", "agency_unknown"),
        ("line 3", "agency_tree_cycle"),
        ("line 4", "agency_tree_cycle"),
    ]
    assert await registry.count("agencies") == 0
    assert await registry.count("outbox") == 0


@pytest.mark.parametrize(
    ("content", "pointer", "code"),
    [
        ("code,name_th\n", "line 1", "column_missing"),
        (f"{HEADER},extra\n", "line 1", "column_unknown"),
        (f"{HEADER}\na,b\n", "line 2", "wrong_column_count"),
        (f'{HEADER}\na,"b\n', "line 2", "csv_malformed"),
        (HEADER.encode() + b"\n\xff", "line 2", "not_utf8"),
        ("", "line 1", "column_missing"),
    ],
)
async def test_unreadable_table_is_refused_with_the_line(
    registry: RegistryUnderTest, content: str | bytes, pointer: str, code: str
) -> None:
    answer = await _import(registry, content)
    assert answer.status_code == 422
    assert (answer.json()["errors"][0]["pointer"], answer.json()["errors"][0]["code"]) == (pointer, code)


async def test_table_of_another_type_is_refused(registry: RegistryUnderTest) -> None:
    answer = await registry.http.post("/v1/agencies/import", json={}, headers=registry.operator)
    assert answer.status_code == 422


async def test_agencies_are_found_by_name_kind_and_code_and_read_in_pages(registry: RegistryUnderTest) -> None:
    lines = "".join(f"school-{n:02},โรงเรียนที่ {n},School {n},school,,,\n" for n in range(1, 8))
    await _import(registry, f"{HEADER}\nmoi,กระทรวงมหาดไทย,Ministry,ministry,,,\n{lines}")
    office = await registry.office("zzz")
    found = await registry.http.get("/v1/agencies", params={"q": "โรงเรียนที่ ๗"}, headers=office.headers)
    assert [a["code"] for a in found.json()["items"]] == ["school-07"]
    percent = await registry.http.get("/v1/agencies", params={"q": "%"}, headers=office.headers)
    assert percent.json()["items"] == []
    ministries = await registry.http.get("/v1/agencies?kind=ministry", headers=office.headers)
    assert [a["code"] for a in ministries.json()["items"]] == ["moi"]
    codes: list[str] = []
    url: str | None = "/v1/agencies?kind=school&limit=3"
    while url is not None:
        page = await registry.http.get(url, headers=office.headers)
        codes += [a["code"] for a in page.json()["items"]]
        url = page.links["next"]["url"] if "next" in page.links else None
        assert (url is None) == (page.json()["next"] is None)
    assert codes == [f"school-{n:02}" for n in range(1, 8)]


@pytest.mark.parametrize("cursor", ["%21", "////", "AAAA", "_w"])
async def test_foreign_cursor_is_refused(registry: RegistryUnderTest, cursor: str) -> None:
    answer = await registry.http.get(f"/v1/agencies?after={cursor}", headers=registry.operator)
    assert (answer.status_code, answer.json()["code"]) == (422, "cursor_invalid")


async def test_request_that_is_too_large_is_refused_before_it_is_read(
    settings_environment: dict[str, str], tmp_path: Path
) -> None:
    async with open_registry(settings_environment, tmp_path, registry_request_max_bytes=2048) as registry:
        answer = await _import(registry, HEADER + "\n" + "x" * 3000)
        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")

        async def endless():
            for _ in range(1000):
                yield b"x" * 100

        for path in ("/v1/agencies/import", "/v1/agencies"):
            headers = {**registry.operator, "Content-Type": "text/csv" if path.endswith("import") else "application/json"}
            answer = await registry.http.post(path, content=endless(), headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large"), path
