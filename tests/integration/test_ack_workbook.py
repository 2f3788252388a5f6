"""The filled annex as a workbook, and what every form marks: entries by a clerk, late answers, doubts, corrections."""

import csv
import io
from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from python_calamine import CalamineWorkbook

from services.ack.annex import CSV_COLUMNS, MORE_COLUMNS
from shared.contracts.events import FrozenRecipient, Secrecy
from tests.support.ack import NOW, REGISTERED, OpenAck, Sent, agency_of, circular, opened_ack
from tests.support.tokens import TokenIssuer

ABOVE = 5  # lines above the columns' names


@pytest.fixture
async def ack(settings_environment: dict[str, str], token_issuer: TokenIssuer) -> AsyncGenerator[OpenAck]:
    async with opened_ack(settings_environment, token_issuer) as opened:
        yield opened


def cells_of(answer: httpx.Response) -> list[list[Any]]:
    assert answer.status_code == 200
    return CalamineWorkbook.from_filelike(io.BytesIO(answer.content)).get_sheet_by_index(0).to_python(skip_empty_area=False)


async def ask(ack: OpenAck, sent: Sent, recipient: FrozenRecipient, what: str, body: object, *, sender: bool = False) -> None:
    headers = ack.headers(sent.sender if sender else recipient.agency_id)
    answer = await ack.http.post(f"/v1/recipients/{recipient.recipient_id}/{what}", json=body, headers=headers)
    assert answer.status_code == 200, answer.text


async def test_the_workbook_holds_every_row_in_the_form_of_the_paper(ack: OpenAck) -> None:
    sent = circular(2100)
    await ack.apply(*sent.chunks())
    assert (await ack.acknowledge(sent.recipients[0])).status_code == 200
    with_token = await ack.read(sent, "/annex.xlsx")
    rows = cells_of(with_token)
    assert rows[1][0] == "ที่ สค ๐๐๑๗.๑/ว ๑๕๑๒๓ ลงวันที่ ๑๖ พฤศจิกายน ๒๕๖๙"
    assert rows[ABOVE][:3] == ["ลำดับ", "หน่วยงาน", "ผู้รับ/ลงวันที่"]
    assert rows[ABOVE][5:] == [*CSV_COLUMNS, *MORE_COLUMNS]
    assert rows[ABOVE + 1][:4] == ["๑", "หน่วยงานที่ 1", "เลขรับ ๑๑๐๗๒ ลว. ๒๓ พ.ย. ๖๙ ๐๙.๓๐ น.", "สมหญิง รักงาน"]
    assert [row[5] for row in rows[ABOVE + 1 :]] == [str(position) for position in range(1, 2101)]
    by_link = await ack.http.get(f"/t/{ack.tracking(sent)}/annex.xlsx")
    assert cells_of(by_link) == rows
    assert by_link.headers["content-disposition"] == f'attachment; filename="annex-{sent.circular_id}.xlsx"'
    foreign = await ack.http.get(
        f"/v1/circulars/{sent.circular_id}/annex.xlsx", headers=ack.headers(sent.recipients[0].agency_id)
    )
    assert foreign.status_code == 404


async def test_a_workbook_runs_no_cell_and_withholds_a_secret_subject(ack: OpenAck) -> None:
    sent = circular(["=1+1 title\x07<b>"], secrecy=Secrecy.CONFIDENTIAL, subject="top-subject")
    (recipient,) = sent.recipients
    await ack.apply(*sent.chunks(), agency_of(recipient, name="@agency"))
    assert (await ack.acknowledge(recipient, {**REGISTERED, "receive_number": "+7", "unit": "-unit"})).status_code == 200
    answer = await ack.read(sent, "/annex.xlsx")
    texts = [str(cell) for row in cells_of(answer) for cell in row]
    assert not [text for text in texts if text.startswith(("=", "+", "-", "@"))]
    assert {"'@agency", "'+7", "'-unit"} <= set(texts)
    assert not [text for text in texts if "top-subject" in text]


async def test_what_a_reader_must_know_is_marked_in_each_form(ack: OpenAck) -> None:
    sent = circular(["clerk", "late", "levels", "silent", "in time"], deadline=NOW + timedelta(hours=1))
    clerk, late, levels, _, in_time = sent.recipients
    await ack.apply(*sent.chunks())
    attested = {"medium": "telephone", "informant": "คุณสมชาย", "answer": REGISTERED}
    await ask(ack, sent, clerk, "attested-acknowledgment", attested, sender=True)
    await ask(ack, sent, levels, "acknowledgment", REGISTERED)
    await ask(ack, sent, levels, "acknowledgment", {**REGISTERED, "level": "division", "unit": "กองคลัง", "receive_number": "=7"})
    await ask(ack, sent, levels, "corrections", {"reason": "ผิด", "registration": {**REGISTERED, "receive_number": "11073"}})
    await ask(ack, sent, levels, "disputes", {"text": "=ไม่ใช่เลขนี้"}, sender=True)
    await ask(ack, sent, in_time, "acknowledgment", REGISTERED)
    ack.clock.now = NOW + timedelta(hours=2)
    await ask(ack, sent, late, "acknowledgment", REGISTERED)

    rows = {row[1]: row for row in cells_of(await ack.read(sent, "/annex.xlsx"))[ABOVE + 1 :]}
    corrected = "สารบรรณกลาง งานสารบรรณ: เลขรับ ๑๑๐๗๓ ลว. ๒๓ พ.ย. ๖๙ ๐๙.๓๐ น. (แก้ไขจาก ๑๑๐๗๒)"
    division = "สำนัก/กอง กองคลัง: เลขรับ =๗ ลว. ๒๓ พ.ย. ๖๙ ๐๙.๓๐ น."
    assert {title: row[4] for title, row in rows.items()} == {
        "clerk": "บันทึกโดยผู้ส่ง",
        "late": "เกินกำหนด",
        "levels": f"ทักท้วงเลขรับ; แก้ไขแล้ว; {corrected}; {division}",
        "silent": "พ้นกำหนด ยังไม่ตอบ",
        "in time": "",
    }
    table = {row["title"]: row for row in csv.DictReader(io.StringIO((await ack.read(sent, "/annex.csv")).text.lstrip("\ufeff")))}
    assert {title: row["late"] for title, row in table.items()} == {
        "clerk": "false", "late": "true", "levels": "false", "silent": "true", "in time": "false"
    }  # fmt: skip
    assert table["clerk"]["door"] == "clerk"
    assert table["levels"]["dispute_text"] == "'=ไม่ใช่เลขนี้"
    assert table["levels"]["registers"] == f"{corrected}; {division}"
    told = {row["title"]: row for row in (await ack.read(sent, "/annex.json")).json()["recipients"]}
    assert (told["clerk"]["door"], told["late"]["late"], told["levels"]["dispute_text"]) == ("clerk", True, "=ไม่ใช่เลขนี้")
    assert [entry["level"] for entry in told["levels"]["entries"]] == ["central", "division"]
