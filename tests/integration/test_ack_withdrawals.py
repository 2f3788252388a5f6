"""A recall stands against whoever has not answered; successions and errata stand beside the letter, in any order of arrival."""

import asyncio
import itertools
from collections.abc import AsyncGenerator
from datetime import timedelta

import pytest

from shared.contracts.envelope import Event
from shared.contracts.events import DeliveriesRecalled, Stop
from tests.support import afterwards
from tests.support.ack import FORM, NOW, REGISTERED, REJECTED, OpenAck, Sent, circular, handed_over, opened_ack
from tests.support.tokens import TokenIssuer


@pytest.fixture
async def ack(settings_environment: dict[str, str], token_issuer: TokenIssuer) -> AsyncGenerator[OpenAck]:
    async with opened_ack(settings_environment, token_issuer) as opened:
        yield opened


def _recalled(sent: Sent, *positions: int) -> Event:
    recipients = [one for one in sent.recipients if one.position in (positions or (one.position,))]
    return afterwards.recalled(sent.circular_id, sent.sender, recipients)


async def test_the_result_is_the_same_in_every_order(ack: OpenAck) -> None:
    for order in itertools.permutations(range(4)):
        sent = circular(2)
        one = sent.recipients[0]
        stop = Stop(
            delivery_id=one.recipient_id,
            recipient_id=one.recipient_id,
            circular_id=sent.circular_id,
            recalled_at=afterwards.AT,
            attempts=0,
        )
        told: list[Event] = [
            sent.chunks()[0],
            handed_over(sent, sent.recipients[1]),
            _recalled(sent),
            DeliveriesRecalled(items=(stop,)),
        ]
        await ack.apply(*(told[index] for index in order), *told, afterwards.recalled(
            sent.circular_id, sent.sender, sent.recipients, at=afterwards.AT + timedelta(hours=1)
        ))  # fmt: skip
        rows = await ack.rows(sent)
        assert [(row["state"], row["recalled_at"]) for row in rows] == [("recalled", "2026-11-23T03:00:00Z")] * 2, order
        assert [row["stopped_at"] is not None for row in rows] == [True, False]
        figures = (await ack.read(sent)).json()
        assert (figures["state"], figures["recalled"], figures["matrix"]["recalled"]) == ("complete", 2, 2)
        assert (figures["outstanding"], figures["handed_over_total"]) == (0, 1)


async def test_whoever_had_registered_keeps_his_record_and_no_other_answers_any_more(ack: OpenAck) -> None:
    sent = circular(3, deadline=NOW - timedelta(minutes=1))
    await ack.apply(*sent.chunks())
    registered, recalled, other = sent.recipients
    assert (await ack.acknowledge(registered)).status_code == 200
    await ack.apply(_recalled(sent, 1, 2))
    for body in (REGISTERED, REJECTED, {**REGISTERED, "receive_number": "ไม่มีเลข"}):
        refused = await ack.acknowledge(recalled, body)
        assert (refused.status_code, refused.json()["code"]) == (409, "recipient_recalled")
        assert "ส่งผิดหน่วยงาน" in refused.json()["detail"]
    assert (await ack.acknowledge(registered)).status_code == 200, "the first answer again"
    rows = await ack.rows(sent)
    assert [row["state"] for row in rows] == ["registered", "recalled", "awaiting"]
    assert [row["recalled_at"] is not None for row in rows] == [True, True, False]
    assert [row["late"] for row in rows] == [True, False, True]
    assert await ack.outgoing() == ["ack.recipient.registered.v1"]
    figures = (await ack.read(sent)).json()
    assert (figures["state"], figures["outstanding"], figures["overdue"]) == ("overdue", 1, 1)
    assert (await ack.acknowledge(other)).status_code == 200
    assert (await ack.read(sent)).json()["state"] == "complete"
    only = (await ack.read(sent, "/recipients", state="recalled")).json()["items"]
    assert [row["position"] for row in only] == [2]
    annex = (await ack.read(sent, "/annex.csv")).text
    assert "recalled_at,recall_reason" in annex
    assert (await ack.read(sent, "/annex.pdf")).content.startswith(b"%PDF")


