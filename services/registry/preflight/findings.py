"""Findings: a closed catalogue of codes, each with its severity and what to do, in Thai and English."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import Final


class Severity(StrEnum):
    """`error` stops a dispatch unless it is overridden; the others are told."""

    ERROR = "error"
    WARNING = "warning"
    NOTICE = "notice"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of finding. `code` never changes."""

    code: str
    severity: Severity
    title_th: str
    title_en: str
    remedy_th: str
    remedy_en: str


@dataclass(frozen=True, slots=True)
class Finding:
    """Where (`pointer` is a JSON pointer into the letter) and what exactly."""

    kind: Kind
    pointer: str
    detail: str


@dataclass(frozen=True, slots=True)
class Report:
    """All findings: at most MOST_SHOWN of each code, and how many there are of each."""

    findings: tuple[Finding, ...]
    counts: dict[str, int]

    def total(self, severity: Severity) -> int:
        """How many findings of that severity there are, shown or not."""
        return sum(count for code, count in self.counts.items() if BY_CODE[code].severity is severity)

    @property
    def errors(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.kind.severity is Severity.ERROR)


# A list of 100,000 may be wrong in every line.
MOST_SHOWN: Final = 100

_E, _W, _N = Severity.ERROR, Severity.WARNING, Severity.NOTICE

