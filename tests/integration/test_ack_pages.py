"""The page behind the link in an e-mail: it changes nothing until a person fills the form in."""

import html
import re
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from services.ack.pages.render import CONTENT_SECURITY_POLICY
from shared.contracts.events import CitedLetter, CopyTo, Role, Secrecy
from shared.links import LinkSigner, Purpose
from tests.support.ack import FORM, NOW, REGISTERED, REJECTED, OpenAck, agency_of, circular, opened_ack
from tests.support.tokens import TokenIssuer

HOSTILE = '"><script>alert(1)</script>{{ 7 * 7 }}'
EVIL_NAME = "<img src=x onerror=alert(1)>"


@pytest.fixture
async def ack(settings_environment: dict[str, str], token_issuer: TokenIssuer) -> AsyncGenerator[OpenAck]:
    async with opened_ack(settings_environment, token_issuer) as opened:
        yield opened


async def send_form(ack: OpenAck, link: str, values: dict[str, Any]) -> httpx.Response:
    return await ack.http.post(f"/a/{link}", data=values, headers=FORM)


def nonce_of(page: str) -> str:
    match = re.search(r'name="nonce" value="([^"]+)"', page)
    assert match is not None
    return match[1]


def without_nonces(page: str) -> str:
    return re.sub(r'name="nonce" value="[^"]+"', "", page)


def value_of(page: str, field: str) -> str:
    match = re.search(rf'id="reg-{field}" name="{field}" type="\w+" value="([^"]*)"', page)
    assert match is not None
    return html.unescape(match[1])


async def test_the_page_shows_the_letter_and_a_form(ack: OpenAck) -> None:
    sent = circular(["ปลัดจังหวัดสมุทรสาคร"], relay_duties=[1], deadline=NOW + timedelta(days=1))
    await ack.apply(*sent.chunks())
    answer = await ack.http.get(f"/a/{ack.link(sent.recipients[0])}")
    assert answer.status_code == 200
    page = answer.text
    for shown in (
        sent.letter.number,
        "๑๖ พฤศจิกายน ๒๕๖๙",
        sent.letter.subject,
        sent.letter.body[0],
        "ปลัดจังหวัดสมุทรสาคร",
        "จังหวัดสมุทรสาคร",
        "หน่วยงานของท่านมีหน้าที่แจ้งหนังสือนี้ต่อ",
        "โปรดตอบรับภายใน",
    ):
        assert shown in page
    assert value_of(page, "receive_date") == "2026-11-23"
    assert value_of(page, "receive_time") == "11:30", "Bangkok's time"
    assert '<html lang="th">' in page
    assert not re.search(r"<script(?! src)|\son\w+=|style=", page), "no inline script or style"


async def test_the_page_shows_what_the_letter_cites_and_that_this_is_a_copy(ack: OpenAck) -> None:
    cited = CitedLetter(issuer="<b>กระทรวง</b>", number="มท ๑", date=None)
    more: dict[str, Any] = {"references": (cited,), "copy_to": (CopyTo(title="ผู้ตรวจ"),), "urgent_within": NOW}
    sent = circular(1, **more)
    copy = sent.recipients[0].model_copy(update={"role": Role.COPY})
    await ack.apply(*replace(sent, recipients=(copy,)).chunks())
    page = (await ack.http.get(f"/a/{ack.link(copy)}")).text
    for shown in (
        "อ้างถึง</span> หนังสือ&lt;b&gt;กระทรวง&lt;/b&gt; ที่ มท ๑",
        "<strong>สำเนาส่ง</strong>",
        "ผู้ตรวจ",
        "ด่วนภายใน ๒๓ พฤศจิกายน ๒๕๖๙",
    ):
        assert shown in page
    (row,) = await ack.rows(sent)
    assert row["role"] == "copy"


async def test_attachments_are_signed_file_links(ack: OpenAck, settings_environment: dict[str, str]) -> None:
    sent = circular(1)
    await ack.apply(*sent.chunks())
    page = (await ack.http.get(f"/a/{ack.link(sent.recipients[0])}")).text
    links = re.findall(r'href="/f/([^"]+)"', page)
    signer = LinkSigner(settings_environment["link_key"])
    assert [signer.read(Purpose.FILE, link) for link in links] == [sent.letter.attachments[0].attachment_id]


async def test_every_page_has_strict_headers(ack: OpenAck) -> None:
    sent = circular(1)
    await ack.apply(*sent.chunks())
    for path in (f"/a/{ack.link(sent.recipients[0])}", "/a/spoilt", f"/t/{ack.tracking(sent)}", "/t/spoilt"):
        headers = (await ack.http.get(path)).headers
        assert headers["content-security-policy"] == CONTENT_SECURITY_POLICY
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert headers["x-robots-tag"] == "noindex"


