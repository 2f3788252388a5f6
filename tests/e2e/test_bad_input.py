"""Bad input gets a problem with a stable code, the field and what to do, and nothing is stored."""

import base64
import hashlib
import json
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest

from tests.support.eventually import eventually
from tests.support.office import Enrolled, draft, enrol, registered_letter
from tests.support.spoil import spoilt
from tests.support.system import RunningSystem, running_system
from wian.demo.api import Api, ApiRefusal

PDF = {"Content-Type": "application/pdf"}
TITLE = {"title": "นายอำเภอ", "agency_code": "receiver", "relay_duty": False}


@pytest.fixture
async def system(settings_environment: dict[str, str]) -> AsyncGenerator[RunningSystem]:
    async with running_system(settings_environment, registry_attachment_max_bytes="1000") as running:
        yield running


@pytest.fixture
async def http(system: RunningSystem) -> AsyncGenerator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=system.url, timeout=10) as client:
        yield client


@pytest.fixture
async def office(http: httpx.AsyncClient, system: RunningSystem) -> Enrolled:
    return await enrol(http, system)


async def _refusal(response: httpx.Response, status: int, code: str, pointer: str | None = None) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["code"] == code
    assert problem["remedy"]["en"]
    assert problem["remedy"]["th"]
    if pointer is not None:
        assert pointer in {error["pointer"] for error in problem["errors"]}, problem
    return problem


async def _call(api: Api, method: str, path: str, body: object = None, **headers: str) -> httpx.Response:
    content = None if body is None else json.dumps(body, ensure_ascii=False).encode()
    return await api.answer(method, path, content, {"Content-Type": "application/json", **headers})


@pytest.mark.parametrize(
    ("change", "status", "code", "pointer"),
    [
        ({"secrecy": "ลับที่สุด"}, 422, "secrecy_not_electronic", "/secrecy"),
        ({"secrecy": "top_secret"}, 422, "secrecy_not_electronic", "/secrecy"),
        ({"secrecy": "ลับมากมาก"}, 422, "secrecy_unknown", "/secrecy"),
        ({"speed": "soon"}, 422, "speed_unknown", "/speed"),
        ({"date": "2026-02-30"}, 422, "date_invalid", "/date"),
        ({"deadline": "9999-12-31T23:59:59Z"}, 422, "request_invalid", "/deadline"),
        ({"deadline": "0001-01-01T00:00:00+07:00"}, 422, "request_invalid", "/deadline"),
        ({"body": ["ก" * 40_000] * 7}, 422, "request_invalid", "/body"),
        ({"register_id": "0190f3a0-0000-7000-8000-000000000000"}, 422, "register_unknown", "/register_id"),
    ],
)
async def test_letter_that_may_not_be_is_not_drafted(
    office: Enrolled, change: dict[str, object], status: int, code: str, pointer: str
) -> None:
    await _refusal(await _call(office.sender, "POST", "/v1/letters", draft(office, **change)), status, code, pointer)
    assert (await office.sender.get("/v1/letters"))["items"] == []


@pytest.mark.parametrize(
    ("path", "body", "code", "pointer"),
    [
        ("/v1/registers", {"unit_code": "ABC/12", "circular_series": "own"}, "unit_code_malformed", "/unit_code"),
        ("/v1/lists", {"name": "ว่าง", "addressees": []}, "list_empty", "/addressees"),
        (
            "/v1/lists",
            {"name": "ซ้ำ", "addressees": [TITLE, {**TITLE, "title": "นาย อำเภอ".replace(" ", "")}]},
            "list_duplicate",
            "/addressees/1",
        ),
        (
            "/v1/lists",
            {"name": "ใคร", "addressees": [{**TITLE, "agency_code": "nobody"}]},
            "agency_unknown",
            "/addressees/0/agency_code",
        ),
    ],
)
async def test_register_or_list_that_is_wrong_is_not_made(
    office: Enrolled, path: str, body: dict[str, object], code: str, pointer: str
) -> None:
    before = len((await office.sender.get(path))["items"])
    await _refusal(await _call(office.sender, "POST", path, body), 422, code, pointer)
    assert len((await office.sender.get(path))["items"]) == before


async def test_attachment_that_is_too_large_or_differs_from_its_hash_is_not_kept(office: Enrolled) -> None:
    letter = await office.sender.post("/v1/letters", draft(office))
    path = f"/v1/letters/{letter['letter_id']}"
    large = await office.sender.answer("POST", f"{path}/attachments?file_name=a.pdf", b"%PDF-" + b"x" * 2000, PDF)
    await _refusal(large, 413, "attachment_too_large")
    digest = base64.b64encode(hashlib.sha256(b"another file").digest()).decode()
    differs = await office.sender.answer(
        "POST", f"{path}/attachments?file_name=a.pdf", b"%PDF-1.7", {**PDF, "Content-Digest": f"sha-256=:{digest}:"}
    )
    await _refusal(differs, 422, "attachment_hash_differs")
    assert (await office.sender.get(path))["attachments"] == []


