"""Letters: drafts, classes, dates, who may read, and what registering freezes."""

import hashlib
import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.support.registry import LETTER, Office, RegistryUnderTest, open_registry


@pytest.fixture
async def registry(settings_environment: dict[str, str], tmp_path: Path) -> AsyncGenerator[RegistryUnderTest]:
    async with open_registry(settings_environment, tmp_path) as opened:
        yield opened


@pytest.fixture
async def office(registry: RegistryUnderTest) -> Office:
    return await registry.office("smk")


async def _refused(registry: RegistryUnderTest, office: Office, **more: object) -> tuple[int, str, list[str]]:
    register_id = await registry.register(office) if "register_id" not in more else None
    body = {**LETTER, "register_id": register_id, **more}
    answer = await registry.http.post("/v1/letters", json=body, headers=office.headers)
    document: dict[str, Any] = answer.json()
    assert await registry.count("letters") == 0
    return answer.status_code, document["code"], [error["pointer"] for error in document.get("errors", [])]


async def test_draft_is_read_back_with_codes_and_iso_dates(registry: RegistryUnderTest, office: Office) -> None:
    register_id = await registry.register(office)
    body = {**LETTER, "register_id": register_id, "date": "๙ พฤศจิกายน ๒๕๖๐", "speed": "ด่วน ที่สุด", "secrecy": "ปกติ"}
    made = await registry.created("/v1/letters", {**body, "deadline": "2017-11-30T16:30:00+07:00"}, office.headers)
    assert (made["state"], made["number"], made["content_hash"], made["circular_id"]) == ("draft", None, None, None)
    assert (made["date"], made["speed"], made["secrecy"]) == ("2017-11-09", "most_urgent", "normal")
    assert made["deadline"] == "2017-11-30T09:30:00Z"
    assert made["references"] == [
        {"issuer": "กระทรวงมหาดไทย", "number": "มท ๐๒๑๘/ว๕๑๖๒", "date": "2017-10-20", "letter_id": None}
    ]
    for name in ("owner", "subject", "salutation", "body", "closing", "signatory_name", "contact_unit", "telephone"):
        assert made[name] == LETTER[name]
    read = await registry.http.get(f"/v1/letters/{made['letter_id']}", headers=office.headers)
    assert read.json() == made


@pytest.mark.parametrize("secrecy", ["top_secret", "ลับที่สุด", "ลับ ที่ สุด", "TOP_SECRET", "ลับ\u200bที่สุด"])
async def test_top_secret_never_enters(registry: RegistryUnderTest, office: Office, secrecy: str) -> None:
    assert await _refused(registry, office, secrecy=secrecy) == (422, "secrecy_not_electronic", ["/secrecy"])


async def test_unknown_class_and_date_are_refused_never_defaulted(registry: RegistryUnderTest, office: Office) -> None:
    register_id = await registry.register(office)
    for more, expected in (
        ({"secrecy": "ลับสุด"}, (422, "secrecy_unknown", ["/secrecy"])),
        ({"secrecy": ""}, (422, "secrecy_unknown", ["/secrecy"])),
        ({"speed": "เร็ว"}, (422, "speed_unknown", ["/speed"])),
        ({"date": "2017-02-30"}, (422, "date_invalid", ["/date"])),
        ({"date": "2560-11-09"}, (422, "date_invalid", ["/date"])),
        ({"references": [{"number": "ก ๑/๑", "date": "x"}]}, (422, "date_invalid", ["/references/0/date"])),
        ({"speed": "x", "secrecy": "y", "date": "z"}, (422, "secrecy_unknown", ["/secrecy", "/speed", "/date"])),
    ):
        assert await _refused(registry, office, register_id=register_id, **more) == expected


@pytest.mark.parametrize(
    "more",
    [
        {"subject": "เรื่อง\nBcc: a@b.c"},
        {"subject": "\u202eเรื่อง"},
        {"body": ["\0"]},
        {"body": "not a list"},
        {"deadline": "2017-11-30T16:30:00"},
        {"kind": "memo"},
        {"references": [{"issuer": "กระทรวงมหาดไทย"}]},
        {"unknown": True},
        {"register_id": "x"},
        {"enclosures": [{"description": "x", "copies": 0}]},
    ],
)
async def test_hostile_or_malformed_draft_is_refused(
    registry: RegistryUnderTest, office: Office, more: dict[str, object]
) -> None:
    status, code, _ = await _refused(registry, office, **more)
    assert (status, code) == (422, "request_invalid")


async def test_register_list_and_relay_duty_must_be_the_agencys_own(registry: RegistryUnderTest, office: Office) -> None:
    other = await registry.office("krabi")
    theirs = await registry.register(other)
    assert await _refused(registry, office, register_id=theirs) == (422, "register_unknown", ["/register_id"])
    own = await registry.register(office)
    list_id = await registry.distribution_list(other, "smk")
    assert await _refused(registry, office, register_id=own, list_id=list_id) == (422, "list_unknown", ["/list_id"])
    stranger = str(uuid4())
    assert await _refused(registry, office, register_id=own, relay_of_recipient_id=stranger) == (
        404,
        "relay_not_yours",
        ["/relay_of_recipient_id"],
    )


async def test_token_of_an_agency_that_the_registry_does_not_know_is_told_so(registry: RegistryUnderTest, office: Office) -> None:
    token = await registry.parts.app.state.resources.tokens.issue("outside", uuid4(), ["letters:write"])
    answer = await registry.http.post(
        "/v1/registers", json={"unit_code": "สค ๐๐๑๗"}, headers={"Authorization": f"Bearer {token}"}
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "agency_unknown")


