"""The words by which a line of an official letter says what it is."""

import re
from typing import Final

from services.registry.domain.classes import SECRECY_NAMES, SPEED_NAMES, TOP_SECRET
from shared.contracts.events import Secrecy, Speed
from shared.thai.text import normalise

# "ที่ สค ๐๐๑๗.๑/ว ๑๕๑๒๓", with what a PDF puts behind it on the same line.
NUMBER: Final = re.compile(r"ที่\s*([ก-ฮ]{1,3}\s*(?:\([^)]{0,40}\))?\s*[0-9๐-๙.]{0,40}\s*/\s*(?:ว\s*)?[0-9๐-๙]{1,9})(?:\s+(\S.*))?")
DATE: Final = re.compile(r"(?:(?:ลง)?วันที่\s*)?[0-9๐-๙]{1,2}\s+[ก-๎.]{3,16}\s+(?:พ\.ศ\.\s*)?[0-9๐-๙]{4}")
ANNEX: Final = re.compile(r"บัญชีรายชื่อ(?:แนบท้าย|ผู้รับ|หน่วยงาน)?.{0,40}")
LABELS: Final = ("เรื่อง", "เรียน", "กราบเรียน", "นมัสการ", "อ้างถึง", "สิ่งที่ส่งมาด้วย")
SALUTATIONS: Final = ("เรียน", "กราบเรียน", "นมัสการ")
CLOSINGS: Final = ("ขอแสดงความนับถือ", "ด้วยความเคารพ", "ขอนมัสการ", "ขอแสดงความเคารพ")
NAME: Final = re.compile(r"\(\s*([^()]{2,200}(?:\([^()]*\)[^()]*)?)\s*\)")
ACTING: Final = ("ปฏิบัติราชการ", "รักษาราชการ", "รักษาการ", "ทำการแทน", "ปฏิบัติหน้าที่")
TELEPHONE: Final = re.compile(r"(โทรศัพท์|โทร\.?)(\s*/\s*(?:โทรสาร|แฟกซ์))?\s*[.:]?\s*([0-9๐-๙+(].*)")
FAX: Final = re.compile(r"(?:โทรสาร|แฟกซ์)\s*[.:]?\s*([0-9๐-๙+(].*)")
TABLE_HEAD: Final = re.compile(r"(?:ลำดับ(?:ที่)?\s*)?(?:หน่วยงาน|รายชื่อ|ผู้รับ|ส่วนราชการ|ตำแหน่ง)(?:\s.*)?")
ITEM: Final = re.compile(r"(?:[0-9๐-๙]{1,3}[.)])\s*(?=\S)")
DISPOSITIONS: Final = re.compile(r"\s+(?:จำนวน\s*)?([0-9๐-๙]{1,4})\s*(?:ฉบับ|ชุด|เล่ม|แผ่น|หน้า|รายการ)$")

SPEEDS: Final = {name: speed for speed, name in SPEED_NAMES.items() if speed is not Speed.NORMAL}
SECRECIES: Final = {name: secrecy for secrecy, name in SECRECY_NAMES.items() if secrecy is not Secrecy.NORMAL}


def labelled(line: str) -> tuple[str, str] | None:
    """The label with which a line begins, and what follows it; None for a line without one."""
    for label in LABELS:
        if line.startswith(label):
            rest = line[len(label) :]
            if not rest or rest[0].isspace() or rest[0] in ":：":
                return label, rest.lstrip(" \t:：")
    return None


def stamp(line: str) -> Speed | Secrecy | str | None:
    """The class of speed or secrecy that a line by itself is, or the word itself for ลับที่สุด."""
    word = normalise(line).replace(" ", "")
    if word in TOP_SECRET:
        return word
    return SPEEDS.get(word) or SECRECIES.get(word)