async def test_get_head_and_blind_posts_never_acknowledge(ack: OpenAck) -> None:
    sent = circular(2)
    await ack.apply(*sent.chunks())
    mine, other = sent.recipients
    path = f"/a/{ack.link(mine)}"
    page = await ack.http.get(path)
    assert (await ack.http.head(path)).status_code == 200
    await ack.http.get(path, params={**REGISTERED, "nonce": nonce_of(page.text)})
    blind: list[dict[str, Any]] = [
        {},
        dict(REGISTERED),
        {**REGISTERED, "nonce": "x"},
        {**REGISTERED, "nonce": ack.link(mine)},
        {**REGISTERED, "nonce": ack.resources.forms.nonce(other.recipient_id)},
        {"outcome": "registered", "nonce": nonce_of(page.text)},
        {"nonce": nonce_of(page.text), "receive_number": "1"},
        {"outcome": "rejected", "nonce": nonce_of(page.text)},
    ]
    for values in blind:
        assert (await ack.http.post(path, data=values, headers=FORM)).status_code == 422
    as_json = await ack.http.post(path, json={**REGISTERED, "nonce": nonce_of(page.text)})
    assert as_json.status_code == 422
    assert (await ack.http.post(path, content=b"\xff\xfe=%ff", headers=FORM)).status_code == 422
    assert (await ack.http.post(path, content=b"a=1&" * 100, headers=FORM)).status_code == 422
    assert [row["state"] for row in await ack.rows(sent)] == ["awaiting", "awaiting"]
    assert await ack.outgoing() == []


async def test_the_filled_form_registers_and_shows_the_receipt(ack: OpenAck) -> None:
    sent = circular(1)
    (recipient,) = sent.recipients
    await ack.apply(*sent.chunks(), agency_of(recipient, name="ที่ทำการปกครองจังหวัด"))
    link = ack.link(recipient)
    nonce = nonce_of((await ack.http.get(f"/a/{link}")).text)
    filled = {**REGISTERED, "registrar_position": "เจ้าพนักงานธุรการ", "nonce": nonce}
    done = await send_form(ack, link, filled)
    assert done.status_code == 200
    for shown in ("ลงทะเบียนรับแล้ว", "๑๑๐๗๒", "๒๓ พ.ย. ๖๙", "๐๙.๓๐ น.", "สมหญิง รักงาน", "ที่ทำการปกครองจังหวัด"):
        assert shown in done.text
    assert 'value="registered"' not in done.text
    again = await send_form(ack, link, filled)
    assert (again.status_code, without_nonces(again.text)) == (200, without_nonces(done.text)), "pressing twice is safe"
    assert without_nonces((await ack.http.get(f"/a/{link}")).text) == without_nonces(done.text)
    row = (await ack.rows(sent))[0]
    assert (row["receive_number"], row["registrar_position"]) == ("๑๑๐๗๒", "เจ้าพนักงานธุรการ")
    assert await ack.outgoing() == ["ack.recipient.registered.v1"]


async def test_the_second_form_refuses_the_letter(ack: OpenAck) -> None:
    sent = circular(1)
    await ack.apply(*sent.chunks())
    link = ack.link(sent.recipients[0])
    nonce = nonce_of((await ack.http.get(f"/a/{link}")).text)
    unfinished = await send_form(ack, link, {**REJECTED, "reason": "", "nonce": nonce})
    assert unfinished.status_code == 422
    assert "<details open>" in unfinished.text
    assert REJECTED["text"] in unfinished.text, "what was typed is kept"
    done = await send_form(ack, link, {**REJECTED, "text": "บรรทัดหนึ่ง\r\nบรรทัดสอง", "nonce": nonce})
    assert done.status_code == 200
    assert "ส่งผิดหน่วยงาน" in done.text
    assert (await ack.rows(sent))[0]["rejection"] == {
        "reason": "misaddressed",
        "text": "บรรทัดหนึ่ง\nบรรทัดสอง",
        "suggested_agency_code": None,
    }


async def test_a_wrong_field_is_named_and_what_was_typed_is_kept(ack: OpenAck) -> None:
    sent = circular(1)
    await ack.apply(*sent.chunks())
    link = ack.link(sent.recipients[0])
    nonce = nonce_of((await ack.http.get(f"/a/{link}")).text)
    wrong = await send_form(ack, link, {**REGISTERED, "receive_number": "ไม่มี", "receive_date": "2026-11-24", "nonce": nonce})
    assert wrong.status_code == 422
    assert 'role="alert"' in wrong.text
    assert 'id="reg-receive_number-fault"' in wrong.text
    assert 'id="reg-receive_date-fault"' in wrong.text
    assert "reg-registrar_name-fault" not in wrong.text
    assert value_of(wrong.text, "receive_number") == "ไม่มี"
    assert value_of(wrong.text, "registrar_name") == REGISTERED["registrar_name"]
    mended = await send_form(ack, link, {**REGISTERED, "nonce": nonce_of(wrong.text)})
    assert mended.status_code == 200