async def test_another_agencys_letter_is_not_there(registry: RegistryUnderTest, office: Office) -> None:
    letter_id = await registry.draft(office, await registry.register(office))
    attachment_id = (await registry.attach(office, letter_id, b"%PDF-1.7")).json()["attachment_id"]
    other = await registry.office("krabi")
    body = {**LETTER, "register_id": await registry.register(other)}
    answers = [
        await registry.http.get(f"/v1/letters/{letter_id}", headers=other.headers),
        await registry.http.get(f"/v1/letters/{letter_id}/content", headers=other.headers),
        await registry.http.put(f"/v1/letters/{letter_id}", json=body, headers={**other.headers, "If-Match": '"1"'}),
        await registry.http.post(f"/v1/letters/{letter_id}/register", headers=other.headers),
        await registry.dispatch(other, letter_id, "k"),
        await registry.attach(other, letter_id, b"%PDF-1.7"),
        await registry.http.get(f"/v1/attachments/{attachment_id}", headers=other.headers),
        await registry.http.delete(f"/v1/attachments/{attachment_id}", headers=other.headers),
    ]
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(404, "not_found")] * len(answers)
    assert (await registry.http.get("/v1/letters", headers=other.headers)).json()["items"] == []


async def test_draft_changes_only_under_its_version_and_not_after_registration(
    registry: RegistryUnderTest, office: Office
) -> None:
    register_id = await registry.register(office)
    letter_id = await registry.draft(office, register_id)
    path, body = f"/v1/letters/{letter_id}", {**LETTER, "register_id": register_id, "subject": "ใหม่"}
    assert (await registry.http.put(path, json=body, headers=office.headers)).status_code == 428
    changed = await registry.http.put(path, json=body, headers={**office.headers, "If-Match": '"1"'})
    assert (changed.status_code, changed.json()["subject"], changed.headers["etag"]) == (200, "ใหม่", '"2"')
    stale = await registry.http.put(path, json=body, headers={**office.headers, "If-Match": '"1"'})
    assert stale.status_code == 412
    await registry.registered(office, letter_id)
    current = (await registry.http.get(path, headers=office.headers)).headers["etag"]
    late = await registry.http.put(path, json=body, headers={**office.headers, "If-Match": current})
    assert (late.status_code, late.json()["code"]) == (409, "letter_not_draft")


async def test_registering_asks_for_what_the_regulation_requires(registry: RegistryUnderTest, office: Office) -> None:
    register_id = await registry.register(office)
    bare = await registry.created("/v1/letters", {"register_id": register_id}, office.headers)
    answer = await registry.http.post(f"/v1/letters/{bare['letter_id']}/register", headers=office.headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "letter_incomplete")
    assert {error["pointer"] for error in answer.json()["errors"]} == {
        "/owner", "/date", "/subject", "/salutation", "/body", "/closing", "/signatory_name", "/signatory_position",
        "/contact_unit", "/telephone",
    }  # fmt: skip
    letter_id = await registry.draft(office, register_id)
    assert (await registry.registered(office, letter_id))["running"] == 1, "a refused letter must not use up a number"


async def test_registering_freezes_canonical_content_with_number_and_files(registry: RegistryUnderTest, office: Office) -> None:
    letter_id = await registry.draft(
        office, await registry.register(office, circular_series="shared", first_number=15123, first_number_year_be=2560)
    )
    attached = (await registry.attach(office, letter_id, b"%PDF-1.7 text")).json()
    registered = await registry.registered(office, letter_id)
    assert (registered["state"], registered["number"]) == ("registered", "สค ๐๐๑๗.๑/ว ๑๕๑๒๓")
    assert (registered["running"], registered["year_be"]) == (15123, 2560)
    content = await registry.http.get(f"/v1/letters/{letter_id}/content", headers=office.headers)
    assert hashlib.sha256(content.content).hexdigest() == registered["content_hash"]
    frozen = json.loads(content.content)
    assert (frozen["number"], frozen["subject"]) == (registered["number"], LETTER["subject"])
    assert frozen["attachments"] == [attached]
    assert (await registry.registered(office, letter_id)) == registered
    late = await registry.attach(office, letter_id, b"%PDF-1.7 more")
    assert (late.status_code, late.json()["code"]) == (409, "letter_not_draft")
    gone = await registry.http.delete(f"/v1/attachments/{attached['attachment_id']}", headers=office.headers)
    assert gone.status_code == 409


async def test_draft_has_no_frozen_content(registry: RegistryUnderTest, office: Office) -> None:
    letter_id = await registry.draft(office, await registry.register(office))
    answer = await registry.http.get(f"/v1/letters/{letter_id}/content", headers=office.headers)
    assert (answer.status_code, answer.json()["code"]) == (409, "letter_not_registered")


async def test_letters_are_listed_newest_first_by_state(registry: RegistryUnderTest, office: Office) -> None:
    register_id = await registry.register(office)
    made = [await registry.draft(office, register_id) for _ in range(3)]
    await registry.registered(office, made[1])
    first = await registry.http.get("/v1/letters?limit=2", headers=office.headers)
    second = await registry.http.get(first.links["next"]["url"], headers=office.headers)
    assert [item["letter_id"] for page in (first, second) for item in page.json()["items"]] == made[::-1]
    drafts = await registry.http.get("/v1/letters?state=draft", headers=office.headers)
    assert [item["letter_id"] for item in drafts.json()["items"]] == [made[2], made[0]]
