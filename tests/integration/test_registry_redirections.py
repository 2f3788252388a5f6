"""A letter that was refused is sent on to the right agency: once, with its number and deadline, as a chunk of its own."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from services.registry.consumers import event_handler
from shared.broker import Incoming, Verdict
from shared.contracts.envelope import Envelope, Event
from shared.contracts.events import CircularDispatched, RecipientRejected, RecipientWithdrawn
from tests.support.registry import Office, RegistryUnderTest, open_registry


@pytest.fixture
async def registry(settings_environment: dict[str, str], tmp_path: Path) -> AsyncGenerator[RegistryUnderTest]:
    async with open_registry(settings_environment, tmp_path) as opened:
        yield opened


@pytest.fixture
async def offices(registry: RegistryUnderTest) -> tuple[Office, Office, Office]:
    return await registry.office("smk"), await registry.office("krabi"), await registry.office("phuket")


async def _sent(registry: RegistryUnderTest, sender: Office, *codes: str, **more: object) -> tuple[str, list[dict[str, Any]]]:
    """A letter that went round to these agencies, with its recipients."""
    list_id = await registry.distribution_list(sender, *codes, relay_duty=True)
    register_id = (await registry.http.get("/v1/registers", headers=sender.headers)).json()["items"]
    register = register_id[0]["register_id"] if register_id else await registry.register(sender)
    letter_id = await registry.draft(sender, register, list_id=list_id, **more)
    await registry.registered(sender, letter_id)
    assert (await registry.dispatch(sender, letter_id, letter_id)).status_code == 202
    return letter_id, (await registry.outbox(CircularDispatched.TYPE))[-1]["recipients"]


async def _tell(registry: RegistryUnderTest, *events: Event) -> None:
    """The news, as the broker delivers it, twice."""
    handler = event_handler(registry.database)
    for event in events:
        for _ in range(2):
            envelope = Envelope(source="test", type=event.TYPE, data=event.model_dump(mode="json"))
            message = Incoming(event.TYPE, str(envelope.id), envelope.model_dump_json().encode(), {}, redelivered=False)
            assert await handler(message) is Verdict.DONE


def _rejected(recipient: dict[str, Any], suggested: str | None = "phuket", minutes: int = 0) -> RecipientRejected:
    return RecipientRejected(
        **_about(recipient, minutes), reason="misaddressed", text="เป็นหน้าที่ของภูเก็ต", suggested_agency_code=suggested
    )


def _about(recipient: dict[str, Any], minutes: int) -> dict[str, Any]:
    return {
        "recipient_id": UUID(recipient["recipient_id"]),
        "circular_id": uuid4(),
        "agency_id": UUID(recipient["agency_id"]),
        "letter_id": uuid4(),
        "recorded_at": datetime(2026, 11, 23, 5, tzinfo=UTC) + timedelta(minutes=minutes),
    }


async def _redirect(
    registry: RegistryUnderTest, office: Office, letter_id: str, body: Mapping[str, object], key: str = "key"
) -> httpx.Response:
    headers = {**office.headers, "Idempotency-Key": key}
    return await registry.http.post(f"/v1/letters/{letter_id}/redirections", json=body, headers=headers)


async def test_a_refused_letter_goes_to_whom_the_refusal_suggests(
    registry: RegistryUnderTest, offices: tuple[Office, Office, Office]
) -> None:
    sender, krabi, phuket = offices
    letter_id, (wrong, other) = await _sent(registry, sender, "krabi", "smk", deadline="2030-01-02T09:30:00+07:00")
    body: dict[str, object] = {"recipient_id": wrong["recipient_id"]}
    early = await _redirect(registry, sender, letter_id, body)
    assert (early.status_code, early.json()["code"]) == (409, "recipient_not_rejected")
    await _tell(registry, _rejected(wrong))
    answers = await asyncio.gather(*(_redirect(registry, sender, letter_id, body) for _ in range(5)))
    assert {answer.status_code for answer in answers} == {201}
    (answer,) = {answer.text for answer in answers}
    made = answers[0].json()
    assert answer
    assert (made["agency_id"], made["title"], made["position"]) == (phuket.agency_id, "สำนักงาน phuket", 3)
    first, chunk = await registry.outbox(CircularDispatched.TYPE)
    assert (chunk["recipient_count"], chunk["chunk"], chunk["chunks"]) == (3, 2, 1)
    same = ("circular_id", "letter", "deadline", "dispatched_at", "sender_agency_id")
    assert {name: chunk[name] for name in same} == {name: first[name] for name in same}
    (right,) = CircularDispatched.model_validate(chunk).recipients
    assert (str(right.recipient_id), str(right.redirected_from)) == (made["recipient_id"], wrong["recipient_id"])
    assert right.relay_duty, "what the wrong one was to do falls to it"
    again = await _redirect(registry, sender, letter_id, body, "another")
    assert (again.status_code, again.json()["code"]) == (409, "recipient_redirected")
    assert made["recipient_id"] in again.json()["detail"]
    read = await registry.http.get(f"/v1/letters/{letter_id}", headers=phuket.headers)
    assert read.status_code == 200, "the right agency reads the letter"
    letters = await registry.http.get("/v1/books/sent", params={"recipient_agency_id": phuket.agency_id}, headers=sender.headers)
    assert [entry["letter_id"] for entry in letters.json()["items"]] == [letter_id]
    assert krabi
    assert other["position"] == 2


async def test_a_refusal_that_was_taken_back_is_none_in_whatever_order_the_news_comes(
    registry: RegistryUnderTest, offices: tuple[Office, Office, Office]
) -> None:
    sender, _, _ = offices
    letter_id, (wrong,) = await _sent(registry, sender, "krabi")
    body: dict[str, object] = {"recipient_id": wrong["recipient_id"]}
    await _tell(registry, RecipientWithdrawn(**_about(wrong, 5), reason="กดผิด"), _rejected(wrong, minutes=0))
    assert (await _redirect(registry, sender, letter_id, body)).json()["code"] == "recipient_not_rejected"
    await _tell(registry, _rejected(wrong, "smk", minutes=9), _rejected(wrong, minutes=1))
    made = await _redirect(registry, sender, letter_id, body)
    assert (made.status_code, made.json()["agency_id"]) == (201, sender.agency_id), "the newest refusal counts"


async def test_who_may_not_be_sent_to_is_said_and_nothing_is_stored(
    registry: RegistryUnderTest, offices: tuple[Office, Office, Office]
) -> None:
    sender, krabi, phuket = offices
    letter_id, (wrong, _other) = await _sent(registry, sender, "krabi", "smk")
    await _tell(registry, _rejected(wrong, suggested=None))
    closing = {"day": "2026-01-01", "reason": "ยุบเลิก"}
    closed = await registry.http.post(f"/v1/agencies/{phuket.agency_id}/close", json=closing, headers=registry.operator)
    assert closed.status_code == 200, closed.text
    asked: dict[str, object] = {"recipient_id": wrong["recipient_id"]}
    for body, status, code in (
        (asked, 422, "required"),
        ({**asked, "agency_code": "nowhere"}, 422, "agency_unknown"),
        ({**asked, "agency_code": "phuket"}, 409, "agency_closed"),
        ({**asked, "agency_code": "smk"}, 409, "already_recipient"),
        ({**asked, "agency_code": "krabi"}, 409, "already_recipient"),
        ({"recipient_id": str(uuid4()), "agency_code": "phuket"}, 422, "recipient_unknown"),
        ({**asked, "agency_code": "phuket", "title": "ก\u202eข"}, 422, "request_invalid"),
    ):
        answer = await _redirect(registry, sender, letter_id, body)
        told = answer.json()
        assert answer.status_code == status, told
        assert code in {told["code"], *(error["code"] for error in told.get("errors", ()))}, told
    assert (await _redirect(registry, krabi, letter_id, asked)).status_code == 404
    assert await registry.count("recipients") == 2
    assert len(await registry.outbox(CircularDispatched.TYPE)) == 1


async def test_a_letter_that_was_recalled_or_never_sent_is_not_sent_on(
    registry: RegistryUnderTest, offices: tuple[Office, Office, Office]
) -> None:
    sender, _, _ = offices
    letter_id, (wrong, _other) = await _sent(registry, sender, "krabi", "smk")
    await _tell(registry, _rejected(wrong))
    body: dict[str, object] = {"recipient_id": wrong["recipient_id"]}
    headers = {**sender.headers, "Idempotency-Key": "recall"}
    recalled = await registry.http.post(f"/v1/letters/{letter_id}/recall", json={"reason": "ส่งผิด"}, headers=headers)
    assert recalled.status_code == 202
    assert (await _redirect(registry, sender, letter_id, body)).json()["code"] == "letter_recalled"
    draft = await registry.draft(
        sender, (await registry.http.get("/v1/registers", headers=sender.headers)).json()["items"][0]["register_id"]
    )
    assert (await _redirect(registry, sender, draft, body, "draft")).json()["code"] == "letter_not_dispatched"


async def test_who_took_its_answer_back_is_recalled_like_any_other(
    registry: RegistryUnderTest, offices: tuple[Office, Office, Office]
) -> None:
    sender, krabi, _ = offices
    letter_id, (wrong, other) = await _sent(registry, sender, "krabi", "smk")

    async def recall(key: str, *recipients: dict[str, Any]) -> httpx.Response:
        order: dict[str, object] = {"reason": "ส่งผิด"}
        if recipients:
            order["recipient_ids"] = [one["recipient_id"] for one in recipients]
        headers = {**sender.headers, "Idempotency-Key": key}
        return await registry.http.post(f"/v1/letters/{letter_id}/recall", json=order, headers=headers)

    await _tell(registry, _rejected(wrong, minutes=0), _rejected(other, minutes=0))
    assert (await recall("1", wrong)).json()["code"] == "recall_too_late"
    await _tell(registry, RecipientWithdrawn(**_about(wrong, 5), reason="กดผิด"), _rejected(wrong, minutes=9))
    assert (await recall("2", wrong)).json()["code"] == "recall_too_late", "it has answered again"
    await _tell(registry, RecipientWithdrawn(**_about(wrong, 12), reason="กดผิด"))
    whole = await recall("3")
    assert (whole.status_code, whole.json()["recipients"], whole.json()["received_before"]) == (202, 1, 1)
    read = await registry.http.get(f"/v1/letters/{letter_id}", headers=krabi.headers)
    assert (read.status_code, read.json()["code"]) == (410, "letter_taken_back")
    await _tell(registry, RecipientWithdrawn(**_about(other, 15), reason="กดผิด"))
    for key, recipients in (("4", ()), ("5", (other,)), ("6", (wrong, other))):
        again = await recall(key, *recipients)
        assert (again.status_code, again.json()["code"]) == (409, "letter_recalled"), again.text


async def test_a_letter_that_was_taken_back_from_one_recipient_is_not_sent_on_from_there(
    registry: RegistryUnderTest, offices: tuple[Office, Office, Office]
) -> None:
    sender, _, phuket = offices
    letter_id, (wrong, other) = await _sent(registry, sender, "krabi", "smk")
    headers = {**sender.headers, "Idempotency-Key": "recall"}
    order = {"reason": "ส่งผิด", "recipient_ids": [wrong["recipient_id"]]}
    recalled = await registry.http.post(f"/v1/letters/{letter_id}/recall", json=order, headers=headers)
    assert recalled.status_code == 202
    # It had refused before the recall, and the news of that comes after it.
    await _tell(registry, _rejected(wrong), _rejected(other))
    refused = await _redirect(registry, sender, letter_id, {"recipient_id": wrong["recipient_id"]})
    assert (refused.status_code, refused.json()["code"]) == (409, "recipient_taken_back")
    assert await registry.count("recipients") == 2
    assert len(await registry.outbox(CircularDispatched.TYPE)) == 1
    read = await registry.http.get(f"/v1/letters/{letter_id}", headers=phuket.headers)
    assert read.status_code == 404, "nobody was told of it"
    made = await _redirect(registry, sender, letter_id, {"recipient_id": other["recipient_id"]})
    assert made.status_code == 201, "the key is free, and from the others it is sent on"
