"""What is printed for a recipient, in Thai."""

from datetime import UTC, date, datetime, time
from typing import Any, cast
from uuid import UUID

import pytest

from services.ack import sheet, wording
from services.ack.facts import Level, RejectionReason
from services.ack.fold import State
from services.ack.store.circulars import Circular, Counts
from services.ack.store.recipients import Recipient
from services.ack.tracking import tracking_of
from services.ack.view import Progress, matrix_of
from shared.contracts.events import Channel, CitedLetter, ListedEnclosure, Role, Secrecy, Speed
from tests.support.ack import NOW, SENT_AT, letter


def recipient(**changes: Any) -> Recipient:
    blank: dict[str, Any] = dict.fromkeys(Recipient.__slots__)
    blank |= {
        "recipient_id": UUID(int=1),
        "position": 1,
        "title": "ปลัดจังหวัด",
        "state": State.AWAITING,
        "relay_duty": False,
        "role": Role.ACTION,
    }
    return Recipient(**blank | changes)


REGISTERED: dict[str, Any] = {
    "state": State.REGISTERED,
    "receive_number": "สค 123/69",
    "receive_date": date(2026, 11, 23),
    "registrar_name": "สมหญิง รักงาน",
    "recorded_at": NOW,
}
REJECTED: dict[str, Any] = {
    "state": State.REJECTED,
    "rejection_reason": "misaddressed",
    "rejection_text": "",
    "registrar_name": "วิชัย",
    "recorded_at": datetime(2026, 11, 23, 17, 0, tzinfo=UTC),
}


@pytest.mark.parametrize(
    ("values", "lines"),
    [
        ({}, ("กำลังนำส่ง", "")),
        (REGISTERED, ("เลขรับ สค ๑๒๓/๖๙ ลว. ๒๓ พ.ย. ๖๙", "สมหญิง รักงาน")),
        (REGISTERED | {"receive_time": time(9, 5)}, ("เลขรับ สค ๑๒๓/๖๙ ลว. ๒๓ พ.ย. ๖๙ ๐๙.๐๕ น.", "สมหญิง รักงาน")),
        (REJECTED, ("ปฏิเสธ ๒๔ พ.ย. ๖๙ วิชัย", "ส่งผิดหน่วยงาน")),
        (REJECTED | {"rejection_text": "ไม่ใช่เรา"}, ("ปฏิเสธ ๒๔ พ.ย. ๖๙ วิชัย", "ส่งผิดหน่วยงาน: ไม่ใช่เรา")),
        ({"state": State.UNDELIVERABLE, "failure_reason": "no channel is left"}, ("ส่งไม่ได้", "no channel is left")),
        ({"state": State.RECALLED, "recalled_at": NOW, "recall_reason": "ส่งผิด"}, ("เรียกคืน ๒๓ พ.ย. ๖๙", "ส่งผิด")),
        ({"state": State.HANDED_OVER, "handed_over_at": NOW}, ("ส่งถึงแล้ว ๒๓ พ.ย. ๖๙", "ยังไม่ลงทะเบียนรับ")),
        (
            {"state": State.HANDED_OVER, "handed_over_at": NOW, "hand_over_channel": "email"},
            ("ส่งถึงแล้ว ๒๓ พ.ย. ๖๙", "ทางไปรษณีย์อิเล็กทรอนิกส์ ยังไม่ลงทะเบียนรับ"),
        ),
        ({"state": State.OPENED}, ("เปิดอ่านแล้ว", "ยังไม่ลงทะเบียนรับ")),
        ({"state": State.RECEIVED, "handed_over_at": NOW}, ("ระบบรับแล้ว ๒๓ พ.ย. ๖๙", "ยังไม่ลงทะเบียนรับ")),
    ],
)
def test_the_stamp_says_honestly_how_far_a_recipient_has_come(values: dict[str, Any], lines: tuple[str, str]) -> None:
    assert wording.stamp(recipient(**values)) == lines


def test_the_printed_row_begins_its_second_line_with_the_marks() -> None:
    sent = Circular(UUID(int=1), UUID(int=2), "จังหวัด", "Province", letter(), SENT_AT, SENT_AT, 1)
    matrix = matrix_of(sent, Counts({State.REGISTERED: 1}, 1, NOW, 0, 0, 0), NOW)
    entry = {"level": "central", "corrected_at": None}
    row = recipient(**REGISTERED, door="clerk", dispute_text="ไม่ใช่", entries=[entry, entry])
    ((printed,),) = cast("list[list[dict[str, Any]]]", sheet.sheet_data(sheet.Annex(sent, matrix, [row], NOW))["pages"])
    assert printed["first"] == "เลขรับ สค ๑๒๓/๖๙ ลว. ๒๓ พ.ย. ๖๙ และอีก ๑ ทะเบียน"
    assert printed["second"] == "ทักท้วงเลขรับ · บันทึกโดยผู้ส่ง · เกินกำหนด · สมหญิง รักงาน"


