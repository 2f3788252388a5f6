"""Letters of all six kinds, links between letters, copies, templates, and drafts that two clerks share."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from services.registry.domain.kinds import FORMS, Kind
from tests.support.registry import LETTER, Office, RegistryUnderTest, open_registry


@pytest.fixture
async def registry(settings_environment: dict[str, str], tmp_path: Path) -> AsyncGenerator[RegistryUnderTest]:
    async with open_registry(settings_environment, tmp_path) as opened:
        yield opened


@pytest.fixture
async def office(registry: RegistryUnderTest) -> Office:
    return await registry.office("smk")


async def _refusal(registry: RegistryUnderTest, office: Office, body: dict[str, Any]) -> tuple[str, list[str]]:
    answer = await registry.http.post("/v1/letters", json=body, headers=office.headers)
    assert answer.status_code == 422, answer.text
    document = answer.json()
    return document["code"], [error["pointer"] for error in document["errors"]]


async def test_every_kind_and_form_is_numbered_in_its_own_series(registry: RegistryUnderTest, office: Office) -> None:
    register_id = await registry.register(office)
    numbers: dict[str, str] = {}
    for kind in Kind:
        for form in FORMS[kind] or (None,):
            letter_id = await registry.draft(office, register_id, kind=kind, form=form, circular=None)
            numbers[form or kind] = (await registry.registered(office, letter_id))["number"]
    series = {name for name, number in numbers.items() if number == "๑/๒๕๖๐"}
    assert series == {form for kind in Kind for form in FORMS[kind]}
    assert (numbers["external"], numbers["internal"], numbers["stamped"]) == ("สค ๐๐๑๗.๑/ว ๑", "สค ๐๐๑๗.๑/ว ๒", "สค ๐๐๑๗.๑/ว ๓")


async def test_a_kind_asks_for_its_own_fields_and_practice_is_a_setting(
    registry: RegistryUnderTest, office: Office, settings_environment: dict[str, str], tmp_path: Path
) -> None:
    register_id = await registry.register(office)
    bare: dict[str, Any] = {"closing": "", "telephone": "", "salutation": ""}
    for kind, missing in (("external", ["/salutation", "/closing", "/telephone"]), ("directive", ["/form"])):
        letter_id = await registry.draft(office, register_id, kind=kind, circular=None, **bare)
        answer = await registry.http.post(f"/v1/letters/{letter_id}/register", headers=office.headers)
        assert (answer.status_code, answer.json()["code"]) == (422, "letter_incomplete")
        assert [error["pointer"] for error in answer.json()["errors"]] == missing
    internal = await registry.draft(office, register_id, kind="internal", **bare)
    answer = await registry.http.post(f"/v1/letters/{internal}/register", headers=office.headers)
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/salutation"]
    lenient = {"internal": ("date", "subject", "body")}
    async with open_registry(settings_environment, tmp_path, registry_required_fields=lenient) as other:
        registered = await other.http.post(f"/v1/letters/{internal}/register", headers=office.headers)
        assert registered.status_code == 200, registered.text


async def test_what_cannot_go_together_is_refused_and_nothing_is_kept(registry: RegistryUnderTest, office: Office) -> None:
    body = {**LETTER, "register_id": await registry.register(office)}
    assert await _refusal(registry, office, {**body, "form": "order"}) == ("form_not_of_kind", ["/form"])
    order = {**body, "kind": "directive", "form": "order"}
    assert await _refusal(registry, office, {**order, "circular": True}) == ("circular_not_of_kind", ["/circular"])
    within = {**body, "urgent_within": "2017-11-10T12:00:00+07:00"}
    assert await _refusal(registry, office, within) == ("urgent_within_not_urgent", ["/urgent_within"])
    assert await _refusal(registry, office, {**body, "unit_code": "x"}) == ("unit_code_malformed", ["/unit_code"])
    assert await _refusal(registry, office, {**body, "unit_code": "สค ๙"}) == ("register_invalid", ["/unit_code"])
    copy = {**body, "copy_to": [{"title": "สตง."}, {"title": "คลัง", "agency_code": "nobody"}]}
    assert await _refusal(registry, office, copy) == ("agency_unknown", ["/copy_to/1/agency_code"])
    assert await registry.count("letters") == 0


async def test_a_link_takes_number_and_date_from_the_letter_and_may_not_contradict_it(
    registry: RegistryUnderTest, office: Office
) -> None:
    body = {**LETTER, "register_id": await registry.register(office)}
    earlier = await registry.draft(office, body["register_id"])
    link = {"letter_id": earlier}
    assert await _refusal(registry, office, {**body, "references": [link]}) == (
        "reference_unknown",
        ["/references/0/letter_id"],
    )
    await registry.registered(office, earlier)
    copy = {"description": "สำเนา", "letter_id": earlier}
    made = await registry.created("/v1/letters", {**body, "references": [link], "enclosures": [copy]}, office.headers)
    named = {"issuer": "สำนักงาน smk", "number": "สค ๐๐๑๗.๑/ว ๑", "date": "2017-11-09", "letter_id": earlier}
    assert made["references"] == [named]
    assert made["enclosures"] == [{**named, "description": "สำเนา", "copies": 1}]
    same = {"letter_id": earlier, "number": "สค 0017.1/ว1", "date": "๙ พ.ย. ๖๐"}
    assert (await registry.created("/v1/letters", {**body, "references": [same]}, office.headers))["references"] == [named]
    other = {"letter_id": earlier, "number": "สค ๐๐๑๗.๑/ว ๒", "date": "2017-11-10"}
    assert await _refusal(registry, office, {**body, "references": [other]}) == (
        "reference_differs",
        ["/references/0/number", "/references/0/date"],
    )
    stranger = await registry.office("stranger")
    foreign = {**LETTER, "register_id": await registry.register(stranger), "references": [link]}
    assert (await _refusal(registry, stranger, foreign))[0] == "reference_unknown"


async def test_a_template_fills_what_the_letter_leaves_out(registry: RegistryUnderTest, office: Office) -> None:
    register_id = await registry.register(office)
    recurring = {name: LETTER[name] for name in ("owner", "closing", "signatory_name", "signatory_position", "contact_unit")}
    template = {"name": "หนังสือเวียน", "letter": {**recurring, "register_id": register_id, "speed": "ด่วน"}}
    made = await registry.http.post("/v1/templates", json=template, headers=office.headers)
    assert (made.status_code, made.headers["ETag"]) == (201, '"1"')
    template_id = made.json()["template_id"]
    said = {"template_id": template_id, "subject": "ซ้อมหนีไฟ", "closing": "ขอแสดงความนับถืออย่างยิ่ง"}
    letter = await registry.created("/v1/letters", said, office.headers)
    assert {**recurring, "closing": said["closing"], "speed": "urgent"}.items() <= letter.items()
    again = await registry.http.post("/v1/templates", json=template, headers=office.headers)
    assert (again.status_code, again.json()["code"]) == (409, "template_exists")
    wrong = {"name": "ผิด", "letter": {"secrecy": "ลับที่สุด"}}
    refused = await registry.http.post("/v1/templates", json=wrong, headers=office.headers)
    assert (refused.json()["code"], refused.json()["errors"][0]["pointer"]) == ("secrecy_not_electronic", "/letter/secrecy")
    assert await _refusal(registry, office, {"subject": "ไม่มีทะเบียน"}) == ("request_invalid", ["/register_id"])
    stranger = await registry.office("stranger")
    path = f"/v1/templates/{template_id}"
    assert (await registry.http.get(path, headers=stranger.headers)).status_code == 404
    assert (await _refusal(registry, stranger, said))[0] == "template_unknown"
    changed = {"name": "ใหม่", "letter": recurring}
    assert (await registry.http.put(path, json=changed, headers=office.headers)).status_code == 428
    first = await registry.http.put(path, json=changed, headers={**office.headers, "If-Match": '"1"'})
    second = await registry.http.put(path, json=changed, headers={**office.headers, "If-Match": '"1"'})
    assert (first.status_code, second.status_code, second.json()["code"]) == (200, 412, "version_conflict")
    listed = await registry.http.get("/v1/templates", headers=office.headers)
    assert [item["name"] for item in listed.json()["items"]] == ["ใหม่"]
    gone = await registry.http.delete(path, headers={**office.headers, "If-Match": '"2"'})
    assert (gone.status_code, await registry.count("letter_templates")) == (204, 0)


async def test_the_same_draft_under_one_key_is_kept_once(registry: RegistryUnderTest, office: Office) -> None:
    body = {**LETTER, "register_id": await registry.register(office)}
    headers = {**office.headers, "Idempotency-Key": "draft-1"}
    first = await registry.http.post("/v1/letters", json=body, headers=headers)
    again = await registry.http.post("/v1/letters", json=body, headers=headers)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    other = await registry.http.post("/v1/letters", json={**body, "subject": "อื่น"}, headers=headers)
    assert other.json()["code"] == "idempotency_key_reused"
    assert await registry.count("letters") == 1


async def test_only_a_draft_can_be_discarded(registry: RegistryUnderTest, office: Office) -> None:
    register_id = await registry.register(office)
    draft, kept = await registry.draft(office, register_id), await registry.draft(office, register_id)
    assert (await registry.attach(office, draft, b"%PDF-1.4 1")).status_code == 201
    await registry.registered(office, kept)
    stranger = await registry.office("stranger")
    seen = {"If-Match": '"1"'}
    assert (await registry.http.delete(f"/v1/letters/{draft}", headers={**stranger.headers, **seen})).status_code == 404
    assert (await registry.http.delete(f"/v1/letters/{draft}", headers={**office.headers, **seen})).status_code == 204
    refused = await registry.http.delete(f"/v1/letters/{kept}", headers={**office.headers, **seen})
    assert (refused.status_code, refused.json()["code"]) == (409, "letter_not_draft")
    assert (await registry.count("letters"), await registry.count("attachments")) == (1, 0)
