"""Acknowledging by a token and by a link."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest

from shared.access import Scope
from shared.links import Purpose
from tests.support.ack import FORM, REGISTERED, REJECTED, OpenAck, circular, opened_ack
from tests.support.spoil import spoilt
from tests.support.tokens import TokenIssuer


@pytest.fixture
async def ack(settings_environment: dict[str, str], token_issuer: TokenIssuer) -> AsyncGenerator[OpenAck]:
    async with opened_ack(settings_environment, token_issuer) as opened:
        yield opened


async def post_link(ack: OpenAck, link: str, body: Any) -> httpx.Response:
    return await ack.http.post(f"/v1/acknowledgments/{link}", json=body)


async def test_a_registration_is_recorded_and_told(ack: OpenAck) -> None:
    sent = circular(2)
    await ack.apply(*sent.chunks())
    answer = await ack.acknowledge(sent.recipients[0])
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert len(told.pop("entries")) == 1
    assert told.pop("answer_id")
    assert told == {
        "recipient_id": str(sent.recipients[0].recipient_id),
        "circular_id": str(sent.circular_id),
        "state": "registered",
        "receive_number": "๑๑๐๗๒",
        "receive_date": "2026-11-23",
        "receive_time": "09:30",
        "registrar_name": "สมหญิง รักงาน",
        "registrar_position": None,
        "unit": "งานสารบรรณ",
        "rejection": None,
        "recorded_at": "2026-11-23T04:30:00Z",
        "door": "api",
        "disputed": False,
    }
    assert await ack.outgoing() == ["ack.recipient.registered.v1"]
    row, other = await ack.rows(sent)
    assert (row["state"], row["receive_number"], row["handed_over_at"]) == ("registered", "๑๑๐๗๒", None)
    assert other["state"] == "awaiting"


async def test_a_rejection_is_recorded_and_told(ack: OpenAck) -> None:
    sent = circular(1)
    await ack.apply(*sent.chunks())
    answer = await post_link(ack, ack.link(sent.recipients[0]), REJECTED)
    assert answer.status_code == 200
    assert answer.json()["state"] == "rejected"
    assert answer.json()["rejection"] == {"reason": "misaddressed", "text": REJECTED["text"], "suggested_agency_code": None}
    assert await ack.outgoing() == ["ack.recipient.rejected.v1"]


async def test_the_same_again_by_any_door_gets_the_first_answer(ack: OpenAck) -> None:
    sent = circular(1)
    (recipient,) = sent.recipients
    await ack.apply(*sent.chunks())
    first = await ack.acknowledge(recipient)
    ack.clock.now = ack.clock.now.replace(hour=9)
    again = await post_link(ack, ack.link(recipient), {**REGISTERED, "receive_number": "11072", "registrar_name": "สมชาย"})
    assert again.status_code == 200
    assert again.json() == first.json()
    assert await ack.count_events("registered") == 1
    assert len(await ack.outgoing()) == 1


@pytest.mark.parametrize("other", [{**REGISTERED, "receive_number": "11073"}, dict(REJECTED)])
async def test_another_answer_is_a_conflict_and_stores_nothing(ack: OpenAck, other: dict[str, Any]) -> None:
    sent = circular(1)
    (recipient,) = sent.recipients
    await ack.apply(*sent.chunks())
    await ack.acknowledge(recipient)
    refused = await post_link(ack, ack.link(recipient), other)
    assert refused.status_code == 409
    assert refused.json()["code"] == "acknowledgment_conflict"
    assert "๑๑๐๗๒" in refused.json()["detail"]
    assert (await ack.rows(sent))[0]["receive_number"] == "๑๑๐๗๒"
    assert len(await ack.outgoing()) == 1


async def test_of_two_doors_at_the_same_moment_one_wins(ack: OpenAck) -> None:
    sent = circular(1)
    (recipient,) = sent.recipients
    await ack.apply(*sent.chunks())
    link, nonce = ack.link(recipient), ack.resources.forms.nonce(recipient.recipient_id)
    form = {**REGISTERED, "nonce": nonce}
    answers = await asyncio.gather(
        ack.acknowledge(recipient),
        post_link(ack, link, {**REGISTERED, "receive_number": "2"}),
        ack.http.post(f"/a/{link}", data={**form, "receive_number": "3"}, headers=FORM),
        ack.acknowledge(recipient),
        post_link(ack, link, {**REGISTERED, "receive_number": "2"}),
        ack.http.post(f"/a/{link}", data={**form, "receive_number": "3"}, headers=FORM),
    )
    statuses = [answer.status_code for answer in answers]
    assert sorted(statuses) == [200, 200, 409, 409, 409, 409]
    assert statuses[:3] == statuses[3:], "each door gets the same answer twice"
    assert await ack.count_events("registered") == 1
    assert len(await ack.outgoing()) == 1


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("receive_number", "เลขรับ", "receive_number_invalid"),
        ("receive_number", "1" * 51, "receive_number_invalid"),
        ("receive_number", "1\u202e2", "receive_number_invalid"),
        ("receive_date", "2026-11-24", "receive_date_invalid"),
        ("receive_date", "2026-11-15", "receive_date_invalid"),
        ("receive_time", "25:00", "receive_time_invalid"),
        ("registrar_name", " ", "registrar_invalid"),
        ("unit", "a\x00b", "registrar_invalid"),
    ],
)
async def test_a_wrong_field_is_named_and_nothing_is_stored(ack: OpenAck, field: str, value: str, code: str) -> None:
    sent = circular(1)
    await ack.apply(*sent.chunks())
    refused = await ack.acknowledge(sent.recipients[0], {**REGISTERED, field: value})
    assert refused.status_code == 422
    assert refused.json()["code"] == code
    assert [error["pointer"] for error in refused.json()["errors"]] == [f"/{field}"]
    assert await ack.count_events("registered") == 0
    assert await ack.outgoing() == []


@pytest.mark.parametrize(
    "body", [{}, {"outcome": "lost"}, {**REGISTERED, "more": 1}, {**REJECTED, "reason": "bored"}, [], "x", None]
)
async def test_a_body_of_another_shape_is_refused(ack: OpenAck, body: Any) -> None:
    sent = circular(1)
    await ack.apply(*sent.chunks())
    refused = await post_link(ack, ack.link(sent.recipients[0]), body)
    assert (refused.status_code, refused.json()["code"]) == (422, "request_invalid")


async def test_a_body_beyond_the_limit_is_refused(ack: OpenAck) -> None:
    sent = circular(1)
    await ack.apply(*sent.chunks())
    for path in (f"/v1/acknowledgments/{ack.link(sent.recipients[0])}", f"/a/{ack.link(sent.recipients[0])}"):
        refused = await ack.http.post(path, content=b"x" * 70_000)
        assert (refused.status_code, refused.json()["code"]) == (413, "body_too_large")


async def test_an_acknowledgment_with_a_token_that_outruns_the_news_is_asked_to_come_again(ack: OpenAck) -> None:
    sent = circular(1)
    recipient = sent.recipients[0]
    path = f"/v1/recipients/{recipient.recipient_id}/acknowledgment"
    early = await ack.http.post(path, json=REGISTERED, headers=ack.headers(recipient.agency_id))
    assert (early.status_code, early.json()["code"]) == (503, "temporarily_unavailable")
    assert int(early.headers["retry-after"]) > 0
    await ack.apply(*sent.chunks())
    assert (await ack.http.post(path, json=REGISTERED, headers=ack.headers(recipient.agency_id))).status_code == 200


async def test_a_stranger_is_not_found(ack: OpenAck) -> None:
    sent = circular(2)
    await ack.apply(*sent.chunks())
    path = f"/v1/recipients/{sent.recipients[0].recipient_id}/acknowledgment"
    stranger = await ack.http.post(path, json=REGISTERED, headers=ack.headers(sent.recipients[1].agency_id))
    sender = await ack.http.post(path, json=REGISTERED, headers=ack.headers(sent.sender))
    assert [answer.json()["code"] for answer in (stranger, sender)] == ["not_found"] * 2
    assert await ack.count_events("registered") == 0


async def test_a_token_without_the_scope_is_refused(ack: OpenAck) -> None:
    sent = circular(1)
    await ack.apply(*sent.chunks())
    (recipient,) = sent.recipients
    headers = ack.headers(recipient.agency_id, Scope.LETTERS_READ)
    refused = await ack.http.post(f"/v1/recipients/{recipient.recipient_id}/acknowledgment", json=REGISTERED, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "scope_missing")


async def test_a_recipient_reads_its_own_row_only(ack: OpenAck) -> None:
    sent = circular(2)
    await ack.apply(*sent.chunks())
    mine, other = sent.recipients
    path = f"/v1/recipients/{mine.recipient_id}"
    own = await ack.http.get(path, headers=ack.headers(mine.agency_id))
    assert own.status_code == 200
    assert (own.json()["title"], own.json()["circular_id"]) == (mine.title, str(sent.circular_id))
    assert (await ack.http.get(path, headers=ack.headers(other.agency_id))).status_code == 404
    assert (await ack.http.get(path, headers=ack.headers(sent.sender))).status_code == 404


async def test_a_valid_link_whose_letter_is_under_way_says_try_again(ack: OpenAck) -> None:
    sent = circular(1)
    link = ack.link(sent.recipients[0])
    early = await post_link(ack, link, REGISTERED)
    assert (early.status_code, early.headers["retry-after"], early.json()["code"]) == (503, "2", "temporarily_unavailable")
    await ack.apply(*sent.chunks())
    assert (await post_link(ack, link, REGISTERED)).status_code == 200


async def test_spoilt_and_wrong_links_open_nothing(ack: OpenAck) -> None:
    sent = circular(1)
    await ack.apply(*sent.chunks())
    link = ack.link(sent.recipients[0])
    spoilt_link = spoilt(link)
    wrong = ack.resources.links.sign(Purpose.FILE, sent.recipients[0].recipient_id)
    nonce = ack.resources.forms.nonce(sent.recipients[0].recipient_id)
    for bad in (spoilt_link, wrong, nonce, ack.tracking(sent), "x", "a.b.c"):
        refused = await post_link(ack, bad, REGISTERED)
        assert (refused.status_code, refused.json()["code"]) == (404, "link_invalid")
        page = await ack.http.post(f"/a/{bad}", data={**REGISTERED, "nonce": nonce}, headers=FORM)
        assert page.status_code == 404
        assert "ลิงก์ไม่ถูกต้อง" in page.text
    assert await ack.count_events("registered") == 0
