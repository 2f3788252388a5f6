"""Problems of the two statutory registers and their exports."""

from typing import Final

from shared.problems import Problem

RECEIVE_NUMBER_TAKEN: Final = Problem(
    "receive_number_taken",
    409,
    "Another letter has that receive number",
    "เลขทะเบียนรับนี้มีหนังสืออื่นใช้แล้ว",
    "Look at the entry that `errors` names; give another number, or leave it out and one is issued.",
    "ตรวจสอบรายการที่ระบุใน errors แล้วใช้เลขอื่น หรือเว้นว่างให้ระบบออกเลข",
)
RECEIVE_NUMBER_FIXED: Final = Problem(
    "receive_number_fixed",
    409,
    "A receive number that was issued does not change",
    "เลขทะเบียนรับที่ระบบออกให้แก้ไขไม่ได้",
    "Keep the number, the unit and the year; or void the entry and enter the letter again.",
    "ใช้เลข หน่วย และปีเดิม หรือยกเลิกรายการแล้วลงทะเบียนใหม่",
)
RECEIVED_BY_ACKNOWLEDGMENT: Final = Problem(
    "received_by_acknowledgment",
    409,
    "The entry was made by an acknowledgment",
    "รายการนี้มาจากการตอบรับหนังสือ",
    "Change its notes with PUT /v1/received/{received_id}/notes; number and date are those that were acknowledged.",
    "แก้ไขได้เฉพาะผู้รับมอบ การปฏิบัติ และหมายเหตุ ส่วนเลขและวันที่เป็นไปตามที่ตอบรับ",
)
RECEIVED_VOID: Final = Problem(
    "received_void",
    409,
    "The entry is void",
    "รายการนี้ถูกยกเลิกแล้ว",
    "Enter the letter again, under another number.",
    "ลงทะเบียนหนังสือใหม่ด้วยเลขอื่น",
)
BOOK_TOO_LONG: Final = Problem(
    "book_too_long",
    422,
    "Too many entries for one file of that form",
    "รายการมากเกินกว่าจะออกเป็นแฟ้มชนิดนี้",
    "Narrow the filter, by days say, or take the CSV; `detail` names the limit.",
    "จำกัดช่วงวันที่หรือเงื่อนไข หรือใช้แฟ้ม CSV ดูขีดจำกัดใน detail",
)

CATALOGUE: Final[tuple[Problem, ...]] = (
    RECEIVE_NUMBER_TAKEN,
    RECEIVE_NUMBER_FIXED,
    RECEIVED_BY_ACKNOWLEDGMENT,
    RECEIVED_VOID,
    BOOK_TOO_LONG,
)
