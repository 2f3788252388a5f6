"""Problems of sending a letter on to the right agency."""

from typing import Final

from shared.problems import Problem

RECIPIENT_NOT_REJECTED: Final = Problem(
    "recipient_not_rejected",
    409,
    "The recipient has not refused the letter",
    "ผู้รับรายนี้ยังไม่ได้ปฏิเสธหนังสือ",
    "Send a letter on from a recipient that has refused it; to take it from another one, recall it.",
    "ส่งต่อได้เฉพาะผู้รับที่ปฏิเสธหนังสือแล้ว หากต้องการนำหนังสือกลับให้ใช้การเรียกคืน",
)
RECIPIENT_REDIRECTED: Final = Problem(
    "recipient_redirected",
    409,
    "The letter has been sent on from this recipient before",
    "ส่งต่อหนังสือจากผู้รับรายนี้ไปแล้ว",
    "Follow the recipient that `detail` names; if it is the wrong one too, it refuses, and you send on from there.",
    "ติดตามผู้รับรายที่ระบุใน detail หากยังผิดหน่วยงานให้ส่งต่อจากรายนั้น",
)
RECIPIENT_TAKEN_BACK: Final = Problem(
    "recipient_taken_back",
    409,
    "The letter was recalled from this recipient",
    "เรียกคืนหนังสือจากผู้รับรายนี้แล้ว",
    "Nothing goes on from there: send the right agency a letter of its own, with a new number.",
    "ส่งต่อจากผู้รับรายนี้ไม่ได้ หากต้องการส่งถึงหน่วยงานที่ถูกต้องให้ออกหนังสือฉบับใหม่",
)
ALREADY_RECIPIENT: Final = Problem(
    "already_recipient",
    409,
    "The agency is a recipient of the circular already",
    "หน่วยงานนี้เป็นผู้รับหนังสือเวียนฉบับนี้อยู่แล้ว",
    "Nothing is to be sent: look for it in the circular's recipients.",
    "ไม่ต้องส่งซ้ำ ดูได้ที่รายชื่อผู้รับหนังสือเวียน",
)

CATALOGUE: Final[tuple[Problem, ...]] = (
    RECIPIENT_NOT_REJECTED,
    RECIPIENT_REDIRECTED,
    RECIPIENT_TAKEN_BACK,
    ALREADY_RECIPIENT,
)
