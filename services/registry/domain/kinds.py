"""The six kinds of official letters (ข้อ 10), their forms, and the fields that each requires."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """ชนิดของหนังสือราชการ: Regulation on Correspondence Work, ข้อ 10."""

    EXTERNAL = "external"
    INTERNAL = "internal"
    STAMPED = "stamped"
    DIRECTIVE = "directive"
    PUBLIC = "public"
    EVIDENCE = "evidence"


class Form(StrEnum):
    """What a directive, a public letter or a letter of evidence is; the other kinds have one form each."""

    ORDER = "order"
    RULE = "rule"
    BY_LAW = "by_law"
    ANNOUNCEMENT = "announcement"
    STATEMENT = "statement"
    NEWS = "news"
    CERTIFICATE = "certificate"
    MINUTES = "minutes"
    NOTE = "note"
    OTHER = "other"


KIND_NAMES: Final[Mapping[Kind, str]] = {
    Kind.EXTERNAL: "หนังสือภายนอก",
    Kind.INTERNAL: "หนังสือภายใน",
    Kind.STAMPED: "หนังสือประทับตรา",
    Kind.DIRECTIVE: "หนังสือสั่งการ",
    Kind.PUBLIC: "หนังสือประชาสัมพันธ์",
    Kind.EVIDENCE: "หนังสือที่เจ้าหน้าที่ทำขึ้นหรือรับไว้เป็นหลักฐาน",
}
FORM_NAMES: Final[Mapping[Form, str]] = {
    Form.ORDER: "คำสั่ง",
    Form.RULE: "ระเบียบ",
    Form.BY_LAW: "ข้อบังคับ",
    Form.ANNOUNCEMENT: "ประกาศ",
    Form.STATEMENT: "แถลงการณ์",
    Form.NEWS: "ข่าว",
    Form.CERTIFICATE: "หนังสือรับรอง",
    Form.MINUTES: "รายงานการประชุม",
    Form.NOTE: "บันทึก",
    Form.OTHER: "หนังสืออื่น",
}

# The forms of directives and public letters: ข้อ 10. Those of evidence are practice.
FORMS: Final[Mapping[Kind, tuple[Form, ...]]] = {
    Kind.EXTERNAL: (),
    Kind.INTERNAL: (),
    Kind.STAMPED: (),
    Kind.DIRECTIVE: (Form.ORDER, Form.RULE, Form.BY_LAW),
    Kind.PUBLIC: (Form.ANNOUNCEMENT, Form.STATEMENT, Form.NEWS),
    Kind.EVIDENCE: (Form.CERTIFICATE, Form.MINUTES, Form.NOTE, Form.OTHER),
}

# Kinds that bear the number of the unit's register, and ว when they go round (ข้อ 32).
CORRESPONDENCE: Final = frozenset({Kind.EXTERNAL, Kind.INTERNAL, Kind.STAMPED})

# The fields that a kind may require, under the API's names, as the Regulation calls them.
FIELD_NAMES: Final[Mapping[str, str]] = {
    "date": "วันเดือนปี",
    "owner": "ส่วนราชการเจ้าของหนังสือ",
    "subject": "เรื่อง",
    "salutation": "คำขึ้นต้น",
    "body": "ข้อความ",
    "closing": "คำลงท้าย",
    "signatory_name": "ลงชื่อ",
    "signatory_position": "ตำแหน่ง",
    "contact_unit": "ส่วนราชการเจ้าของเรื่อง",
    "telephone": "โทร.",
}

# What no letter can do without here, whatever a setting says: the year of its number, something to be found by, and a text.
ALWAYS_REQUIRED: Final = ("date", "subject", "body")

# External letters: ข้อ 11. The other kinds follow practice, so an office may set them otherwise.
EXTERNAL_REQUIRED: Final = tuple(FIELD_NAMES)
PRACTICE_REQUIRED: Final[Mapping[Kind, tuple[str, ...]]] = {
    Kind.INTERNAL: ("date", "owner", "subject", "salutation", "body", "signatory_name", "signatory_position"),
    Kind.STAMPED: ("date", "owner", "subject", "salutation", "body", "contact_unit", "telephone"),
    Kind.DIRECTIVE: ("date", "owner", "subject", "body", "signatory_name", "signatory_position"),
    Kind.PUBLIC: ("date", "owner", "subject", "body"),
    Kind.EVIDENCE: ("date", "owner", "subject", "body"),
}

Requirements = Mapping[Kind, tuple[str, ...]]


def requirements(set_otherwise: Requirements) -> Requirements:
    """The required fields of every kind; `set_otherwise` replaces those that practice alone gives.

    Raises ValueError for a field that is not known, and for the external letter, whose fields ข้อ 11 fixes.
    """
    if Kind.EXTERNAL in set_otherwise:
        raise ValueError("the fields of an external letter are fixed by ข้อ 11 of the Regulation")
    unknown = sorted({field for fields in set_otherwise.values() for field in fields} - set(FIELD_NAMES))
    if unknown:
        raise ValueError(f"no letter has a field {', '.join(unknown)}; there are {', '.join(FIELD_NAMES)}")
    chosen = {**PRACTICE_REQUIRED, **set_otherwise}
    return {
        Kind.EXTERNAL: EXTERNAL_REQUIRED,
        **{kind: tuple(dict.fromkeys((*ALWAYS_REQUIRED, *fields))) for kind, fields in chosen.items()},
    }