ANNEX_NUMBER_DIFFERS: Final = Kind(
    "annex_number_differs",
    _E,
    "เลขที่หนังสือในบัญชีแนบท้ายไม่ตรงกับหัวหนังสือ",
    "The annex bears another number than the letter",
    "แก้เลขที่ในบัญชีแนบท้ายให้ตรงกับหัวหนังสือ",
    "Correct the number on the annex, or the one in the heading.",
)
ANNEX_DATE_DIFFERS: Final = Kind(
    "annex_date_differs",
    _E,
    "วันที่ในบัญชีแนบท้ายไม่ตรงกับวันที่ของหนังสือ",
    "The annex bears another date than the letter",
    "แก้วันที่ในบัญชีแนบท้ายให้ตรงกับหนังสือ",
    "Correct the date on the annex, or the letter's.",
)
ANNEX_SUBJECT_DIFFERS: Final = Kind(
    "annex_subject_differs",
    _W,
    "เรื่องในบัญชีแนบท้ายไม่ตรงกับเรื่องของหนังสือ",
    "The annex bears another subject than the letter",
    "ตรวจว่าบัญชีแนบท้ายเป็นของหนังสือฉบับนี้",
    "Check that the annex belongs to this letter.",
)
CITED_NUMBER_DIFFERS: Final = Kind(
    "cited_number_differs",
    _E,
    "เลขที่หนังสือที่อ้างเป็นสิ่งที่ส่งมาด้วยไม่ตรงกับฉบับที่แนบ",
    "The letter cites another number than the enclosed letter bears",
    "แก้เลขที่ที่อ้าง หรือแนบหนังสือฉบับที่อ้าง",
    "Correct the citation, or enclose the letter that is cited.",
)
CITED_DATE_DIFFERS: Final = Kind(
    "cited_date_differs",
    _E,
    "วันที่ของหนังสือที่อ้างไม่ตรงกับฉบับที่แนบ",
    "The letter cites another date than the enclosed letter bears",
    "แก้วันที่ที่อ้างให้ตรงกับฉบับที่แนบ",
    "Correct the date in the citation.",
)
CITED_SUBJECT_DIFFERS: Final = Kind(
    "cited_subject_differs",
    _W,
    "เรื่องของหนังสือที่อ้างไม่ตรงกับฉบับที่แนบ",
    "The letter cites another subject than the enclosed letter bears",
    "ตรวจว่าแนบหนังสือถูกฉบับ",
    "Check that the right letter is enclosed.",
)
ENCLOSED_NOT_CITED: Final = Kind(
    "enclosed_not_cited",
    _W,
    "หนังสือที่แนบหรือแจ้งต่อไม่ได้อ้างไว้ในหนังสือ",
    "A letter that is enclosed or passed on is cited nowhere",
    "ระบุหนังสือนั้นในสิ่งที่ส่งมาด้วยหรืออ้างถึง",
    "Name it among the enclosures or the references.",
)
LIST_MISSING: Final = Kind(
    "list_missing",
    _E,
    "หนังสือไม่มีผู้รับ",
    "The letter has no addressees",
    "ระบุบัญชีรายชื่อผู้รับอย่างน้อยหนึ่งราย",
    "Name a list with at least one addressee.",
)
ADDRESSEE_REPEATED: Final = Kind(
    "addressee_repeated",
    _W,
    "ชื่อผู้รับซ้ำกัน",
    "Two addressees have the same title",
    "ลบรายการที่ซ้ำ หรือระบุชื่อให้ต่างกัน",
    "Remove one, or write the titles so that they differ.",
)
ADDRESSEE_WITHOUT_CHANNEL: Final = Kind(
    "addressee_without_channel",
    _W,
    "ผู้รับไม่มีที่อยู่อิเล็กทรอนิกส์ในทะเบียนหน่วยงาน",
    "The registry knows no mailbox of the addressee",
    "ตรวจว่าหน่วยงานเชื่อมต่อระบบไว้ มิฉะนั้นต้องส่งเป็นเอกสาร",
    "Check that the agency has an endpoint or pulls its letters; otherwise it is reached on paper.",
)
ADDRESSEE_UNKNOWN: Final = Kind(
    "addressee_unknown",
    _W,
    "ไม่พบหน่วยงานที่ตรงกับชื่อผู้รับ",
    "No agency goes by the addressee's title",
    "เลือกหน่วยงานเอง หรือให้ผู้ดูแลระบบเพิ่มหน่วยงาน",
    "Choose the agency by hand, or ask the operator to register it.",
)
AGENCY_CLOSED: Final = Kind(
    "agency_closed",
    _E,
    "หน่วยงานผู้รับยุบเลิกแล้ว และไม่มีหน่วยงานรับแทน หรือมีหลายหน่วยงาน",
    "The addressee's agency is closed, and nobody follows it, or several do",
    "เปลี่ยนผู้รับเป็นหน่วยงานที่รับภารกิจต่อ",
    "Address the agency that took over its duties.",
)
AGENCY_SUCCEEDED: Final = Kind(
    "agency_succeeded",
    _W,
    "หน่วยงานผู้รับยุบเลิกแล้ว หนังสือจะส่งถึงหน่วยงานที่รับภารกิจแทน",
    "The addressee's agency is closed; the letter goes to the one that follows it",
    "ตรวจหน่วยงานที่รับแทน และแก้ชื่อผู้รับในบัญชีรายชื่อ",
    "Check who gets it, and correct the title and the agency on the list.",
)
MAILBOX_NOT_SARABAN: Final = Kind(
    "mailbox_not_saraban",
    _W,
    "ที่อยู่อีเมลไม่ใช่ที่อยู่กลางของงานสารบรรณ (ข้อ ๘๙/๑)",
    "The mailbox is not the central one that ข้อ 89/1 demands",
    "ขอที่อยู่กลางของหน่วยงานซึ่งขึ้นต้นด้วย saraban",
    "Ask the agency for its central mailbox, whose name begins with saraban.",
)
DEADLINE_PAST: Final = Kind(
    "deadline_past",
    _E,
    "กำหนดเวลาผ่านไปแล้ว",
    "The deadline is over",
    "กำหนดวันตอบใหม่",
    "Set a deadline that can be met.",
)
DEADLINE_NOT_WORKING_DAY: Final = Kind(
    "deadline_not_working_day",
    _W,
    "กำหนดเวลาตรงกับวันหยุด",
    "The deadline is on a weekend or a public holiday",
    "เลื่อนเป็นวันทำการ",
    "Move it to a working day.",
)
DEADLINE_TOO_NEAR: Final = Kind(
    "deadline_too_near",
    _W,
    "กำหนดเวลากระชั้นเกินชั้นความเร็วของหนังสือ",
    "The deadline is too near for the letter's class of speed",
    "ใช้ชั้นความเร็วที่สูงขึ้น หรือขยายเวลา",
    "Choose a higher class of speed, or give more time.",
)
WITHIN_WITHOUT_DEADLINE: Final = Kind(
    "within_without_deadline",
    _W,
    "ระบุด่วนภายในโดยไม่มีวันเวลาครบกำหนด",
    "ด่วนภายใน is written, but the letter has no deadline",
    "ระบุวันและเวลาที่ครบกำหนด",
    "Give the day and the time by which it must arrive.",
)
SECRECY_NOT_ELECTRONIC: Final = Kind(
    "secrecy_not_electronic",
    _E,
    "หนังสือชั้นลับที่สุดห้ามส่งทางอิเล็กทรอนิกส์ (ข้อ ๒๙)",
    "A top secret letter must not travel electronically (ข้อ 29)",
    "ส่งเป็นเอกสาร",
    "Send it on paper.",
)
SECRECY_NOT_BY_MAIL: Final = Kind(
    "secrecy_not_by_mail",
    _W,
    "หนังสือชั้นความลับไม่ส่งทางอีเมล",
    "A secret letter does not travel by mail",
    "ตรวจว่าผู้รับเชื่อมต่อระบบไว้ มิฉะนั้นต้องส่งเป็นเอกสาร",
    "Check that the addressees have an endpoint; who has only a mailbox gets it on paper.",
)
FILE_MISSING: Final = Kind(
    "file_missing",
    _W,
    "มีรายการสิ่งที่ส่งมาด้วยมากกว่าแฟ้มที่แนบ",
    "More enclosures are listed than files are attached",
    "แนบแฟ้มให้ครบ หรือแก้รายการ",
    "Attach what is missing, or correct the list.",
)
FILE_NOT_LISTED: Final = Kind(
    "file_not_listed",
    _N,
    "แนบแฟ้มโดยไม่ระบุในสิ่งที่ส่งมาด้วย",
    "Files are attached, but no enclosure is listed",
    "ระบุสิ่งที่ส่งมาด้วย หากแฟ้มนั้นไม่ใช่ตัวหนังสือเอง",
    "List them, unless the file is the letter itself.",
)
FILE_TYPE_REFUSED: Final = Kind(
    "file_type_refused",
    _E,
    "ชนิดแฟ้มไม่อยู่ในรายการที่รับ",
    "The file's type is not one that is taken",
    "เปลี่ยนเป็นชนิดที่รับ",
    "Attach it in a type that is taken.",
)
FILE_TYPE_DIFFERS: Final = Kind(
    "file_type_differs",
    _W,
    "นามสกุลแฟ้มไม่ตรงกับชนิดแฟ้ม",
    "The file's name says another type than it has",
    "ตั้งชื่อแฟ้มใหม่",
    "Attach it again under a name that fits.",
)
FILE_TOO_LARGE: Final = Kind(
    "file_too_large",
    _E,
    "แฟ้มใหญ่เกินกำหนด",
    "The file is too large",
    "ลดขนาดแฟ้ม",
    "Attach a smaller one.",
)
FILE_REPEATED: Final = Kind(
    "file_repeated",
    _W,
    "แนบแฟ้มเดียวกันซ้ำ",
    "The same file is attached twice",
    "ลบแฟ้มที่ซ้ำ",
    "Remove one of them.",
)
FIELD_MISSING: Final = Kind(
    "field_missing",
    _E,
    "รายการของหนังสือไม่ครบ",
    "The letter lacks what its kind must have",
    "กรอกรายการให้ครบ",
    "Fill the field.",
)
DATE_FAR: Final = Kind(
    "date_far",
    _W,
    "วันที่ของหนังสือห่างจากวันนี้มาก",
    "The letter's date is far from today",
    "ตรวจวันที่ โดยเฉพาะปี พ.ศ.",
    "Check the date, above all its year.",
)
SALUTATION_NAMES_ONE: Final = Kind(
    "salutation_names_one",
    _W,
    "หนังสือเวียน (ว) แต่คำขึ้นต้นระบุผู้รับรายเดียว (ข้อ ๓๒)",
    "The number bears ว, but the salutation names one receiver (ข้อ 32)",
    "ใช้คำขึ้นต้นถึงผู้รับทั้งหมด หรือไม่ใช้เลข ว",
    "Address all receivers, or number it without ว.",
)
SARA_AM_DECOMPOSED: Final = Kind(
    "sara_am_decomposed",
    _W,
    "สระอำพิมพ์แยกเป็นสองอักขระ",
    "Sara am is typed in two characters",
    "พิมพ์สระอำเป็นอักขระเดียว มิฉะนั้นจะค้นหาไม่พบ",
    "Type it as one character; otherwise searches miss it.",
)
DIGITS_MIXED: Final = Kind(
    "digits_mixed",
    _N,
    "ใช้เลขไทยปนเลขอารบิก",
    "Thai and Arabic digits stand side by side",
    "ใช้เลขแบบเดียวกันทั้งข้อความ",
    "Use one kind.",
)
UNSAFE_CHARACTERS: Final = Kind(
    "unsafe_characters",
    _E,
    "มีอักขระควบคุมที่มองไม่เห็น",
    "The text holds characters that hide or reorder it",
    "ลบอักขระเหล่านั้น",
    "Remove them.",
)
SPACES_REPEATED: Final = Kind(
    "spaces_repeated",
    _N,
    "เว้นวรรคซ้ำ",
    "Spaces are repeated",
    "เว้นวรรคครั้งเดียว",
    "Leave one space.",
)

CATALOGUE: Final = tuple(value for value in list(globals().values()) if isinstance(value, Kind))
BY_CODE: Final = {kind.code: kind for kind in CATALOGUE}


def report(found: Iterable[Finding], uncounted: dict[str, int] | None = None) -> Report:
    """Gather `found`; `uncounted` says how many more there are of a code than were given."""
    listed = list(found)
    counts: dict[str, int] = dict(uncounted or {})
    for finding in listed:
        counts[finding.kind.code] = counts.get(finding.kind.code, 0) + 1
    order = list(Severity)
    shown = [
        finding
        for kind in sorted(CATALOGUE, key=lambda kind: order.index(kind.severity))
        for finding in islice((f for f in listed if f.kind is kind), MOST_SHOWN)
    ]
    return Report(tuple(shown), counts)
