"""How states, stamps and reasons are put into words, in Thai with the English beside it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any, Final

from services.ack.facts import Door, Level, RejectionReason
from services.ack.fold import State
from services.ack.store.recipients import Recipient
from shared.contracts.events import Channel, CitedLetter, LetterSummary, ListedEnclosure, Role, Secrecy, Speed
from shared.problems import Problem
from shared.thai.dates import bangkok_date, clock, long_date, short_date
from shared.thai.digits import to_thai


@dataclass(frozen=True, slots=True)
class Words:
    """The same in both languages."""

    th: str
    en: str


STATES: Final = {
    State.AWAITING: Words("กำลังนำส่ง", "on its way"),
    State.UNDELIVERABLE: Words("ส่งไม่ได้", "undeliverable"),
    State.HANDED_OVER: Words("ส่งถึงแล้ว", "handed over"),
    State.OPENED: Words("เปิดอ่านแล้ว", "opened"),
    State.RECEIVED: Words("ระบบรับแล้ว", "received"),
    State.RECALLED: Words("เรียกคืน", "recalled"),
    State.REGISTERED: Words("ลงทะเบียนรับแล้ว", "registered"),
    State.REJECTED: Words("ปฏิเสธ", "rejected"),
}

# The fields of a letter that are often corrected or changed; any other is shown under its name.
FIELDS: Final = {
    "subject": Words("เรื่อง", "subject"),
    "date": Words("วันที่", "date"),
    "body": Words("ข้อความ", "text"),
    "deadline": Words("กำหนดตอบรับ", "deadline"),
    "attachments": Words("สิ่งที่ส่งมาด้วย", "attachments"),
    "enclosures": Words("สิ่งที่ส่งมาด้วย", "enclosures"),
    "references": Words("อ้างถึง", "references"),
    "salutation": Words("คำขึ้นต้น", "salutation"),
    "closing": Words("คำลงท้าย", "closing"),
    "owner": Words("ส่วนราชการเจ้าของหนังสือ", "owner"),
    "speed": Words("ชั้นความเร็ว", "speed"),
    "secrecy": Words("ชั้นความลับ", "secrecy"),
}

REASONS: Final = {
    RejectionReason.MISADDRESSED: Words("ส่งผิดหน่วยงาน", "misaddressed"),
    RejectionReason.DUPLICATE: Words("ได้รับซ้ำ", "received twice"),
    RejectionReason.UNREADABLE: Words("เปิดอ่านไม่ได้", "cannot be read"),
    RejectionReason.NOT_COMPETENT: Words("ไม่อยู่ในอำนาจหน้าที่", "outside our authority"),
    RejectionReason.OTHER: Words("เหตุผลอื่น", "another reason"),
}

# What was done with a form of the page, which is then shown again.
DONE: Final = {
    "corrected": Words("บันทึกการแก้ไขแล้ว หน่วยงานผู้ส่งได้รับแจ้งแล้ว", "The correction is recorded, and the sender has been told."),
    "withdrawn": Words(
        "ถอนการตอบรับแล้ว หน่วยงานผู้ส่งได้รับแจ้งแล้ว ท่านตอบรับใหม่ได้",
        "The answer is withdrawn, and the sender has been told. You can answer again.",
    ),
    "defended": Words("แจ้งยืนยันเลขรับแล้ว หน่วยงานผู้ส่งได้รับแจ้งแล้ว", "The sender has been told that the number stands."),
}

# The catalogue tells systems which call to make; whoever reads the page has its forms.
REMEDIES_ON_PAGE: Final = {
    "acknowledgment_conflict": Words(
        "ตรวจสอบการตอบรับที่บันทึกไว้ด้านล่าง หากไม่ถูกต้องให้แก้ไขหรือถอนที่หน้านี้",
        "Look at the answer below. If it is wrong, correct or withdraw it on this page.",
    ),
    "not_answered": Words(
        "การตอบรับอาจถูกแก้ไขหรือถอนไปก่อนแล้ว โปรดตรวจสอบข้อมูลปัจจุบันที่แสดงในหน้านี้",
        "It may have been changed or withdrawn before. Look at what this page shows now.",
    ),
}

# What an addressee is to do; for action is what every letter is without a word.
ROLES: Final = {
    Role.ACTION: Words("", ""),
    Role.INFORMATION: Words("เพื่อทราบ", "for information"),
    Role.COPY: Words("สำเนาส่ง", "copy"),
}

CHANNELS: Final = {
    Channel.WEBHOOK: Words("ระบบถึงระบบ", "webhook"),
    Channel.EMAIL: Words("ไปรษณีย์อิเล็กทรอนิกส์", "e-mail"),
    Channel.INBOX: Words("กล่องหนังสือเข้า", "inbox"),
    Channel.PAPER: Words("เอกสารกระดาษ", "paper"),
}

SPEEDS: Final = {
    Speed.NORMAL: Words("ปกติ", "normal"),
    Speed.URGENT: Words("ด่วน", "urgent"),
    Speed.VERY_URGENT: Words("ด่วนมาก", "very urgent"),
    Speed.MOST_URGENT: Words("ด่วนที่สุด", "most urgent"),
}

SECRECIES: Final = {
    Secrecy.NORMAL: Words("ปกติ", "normal"),
    Secrecy.CONFIDENTIAL: Words("ลับ", "confidential"),
    Secrecy.SECRET: Words("ลับมาก", "secret"),
}

LEVELS: Final = {
    Level.CENTRAL: Words("สารบรรณกลาง", "central registry"),
    Level.DIVISION: Words("สำนัก/กอง", "division"),
    Level.CENTRE: Words("ศูนย์/กลุ่ม/ฝ่าย", "centre"),
}

WITHHELD_SUBJECT: Final = "(ไม่แสดงเรื่องของหนังสือที่มีชั้นความลับ)"


def subject(letter: LetterSummary) -> str:
    """The subject as every list may show it: of a classified letter it is withheld."""
    return letter.subject if letter.secrecy is Secrecy.NORMAL else WITHHELD_SUBJECT


def stamp(recipient: Recipient) -> tuple[str, str]:
    """The two lines of the annex's right-hand column, ผู้รับ/ลงวันที่; the second may be empty."""
    match recipient.state:
        case State.REGISTERED if recipient.receive_date is not None:
            first = f"เลขรับ {recipient.receive_number} ลว. {short_date(recipient.receive_date)}"
            if recipient.receive_time is not None:
                first += f" {clock(recipient.receive_time)}"
            return to_thai(first), recipient.registrar_name or ""
        case State.REJECTED:
            day = f" {_day(recipient.recorded_at)}" if recipient.recorded_at else ""
            return f"ปฏิเสธ{day} {recipient.registrar_name or ''}".rstrip(), rejection(recipient)
        case State.RECALLED:
            day = f" {_day(recipient.recalled_at)}" if recipient.recalled_at else ""
            return f"เรียกคืน{day}", recipient.recall_reason or ""
        case State.UNDELIVERABLE:
            return "ส่งไม่ได้", recipient.failure_reason or ""
        case State.AWAITING:
            return "กำลังนำส่ง", ""
        case _:
            day = f" {_day(recipient.handed_over_at)}" if recipient.handed_over_at else ""
            way = f"ทาง{CHANNELS[Channel(recipient.hand_over_channel)].th} " if recipient.hand_over_channel else ""
            return f"{STATES[recipient.state].th}{day}", f"{way}ยังไม่ลงทะเบียนรับ"