async def test_an_answer_and_a_recall_at_the_same_moment_agree_on_who_was_first(ack: OpenAck) -> None:
    sent = circular(12)
    await ack.apply(*sent.chunks())
    answers, _ = await asyncio.gather(
        asyncio.gather(*(ack.acknowledge(recipient) for recipient in sent.recipients)),
        asyncio.gather(*(ack.apply(_recalled(sent, position)) for position in range(1, 13))),
    )
    told = [{200: "registered", 409: "recalled"}[answer.status_code] for answer in answers]
    assert [row["state"] for row in await ack.rows(sent)] == told


async def test_the_page_says_that_the_letter_was_recalled_and_takes_no_number(ack: OpenAck) -> None:
    sent = circular(2)
    await ack.apply(*sent.chunks())
    registered, recalled = sent.recipients
    await ack.acknowledge(registered)
    before = (await ack.http.get(f"/a/{ack.link(recalled)}")).text
    nonce = before.split('name="nonce" value="')[1].split('"')[0]
    await ack.apply(_recalled(sent))
    page = await ack.http.get(f"/a/{ack.link(recalled)}")
    assert page.status_code == 200
    assert "ผู้ส่งเรียกคืนหนังสือฉบับนี้" in page.text
    assert "ส่งผิดหน่วยงาน" in page.text
    for hidden in ("<form", sent.letter.subject, sent.letter.body[0], "หนังสือ.pdf"):
        assert hidden not in page.text
    form = {"outcome": "registered", "nonce": nonce, "receive_number": "1", "receive_date": "2026-11-23", "registrar_name": "ก"}
    posted = await ack.http.post(f"/a/{ack.link(recalled)}", data=form, headers=FORM)
    assert posted.status_code == 409
    kept = (await ack.http.get(f"/a/{ack.link(registered)}")).text
    assert "การตอบรับนั้นยังคงอยู่" in kept
    assert sent.letter.subject in kept
    assert [row["state"] for row in await ack.rows(sent)] == ["registered", "recalled"]
    tracking = (await ack.http.get(f"/t/{ack.tracking(sent)}")).text
    assert 'id="figure-recalled">๑' in tracking


@pytest.mark.parametrize("early", [False, True])
async def test_a_successor_and_errata_stand_beside_the_letter_for_sender_and_recipient(ack: OpenAck, early: bool) -> None:
    sent = circular(1)
    here = (sent.circular_id, sent.sender, sent.recipients)
    decided: list[Event] = [
        afterwards.erratum(*here, number=2),
        afterwards.superseded(*here, again=()),
        afterwards.erratum(*here),
    ]
    await ack.apply(*([*decided, *decided, *sent.chunks()] if early else [*sent.chunks(), *decided, *decided]))
    figures = (await ack.read(sent)).json()
    (recipient,) = sent.recipients
    own = (await ack.http.get(f"/v1/recipients/{recipient.recipient_id}", headers=ack.headers(recipient.agency_id))).json()
    for shown in (figures, own):
        assert shown["superseded_by"]["number"] == "สค ๐๐๑๗.๑/ว ๑๕๑๓๐"
        assert shown["superseded_by"]["fields"] == ["subject"]
        assert [note["number"] for note in shown["errata"]] == [1, 2]
    page = (await ack.http.get(f"/a/{ack.link(recipient)}")).text
    assert "สค ๐๐๑๗.๑/ว ๑๕๑๓๐" in page
    assert "สิ่งที่เปลี่ยน: เรื่อง" in page
    assert "&lt;b&gt;๑๕๑๖๓&lt;/b&gt;" in page
    assert (await ack.acknowledge(recipient)).status_code == 200, "a letter that was superseded is still registered"
