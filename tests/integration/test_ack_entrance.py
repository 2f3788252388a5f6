"""The entrance for paper: the code of a cover sheet leads to the letter's page once the letter was sent, and nothing else does."""

from collections.abc import AsyncGenerator
from uuid import uuid4

import pytest

from services.ack.pages.render import CONTENT_SECURITY_POLICY
from shared.codes import acknowledgment_code
from shared.contracts.events import Channel, HandOverGrade
from tests.support.ack import FORM, OpenAck, circular, handed_over, message_of, opened_ack
from tests.support.tokens import TokenIssuer


@pytest.fixture
async def ack(settings_environment: dict[str, str], token_issuer: TokenIssuer) -> AsyncGenerator[OpenAck]:
    async with opened_ack(settings_environment, token_issuer) as opened:
        yield opened


async def test_a_code_opens_the_letter_once_it_was_sent_on_paper(ack: OpenAck) -> None:
    sent = circular(2)
    by_paper, by_webhook = sent.recipients
    await ack.apply(*sent.chunks())
    key = ack.resources.settings.link_key.get_secret_value()
    code = acknowledgment_code(key, by_paper.recipient_id)
    early = await ack.http.post("/a", data={"code": code}, headers=FORM)
    assert (early.status_code, "อาจยังไม่ได้บันทึกการส่ง" in early.text) == (404, True)

    news = message_of(handed_over(sent, by_paper, channel=Channel.PAPER, grade=HandOverGrade.BLIND))
    for _ in range(2):
        await ack.deliver(news)
    await ack.apply(handed_over(sent, by_webhook))
    opened = await ack.http.post("/a", data={"code": code.lower().replace("-", " ")}, headers=FORM)
    assert opened.status_code == 303
    assert code not in opened.headers["Location"]
    page = await ack.http.get(opened.headers["Location"])
    assert page.status_code == 200
    assert by_paper.title in page.text
    assert (await ack.rows(sent))[0]["hand_over_channel"] == "paper"

    other = acknowledgment_code(key, by_webhook.recipient_id)
    assert (await ack.http.post("/a", data={"code": other}, headers=FORM)).status_code == 404, "it never was on paper"
    async with ack.resources.database.connection() as connection:
        (row,) = await connection.fetch("SELECT digest FROM paper_codes")
    assert code.encode() not in row["digest"]


async def test_what_is_no_code_is_shown_again_escaped(ack: OpenAck) -> None:
    empty = await ack.http.get("/a")
    assert empty.status_code == 200
    assert empty.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    hostile = '"><script>alert(1)</script>'
    for typed in (hostile, "", "K7M2", acknowledgment_code("another key" * 4, uuid4())[:-1] + "-"):
        answer = await ack.http.post("/a", data={"code": typed}, headers=FORM)
        assert answer.status_code == 422
        assert "<script>alert" not in answer.text
    assert (await ack.http.post("/a", json={"code": "x"})).status_code == 422