async def test_an_expired_form_is_given_again_with_what_was_typed(
    settings_environment: dict[str, str], token_issuer: TokenIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    async with opened_ack(settings_environment, token_issuer) as ack:
        sent = circular(1)
        await ack.apply(*sent.chunks())
        (recipient,) = sent.recipients
        long_ago = time.time() - 13 * 3600
        with monkeypatch.context() as moved:
            moved.setattr("itsdangerous.timed.time.time", lambda: long_ago)
            nonce = ack.resources.forms.nonce(recipient.recipient_id)
        link = ack.link(recipient)
        stale = await send_form(ack, link, {**REGISTERED, "nonce": nonce})
        assert stale.status_code == 422
        assert "แบบฟอร์มหมดอายุ" in stale.text
        assert value_of(stale.text, "receive_number") == REGISTERED["receive_number"]
        assert (await send_form(ack, link, {**REGISTERED, "nonce": nonce_of(stale.text)})).status_code == 200


async def test_a_conflict_shows_what_was_recorded_and_what_was_typed(ack: OpenAck) -> None:
    sent = circular(1)
    (recipient,) = sent.recipients
    await ack.apply(*sent.chunks())
    link = ack.link(recipient)
    nonce = nonce_of((await ack.http.get(f"/a/{link}")).text)
    await ack.acknowledge(recipient)
    conflict = await send_form(ack, link, {**REGISTERED, "receive_number": "77777", "nonce": nonce})
    assert conflict.status_code == 409
    for shown in ("มีการตอบรับไว้แล้วเป็นอย่างอื่น", "๑๑๐๗๒", "77777"):
        assert shown in conflict.text


async def test_hostile_text_is_escaped_wherever_it_is_shown(ack: OpenAck) -> None:
    sent = circular([HOSTILE], subject=HOSTILE, owner=HOSTILE, body=(HOSTILE,), signatory_name=HOSTILE)
    (recipient,) = sent.recipients
    await ack.apply(*sent.chunks(), agency_of(recipient, name=HOSTILE))
    link = ack.link(recipient)
    page = (await ack.http.get(f"/a/{link}")).text
    typed = {**REGISTERED, "registrar_name": EVIL_NAME, "unit": HOSTILE, "nonce": nonce_of(page)}
    wrong = (await send_form(ack, link, {**typed, "receive_number": HOSTILE, "receive_date": HOSTILE})).text
    done = (await send_form(ack, link, typed)).text
    tracked = (await ack.http.get(f"/t/{ack.tracking(sent)}")).text
    for shown in (page, wrong, done, tracked):
        assert "<script>" not in shown
        assert "<img" not in shown
        assert "&lt;script&gt;" in shown
    assert html.escape(EVIL_NAME) in done
    assert html.escape(EVIL_NAME) in tracked


async def test_a_secret_letter_shows_neither_subject_nor_text(ack: OpenAck) -> None:
    sent = circular(1, secrecy=Secrecy.SECRET, subject="ความลับ-หนึ่ง", body=("ความลับ-สอง",))
    await ack.apply(*sent.chunks())
    page = (await ack.http.get(f"/a/{ack.link(sent.recipients[0])}")).text
    tracked = (await ack.http.get(f"/t/{ack.tracking(sent)}")).text
    for shown in (page, tracked):
        assert "ความลับ-" not in shown
    assert "/f/" not in page
    assert "โปรดอ่านหนังสือจากระบบทะเบียน" in page


async def test_a_letter_under_way_says_so_readably(ack: OpenAck) -> None:
    sent = circular(1)
    link = ack.link(sent.recipients[0])
    for answer in (
        await ack.http.get(f"/a/{link}"),
        await send_form(ack, link, dict(REGISTERED)),
        await ack.http.get(f"/t/{ack.tracking(sent)}"),
    ):
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
        assert "หนังสือกำลังเดินทางมาถึง" in answer.text


async def test_assets_are_a_closed_list(ack: OpenAck) -> None:
    page = (await ack.http.get("/a/spoilt")).text
    wanted = set(re.findall(r'"(/assets/[^"]+)"', page)) | {"/assets/track.js"}
    assert len(wanted) == 6
    for path in wanted:
        answer = await ack.http.get(path)
        assert answer.status_code == 200
        assert answer.content
        unchanged = await ack.http.get(path, headers={"If-None-Match": answer.headers["etag"]})
        assert unchanged.status_code == 304
    for path in ("/assets/nothing.css", "/assets/..%2Frender.py", "/assets/%2e%2e/render.py"):
        assert (await ack.http.get(path)).status_code == 404
