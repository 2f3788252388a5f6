"""Problems of what happens to a letter afterwards: void, supersede, recall, erratum."""

from typing import Final

from shared.problems import Problem

LETTER_VOIDED: Final = Problem(
    "letter_voided",
    409,
    "The letter's number has been cancelled",
    "หนังสือฉบับนี้ยกเลิกเลขที่แล้ว",
    "Write a new letter; the cancelled number stays in the register.",
    "จัดทำหนังสือฉบับใหม่ เลขที่ที่ยกเลิกแล้วยังคงอยู่ในทะเบียน",
)
LETTER_DISPATCHED: Final = Problem(
    "letter_dispatched",
    409,
    "The letter has gone round, so its number cannot be cancelled",
    "หนังสือส่งเวียนแล้ว ยกเลิกเลขที่ไม่ได้",
    "Recall it (POST /v1/letters/{letter_id}/recall), or write a letter that supersedes it.",
    "เรียกคืนหนังสือ หรือออกหนังสือฉบับใหม่แทน",
)
LETTER_NOT_DISPATCHED: Final = Problem(
    "letter_not_dispatched",
    409,
    "The letter has not gone round",
    "หนังสือยังไม่ได้ส่งเวียน",
    "Change it while it is a draft; once it has its number, void it: POST /v1/letters/{letter_id}/void.",
    "แก้ไขร่าง หรือยกเลิกเลขที่หากออกเลขที่แล้ว",
)
LETTER_SUPERSEDED: Final = Problem(
    "letter_superseded",
    409,
    "Another letter takes this one's place",
    "มีหนังสือฉบับอื่นออกแทนแล้ว",
    "Work with the successor that `detail` names.",
    "ดำเนินการกับหนังสือฉบับที่ระบุใน detail",
)
LETTER_RECALLED: Final = Problem(
    "letter_recalled",
    409,
    "The letter has been recalled before",
    "หนังสือฉบับนี้เรียกคืนไปแล้ว",
    "Nothing more is to be done; the circular's recipients show from whom it was taken back in time.",
    "ไม่ต้องดำเนินการอีก ดูผลรายหน่วยงานได้ที่รายชื่อผู้รับหนังสือเวียน",
)
RECALL_TOO_LATE: Final = Problem(
    "recall_too_late",
    409,
    "Every recipient has received the letter",
    "ผู้รับทุกรายลงทะเบียนรับแล้ว เรียกคืนไม่ได้",
    "Write a letter that supersedes it, or correct it with an erratum.",
    "ออกหนังสือฉบับใหม่แทน หรือออกใบแก้คำผิด",
)
RECIPIENT_UNKNOWN: Final = Problem(
    "recipient_unknown",
    422,
    "The circular has no such recipient",
    "ไม่มีผู้รับรายนี้ในหนังสือเวียน",
    "Give recipient_ids of this circular: GET /v1/circulars/{circular_id}/recipients lists them.",
    "ระบุ recipient_id ตามรายชื่อผู้รับของหนังสือเวียนฉบับนี้",
)
LETTER_UNKNOWN: Final = Problem(
    "letter_unknown",
    422,
    "There is no such letter among those that you have sent or received",
    "ไม่พบหนังสือที่อ้างถึงในหนังสือที่ท่านส่งหรือได้รับ",
    "Give the letter_id of a letter of your agency, or for `follows` of one that it has received.",
    "ระบุ letter_id ของหนังสือที่หน่วยงานของท่านส่งหรือได้รับ",
)
LETTER_TAKEN_BACK: Final = Problem(
    "letter_taken_back",
    410,
    "The sender has recalled the letter before you registered it",
    "ผู้ส่งเรียกคืนหนังสือก่อนที่ท่านลงทะเบียนรับ",
    "Do not act on it; ask the sender if you need to know more.",
    "ไม่ต้องดำเนินการตามหนังสือนี้ หากมีข้อสงสัยโปรดสอบถามหน่วยงานผู้ส่ง",
)
ERRATUM_FIELD_UNKNOWN: Final = Problem(
    "erratum_field_unknown",
    422,
    "A letter has no such field",
    "หนังสือไม่มีรายการนี้",
    "Name fields of the letter, such as `subject` or `body`; `detail` lists them.",
    "ระบุชื่อรายการของหนังสือ เช่น subject หรือ body",
)

CATALOGUE: Final[tuple[Problem, ...]] = (
    LETTER_VOIDED,
    LETTER_DISPATCHED,
    LETTER_NOT_DISPATCHED,
    LETTER_SUPERSEDED,
    LETTER_RECALLED,
    RECALL_TOO_LATE,
    RECIPIENT_UNKNOWN,
    LETTER_UNKNOWN,
    LETTER_TAKEN_BACK,
    ERRATUM_FIELD_UNKNOWN,
)
