"""After an answer the page lets it be corrected, taken back and defended; nobody does so by opening, or by sending a form as it stands."""

import re
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest

from shared.access import Scope
from shared.contracts.events import FrozenRecipient
from tests.support.ack import FORM, REGISTERED, REJECTED, OpenAck, Sent, circular, opened_ack
from tests.support.tokens import TokenIssuer


@pytest.fixture
async def ack(settings_environment: dict[str, str], token_issuer: TokenIssuer) -> AsyncGenerator[OpenAck]:
    async with opened_ack(settings_environment, token_issuer) as opened:
        yield opened


@pytest.fixture
async def sent(ack: OpenAck) -> Sent:
    """A circular whose first recipient has registered it."""
    sent = circular(2)
    await ack.apply(*sent.chunks())
    assert (await ack.acknowledge(sent.recipients[0])).status_code == 200
    return sent


def forms_of(page: str) -> dict[str, dict[str, str]]:
    """The page's forms with what stands in them, by their outcome: what a machine would send that fills nothing in."""
    forms: dict[str, dict[str, str]] = {}
    for form in re.findall(r"<form.*?</form>", page, re.DOTALL):
        values = dict(re.findall(r'name="(\w+)"[^>]* value="([^"]*)"', form))
        values |= {name: text.strip() for name, text in re.findall(r'<textarea[^>]* name="(\w+)"[^>]*>([^<]*)<', form)}
        values |= dict.fromkeys(re.findall(r'<select[^>]* name="(\w+)"', form), "")
        forms[values["outcome"]] = values
    return forms


async def opened(ack: OpenAck, recipient: FrozenRecipient) -> str:
    answer = await ack.http.get(f"/a/{ack.link(recipient)}")
    assert answer.status_code == 200
    return answer.text


async def post(ack: OpenAck, recipient: FrozenRecipient, values: dict[str, Any]) -> httpx.Response:
    return await ack.http.post(f"/a/{ack.link(recipient)}", data=values, headers=FORM)


async def send(ack: OpenAck, recipient: FrozenRecipient, form: str, **filled: str) -> httpx.Response:
    """Open the page, fill the form in, send it, and follow to where it leads."""
    answer = await post(ack, recipient, {**forms_of(await opened(ack, recipient))[form], **filled})
    return answer if answer.status_code != 303 else await ack.http.get(answer.headers["location"])


async def doubt(ack: OpenAck, sent: Sent) -> None:
    path = f"/v1/recipients/{sent.recipients[0].recipient_id}/disputes"
    answer = await ack.http.post(
        path, json={"text": "เลขนี้เป็นของ<b>อีกฉบับ</b>"}, headers=ack.headers(sent.sender, Scope.CIRCULARS_READ)
    )
    assert answer.status_code == 200


async def test_a_number_is_corrected_and_the_first_stays_in_sight(ack: OpenAck, sent: Sent) -> None:
    one = sent.recipients[0]
    standing = forms_of(await opened(ack, one))["corrected"]
    assert {name: standing[name] for name in ("receive_number", "receive_date", "receive_time", "registrar_name", "unit")} == {
        name: REGISTERED[name] for name in ("receive_number", "receive_date", "receive_time", "registrar_name", "unit")
    }
    page = (await send(ack, one, "corrected", receive_number="๑๑๐๗๓", reason="พิมพ์ผิด")).text
    for shown in ("บันทึกการแก้ไขแล้ว", "๑๑๐๗๓", "เลขรับที่บันทึกครั้งแรกคือ ๑๑๐๗๒"):
        assert shown in page
    row = (await ack.rows(sent))[0]
    assert (row["receive_number"], row["door"]) == ("๑๑๐๗๓", "api"), "the first answer's door"
    assert await ack.outgoing() == ["ack.recipient.registered.v1"] * 2


async def test_a_withdrawn_answer_makes_room_for_another_and_no_old_form_counts(ack: OpenAck, sent: Sent) -> None:
    one = sent.recipients[0]
    before = forms_of(await opened(ack, one))
    page = (await send(ack, one, "withdrawn", reason="ลงรับผิดฉบับ")).text
    assert "ถอนการตอบรับแล้ว" in page
    assert "ท่านตอบรับใหม่ได้" in page
    # What was on the screen before, sent again by a browser that is restored.
    for outcome in ("withdrawn", "corrected"):
        again = await post(ack, one, {**before[outcome], "receive_number": "9", "reason": "อีกครั้ง"})
        assert again.status_code == 422
    old = await post(ack, one, {**REGISTERED, "nonce": before["corrected"]["nonce"]})
    assert (old.status_code, "แบบฟอร์มหมดอายุ" in old.text) == (422, True)
    assert (await ack.rows(sent))[0]["state"] == "received"
    assert "แจ้งปฏิเสธแล้ว" in (await send(ack, one, "rejected", **REJECTED)).text
    refusal = forms_of(await opened(ack, one))
    assert set(refusal) == {"withdrawn"}, "a refusal has no number to correct"
    assert await ack.outgoing() == ["ack.recipient.registered.v1", "ack.recipient.withdrawn.v1", "ack.recipient.rejected.v1"]


