"""Letters to closed agencies: they go to who follows, the sender sees it, and what nobody takes is refused."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from shared.contracts.events import CircularDispatched
from tests.support.registry import Office, RegistryUnderTest, open_registry

CLOSED_SINCE = "2020-10-01"


@pytest.fixture
async def registry(settings_environment: dict[str, str], tmp_path: Path) -> AsyncGenerator[RegistryUnderTest]:
    async with open_registry(settings_environment, tmp_path) as opened:
        yield opened


@pytest.fixture
async def office(registry: RegistryUnderTest) -> Office:
    """An office in a land of agencies: `old` has become `new`, `end` is over, and `split` has become `new` and `other`."""
    office = await registry.office("smk")
    for code in ("new", "other"):
        await _agency(registry, code)
    for code, successors in (("old", ["new"]), ("end", []), ("split", ["new", "other"])):
        agency_id = await _agency(registry, code)
        body = {"day": CLOSED_SINCE, "successors": successors, "reason": "พระราชกฤษฎีกา"}
        closed = await registry.http.post(f"/v1/agencies/{agency_id}/close", json=body, headers=registry.operator)
        assert closed.status_code == 200, closed.text
    return office


async def _agency(registry: RegistryUnderTest, code: str) -> str:
    body = {"code": code, "name_th": f"สำนักงาน {code}", "name_en": "", "kind": "department", "valid_from": "2000-01-01"}
    return (await registry.created("/v1/agencies", body, registry.operator))["agency_id"]


async def _ids(registry: RegistryUnderTest) -> dict[str, str]:
    items = (await registry.http.get("/v1/agencies", headers=registry.operator)).json()["items"]
    return {item["code"]: item["agency_id"] for item in items}


def _list(*addressees: tuple[str, str], **more: object) -> dict[str, Any]:
    return {"name": "บัญชี", "addressees": [{"title": title, "agency_code": code} for title, code in addressees], **more}


async def _registered(registry: RegistryUnderTest, office: Office, body: dict[str, Any]) -> tuple[str, str]:
    list_id = (await registry.created("/v1/lists", body, office.headers))["list_id"]
    letter_id = await registry.draft(office, await registry.register(office), list_id=list_id)
    await registry.registered(office, letter_id)
    return list_id, letter_id


async def _found(registry: RegistryUnderTest, office: Office, letter_id: str) -> dict[str, str]:
    answer = await registry.http.post(f"/v1/letters/{letter_id}/preflight", headers=office.headers)
    assert answer.status_code == 200, answer.text
    return {
        f"{f['code']} {f['severity']} {f['pointer']}": f["detail"]
        for f in answer.json()["findings"]
        if f["code"].startswith(("agency_", "list_"))
    }


async def test_a_letter_to_a_closed_agency_goes_to_who_follows_it_and_is_told_so(
    registry: RegistryUnderTest, office: Office
) -> None:
    # "ก" stands twice once `old` is followed by `new`: in a nested list, since a list refuses a duplicate of its own.
    inner = (await registry.created("/v1/lists", _list(("ก", "new"), ("ข", "new")), office.headers))["list_id"]
    body = _list(("ก", "old"), ("ค", "other"), members=[{"list": inner}])
    list_id, letter_id = await _registered(registry, office, body)
    ids = await _ids(registry)

    preview = (await registry.http.get(f"/v1/lists/{list_id}/preview", headers=office.headers)).json()
    expected = [("ก", ids["new"], ids["old"]), ("ค", ids["other"], None), ("ข", ids["new"], None)]
    assert [(item["title"], item["agency_id"], item["in_place_of"]) for item in preview["items"]] == expected
    assert (preview["succeeded_count"], preview["closed_count"], preview["duplicate_count"]) == (1, 0, 1)

    assert await _found(registry, office, letter_id) == {
        "agency_succeeded warning /addressees/0": "'ก': สำนักงาน new (new) gets it in place of สำนักงาน old (old)"
    }
    answer = await registry.dispatch(office, letter_id, "one")
    assert answer.status_code == 202, answer.text
    assert (answer.json()["recipients"], answer.json()["list_hash"]) == (3, preview["list_hash"])
    (event,) = [CircularDispatched.model_validate(e) for e in await registry.outbox(CircularDispatched.TYPE)]
    told = [(r.title, str(r.agency_id), None if r.in_place_of is None else str(r.in_place_of)) for r in event.recipients]
    assert told == expected
    # The difference to what is frozen now is none: what it came from is kept with it.
    since = (await registry.http.get(f"/v1/lists/{list_id}/preview", headers=office.headers)).json()["difference"]
    assert (since["added_count"], since["removed_count"], since["list_hash"]) == (0, 0, preview["list_hash"])


async def test_what_nobody_takes_is_refused_and_goes_as_named_when_it_is_overruled(
    registry: RegistryUnderTest, office: Office
) -> None:
    list_id, letter_id = await _registered(registry, office, _list(("ก", "end"), ("ข", "split"), ("ค", "other")))
    preview = (await registry.http.get(f"/v1/lists/{list_id}/preview", headers=office.headers)).json()
    assert [one["title"] for one in preview["closed"]] == ["ก", "ข"]
    assert await _found(registry, office, letter_id) == {
        "agency_closed error /addressees/0": "'ก': end",
        "agency_closed error /addressees/1": "'ข': split, followed by new or other",
    }
    refused = await registry.dispatch(office, letter_id, "one")
    assert [(error["code"], error["pointer"]) for error in refused.json()["errors"]] == [
        ("agency_closed", "/addressees/0"),
        ("agency_closed", "/addressees/1"),
    ]
    assert await registry.count("recipients") == 0
    overruled = {"override": {"reason": "ผู้ชำระบัญชียังรับอยู่", "findings": ["agency_closed"]}}
    answer = await registry.dispatch(office, letter_id, "one", overruled)
    assert (answer.status_code, answer.json()["recipients"]) == (202, 3)
    assert answer.json()["list_hash"] == preview["list_hash"]


async def test_exceptions_hold_for_who_follows_and_groups_hold_only_who_stands(
    registry: RegistryUnderTest, office: Office
) -> None:
    group = {"group": {"kind": "department"}}
    list_id, _ = await _registered(registry, office, _list(("ก", "old"), members=[group], **{"except": ["new"]}))
    preview = (await registry.http.get(f"/v1/lists/{list_id}/preview", headers=office.headers)).json()
    assert [item["title"] for item in preview["items"]] == ["สำนักงาน other"]
    assert (preview["succeeded_count"], preview["closed_count"]) == (0, 0)


async def test_a_group_as_of_a_day_holds_who_stood_then_and_letters_go_to_who_follows(
    registry: RegistryUnderTest, office: Office
) -> None:
    group = {"group": {"kind": "department", "at": "2020-09-30"}}
    list_id, letter_id = await _registered(registry, office, _list(members=[group], **{"except": ["split", "end"]}))
    kept = (await registry.http.get(f"/v1/lists/{list_id}", headers=office.headers)).json()["members"]
    assert kept[0]["group"]["at"] == "2020-09-30"
    ids = await _ids(registry)
    preview = (await registry.http.get(f"/v1/lists/{list_id}/preview", headers=office.headers)).json()
    assert [(item["title"], item["agency_id"], item["in_place_of"]) for item in preview["items"]] == [
        ("สำนักงาน new", ids["new"], None),
        ("สำนักงาน old", ids["new"], ids["old"]),
        ("สำนักงาน other", ids["other"], None),
    ]
    assert (await registry.dispatch(office, letter_id, "one")).json()["list_hash"] == preview["list_hash"]


async def test_a_list_of_members_alone_is_checked_as_a_dispatch_would_freeze_it(
    registry: RegistryUnderTest, office: Office
) -> None:
    inner = (await registry.created("/v1/lists", _list(("ก", "end")), office.headers))["list_id"]
    _, letter_id = await _registered(registry, office, _list(members=[{"list": inner}]))
    assert await _found(registry, office, letter_id) == {"agency_closed error /addressees/0": "'ก': end"}