async def test_dispatch_is_refused_for_a_draft_and_for_another_body_under_one_key(office: Enrolled) -> None:
    letter = await office.sender.post("/v1/letters", draft(office))
    early = await _call(office.sender, "POST", f"/v1/letters/{letter['letter_id']}/dispatch", {}, **{"Idempotency-Key": "k1"})
    await _refusal(early, 409, "letter_not_registered")
    path = await registered_letter(office)
    await _refusal(await _call(office.sender, "POST", f"{path}/dispatch", {}), 400, "idempotency_key_missing")
    first = await office.sender.post(f"{path}/dispatch", {}, {"Idempotency-Key": "k2"})
    assert await office.sender.post(f"{path}/dispatch", {}, {"Idempotency-Key": "k2"}) == first
    other = await _call(office.sender, "POST", f"{path}/dispatch", {"list_id": office.list_id}, **{"Idempotency-Key": "k2"})
    await _refusal(other, 422, "idempotency_key_reused")
    again = await _call(office.sender, "POST", f"{path}/dispatch", {}, **{"Idempotency-Key": "k3"})
    assert first["circular_id"] in (await _refusal(again, 409, "letter_already_dispatched"))["detail"]


async def test_stranger_finds_nothing_and_acknowledges_nothing(office: Enrolled, http: httpx.AsyncClient) -> None:
    path = await registered_letter(office)
    circular = await office.sender.post(f"{path}/dispatch", {}, {"Idempotency-Key": "k"})
    inbox = await eventually(lambda: office.receiver.get("/v1/inbox"), lambda found: len(found["items"]) == 1)
    item = inbox["items"][0]
    acknowledgment = {"outcome": "registered", "receive_number": "๑", "receive_date": "2026-11-03", "registrar_name": "ใคร"}
    recipient = f"/v1/recipients/{item['recipient_id']}"
    for method, hidden, body in (
        ("POST", f"{recipient}/acknowledgment", acknowledgment),
        ("GET", recipient, None),
        ("GET", path, None),
        ("GET", f"/v1/inbox/{item['delivery_id']}", None),
        ("GET", f"/v1/deliveries/{item['delivery_id']}/attempts", None),
        ("GET", f"/v1/circulars/{circular['circular_id']}", None),
        ("GET", f"/v1/circulars/{circular['circular_id']}/recipients", None),
        ("GET", f"/v1/circulars/{circular['circular_id']}/annex.pdf", None),
    ):
        await _refusal(await _call(office.stranger, method, hidden, body), 404, "not_found")
    matrix = await office.sender.get(f"/v1/circulars/{circular['circular_id']}")
    assert (matrix["registered"], matrix["handed_over_total"]) == (0, 0)
    refused = await http.post(spoilt(item["acknowledgment_url"]), json=acknowledgment)
    await _refusal(refused, 404, "link_invalid")
    token = await http.get(path, headers={"Authorization": "Bearer spoilt.spoilt.spoilt"})
    await _refusal(token, 401, "token_invalid")


async def test_acknowledgment_that_cannot_be_is_not_recorded(office: Enrolled) -> None:
    path = await registered_letter(office)
    await office.sender.post(f"{path}/dispatch", {}, {"Idempotency-Key": "k"})
    inbox = await eventually(lambda: office.receiver.get("/v1/inbox"), lambda found: len(found["items"]) == 1)
    target = f"/v1/recipients/{inbox['items'][0]['recipient_id']}/acknowledgment"
    good = {"outcome": "registered", "receive_number": "๓๓๓", "receive_date": "2026-11-03", "registrar_name": "สมหญิง"}
    for change, code, pointer in (
        ({"receive_number": "ไม่มีเลข"}, "receive_number_invalid", "/receive_number"),
        ({"receive_date": "2999-01-01"}, "receive_date_invalid", "/receive_date"),
        ({"receive_date": "2000-01-01"}, "receive_date_invalid", "/receive_date"),
    ):
        await _refusal(await _call(office.receiver, "POST", target, {**good, **change}), 422, code, pointer)
    first = await office.receiver.post(target, good)
    assert await office.receiver.post(target, good) == first
    await _refusal(
        await _call(office.receiver, "POST", target, {**good, "receive_number": "๓๓๔"}), 409, "acknowledgment_conflict"
    )
    with pytest.raises(ApiRefusal):
        await office.receiver.post(target, {**good, "receive_number": "๓๓๕"})
