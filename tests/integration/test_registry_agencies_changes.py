"""Agencies as they change: days, names, mergers, splits, closings, and who takes the letters afterwards."""

import json
from collections.abc import AsyncGenerator
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.registry.domain.succession import Active, ClosedWithoutSuccessor, SplitNeedsChoice, Successor
from services.registry.store import agencies, succession
from shared.contracts.events import AgencySaved
from tests.support.registry import RegistryUnderTest, open_registry


@pytest.fixture
async def registry(settings_environment: dict[str, str], tmp_path: Path) -> AsyncGenerator[RegistryUnderTest]:
    async with open_registry(settings_environment, tmp_path) as opened:
        yield opened


def _agency(code: str, **more: object) -> dict[str, Any]:
    return {"code": code, "name_th": f"สำนักงาน {code}", "name_en": "", "kind": "department", **more}


async def _made(registry: RegistryUnderTest, code: str, **more: object) -> str:
    return (await registry.created("/v1/agencies", _agency(code, **more), registry.operator))["agency_id"]


async def _close(registry: RegistryUnderTest, agency_id: str, *successors: str, day: str = "2026-10-01", **more: object) -> Any:
    body = {"day": day, "successors": successors, "reason": "พระราชบัญญัติ", **more}
    return await registry.http.post(f"/v1/agencies/{agency_id}/close", json=body, headers=registry.operator)


async def _seen(registry: RegistryUnderTest, agency_id: str, what: str = "") -> Any:
    answer = await registry.http.get(f"/v1/agencies/{agency_id}{what}", headers=registry.operator)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_history_keeps_every_name_parent_and_kind_with_the_reason(registry: RegistryUnderTest) -> None:
    await _made(registry, "pm")
    agency_id = await _made(registry, "ict", valid_from="2002-10-03")
    change = _agency("ict", name_th="กระทรวงดิจิทัลฯ", parent_code="pm", kind="ministry", reason="ราชกิจจานุเบกษา ๑๕ กันยายน ๒๕๕๙")
    assert (await registry.http.put(f"/v1/agencies/{agency_id}", json=change, headers=registry.operator)).status_code == 200
    await _close(registry, agency_id, day="2030-01-01")
    versions = (await _seen(registry, agency_id, "/history"))["items"]
    assert [(v["version"], v["changed"], v["reason"]) for v in versions] == [
        (1, [], None),
        (2, ["name_th", "kind", "parent_code"], "ราชกิจจานุเบกษา ๑๕ กันยายน ๒๕๕๙"),
        (3, ["valid_until"], "พระราชบัญญัติ"),
    ]
    assert [v["name_th"] for v in versions] == ["สำนักงาน ict", "กระทรวงดิจิทัลฯ", "กระทรวงดิจิทัลฯ"]
    assert [v["valid_from"] for v in versions] == ["2002-10-03"] * 3
    paged: list[tuple[int, list[str]]] = []
    url: str | None = f"/v1/agencies/{agency_id}/history?limit=1"
    while url is not None:
        page = await registry.http.get(url, headers=registry.operator)
        paged += [(v["version"], v["changed"]) for v in page.json()["items"]]
        url = page.links["next"]["url"] if "next" in page.links else None
    assert paged == [(v["version"], v["changed"]) for v in versions]
    assert (await registry.http.get(f"/v1/agencies/{uuid4()}/history", headers=registry.operator)).status_code == 404


async def test_merged_agencies_lead_to_the_new_one_from_the_day_on_and_the_others_are_told(registry: RegistryUnderTest) -> None:
    first, second = await _made(registry, "a"), await _made(registry, "b")
    new = await _made(registry, "c", valid_from="2026-10-01")
    for agency_id in (first, second):
        assert (await _close(registry, agency_id, "c")).status_code == 200
    assert (await _seen(registry, first, "/resolution?at=2026-09-30"))["outcome"] == "active"
    after = await _seen(registry, first, "/resolution?at=2026-10-01")
    assert after == {"outcome": "successor", "chain": [first, new], "choices": []}
    assert (await _seen(registry, new, "/resolution?at=2026-09-30"))["outcome"] == "not_yet"
    told = AgencySaved.model_validate((await registry.outbox(AgencySaved.TYPE))[-1])
    assert (told.valid_until, told.successor_ids) == (date(2026, 10, 1), (UUID(new),))
    standing = await registry.http.get("/v1/agencies?at=2026-10-01", headers=registry.operator)
    assert [agency["code"] for agency in standing.json()["items"]] == ["c"]


async def test_many_agencies_are_resolved_at_once(registry: RegistryUnderTest) -> None:
    ids = {code: UUID(await _made(registry, code)) for code in ("a", "b", "c", "d", "e", "f")}
    await _close(registry, str(ids["a"]), "b", "c", day="2020-01-01")
    await _close(registry, str(ids["d"]), "a", day="2019-01-01")
    await _close(registry, str(ids["e"]), day="2020-01-01")
    async with registry.database.connection() as connection:
        found = await succession.resolve_all(connection, list(ids.values()), date(2026, 1, 1))
        assert found == {
            ids["a"]: SplitNeedsChoice((ids["a"],), (ids["b"], ids["c"])),
            ids["b"]: Active(ids["b"]),
            ids["c"]: Active(ids["c"]),
            ids["d"]: SplitNeedsChoice((ids["d"], ids["a"]), (ids["b"], ids["c"])),
            ids["e"]: ClosedWithoutSuccessor((ids["e"],)),
            ids["f"]: Active(ids["f"]),
        }
        assert (await succession.resolve_all(connection, [ids["d"]], date(2019, 6, 1)))[ids["d"]] == Successor(
            (ids["d"], ids["a"])
        )
        with pytest.raises(LookupError):
            await succession.resolve_all(connection, [uuid4()], date(2026, 1, 1))