def marks(recipient: Recipient, deadline: datetime | None, now: datetime) -> tuple[str, ...]:
    """What a reader must know beside the stamp: who wrote it down, that it is late, corrected, doubted or sent on."""
    found = list(redirections(recipient))
    if recipient.dispute_text is not None:
        found.append("ทักท้วงเลขรับ")
    if recipient.door == Door.CLERK:
        found.append("บันทึกโดยผู้ส่ง")
    if recipient.is_late(deadline, now):
        found.append("เกินกำหนด" if recipient.recorded_at is not None else "พ้นกำหนด ยังไม่ตอบ")
    if recipient.due_at is not None and recipient.is_missing:
        found.append(f"กำหนดเฉพาะหน่วยงาน {moment(recipient.due_at)}")
    if any(entry["corrected_at"] for entry in recipient.entries or ()):
        found.append("แก้ไขแล้ว")
    return tuple(found)


def redirections(recipient: Recipient) -> tuple[str, ...]:
    """To which place of the list the letter was sent on, and from which it came."""
    found: list[str] = []
    # The place is not known here until the news of that recipient has come.
    if recipient.redirected_to is not None:
        found.append(to_thai(f"ส่งต่อไปลำดับที่ {recipient.redirected_to_position or '…'}"))
    if recipient.crossed:
        found.append("ถอนการปฏิเสธแล้ว หนังสืออยู่ที่ทั้งสองหน่วยงาน")
    if recipient.redirected_from is not None:
        found.append(to_thai(f"ส่งต่อจากลำดับที่ {recipient.redirected_from_position or '…'}"))
    return tuple(found)


