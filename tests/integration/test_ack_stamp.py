"""The receive stamp: the agency's own, as it stands, in each form."""

import io
from collections.abc import AsyncGenerator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pypdf import PdfReader

from services.ack.receive_stamp import stamp_data
from shared.contracts.events import FrozenRecipient
from tests.support.ack import REGISTERED, REJECTED, OpenAck, agency_of, circular, opened_ack
from tests.support.tokens import TokenIssuer
from tests.unit.test_ack_wording import REGISTERED as ROW
from tests.unit.test_ack_wording import recipient as row_of

BEGINNINGS = {"svg": b"<svg", "png": b"\x89PNG\r\n\x1a\n", "pdf": b"%PDF-"}


@pytest.fixture
async def ack(settings_environment: dict[str, str], token_issuer: TokenIssuer) -> AsyncGenerator[OpenAck]:
    async with opened_ack(settings_environment, token_issuer) as opened:
        yield opened


async def take(ack: OpenAck, recipient: FrozenRecipient, form: str = "pdf", **headers: str) -> httpx.Response:
    asked = headers or ack.headers(recipient.agency_id)
    return await ack.http.get(f"/v1/recipients/{recipient.recipient_id}/stamp.{form}", headers=asked)


def text_of(answer: httpx.Response) -> str:
    (page,) = PdfReader(io.BytesIO(answer.content)).pages
    return "".join(page.extract_text().split())


async def test_the_stamp_is_drawn_in_each_form_and_follows_corrections(ack: OpenAck) -> None:
    sent = circular(2)
    one, other = sent.recipients
    await ack.apply(*sent.chunks(), agency_of(one, name="สำนักงานจังหวัด GECC"))
    early = await take(ack, one)
    assert (early.status_code, early.json()["code"]) == (409, "not_answered")
    assert (await ack.acknowledge(one)).status_code == 200
    for form, beginning in BEGINNINGS.items():
        answer = await take(ack, one, form)
        assert answer.status_code == 200
        assert answer.content.startswith(beginning), form
        assert answer.headers["content-disposition"].startswith("attachment")
    for written in ("GECC", "๑๑๐๗๒", "๒๓", "๒๕๖๙", "๐๙.๓๐น."):
        assert written in text_of(await take(ack, one)), written
    body: dict[str, Any] = {"reason": "ผิด", "registration": {**REGISTERED, "receive_number": "สค 5/2569"}}
    path = f"/v1/recipients/{one.recipient_id}/corrections"
    assert (await ack.http.post(path, json=body, headers=ack.headers(one.agency_id))).status_code == 200
    assert "๕/๒๕๖๙" in text_of(await take(ack, one))
    assert (await ack.acknowledge(other, REJECTED)).status_code == 200
    assert (await take(ack, other)).status_code == 409, "what was refused was not received"


async def test_nobody_else_takes_the_stamp(ack: OpenAck) -> None:
    sent = circular(1)
    (recipient,) = sent.recipients
    await ack.apply(*sent.chunks())
    assert (await ack.acknowledge(recipient)).status_code == 200
    for stranger in (sent.sender, uuid4()):
        assert (await take(ack, recipient, **ack.headers(stranger))).status_code == 404
    assert (await ack.http.get(f"/v1/recipients/{recipient.recipient_id}/stamp.svg")).status_code == 401
    assert (await take(ack, recipient, "exe")).status_code == 422


async def test_a_hostile_number_and_a_long_name_stay_on_the_stamp(ack: OpenAck) -> None:
    sent = circular(1)
    (recipient,) = sent.recipients
    await ack.apply(*sent.chunks(), agency_of(recipient, name="สำนักงานคณะกรรมการส่งเสริมสวัสดิการ" * 6))
    number = '1"]#emph[x]$x$ \\#read("/etc/passwd")'
    answer = {**REGISTERED, "receive_number": number, "registrar_name": "<script>alert(1)</script>"}
    assert (await ack.acknowledge(recipient, answer)).status_code == 200
    drawn = await take(ack, recipient)
    assert "".join(number.split()).replace("1", "๑") in text_of(drawn)
    assert b"<script" not in (await take(ack, recipient, "svg")).content


def test_a_clerks_entry_is_marked_on_the_stamp_and_a_missing_time_is_a_dash() -> None:
    data = stamp_data(row_of(**ROW, door="clerk"))
    assert data is not None
    assert (data["note"], data["time"], data["agency"]) == ("บันทึกโดยผู้ส่ง", "-", "ปลัดจังหวัด")
    assert stamp_data(row_of()) is None
