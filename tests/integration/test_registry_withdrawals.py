"""Afterwards: a void stays visible, a letter has one successor, a recall stops at receipt, and errata leave the content alone."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from services.registry import withdrawing
from shared.broker import Incoming, Verdict
from shared.contracts.envelope import Envelope
from shared.contracts.events import (
    CircularDispatched,
    CircularErratum,
    CircularRecalled,
    CircularSuperseded,
    RecipientRegistered,
)
from shared.inbox import EventHandler, route
from tests.support.registry import Office, RegistryUnderTest, open_registry


@pytest.fixture
async def registry(settings_environment: dict[str, str], tmp_path: Path) -> AsyncGenerator[RegistryUnderTest]:
    async with open_registry(settings_environment, tmp_path) as opened:
        yield opened


@pytest.fixture
async def offices(registry: RegistryUnderTest) -> tuple[Office, Office, Office]:
    """A sender, and two that it writes to."""
    return await registry.office("smk"), await registry.office("krabi"), await registry.office("trang")


async def _post(registry: RegistryUnderTest, office: Office, path: str, body: object, key: str | None = None) -> httpx.Response:
    headers = office.headers if key is None else {**office.headers, "Idempotency-Key": key}
    return await registry.http.post(path, json=body, headers=headers)


def _code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def _registered(registry: RegistryUnderTest, office: Office, register_id: str, **more: object) -> str:
    letter_id = await registry.draft(office, register_id, **more)
    await registry.registered(office, letter_id)
    return letter_id


async def _sent(registry: RegistryUnderTest, office: Office, register_id: str, **more: object) -> tuple[str, str]:
    """A letter that has gone round, and its circular."""
    letter_id = await _registered(registry, office, register_id, **more)
    answer = await registry.dispatch(office, letter_id, str(uuid4()))
    assert answer.status_code == 202, answer.text
    return letter_id, answer.json()["circular_id"]


async def _recipients(registry: RegistryUnderTest, circular_id: str) -> list[dict[str, Any]]:
    told = await registry.outbox(CircularDispatched.TYPE)
    return [recipient for event in told if event["circular_id"] == circular_id for recipient in event["recipients"]]


async def _receive(registry: RegistryUnderTest, circular_id: str, recipient: dict[str, Any]) -> None:
    """The news that the recipient has registered, as the broker delivers it, twice."""
    event = RecipientRegistered(
        recipient_id=recipient["recipient_id"],
        circular_id=UUID(circular_id),
        agency_id=recipient["agency_id"],
        letter_id=uuid4(),
        receive_number="๓๓๓",
        receive_date=date(2026, 11, 23),
        recorded_at=datetime.now(UTC),
    )
    handler = EventHandler(
        registry.database, consumer="registry", routes=dict([route(RecipientRegistered, withdrawing.note_receipt)])
    )
    for _ in range(2):
        envelope = Envelope(source="test", type=event.TYPE, data=event.model_dump(mode="json"))
        message = Incoming(event.TYPE, str(envelope.id), envelope.model_dump_json().encode(), {}, redelivered=False)
        assert await handler(message) is Verdict.DONE


async def test_a_void_keeps_the_number_with_its_reason_and_happens_once(
    registry: RegistryUnderTest, offices: tuple[Office, Office, Office]
) -> None:
    sender, krabi, _ = offices
    register_id = await registry.register(sender)
    list_id = await registry.distribution_list(sender, "krabi")
    letter_id = await _registered(registry, sender, register_id, list_id=list_id)
    path, reason = f"/v1/letters/{letter_id}", {"reason": "ออกเลขที่ซ้ำ"}
    assert _code(await _post(registry, krabi, f"{path}/void", reason)) == (404, "not_found")
    assert (await _post(registry, sender, f"{path}/void", {"reason": " "})).status_code == 422
    answers = await asyncio.gather(*(_post(registry, sender, f"{path}/void", reason) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
    assert {_code(answer) for answer in answers if answer.is_error} == {(409, "letter_voided")}
    shown = (await registry.http.get(path, headers=sender.headers)).json()
    assert (shown["number"], shown["afterwards"]["voided"]["reason"]) == ("สค ๐๐๑๗.๑/ว ๑", "ออกเลขที่ซ้ำ")
    (listed,) = (await registry.http.get("/v1/letters", headers=sender.headers)).json()["items"]
    assert listed["voided_at"] == shown["voided_at"] == shown["afterwards"]["voided"]["voided_at"]
    assert _code(await registry.dispatch(sender, letter_id, "late")) == (409, "letter_voided")
    following = await registry.registered(sender, await registry.draft(sender, register_id))
    assert following["number"] == "สค ๐๐๑๗.๑/ว ๒", "a cancelled number is not issued again"
    draft_id = await registry.draft(sender, register_id)
    assert _code(await _post(registry, sender, f"/v1/letters/{draft_id}/void", reason)) == (409, "letter_not_registered")
    sent_id, _ = await _sent(registry, sender, register_id, list_id=list_id)
    assert _code(await _post(registry, sender, f"/v1/letters/{sent_id}/void", reason)) == (409, "letter_dispatched")


async def test_a_recall_is_told_to_all_and_takes_the_letter_from_those_that_have_not_received_it(
    registry: RegistryUnderTest, offices: tuple[Office, Office, Office]
) -> None:
    sender, krabi, trang = offices
    list_id = await registry.distribution_list(sender, "krabi", "trang")
    letter_id, circular_id = await _sent(registry, sender, await registry.register(sender), list_id=list_id)
    path, body = f"/v1/letters/{letter_id}", {"reason": "ส่งผิดหน่วยงาน"}
    received, awaiting = await _recipients(registry, circular_id)
    await _receive(registry, circular_id, received)
    assert _code(await _post(registry, krabi, f"{path}/recall", body, "k")) == (404, "not_found")
    assert _code(await _post(registry, sender, f"{path}/recall", body)) == (400, "idempotency_key_missing")
    only = {**body, "recipient_ids": [received["recipient_id"]]}
    assert _code(await _post(registry, sender, f"{path}/recall", only, "only")) == (409, "recall_too_late")
    unknown = {**body, "recipient_ids": [awaiting["recipient_id"], str(uuid4())]}
    refused = await _post(registry, sender, f"{path}/recall", unknown, "unknown")
    assert _code(refused) == (422, "recipient_unknown")
    assert refused.json()["errors"][0]["pointer"] == "/recipient_ids/1"
    assert await registry.outbox(CircularRecalled.TYPE) == []
    first, again = [await _post(registry, sender, f"{path}/recall", body, "one") for _ in range(2)]
    assert first.status_code == 202
    assert again.json() == first.json()
    assert (first.json()["recipients"], first.json()["received_before"]) == (1, 1)
    assert _code(await _post(registry, sender, f"{path}/recall", {"reason": "อื่น"}, "one")) == (422, "idempotency_key_reused")
    assert _code(await _post(registry, sender, f"{path}/recall", body, "two")) == (409, "letter_recalled")
    (event,) = await registry.outbox(CircularRecalled.TYPE)
    assert [one["recipient_id"] for one in event["recipients"]] == [received["recipient_id"], awaiting["recipient_id"]]
    assert (event["reason"], event["circular_id"]) == ("ส่งผิดหน่วยงาน", circular_id)
    kept = await registry.http.get(path, headers=krabi.headers)
    assert kept.status_code == 200
    for rest in ("", "/content", "/thread", "/errata"):
        assert _code(await registry.http.get(f"{path}{rest}", headers=trang.headers)) == (410, "letter_taken_back")
    (seen,) = (await registry.http.get(path, headers=sender.headers)).json()["afterwards"]["recalls"]
    assert (seen["whole"], seen["reason"]) == (True, "ส่งผิดหน่วยงาน")
    # News of a receipt that the acknowledgment service had accepted before it knew of the recall.
    await _receive(registry, circular_id, awaiting)
    assert (await registry.http.get(path, headers=trang.headers)).status_code == 200


async def test_a_successor_tells_what_changed_and_is_the_only_one(
    registry: RegistryUnderTest, offices: tuple[Office, Office, Office]
) -> None:
    sender, krabi, trang = offices
    register_id = await registry.register(sender)
    old_list, new_list = (
        await registry.distribution_list(sender, "krabi", "trang"),
        await registry.distribution_list(sender, "krabi"),
    )
    old_id, old_circular = await _sent(registry, sender, register_id, list_id=old_list)
    body = {"register_id": register_id, "supersedes": old_id}
    stranger = await _post(registry, krabi, "/v1/letters", {**body, "register_id": await registry.register(krabi)})
    assert _code(stranger) == (422, "letter_unknown")
    changed = {"subject": "เรื่องที่แก้ไข", "body": ["ใหม่"], "list_id": new_list, "supersedes": old_id}
    new_id = await registry.draft(sender, register_id, **changed)
    twice = await _post(registry, sender, "/v1/letters", {"register_id": register_id, "supersedes": old_id})
    assert _code(twice) == (409, "letter_superseded")
    assert new_id in twice.json()["detail"]
    await registry.registered(sender, new_id)
    assert await registry.outbox(CircularSuperseded.TYPE) == [], "nobody is told before it goes round"
    new_circular = (await registry.dispatch(sender, new_id, "new")).json()["circular_id"]
    (event,) = await registry.outbox(CircularSuperseded.TYPE)
    assert (event["circular_id"], event["successor_circular_id"]) == (old_circular, new_circular)
    assert event["successor_number"] == "สค ๐๐๑๗.๑/ว ๒"
    assert [(one["agency_id"], one["addressed_again"]) for one in event["recipients"]] == [
        (krabi.agency_id, True),
        (trang.agency_id, False),
    ]
    assert event["changes"] == [
        {"field": "subject", "before": "การพัฒนางานบริการประชาชน", "after": "เรื่องที่แก้ไข"},
        {"field": "body", "before": None, "after": None},
    ]
    seen = (await registry.http.get(f"/v1/letters/{old_id}", headers=trang.headers)).json()["afterwards"]
    assert seen["superseded_by"]["number"] == "สค ๐๐๑๗.๑/ว ๒"
    threads = {
        office.code: (await registry.http.get(f"/v1/letters/{old_id}/thread", headers=office.headers)).json()["items"]
        for office in (sender, krabi, trang)
    }
    assert {code: [one["letter_id"] for one in items] for code, items in threads.items()} == {
        "smk": [old_id, new_id],
        "krabi": [old_id, new_id],
        "trang": [old_id],
    }
    assert threads["krabi"][1]["supersedes"] == old_id


async def test_what_was_voided_has_no_successor_and_a_voided_successor_leaves_the_place_free(
    registry: RegistryUnderTest, offices: tuple[Office, Office, Office]
) -> None:
    sender, *_ = offices
    register_id = await registry.register(sender)
    list_id = await registry.distribution_list(sender, "krabi")
    voided_id = await _registered(registry, sender, register_id)
    await _post(registry, sender, f"/v1/letters/{voided_id}/void", {"reason": "ผิด"})
    refused = await _post(registry, sender, "/v1/letters", {"register_id": register_id, "supersedes": voided_id})
    assert _code(refused) == (409, "letter_voided")
    old_id = await _registered(registry, sender, register_id, list_id=list_id)
    first_id = await _registered(registry, sender, register_id, supersedes=old_id)
    assert _code(await registry.dispatch(sender, old_id, "old")) == (409, "letter_superseded")
    assert _code(await _post(registry, sender, f"/v1/letters/{old_id}/void", {"reason": "ผิด"})) == (409, "letter_superseded")
    assert (await _post(registry, sender, f"/v1/letters/{first_id}/void", {"reason": "ผิด"})).status_code == 200
    assert (await registry.dispatch(sender, old_id, "old")).status_code == 202
    wanted = [_post(registry, sender, "/v1/letters", {"register_id": register_id, "supersedes": old_id}) for _ in range(4)]
    assert sorted(answer.status_code for answer in await asyncio.gather(*wanted)) == [201, 409, 409, 409]


async def test_errata_are_numbered_and_change_nothing_that_was_frozen(
    registry: RegistryUnderTest, offices: tuple[Office, Office, Office]
) -> None:
    sender, krabi, trang = offices
    register_id, list_id = await registry.register(sender), await registry.distribution_list(sender, "krabi")
    unsent = await _registered(registry, sender, register_id)
    note = {"text": "๑๕๑๖๓ ให้แก้เป็น ๑๕๑๒๓", "fields": ["body"]}
    assert _code(await _post(registry, sender, f"/v1/letters/{unsent}/erratum", note, "u")) == (409, "letter_not_dispatched")
    letter_id, _ = await _sent(registry, sender, register_id, list_id=list_id)
    path = f"/v1/letters/{letter_id}"
    before = (await registry.http.get(f"{path}/content", headers=krabi.headers)).content
    wrong = await _post(registry, sender, f"{path}/erratum", {**note, "fields": ["body", "nothing"]}, "w")
    assert _code(wrong) == (422, "erratum_field_unknown")
    first, again = [await _post(registry, sender, f"{path}/erratum", note, "a") for _ in range(2)]
    assert (first.status_code, first.json()["number"]) == (201, 1)
    assert again.json() == first.json()
    second = await _post(registry, sender, f"{path}/erratum", {"text": "อีกข้อ"}, "b")
    assert second.json()["number"] == 2
    assert [event["erratum"] for event in await registry.outbox(CircularErratum.TYPE)] == [1, 2]
    seen = await registry.http.get(f"{path}/errata", headers=krabi.headers)
    assert [(one["number"], one["text"]) for one in seen.json()] == [(1, note["text"]), (2, "อีกข้อ")]
    assert _code(await registry.http.get(f"{path}/errata", headers=trang.headers)) == (404, "not_found")
    assert (await registry.http.get(f"{path}/content", headers=krabi.headers)).content == before
    secret_id, _ = await _sent(registry, sender, register_id, list_id=list_id, secrecy="secret")
    await _post(registry, sender, f"/v1/letters/{secret_id}/erratum", note, "s")
    await _post(registry, sender, f"/v1/letters/{secret_id}/recall", {"reason": "เรื่องลับ"}, "r")
    assert [event["text"] for event in await registry.outbox(CircularErratum.TYPE)][-1] == ""
    assert [event["reason"] for event in await registry.outbox(CircularRecalled.TYPE)] == [""]


async def test_a_thread_goes_through_what_the_reader_may_read_alone(
    registry: RegistryUnderTest, offices: tuple[Office, Office, Office]
) -> None:
    sender, krabi, trang = offices
    asked_id, _ = await _sent(
        registry, sender, await registry.register(sender), list_id=await registry.distribution_list(sender, "krabi", "trang")
    )
    own = await registry.register(krabi, unit_code="กบ ๐๐๑๗")
    to_sender = await registry.distribution_list(krabi, "smk")
    answered_id, _ = await _sent(registry, krabi, own, list_id=to_sender, follows=asked_id)
    draft_id = await registry.draft(krabi, own, follows=answered_id)

    async def thread(office: Office, letter_id: str) -> Any:
        return await registry.http.get(f"/v1/letters/{letter_id}/thread", headers=office.headers)

    assert [one["letter_id"] for one in (await thread(krabi, answered_id)).json()["items"]] == [asked_id, answered_id, draft_id]
    assert [one["letter_id"] for one in (await thread(sender, asked_id)).json()["items"]] == [asked_id, answered_id]
    assert [one["letter_id"] for one in (await thread(trang, asked_id)).json()["items"]] == [asked_id]
    assert _code(await thread(trang, answered_id)) == (404, "not_found")
    body = {"register_id": await registry.register(trang, unit_code="ตง ๐๐๑๗"), "follows": answered_id}
    assert _code(await _post(registry, trang, "/v1/letters", body)) == (422, "letter_unknown")


async def test_a_long_list_is_told_in_chunks_that_name_everybody_once(
    registry: RegistryUnderTest, offices: tuple[Office, Office, Office]
) -> None:
    sender, *_ = offices
    list_id = await registry.distribution_list(sender, "krabi")
    letter_id, circular_id = await _sent(registry, sender, await registry.register(sender), list_id=list_id)
    async with registry.database.connection() as connection:
        await connection.execute(
            "INSERT INTO recipients (recipient_id, circular_id, position, agency_id, title, relay_duty)"
            " SELECT gen_random_uuid(), circular_id, n, agency_id, title, false FROM recipients, generate_series(2, 1001) AS n"
        )
    answer = await _post(registry, sender, f"/v1/letters/{letter_id}/recall", {"reason": "ผิด"}, "all")
    assert answer.json()["recipients"] == 1001
    events = await registry.outbox(CircularRecalled.TYPE)
    assert [(event["chunk"], event["chunks"], len(event["recipients"])) for event in events] == [
        (1, 3, 500), (2, 3, 500), (3, 3, 1),
    ]  # fmt: skip
    assert len({one["recipient_id"] for event in events for one in event["recipients"]}) == 1001
    assert {event["circular_id"] for event in events} == {circular_id}


def test_every_refusal_has_its_problem() -> None:
    assert {why.value: problem.code for why, problem in withdrawing.PROBLEMS.items()} == {
        why.value: why.value for why in withdrawing.Why
    }