def crossed(recipients: int) -> str:
    """That so many keep a letter which was sent on from them; "" when none does."""
    return to_thai(f"ถอนการปฏิเสธสวนทางกับการส่งต่อ หนังสืออยู่ที่ทั้งสองหน่วยงาน {recipients:,} ราย") if recipients else ""


def contact(recipient: Recipient) -> str:
    """Whom to call at an agency that has not answered; "" for one that has, or when nobody has said."""
    if not recipient.is_missing:
        return ""
    telephone = recipient.telephone and f"โทร. {recipient.telephone}"
    return " ".join(part for part in (recipient.contact_unit, telephone) if part)


def registers(recipient: Recipient) -> tuple[str, ...]:
    """The letter's number in each register of the recipient, from the highest, if there are several or one was corrected."""
    return tuple(_register(entry) for entry in recipient.entries or ())


def _register(entry: dict[str, Any]) -> str:
    desk = " ".join([LEVELS[Level(entry["level"])].th, *([entry["unit"]] if entry["unit"] else [])])
    told = f"{desk}: เลขรับ {entry['receive_number']} ลว. {short_date(date.fromisoformat(entry['receive_date']))}"
    if entry["receive_time"]:
        told += f" {clock(time.fromisoformat(entry['receive_time']))}"
    if entry["corrected_at"]:
        told += f" (แก้ไขจาก {entry['written_number']})"
    return to_thai(told)


def replaces(recipient: Recipient) -> str:
    """That the letter went to who follows the closed agency that the list names; empty when it did not."""
    if recipient.in_place_of is None:
        return ""
    return f"ส่งถึง{recipient.agency_name_th or ''} แทน{recipient.in_place_of_name_th or 'หน่วยงานเดิมที่ยุบเลิก'}"


def titled(recipient: Recipient) -> str:
    """The title with the role behind it, unless that is action."""
    role = ROLES[recipient.role].th
    return f"{recipient.title} ({role})" if role else recipient.title


def cited(letter: CitedLetter | ListedEnclosure) -> str:
    """'หนังสือกระทรวงมหาดไทย ที่ มท ๐๒๑๘/ว ๕๙๙๒ ลงวันที่ ๒๐ ตุลาคม ๒๕๖๐': what a letter refers to or encloses, as it is printed."""
    parts: list[str] = []
    if isinstance(letter, ListedEnclosure):
        parts.append(letter.description)
        if letter.copies > 1:
            parts.append(f"จำนวน {to_thai(letter.copies)} ฉบับ")
    elif letter.issuer:
        parts.append(f"หนังสือ{letter.issuer}")
    # A description often names the letter already.
    if letter.number and to_thai(letter.number) not in to_thai(" ".join(parts)):
        parts.append(f"ที่ {to_thai(letter.number)}")
        parts += [f"ลงวันที่ {long_date(letter.date)}"] if letter.date else []
    return " ".join(parts)


def remedy_on_page(problem: Problem) -> Words:
    """What a clerk should do about it."""
    return REMEDIES_ON_PAGE.get(problem.code) or Words(problem.remedy_th, problem.remedy_en)


def rejection(recipient: Recipient) -> str:
    """Why the recipient refused: the reason and what it wrote."""
    if recipient.rejection_reason is None:
        return ""
    reason = REASONS[RejectionReason(recipient.rejection_reason)].th
    return f"{reason}: {recipient.rejection_text}" if recipient.rejection_text else reason


def fields(names: Iterable[str]) -> str:
    """'เรื่อง, ข้อความ': the fields of a letter, each once."""
    return ", ".join(dict.fromkeys(FIELDS[name].th if name in FIELDS else name for name in names))


def moment(instant: datetime) -> str:
    """'๒๓ พฤศจิกายน ๒๕๖๙ ๑๔.๓๐ น.', in Bangkok."""
    return f"{long_date(bangkok_date(instant))} {clock(instant)}"


def _day(instant: datetime) -> str:
    return short_date(bangkok_date(instant))
