"""Nested lists, groups, roles, preview, the frozen hash, and lists that change while they are dispatched."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
import rfc8785

from shared.contracts.events import CircularDispatched
from tests.support.registry import Office, RegistryUnderTest, open_registry


@pytest.fixture
async def registry(settings_environment: dict[str, str], tmp_path: Path) -> AsyncGenerator[RegistryUnderTest]:
    async with open_registry(settings_environment, tmp_path) as opened:
        yield opened


@pytest.fixture
async def office(registry: RegistryUnderTest) -> Office:
    smk = await registry.office("smk")
    for code, parent, kind in (("d-a", "smk", "district"), ("d-b", "smk", "district"), ("obt", "d-a", "local_government")):
        body = {"code": code, "name_th": f"ชื่อ{code}", "name_en": code, "kind": kind, "parent_code": parent}
        await registry.created("/v1/agencies", body, registry.operator)
    return smk


def _addressee(title: str, code: str, **more: object) -> dict[str, Any]:
    return {"title": title, "agency_code": code, **more}


async def _dispatched(registry: RegistryUnderTest, office: Office, list_id: str, key: str) -> dict[str, Any]:
    register = await registry.http.get("/v1/registers", headers=office.headers)
    items = register.json()["items"]
    register_id = items[0]["register_id"] if items else await registry.register(office)
    letter_id = await registry.draft(office, register_id, list_id=list_id)
    await registry.registered(office, letter_id)
    answer = await registry.dispatch(office, letter_id, key)
    assert answer.status_code in {202, 422}, answer.text
    return answer.json()


async def test_members_resolve_in_order_once_and_freeze_with_role_and_hash(registry: RegistryUnderTest, office: Office) -> None:
    target = {"below": "d-a", "kind": "local_government"}
    inner = await registry.created(
        "/v1/lists",
        {
            "name": "ใน",
            "addressees": [_addressee("นายก", "obt", role="copy"), _addressee("ก", "smk", relay_duty=True, relay_target=target)],
        },
        office.headers,
    )
    body = {
        "name": "นอก",
        "addressees": [_addressee("ก", "smk"), _addressee("ข", "d-b", role="information")],
        "members": [
            {"group": {"below": "smk", "kind": "district", "title": "นายอำเภอ{name_th}"}},
            {"list": inner["list_id"], "after": 1},
        ],
        "except": ["d-b"],
    }
    made = await registry.created("/v1/lists", body, office.headers)
    path = f"/v1/lists/{made['list_id']}"
    assert (await registry.http.get(path, headers=office.headers)).json() == made
    assert [(m["after"], m["list"]) for m in made["members"]] == [(1, inner["list_id"]), (2, None)]
    assert made["except"] == ["d-b"]
    preview = (await registry.http.get(f"{path}/preview", headers=office.headers)).json()
    expected = [("ก", "action"), ("นายก", "copy"), ("นายอำเภอชื่อd-a", "action")]
    assert [(item["title"], item["role"]) for item in preview["items"]] == expected
    assert (preview["duplicate_count"], preview["difference"]) == (1, None)
    answer = await _dispatched(registry, office, made["list_id"], "one")
    assert (answer["recipients"], answer["list_hash"]) == (3, preview["list_hash"])
    (event,) = [CircularDispatched.model_validate(e) for e in await registry.outbox(CircularDispatched.TYPE)]
    assert [(r.title, r.role.value) for r in event.recipients] == expected
    canonical = [
        {"agency_id": str(r.agency_id), "relay_duty": r.relay_duty, "relay_target": None, "role": r.role.value, "title": r.title}
        for r in event.recipients
    ]
    assert answer["list_hash"] == hashlib.sha256(rfc8785.dumps(canonical)).hexdigest()

    changed = {**inner, "addressees": [_addressee("นายก อบต.", "obt"), _addressee("ก", "smk")]}
    change = {"name": "ใน", "addressees": changed["addressees"]}
    assert (
        await registry.http.put(f"/v1/lists/{inner['list_id']}", json=change, headers={**office.headers, "If-Match": '"1"'})
    ).status_code == 200
    again = (await registry.http.get(f"{path}/preview?since_version=1&limit=1", headers=office.headers)).json()
    assert (len(again["items"]), again["count"], again["list_hash"] != answer["list_hash"]) == (1, 3, True)
    since = again["difference"]
    assert (since["circular_id"], since["added"], since["removed"]) == (answer["circular_id"], [], [])
    (title,) = since["title_changed"]
    assert (title["before"]["title"], title["now"]["title"]) == ("นายก", "นายก อบต.")
    later = await registry.http.get(f"{path}/preview?since_version=2", headers=office.headers)
    assert (later.status_code, later.json()["code"]) == (404, "list_never_dispatched")


async def test_cycles_strangers_and_lists_of_nobody_are_refused(registry: RegistryUnderTest, office: Office) -> None:
    first = await registry.distribution_list(office, "obt")
    second = (await registry.created("/v1/lists", {"name": "สอง", "members": [{"list": first}]}, office.headers))["list_id"]
    conditional = {**office.headers, "If-Match": '"1"'}
    cycle = await registry.http.put(
        f"/v1/lists/{first}", json={"name": "หนึ่ง", "members": [{"list": second}]}, headers=conditional
    )
    assert (cycle.status_code, cycle.json()["code"], cycle.json()["detail"]) == (422, "list_cycle", "หนึ่ง > สอง > หนึ่ง")
    itself = await registry.http.put(
        f"/v1/lists/{first}", json={"name": "หนึ่ง", "members": [{"list": first}]}, headers=conditional
    )
    assert itself.json()["code"] == "list_cycle"
    krabi = await registry.office("krabi")
    stranger = await registry.http.post("/v1/lists", json={"name": "x", "members": [{"list": first}]}, headers=krabi.headers)
    assert (stranger.status_code, stranger.json()["errors"][0]["pointer"]) == (422, "/members/0/list")
    empty = {"name": "ว่าง", "members": [{"group": {"below": "obt"}}]}
    nobody = (await registry.created("/v1/lists", empty, office.headers))["list_id"]
    assert (await _dispatched(registry, office, nobody, "k"))["code"] == "list_resolves_to_nobody"
    assert await registry.count("circulars") == 0


async def test_repeated_request_for_a_list_gets_the_first_answer(registry: RegistryUnderTest, office: Office) -> None:
    headers = {**office.headers, "Idempotency-Key": "once"}
    body = {"name": "ก", "addressees": [_addressee("ก", "smk")]}
    first, second = [await registry.http.post("/v1/lists", json=body, headers=headers) for _ in range(2)]
    assert (first.status_code, second.status_code, first.json()) == (201, 201, second.json())
    other = await registry.http.post("/v1/lists", json={**body, "name": "ข"}, headers=headers)
    assert other.json()["code"] == "idempotency_key_reused"
    assert await registry.count("lists") == 1


async def test_long_lists_addressees_are_paged(registry: RegistryUnderTest, office: Office) -> None:
    body = {"name": "ยาว", "addressees": [_addressee(f"หัวหน้า {n}", "obt") for n in range(1001)]}
    made = await registry.created("/v1/lists", body, office.headers)
    assert (made["addressees"], made["addressee_count"]) == ([], 1001)
    found: list[int] = []
    after: str | None = None
    for _ in range(3):
        page = await registry.http.get(
            made["addressees_url"], params={"limit": 500, **({} if after is None else {"after": after})}, headers=office.headers
        )
        found += [item["position"] for item in page.json()["items"]]
        after = page.json()["next"]
    assert (found, after) == (list(range(1, 1002)), None)


async def test_dispatch_and_changes_of_the_lists_in_it_do_not_lock_each_other_out(
    registry: RegistryUnderTest, office: Office
) -> None:
    inner = await registry.distribution_list(office, "obt")
    outer = (await registry.created("/v1/lists", {"name": "นอก", "members": [{"list": inner}]}, office.headers))["list_id"]
    register_id = await registry.register(office)
    letters = [await registry.draft(office, register_id, list_id=outer) for _ in range(3)]
    for letter_id in letters:
        await registry.registered(office, letter_id)

    async def change(list_id: str, body: dict[str, Any]) -> int:
        answer = await registry.http.put(f"/v1/lists/{list_id}", json=body, headers={**office.headers, "If-Match": '"1"'})
        return answer.status_code

    async with asyncio.timeout(20):
        answers = await asyncio.gather(
            *(registry.dispatch(office, letter_id, letter_id) for letter_id in letters),
            change(inner, {"name": "ใน", "addressees": [_addressee("ก", "smk"), _addressee("ข", "smk")]}),
            change(outer, {"name": "นอก", "members": [{"list": inner}], "addressees": [_addressee("ค", "smk")]}),
        )
    assert [one if isinstance(one, int) else one.status_code for one in answers] == [202, 202, 202, 200, 200]
    # Each went to a whole version of the inner list: before the change or after it.
    async with registry.database.connection() as connection:
        rows = await connection.fetch(
            "SELECT array_agg(title ORDER BY position) AS titles FROM recipients WHERE title <> 'ค' GROUP BY circular_id"
        )
    assert {tuple(row["titles"]) for row in rows} <= {("หัวหน้า obt",), ("ก", "ข")}