async def test_the_answer_that_came_afterwards_is_not_withdrawn_by_an_old_page(ack: OpenAck, sent: Sent) -> None:
    one = sent.recipients[0]
    form = forms_of(await opened(ack, one))["withdrawn"]
    assert "ถอนการตอบรับแล้ว" in (await send(ack, one, "withdrawn", reason="ผิดฉบับ")).text
    assert (await ack.acknowledge(one, {**REGISTERED, "receive_number": "77"})).status_code == 200
    fresh = forms_of(await opened(ack, one))["withdrawn"]
    stale = await post(ack, one, {**fresh, "answer_id": form["answer_id"], "reason": "ผิดฉบับ"})
    assert (stale.status_code, "การตอบรับอาจถูกแก้ไขหรือถอนไปก่อนแล้ว" in stale.text) == (409, True)
    assert (await post(ack, one, {**fresh, "answer_id": "x", "reason": "ผิดฉบับ"})).status_code == 409
    assert (await ack.rows(sent))[0]["receive_number"] == "77"


async def test_a_dispute_is_shown_and_answered(ack: OpenAck, sent: Sent) -> None:
    one = sent.recipients[0]
    assert "defended" not in forms_of(await opened(ack, one))
    await doubt(ack, sent)
    page = await opened(ack, one)
    assert "หน่วยงานผู้ส่งทักท้วงเลขรับ" in page
    assert "เลขนี้เป็นของ&lt;b&gt;อีกฉบับ&lt;/b&gt;" in page
    empty = await send(ack, one, "defended")
    assert (empty.status_code, 'id="def-text-fault"' in empty.text) == (422, True)
    assert "แจ้งยืนยันเลขรับแล้ว" in (await send(ack, one, "defended", text="ตรวจสอบแล้ว ถูกต้อง")).text
    assert "defended" not in forms_of(await opened(ack, one))
    assert (await ack.outgoing())[-1] == "ack.recipient.dispute_answered.v1"


async def test_a_wrong_correction_is_named_at_its_field_and_kept(ack: OpenAck, sent: Sent) -> None:
    answer = await send(ack, sent.recipients[0], "corrected", receive_number="ไม่มี", receive_date="2026-11-24", reason="")
    assert answer.status_code == 422
    for field in ("receive_number", "receive_date", "reason"):
        assert f'id="cor-{field}-fault"' in answer.text
    form = forms_of(answer.text)["corrected"]
    assert (form["receive_number"], form["receive_date"]) == ("ไม่มี", "2026-11-24")
    assert "<details open>" in answer.text


async def test_a_mail_scanner_changes_nothing(ack: OpenAck, sent: Sent) -> None:
    await doubt(ack, sent)
    owed = await ack.outgoing()
    for recipient in sent.recipients:
        path = f"/a/{ack.link(recipient)}"
        forms = forms_of(await opened(ack, recipient))
        assert set(forms) == ({"corrected", "withdrawn", "defended"} if recipient.position == 1 else {"registered", "rejected"})
        assert (await ack.http.head(path)).status_code == 200
        for done in ("corrected", "withdrawn", "<script>", ""):
            assert "<script>" not in (await ack.http.get(path, params={"done": done})).text
        for values in forms.values():
            # Every link and form is followed: as it stands, by GET, without the nonce, as JSON, with another page's nonce.
            assert (await post(ack, recipient, values)).status_code == 422
            assert (await ack.http.get(path, params={**values, "reason": "x", "text": "x"})).status_code == 200
            filled = {**values, **REGISTERED, **REJECTED, "outcome": values["outcome"], "reason": "x", "text": "x"}
            assert (await post(ack, recipient, {**filled, "nonce": ""})).status_code == 422
            other = ack.resources.forms.nonce(sent.recipients[recipient.position % 2].recipient_id)
            assert (await post(ack, recipient, {**filled, "nonce": other})).status_code == 422
            assert (await ack.http.post(path, json=filled)).status_code == 422
            for method in ("PUT", "DELETE", "PATCH"):
                assert (await ack.http.request(method, path, data=filled)).status_code == 405
    assert [row["state"] for row in await ack.rows(sent)] == ["registered", "awaiting"]
    assert await ack.outgoing() == owed