async def test_closing_is_refused_when_a_rule_forbids_it_and_nothing_changes(registry: RegistryUnderTest) -> None:
    parent, child = await _made(registry, "parent", valid_from="2020-01-01"), await _made(registry, "child", parent_code="parent")
    await _made(registry, "late", valid_from="2030-01-01")
    gone = await _made(registry, "gone")
    assert (await _close(registry, gone, "child", day="2019-01-01")).status_code == 200
    events = len(await registry.outbox(AgencySaved.TYPE))
    for agency_id, successors, more, expected in (
        (parent, (), {}, (409, "agency_has_children", "/children")),
        (parent, (), {"children": "move_to_successor"}, (422, "agency_children_need_one_successor", None)),
        (parent, ("late",), {"children": "keep"}, (422, "agency_successor_absent", "/successors")),
        (parent, ("gone",), {"children": "keep"}, (422, "agency_successor_absent", "/successors")),
        (parent, ("nobody",), {"children": "keep"}, (422, "agency_unknown", "/successors")),
        (parent, ("parent",), {"children": "keep"}, (422, "agency_succession_cycle", "/successors")),
        (parent, ("child", "child"), {"children": "keep"}, (422, "agency_successor_twice", "/successors")),
        (parent, (), {"children": "keep", "day": "2020-01-01"}, (422, "agency_validity_backward", "/day")),
        # Somebody's letters come here from 2019 on.
        (child, (), {"day": "2018-01-01"}, (422, "agency_successor_absent", "/day")),
        (child, ("gone",), {"day": "2018-01-01"}, (422, "agency_succession_cycle", "/successors")),
        (gone, (), {}, (409, "agency_closed", None)),
        (parent, (), {"day": "2569-10-01"}, (422, "request_invalid", "/day")),
    ):
        answer = await _close(registry, agency_id, *successors, **more)
        refused = answer.json()
        pointer = refused["errors"][0]["pointer"] if "errors" in refused else None
        assert (answer.status_code, refused["code"], pointer) == expected, (successors, more)
    assert len(await registry.outbox(AgencySaved.TYPE)) == events
    named = (await _close(registry, parent)).json()["errors"]
    assert [error["detail"] for error in named] == ["child"]


async def test_children_of_a_closed_agency_move_to_its_successor_or_stay(registry: RegistryUnderTest) -> None:
    await _made(registry, "top")
    old = await _made(registry, "old", parent_code="top")
    await _made(registry, "x", parent_code="old")
    # The successor stood below the one that it takes over from.
    new = await _made(registry, "new", parent_code="old")
    answer = await _close(registry, old, "new", children="move_to_successor")
    assert answer.json()["moved_children"] == ["new", "x"]
    below = await registry.http.get("/v1/agencies?below=new", headers=registry.operator)
    assert [agency["code"] for agency in below.json()["items"]] == ["x"]
    assert (await _seen(registry, new))["parent_code"] == "top"
    assert (await _close(registry, new, children="keep", day="2027-01-01")).json()["moved_children"] == []


async def test_local_governments_of_a_district_are_found_by_index_in_a_nation(registry: RegistryUnderTest) -> None:
    async with registry.database.connection() as connection:
        await connection.execute(NATION)
        await connection.execute("ANALYZE agencies")
        district = (await agencies.ids_by_codes(connection, ["d-400"]))["d-400"]
        kind, day = "local_government", date(2026, 1, 1)
        for statement, *arguments in (
            (agencies.DESCENDANTS, district, kind, day),
            (agencies.PAGE_BELOW, None, None, kind, None, 50, day, district),
        ):
            query = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}"
            explained = await connection.fetchval(query, *arguments)  # pyright: ignore[reportArgumentType]
            (analysed,) = json.loads(explained)
            assert "Seq Scan" not in str(analysed)
            assert analysed["Plan"]["Shared Hit Blocks"] + analysed["Plan"]["Shared Read Blocks"] < 1000
        found = await agencies.descendants(connection, district, kind="local_government", at=date(2026, 1, 1))
        assert len(found) == 10
        above = await agencies.ancestors(connection, found[0])
        assert above[0] == district
        assert len(above) == 3
        everybody = [row["agency_id"] for row in await connection.fetch("SELECT agency_id FROM agencies")]
        resolved = await succession.resolve_all(connection, everybody, date(2026, 1, 1))
        assert set(map(type, resolved.values())) == {Active}
    office = await registry.office("zzz")
    answer = await registry.http.get("/v1/agencies?below=d-400&kind=local_government&limit=4", headers=office.headers)
    assert len(answer.json()["items"]) == 4
    unknown = await registry.http.get("/v1/agencies?below=nowhere", headers=office.headers)
    assert (unknown.status_code, unknown.json()["code"]) == (422, "agency_unknown")


NATION = """
WITH nation AS (
    SELECT 'th' AS code, 'nation' AS kind, NULL AS parent
    UNION ALL SELECT 'p-' || n, 'province', 'th' FROM generate_series(0, 76) n
    UNION ALL SELECT 'd-' || n, 'district', 'p-' || n % 77 FROM generate_series(0, 923) n
    UNION ALL SELECT 'l-' || n, 'local_government', 'd-' || n / 10 FROM generate_series(0, 9239) n
    UNION ALL SELECT 's-' || n, 'school', 'l-' || n % 9240 FROM generate_series(1, 19757) n
)
INSERT INTO agencies (agency_id, code, name_th, name_en, kind, parent_id, search_text)
SELECT md5(code)::uuid, code, code, '', kind, md5(parent)::uuid, code FROM nation
"""
