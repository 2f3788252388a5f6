"""Answers afterwards: numbers of several desks, corrections, withdrawals, disputes, evidence, clerks, and many at once."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from shared.access import Scope
from shared.contracts.events import FrozenRecipient
from tests.support.ack import REGISTERED, REJECTED, OpenAck, Sent, circular, opened_ack
from tests.support.afterwards import recalled
from tests.support.tokens import TokenIssuer

ANOTHER = {**REGISTERED, "receive_number": "๑๑๐๗๓"}


@pytest.fixture
async def ack(settings_environment: dict[str, str], token_issuer: TokenIssuer) -> AsyncGenerator[OpenAck]:
    async with opened_ack(settings_environment, token_issuer) as opened:
        yield opened


@pytest.fixture
async def sent(ack: OpenAck) -> Sent:
    made = circular(3)
    await ack.apply(*made.chunks())
    return made


async def post(ack: OpenAck, agency_id: UUID, recipient: FrozenRecipient, what: str, body: object) -> httpx.Response:
    return await ack.http.post(f"/v1/recipients/{recipient.recipient_id}/{what}", json=body, headers=ack.headers(agency_id))


async def timeline(ack: OpenAck, agency_id: UUID, recipient: FrozenRecipient) -> list[dict[str, Any]]:
    answer = await ack.http.get(f"/v1/recipients/{recipient.recipient_id}/timeline", headers=ack.headers(agency_id))
    assert answer.status_code == 200, answer.text
    return answer.json()["events"]


async def test_each_desk_adds_its_number_and_the_highest_counts(ack: OpenAck, sent: Sent) -> None:
    one = sent.recipients[0]
    division = {**REGISTERED, "receive_number": "๕๕", "unit": "กองช่าง", "level": "division"}
    assert (await ack.acknowledge(one, division)).status_code == 200
    assert (await ack.rows(sent))[0]["receive_number"] == "๕๕"
    assert (await ack.acknowledge(one, REGISTERED)).status_code == 200
    assert (await ack.acknowledge(one, {**division, "receive_number": "๗", "unit": "กองคลัง"})).status_code == 200
    row = (await ack.rows(sent))[0]
    assert (row["state"], row["receive_number"]) == ("registered", "๑๑๐๗๒")
    assert [(entry["level"], entry["unit"], entry["receive_number"]) for entry in row["entries"]] == [
        ("central", "งานสารบรรณ", "๑๑๐๗๒"),
        ("division", "กองช่าง", "๕๕"),
        ("division", "กองคลัง", "๗"),
    ]
    again = await ack.acknowledge(one, {**division, "receive_number": "๕๖"})
    assert (again.status_code, again.json()["code"]) == (409, "acknowledgment_conflict")
    # The others are told of the number that counts, each time that it changes, and of no other.
    assert await ack.outgoing() == ["ack.recipient.registered.v1"] * 2


async def test_a_correction_keeps_what_was_written(ack: OpenAck, sent: Sent) -> None:
    one, other = sent.recipients[:2]
    body = {"reason": "อ่านเลขรับผิด", "registration": ANOTHER}
    early = await post(ack, one.agency_id, one, "corrections", body)
    assert (early.status_code, early.json()["code"]) == (409, "not_answered")
    await ack.acknowledge(one)
    stranger = await post(ack, other.agency_id, one, "corrections", body)
    assert stranger.status_code == 404
    assert (await post(ack, sent.sender, one, "corrections", body)).status_code == 404
    corrected = await post(ack, one.agency_id, one, "corrections", body)
    assert (corrected.status_code, corrected.json()["receive_number"]) == (200, "๑๑๐๗๓")
    again = await post(ack, one.agency_id, one, "corrections", body)
    assert again.json() == corrected.json()
    assert await ack.count_events("corrected") == 1
    entry = (await ack.rows(sent))[0]["entries"][0]
    assert (entry["receive_number"], entry["written_number"]) == ("๑๑๐๗๓", "๑๑๐๗๒")
    back = await post(ack, one.agency_id, one, "corrections", {"reason": "ถูกแล้ว", "registration": REGISTERED})
    assert back.json()["receive_number"] == "๑๑๐๗๒"
    assert [event["type"] for event in await timeline(ack, sent.sender, one)] == ["registered", "corrected", "corrected"]
    assert await ack.outgoing() == ["ack.recipient.registered.v1"] * 3


async def test_a_correction_with_the_link_and_wrong_fields(ack: OpenAck, sent: Sent) -> None:
    one = sent.recipients[0]
    await ack.acknowledge(one)
    path = f"/v1/acknowledgments/{ack.link(one)}/corrections"
    wrong = await ack.http.post(path, json={"reason": "", "registration": {**ANOTHER, "receive_date": "2030-01-01"}})
    assert wrong.status_code == 422
    assert {fault["pointer"] for fault in wrong.json()["errors"]} == {"/reason", "/receive_date"}
    unknown = await ack.http.post(path, json={"reason": "x", "registration": ANOTHER, "answer_id": str(uuid4())})
    assert (unknown.status_code, unknown.json()["code"]) == (409, "not_answered")
    assert (await ack.http.post(path, json={"reason": "x", "registration": ANOTHER})).status_code == 200


async def test_what_was_taken_back_may_be_answered_anew(ack: OpenAck, sent: Sent) -> None:
    one = sent.recipients[0]
    await ack.acknowledge(one)
    gone = await post(ack, one.agency_id, one, "withdrawals", {"reason": "ลงรับผิดฉบับ"})
    assert (gone.status_code, gone.json()["state"], gone.json()["receive_number"]) == (200, "received", None)
    row = (await ack.rows(sent))[0]
    assert (row["state"], row["receive_number"], row["withdrawals"]) == ("received", None, 1)
    nothing = await post(ack, one.agency_id, one, "withdrawals", {"reason": "อีกครั้ง"})
    assert (nothing.status_code, nothing.json()["code"]) == (409, "not_answered")
    assert (await ack.acknowledge(one, REJECTED)).json()["state"] == "rejected"
    assert (await post(ack, one.agency_id, one, "withdrawals", {"reason": "ไม่ได้ส่งผิด"})).json()["state"] == "received"
    assert (await ack.acknowledge(one, ANOTHER)).json()["receive_number"] == "๑๑๐๗๓"
    assert await ack.outgoing() == [
        "ack.recipient.registered.v1",
        "ack.recipient.withdrawn.v1",
        "ack.recipient.rejected.v1",
        "ack.recipient.withdrawn.v1",
        "ack.recipient.registered.v1",
    ]


async def test_a_recall_after_a_withdrawal_counts(ack: OpenAck, sent: Sent) -> None:
    one = sent.recipients[0]
    await ack.acknowledge(one)
    await post(ack, one.agency_id, one, "withdrawals", {"reason": "ลงรับผิดฉบับ"})
    await ack.apply(recalled(sent.circular_id, sent.sender, [one]))
    answer = await ack.acknowledge(one)
    assert (answer.status_code, answer.json()["code"]) == (409, "recipient_recalled")


async def test_a_dispute_stands_until_it_is_answered_or_the_number_corrected(ack: OpenAck, sent: Sent) -> None:
    one, other = sent.recipients[:2]
    for recipient in (one, other):
        await ack.acknowledge(recipient)
    doubt = {"text": "เลขรับนี้เป็นของหนังสืออีกฉบับหนึ่ง"}
    assert (await post(ack, one.agency_id, one, "disputes", doubt)).status_code == 404, "a recipient does not doubt itself"
    raised = await post(ack, sent.sender, one, "disputes", doubt)
    assert (raised.status_code, raised.json()["disputed"], raised.json()["state"]) == (200, True, "registered")
    assert (await post(ack, sent.sender, one, "disputes", doubt)).json() == raised.json()
    second = await post(ack, sent.sender, one, "disputes", {"text": "อีกเรื่อง"})
    assert (second.status_code, second.json()["code"]) == (409, "dispute_open")
    assert (await ack.rows(sent))[0]["dispute_text"] == doubt["text"]
    stands = await post(ack, one.agency_id, one, "dispute-replies", {"text": "ถูกต้องแล้ว"})
    assert stands.json()["disputed"] is False
    late = await post(ack, one.agency_id, one, "dispute-replies", {"text": "ถูกต้องแล้ว"})
    assert (late.status_code, late.json()["code"]) == (409, "dispute_unknown")
    await post(ack, sent.sender, other, "disputes", doubt)
    mended = await post(ack, other.agency_id, other, "corrections", {"reason": "จริง", "registration": ANOTHER})
    assert mended.json()["disputed"] is False
    assert (await ack.outgoing())[2:] == [
        "ack.recipient.disputed.v1",
        "ack.recipient.dispute_answered.v1",
        "ack.recipient.disputed.v1",
        "ack.recipient.registered.v1",
    ]


async def test_the_same_answer_by_another_door_is_evidence_once(ack: OpenAck, sent: Sent) -> None:
    one = sent.recipients[0]
    first = await ack.acknowledge(one)
    for _ in range(2):
        by_link = await ack.http.post(f"/v1/acknowledgments/{ack.link(one)}", json=dict(REGISTERED))
        assert by_link.json() == first.json()
    events = await timeline(ack, one.agency_id, one)
    assert [(event["type"], event["channel"], event["grade"]) for event in events] == [
        ("registered", "api", "authenticated"),
        ("confirmed", "link", "link_holder"),
    ]
    assert await ack.outgoing() == ["ack.recipient.registered.v1"]


async def test_a_clerk_records_what_was_said_and_it_is_marked(ack: OpenAck, sent: Sent) -> None:
    one = sent.recipients[0]
    said = {"medium": "telephone", "informant": "คุณสมหญิง", "answer": dict(REGISTERED)}
    assert (await post(ack, one.agency_id, one, "attested-acknowledgment", said)).status_code == 404
    nobody = await post(ack, sent.sender, one, "attested-acknowledgment", {**said, "informant": " "})
    assert (nobody.status_code, nobody.json()["code"]) == (422, "attestation_invalid")
    recorded = await post(ack, sent.sender, one, "attested-acknowledgment", said)
    assert (recorded.status_code, recorded.json()["door"]) == (200, "clerk")
    (event,) = await timeline(ack, sent.sender, one)
    assert (event["grade"], event["data"]["attestation"]) == ("hearsay", {"medium": "telephone", "informant": "คุณสมหญิง"})
    own = await ack.acknowledge(one)
    assert (own.status_code, own.json()["door"]) == (200, "clerk")
    assert [one["type"] for one in await timeline(ack, sent.sender, one)] == ["registered", "confirmed"]


async def test_a_notice_is_no_answer(ack: OpenAck, sent: Sent) -> None:
    one = sent.recipients[0]
    assert (await ack.acknowledge(one, {"outcome": "opened"})).json()["state"] == "opened"
    assert (await ack.acknowledge(one, {"outcome": "received"})).json()["state"] == "received"
    assert (await ack.acknowledge(one, {"outcome": "opened"})).json()["state"] == "received"
    assert (await ack.rows(sent))[0]["recorded_at"] is None
    assert await ack.outgoing() == []


async def test_a_timeline_is_for_both_sides_and_nobody_else(ack: OpenAck, sent: Sent) -> None:
    one, other = sent.recipients[:2]
    await ack.acknowledge(one)
    path = f"/v1/recipients/{one.recipient_id}/timeline"
    assert (await ack.http.get(path, headers=ack.headers(other.agency_id))).status_code == 404
    assert (await ack.http.get(path)).status_code == 401
    assert await timeline(ack, one.agency_id, one) == await timeline(ack, sent.sender, one)


async def test_many_at_once_have_a_result_each(ack: OpenAck) -> None:
    agency = uuid4()
    circulars = [circular(1) for _ in range(5)]
    mine = [
        Sent(made.circular_id, made.sender, (made.recipients[0].model_copy(update={"agency_id": agency}),), made.letter)
        for made in circulars
    ]
    stranger = circular(1)
    for made in (*mine, stranger):
        await ack.apply(*made.chunks())
    ids = [str(made.recipients[0].recipient_id) for made in mine]

    def item(recipient_id: str, **changes: str) -> dict[str, Any]:
        return {"recipient_id": recipient_id, "acknowledgment": {**REGISTERED, **changes}}

    body = {
        "items": [
            item(ids[0]),
            item(ids[0]),
            item(ids[0], receive_number="๙"),
            item(ids[1], receive_date="2031-01-01"),
            item(str(stranger.recipients[0].recipient_id)),
            item(str(uuid4())),
            {"recipient_id": ids[2], "acknowledgment": REJECTED},
            {"recipient_id": ids[3], "acknowledgment": {"outcome": "received"}},
        ]
    }
    headers = ack.headers(agency, Scope.ACKNOWLEDGE)
    answer = await ack.http.post("/v1/acknowledgments", json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert [one["status"] for one in told["items"]] == [201, 200, 409, 422, 404, 503, 201, 201]
    assert [one["code"] for one in told["items"]][2:6] == [
        "acknowledgment_conflict",
        "receive_date_invalid",
        "not_found",
        "temporarily_unavailable",
    ]
    assert (told["recorded"], told["repeated"], told["refused"]) == (3, 1, 4)
    again = (await ack.http.post("/v1/acknowledgments", json=body, headers=headers)).json()
    assert [one["status"] for one in again["items"]] == [200, 200, 409, 422, 404, 503, 200, 200]
    # They are recorded in the order of their identifiers, which is any.
    assert sorted(await ack.outgoing()) == ["ack.recipient.registered.v1", "ack.recipient.rejected.v1"]
    assert (await ack.http.post("/v1/acknowledgments", json={"items": []}, headers=headers)).status_code == 422
    assert (await ack.http.post("/v1/acknowledgments", json=body)).status_code == 401


async def test_two_calls_with_the_same_recipients_do_not_block_each_other(ack: OpenAck) -> None:
    agency = uuid4()
    sent = circular(60)
    shared = tuple(one.model_copy(update={"agency_id": agency}) for one in sent.recipients)
    sent = Sent(sent.circular_id, sent.sender, shared, sent.letter)
    await ack.apply(*sent.chunks())
    items = [{"recipient_id": str(one.recipient_id), "acknowledgment": dict(REGISTERED)} for one in shared]
    headers = ack.headers(agency, Scope.ACKNOWLEDGE)
    answers = await asyncio.gather(
        *(
            ack.http.post("/v1/acknowledgments", json={"items": part}, headers=headers)
            for part in (items, items[::-1], items[30:] + items[:30])
        )
    )
    results = [one["status"] for answer in answers for one in answer.json()["items"]]
    assert results.count(201) == 60
    assert results.count(200) == 120
    assert await ack.count_events("registered") == 60
