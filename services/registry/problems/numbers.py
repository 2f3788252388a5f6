"""Problems of reserved and voided numbers."""

from typing import Final

from shared.problems import Problem

UNIT_CODE_TAKEN: Final = Problem(
    "unit_code_taken",
    409,
    "Another register numbers the letters of that unit",
    "รหัสส่วนราชการนี้ใช้ทะเบียนอื่นอยู่แล้ว",
    "Leave the unit out, or use the register that `detail` names.",
    "ตัดรหัสนี้ออก หรือใช้ทะเบียนที่ระบุใน detail",
)
RESERVATION_INVALID: Final = Problem(
    "reservation_invalid",
    422,
    "These numbers cannot be reserved",
    "จองเลขตามที่ขอไม่ได้",
    "Correct the fields named in `errors`.",
    "แก้ไขช่องที่ระบุใน errors",
)
RESERVATION_EXPIRED: Final = Problem(
    "reservation_expired",
    409,
    "The reservation has expired",
    "เลขที่จองไว้หมดเวลาแล้ว",
    "Register the letter without a reserved number, or reserve a new one; the expired number stays in the register, unused.",
    "ออกเลขใหม่โดยไม่ใช้เลขที่จอง หรือจองเลขใหม่ เลขเดิมจะคงอยู่ในทะเบียนโดยไม่มีการใช้",
)
RESERVATION_OTHER_SERIES: Final = Problem(
    "reservation_other_series",
    422,
    "The reserved number counts in another series or year",
    "เลขที่จองไว้เป็นของชุดเลขหรือปีอื่น",
    "Use a number of the letter's own series and year, which `detail` names.",
    "ใช้เลขของชุดเลขและปีเดียวกับหนังสือตามที่ระบุใน detail",
)
NUMBER_USED: Final = Problem(
    "number_used",
    409,
    "A letter bears that number",
    "เลขนี้มีหนังสือใช้แล้ว",
    "Choose another number of the reservation; to cancel a registered letter, void the letter.",
    "ใช้เลขอื่นที่จองไว้ หากต้องการยกเลิกหนังสือ ให้ยกเลิกที่ตัวหนังสือ",
)
NUMBER_VOID: Final = Problem(
    "number_void",
    409,
    "The number is void",
    "เลขนี้ถูกยกเลิกแล้ว",
    "Choose another number; a void number stays in the register and is never used again.",
    "ใช้เลขอื่น เลขที่ยกเลิกแล้วจะคงอยู่ในทะเบียนและไม่นำกลับมาใช้",
)

CATALOGUE: Final[tuple[Problem, ...]] = (
    UNIT_CODE_TAKEN,
    RESERVATION_INVALID,
    RESERVATION_EXPIRED,
    RESERVATION_OTHER_SERIES,
    NUMBER_USED,
    NUMBER_VOID,
)