def test_the_tracking_page_shows_the_marks_of_a_line_and_names_no_answer_that_nobody_gave() -> None:
    sent = Circular(UUID(int=1), UUID(int=2), "จังหวัด", "Province", letter(), SENT_AT, SENT_AT, 1)
    doubted = recipient(**REGISTERED, door="clerk", dispute_text="ไม่ใช่")
    shown = tracking_of(sent, Counts({State.REGISTERED: 1}, 1, NOW, 0, 0, 0), [doubted], NOW)
    assert shown.words.th == "ตอบครบทุกหน่วยงาน"
    assert shown.lines[0].marks == "ทักท้วงเลขรับ · บันทึกโดยผู้ส่ง · เกินกำหนด"
    silent = tracking_of(sent, Counts({State.AWAITING: 1}, 0, None, 0, 0, 0), [recipient()], NOW)
    assert (silent.words.th, silent.lines[0].marks) == ("พ้นกำหนดตอบรับ", "พ้นกำหนด ยังไม่ตอบ")
    recalled = tracking_of(sent, Counts({State.RECALLED: 1}, 0, None, 0, 0, 0), [], NOW)
    assert recalled.words.th == "ไม่มีหน่วยงานค้างตอบ"


def test_every_state_channel_reason_and_class_has_words() -> None:
    assert set(wording.STATES) == set(State)
    assert set(wording.REASONS) == set(RejectionReason)
    assert set(wording.LEVELS) == set(Level)
    assert set(wording.CHANNELS) == set(Channel)
    assert set(wording.SPEEDS) == set(Speed)
    assert set(wording.SECRECIES) == set(Secrecy)


def test_the_foot_of_the_annex_counts_everybody() -> None:
    sent = Circular(UUID(int=1), UUID(int=2), "จังหวัด", "Province", letter(), SENT_AT, None, 1200)
    by_state = {State.REGISTERED: 1000, State.REJECTED: 1, State.UNDELIVERABLE: 2, State.RECALLED: 9, State.HANDED_OVER: 90}
    matrix = matrix_of(sent, Counts(by_state, 1090, NOW, 3, 1, 12), NOW)
    assert matrix.progress is Progress.OPEN
    data = sheet.sheet_data(sheet.Annex(sent, matrix, [recipient()] * 34, NOW))
    counted = "ทั้งหมด ๑,๒๐๐   ส่งถึงแล้ว ๑,๐๙๐   ลงทะเบียนรับ ๑,๐๐๐   ปฏิเสธ ๑   เรียกคืน ๙   ส่งไม่ได้ ๒   ยังไม่ตอบ ๑๙๐"
    assert data["counts"] == counted
    assert data["printed"] == "พิมพ์เมื่อ ๒๓ พฤศจิกายน ๒๕๖๙ ๑๑.๓๐ น."
    pages = data["pages"]
    assert isinstance(pages, list)
    assert [len(page) for page in pages] == [33, 1]


@pytest.mark.parametrize(
    ("one", "printed"),
    [
        (
            CitedLetter(issuer="กระทรวงมหาดไทย", number="มท 0218/ว 5992", date=date(2017, 10, 20)),
            "หนังสือกระทรวงมหาดไทย ที่ มท ๐๒๑๘/ว ๕๙๙๒ ลงวันที่ ๒๐ ตุลาคม ๒๕๖๐",
        ),
        (CitedLetter(issuer="", number="สค ๑", date=None), "ที่ สค ๑"),
        (ListedEnclosure(description="แบบรายงาน", copies=2, issuer=None, number=None, date=None), "แบบรายงาน จำนวน ๒ ฉบับ"),
        (
            ListedEnclosure(description="สำเนาหนังสือ ที่ มท 1", copies=1, issuer=None, number="มท ๑", date=date(2017, 10, 20)),
            "สำเนาหนังสือ ที่ มท 1",
        ),
    ],
)
def test_what_a_letter_cites_is_printed_once(one: CitedLetter | ListedEnclosure, printed: str) -> None:
    assert wording.cited(one) == printed


def test_the_role_stands_behind_the_title_unless_it_is_action() -> None:
    titles = [wording.titled(recipient(role=role)) for role in Role]
    assert titles == ["ปลัดจังหวัด", "ปลัดจังหวัด (เพื่อทราบ)", "ปลัดจังหวัด (สำเนาส่ง)"]
