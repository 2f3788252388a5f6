"""The mails about a letter beside the one that hands it over: who is reminded of what, and what was answered in whose name."""

from dataclasses import dataclass
from datetime import date, datetime, time
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime
from typing import Any, Final, assert_never

from services.dispatch import payload
from services.dispatch.mail_message import SECRECIES, SUBJECT_MAX_LENGTH, named_mailbox, one_line, templates
from services.dispatch.mail_notices import MailKind
from services.dispatch.store.mail_notices import DueMail
from shared.contracts.events import RecipientRegistered, RecipientRejected, RecipientWithdrawn, Secrecy
from shared.thai.dates import BANGKOK, bangkok_date, clock, english_date, long_date

FROM_NAME: Final = "ระบบหนังสือเวียน Wian"

REJECTIONS: Final = {
    "misaddressed": ("ส่งผิดหน่วยงาน", "misaddressed"),
    "duplicate": ("ได้รับซ้ำ", "received twice"),
    "unreadable": ("เปิดอ่านไม่ได้", "unreadable"),
    "not_competent": ("ไม่อยู่ในอำนาจหน้าที่", "not within its powers"),
    "other": ("เหตุอื่น", "another reason"),
}
DOORS: Final = {
    "page": ("หน้าเว็บหลังลิงก์ของหนังสือ", "the page behind the letter's link"),
    "clerk": ("เจ้าหน้าที่ของหน่วยงานผู้ส่งบันทึกแทน", "the sender's clerk, in your name"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One fact, with its name in both languages."""

    th: str
    en: str
    value: str


@dataclass(frozen=True, slots=True)
class _Words:
    """What is particular to one mail; `page` is empty where a link would not open, or is not the reader's."""

    heading_th: str
    heading_en: str
    rows: tuple[Row, ...]
    next_th: str
    next_en: str
    page: str = ""
    ways: tuple[str, ...] = ()


def compose(mail: DueMail, *, to: str, sender: str, public_url: str, now: datetime) -> bytes:
    """The whole message. Its Message-ID names the notice, so a second copy shows as such.

    An agency above the recipient is told of the letter's number and not of its subject: the letter is not addressed to it.
    """
    letter, words = mail.letter, _words(mail, public_url)
    shows_title = letter.secrecy is Secrecy.NORMAL and mail.notice.agency_id == mail.recipient_agency_id
    title = letter.subject if shows_title else ""
    line = f"{words.heading_th}: {letter.number}" + (f" เรื่อง {title}" if title else "")
    subject = one_line(line)[:SUBJECT_MAX_LENGTH]
    message = EmailMessage(policy=SMTP if to.isascii() else SMTPUTF8)
    message["From"] = named_mailbox(FROM_NAME, sender)
    message["To"] = named_mailbox(mail.told_th, to)
    message["Subject"] = subject
    message["Date"] = format_datetime(now)
    message["Message-ID"] = f"<{mail.notice.notice_id}@{sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    values: dict[str, Any] = {
        "subject": subject,
        "heading_th": words.heading_th,
        "heading_en": words.heading_en,
        "number": letter.number,
        "date": long_date(letter.date),
        "sender": mail.sender_name_th,
        "secrecy": SECRECIES[letter.secrecy],
        "title": title,
        "recipient": mail.recipient_th,
        "rows": words.rows,
        "next_th": words.next_th,
        "next_en": words.next_en,
        "page": words.page,
        "ways": words.ways,
        "contact_unit": letter.contact_unit,
        "telephone": letter.telephone,
    }
    message.set_content(templates.get_template("notice.txt").render(values), cte="base64")
    message.add_alternative(templates.get_template("notice.html").render(values), subtype="html", cte="base64")
    return message.as_bytes()


def _words(mail: DueMail, public_url: str) -> _Words:
    match mail.notice.kind:
        case MailKind.REMINDED:
            return _of_reminder(mail, public_url)
        case MailKind.ANSWERED:
            return _of_answer(mail, public_url)
        case _:
            assert_never(mail.notice.kind)


def _of_reminder(mail: DueMail, public_url: str) -> _Words:
    told = mail.notice.data
    deadline = datetime.fromisoformat(told["deadline"])
    rows = (
        Row("กำหนดลงทะเบียนรับ", "to be registered by", _in_thai(deadline)),
        Row("กำหนด เวลาประเทศไทย", "in Thai time", _in_english(deadline)),
    )
    if mail.notice.agency_id != mail.recipient_agency_id:
        return _Words(
            f"{mail.recipient_th} ในสังกัดของท่านยังไม่ลงทะเบียนรับหนังสือ" + (" และเกินกำหนดแล้ว" if told["overdue"] else ""),
            f"{mail.recipient_en}, an agency under yours, has not registered a letter"
            + (", and it is overdue" if told["overdue"] else ""),
            rows,
            "โปรดแจ้งหน่วยงานดังกล่าวให้ลงทะเบียนรับหรือแจ้งเหตุที่ไม่รับ",
            "Please ask that agency to register the letter, or to say why it refuses it.",
        )
    heading = (
        ("เกินกำหนดลงทะเบียนรับหนังสือแล้ว", "A letter to you is overdue")
        if told["overdue"]
        else ("โปรดลงทะเบียนรับหนังสือ", "A letter to you waits to be registered")
    )
    if told["link_opens"]:
        page = payload.acknowledgment_page(public_url, mail.acknowledgment_link)
        return _Words(
            *heading,
            rows,
            "แจ้งเลขรับหนังสือที่ลิงก์นี้ (ลิงก์เฉพาะของหน่วยงานท่าน โปรดอย่าส่งต่อ)",
            "Acknowledge with your receive number here (this link is yours alone):",
            page,
        )
    return _Words(
        *heading,
        rows,
        "ลิงก์เดิมของหนังสือถูกยกเลิกแล้ว โปรดใช้ลิงก์ใหม่จากหน่วยงานผู้ส่ง หรือเปิดจากกล่องหนังสือเข้าผ่านระบบของหน่วยงานท่าน",
        "The letter's old link was revoked. Use the new one from the sender, or your agency's inbox:",
        ways=(f"GET {public_url}/v1/inbox/{mail.delivery_id}",),
    )


def _of_answer(mail: DueMail, public_url: str) -> _Words:
    told = mail.notice.data
    event: str = told["event"]
    door_th, door_en = DOORS[told["door"]]
    facts, heading = _answered(event, told)
    name = told.get("registrar_name")
    rows = (
        *facts,
        *([Row("ชื่อผู้บันทึก", "name given", one_line(name))] if name else []),
        Row("บันทึกเมื่อ", "recorded", f"{_in_thai(mail.notice.occurred_at)} / {_in_english(mail.notice.occurred_at)}"),
        Row("ช่องทาง", "way in", f"{door_th} / {door_en}"),
    )
    if event == RecipientWithdrawn.TYPE:
        return _of_withdrawal(mail, heading, rows, public_url)
    own = f"{public_url}/v1/recipients/{mail.notice.recipient_id}"
    ways = (
        f"API: POST {own}/withdrawals (เพิกถอน / take it back)",
        *((f"API: POST {own}/corrections (แก้ไข / correct it)",) if event == RecipientRegistered.TYPE else ()),
        "หากลิงก์ตกไปอยู่กับผู้อื่น โปรดให้หน่วยงานผู้ส่งยกเลิกลิงก์และออกลิงก์ใหม่",
        "If others have the link, ask the sender to revoke it and to issue another.",
    )
    if told["link_opens"]:
        page = payload.acknowledgment_page(public_url, mail.acknowledgment_link)
        return _Words(
            *heading,
            rows,
            "หากไม่ถูกต้อง แก้ไขหรือเพิกถอนได้ที่หน้านี้ (ลิงก์เฉพาะของหน่วยงานท่าน โปรดอย่าส่งต่อ) หรือผ่าน API ข้างล่าง",
            "If it is not right, correct it or take it back on this page (this link is yours alone), or by the API below:",
            page,
            ways,
        )
    return _Words(
        *heading,
        rows,
        "หากไม่ถูกต้อง โปรดแก้ไขหรือเพิกถอนผ่าน API ข้างล่าง หรือแจ้งหน่วยงานผู้ส่ง",
        "If it is not right, correct it or take it back by the API below, or tell the sender:",
        ways=ways,
    )


def _of_withdrawal(mail: DueMail, heading: tuple[str, str], rows: tuple[Row, ...], public_url: str) -> _Words:
    """The letter waits for an answer again, which the page takes while its link opens."""
    opens: bool = mail.notice.data["link_opens"]
    return _Words(
        *heading,
        rows,
        "หากไม่ถูกต้อง โปรดแจ้งเลขรับใหม่ และให้หน่วยงานผู้ส่งยกเลิกลิงก์หากตกไปอยู่กับผู้อื่น",
        "If it is not right, give your receive number again; if others have the link, ask the sender to revoke it.",
        payload.acknowledgment_page(public_url, mail.acknowledgment_link) if opens else "",
        (f"API: POST {public_url}/v1/recipients/{mail.notice.recipient_id}/acknowledgment",),
    )


def _answered(event: str, told: dict[str, Any]) -> tuple[tuple[Row, ...], tuple[str, str]]:
    """What was recorded, and what the mail is headed with."""
    if event == RecipientRegistered.TYPE:
        heading = "มีผู้ลงทะเบียนรับหนังสือในนามหน่วยงานของท่าน", "Somebody has registered a letter in your agency's name"
        return _registration(told), heading
    if event == RecipientRejected.TYPE:
        return _rejection(told), ("มีผู้แจ้งไม่รับหนังสือในนามหน่วยงานของท่าน", "Somebody has refused a letter in your agency's name")
    heading = "มีผู้เพิกถอนคำตอบในนามหน่วยงานของท่าน", "Somebody has taken your agency's answer back"
    return (Row("เหตุที่เพิกถอน", "reason", one_line(told["reason"])),), heading


def _registration(told: dict[str, Any]) -> tuple[Row, ...]:
    on = date.fromisoformat(told["receive_date"])
    at = "" if told["receive_time"] is None else f" เวลา {clock(time.fromisoformat(told['receive_time']))}"
    rows = [
        Row("เลขรับ", "receive number", one_line(told["receive_number"])),
        Row("วันที่รับ", "received on", f"{long_date(on)}{at} / {english_date(on)}"),
    ]
    if told["unit"]:
        rows.append(Row("หน่วยรับ", "unit", one_line(told["unit"])))
    if told["correction"]:
        rows.append(Row("เหตุที่แก้ไข", "reason of the change", one_line(told["correction"])))
    return tuple(rows)


def _rejection(told: dict[str, Any]) -> tuple[Row, ...]:
    th, en = REJECTIONS.get(told["reason"], REJECTIONS["other"])
    rows = [Row("เหตุที่ไม่รับ", "reason", f"{th} / {en}")]
    if told["text"]:
        rows.append(Row("คำชี้แจง", "text", one_line(told["text"])))
    if told["suggested_agency_code"]:
        rows.append(Row("หน่วยงานที่ควรรับ", "right agency", one_line(told["suggested_agency_code"])))
    return tuple(rows)


def _in_thai(at: datetime) -> str:
    return f"{long_date(bangkok_date(at))} เวลา {clock(at)}"


def _in_english(at: datetime) -> str:
    return f"{english_date(bangkok_date(at))}, {at.astimezone(BANGKOK):%H:%M}"
