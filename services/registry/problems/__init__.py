"""The problems that the registry reports: a closed catalogue of stable codes, with what to do, in Thai and English."""

from collections.abc import Sequence
from typing import Final, NoReturn

from services.registry.problems import agencies, attachments, books, letters, lists, numbers, preflight, redirections, withdrawals
from shared.problems import FieldError, Problem, ProblemError

AGENCY_UNKNOWN: Final = Problem(
    "agency_unknown",
    422,
    "There is no agency with that code",
    "ไม่มีหน่วยงานที่ใช้รหัสนี้",
    "Correct the code, or ask the operator to register the agency; GET /v1/agencies lists them.",
    "แก้ไขรหัสหน่วยงาน หรือขอให้ผู้ดูแลระบบเพิ่มหน่วยงาน",
)
AGENCY_CODE_TAKEN: Final = Problem(
    "agency_code_taken",
    409,
    "Another agency has that code",
    "รหัสหน่วยงานนี้มีผู้ใช้แล้ว",
    "Change the existing agency with PUT, or choose another code.",
    "แก้ไขข้อมูลหน่วยงานเดิม หรือใช้รหัสอื่น",
)
AGENCY_CODE_FIXED: Final = Problem(
    "agency_code_fixed",
    422,
    "An agency's code does not change",
    "รหัสหน่วยงานเปลี่ยนไม่ได้",
    "Send the code that the agency has.",
    "ส่งรหัสเดิมของหน่วยงาน",
)
AGENCY_TREE_CYCLE: Final = Problem(
    "agency_tree_cycle",
    422,
    "An agency would stand above itself",
    "หน่วยงานจะเป็นต้นสังกัดของตนเอง",
    "Choose a parent that is not below the agency.",
    "เลือกต้นสังกัดที่ไม่อยู่ใต้หน่วยงานนี้",
)
UNIT_CODE_MALFORMED: Final = Problem(
    "unit_code_malformed",
    422,
    "That is not the code of a unit",
    "รหัสส่วนราชการเจ้าของหนังสือไม่ถูกรูปแบบ",
    "Write one to three Thai consonants and the unit's digits, such as สค ๐๐๑๗.๑.",
    "ใช้พยัญชนะไทยหนึ่งถึงสามตัว ตามด้วยเลขประจำส่วนราชการ เช่น สค ๐๐๑๗.๑",
)
IMPORT_INVALID: Final = Problem(
    "import_invalid",
    422,
    "The file has errors; nothing was imported",
    "แฟ้มข้อมูลมีข้อผิดพลาด จึงไม่ได้นำเข้า",
    "Correct the lines named in `errors` and send the whole file again.",
    "แก้ไขบรรทัดที่ระบุใน errors แล้วส่งทั้งแฟ้มใหม่",
)
CLIENT_SCOPES_INVALID: Final = Problem(
    "client_scopes_invalid",
    422,
    "These scopes do not go together",
    "ขอบเขตสิทธิ์ไม่สอดคล้องกัน",
    "Give `operate` alone and without an agency, or scopes of an agency with its agency_id.",
    "ให้สิทธิ์ operate โดยไม่ระบุหน่วยงาน หรือให้สิทธิ์อื่นพร้อมระบุ agency_id",
)
LIST_EMPTY: Final = Problem(
    "list_empty",
    422,
    "The list has no addressees",
    "บัญชีรายชื่อไม่มีผู้รับ",
    "Name at least one addressee.",
    "ระบุผู้รับอย่างน้อยหนึ่งราย",
)
LIST_TOO_LONG: Final = Problem(
    "list_too_long",
    422,
    "The list has too many addressees",
    "บัญชีรายชื่อยาวเกินกำหนด",
    "Divide the list; `detail` names the limit.",
    "แบ่งบัญชีรายชื่อ ดูขีดจำกัดใน detail",
)
LIST_DUPLICATE: Final = Problem(
    "list_duplicate",
    422,
    "An addressee stands on the list twice",
    "มีผู้รับซ้ำในบัญชีรายชื่อ",
    "Remove the entries named in `errors`.",
    "ลบรายการซ้ำที่ระบุใน errors",
)
LIST_MISSING: Final = Problem(
    "list_missing",
    422,
    "The letter has no distribution list",
    "หนังสือยังไม่มีบัญชีรายชื่อผู้รับ",
    "Name a list of your agency: `list_id` of the letter or of the dispatch.",
    "ระบุ list_id ของหน่วยงานท่าน",
)
LIST_UNKNOWN: Final = Problem(
    "list_unknown",
    422,
    "Your agency has no such list",
    "หน่วยงานของท่านไม่มีบัญชีรายชื่อนี้",
    "Check `list_id`; GET /v1/lists shows your lists.",
    "ตรวจสอบ list_id",
)
REGISTER_UNKNOWN: Final = Problem(
    "register_unknown",
    422,
    "Your agency has no such register",
    "หน่วยงานของท่านไม่มีทะเบียนหนังสือนี้",
    "Check `register_id`; GET /v1/registers shows your registers.",
    "ตรวจสอบ register_id",
)
REGISTER_EXISTS: Final = Problem(
    "register_exists",
    409,
    "Your agency has a register for that unit code",
    "หน่วยงานของท่านมีทะเบียนของรหัสนี้แล้ว",
    "Use the register that `detail` names.",
    "ใช้ทะเบียนเดิมที่ระบุใน detail",
)
REGISTER_INVALID: Final = Problem(
    "register_invalid",
    422,
    "The register's settings do not go together",
    "การตั้งค่าทะเบียนไม่สอดคล้องกัน",
    "Correct the fields named in `errors`.",
    "แก้ไขช่องที่ระบุใน errors",
)
NUMBERS_EXHAUSTED: Final = Problem(
    "numbers_exhausted",
    409,
    "The register has no numbers left for that year",
    "เลขที่หนังสือของปีนี้หมดแล้ว",
    "Use another register.",
    "ใช้ทะเบียนอื่น",
)
SECRECY_NOT_ELECTRONIC: Final = Problem(
    "secrecy_not_electronic",
    422,
    "A top secret letter (ลับที่สุด) must not travel electronically",
    "หนังสือชั้นลับที่สุดห้ามส่งทางอิเล็กทรอนิกส์",
    "Send it on paper, as ข้อ 29 of the Regulation on Correspondence Work demands.",
    "ให้ส่งเป็นเอกสารตามระเบียบงานสารบรรณ ข้อ ๒๙",
)
SECRECY_UNKNOWN: Final = Problem(
    "secrecy_unknown",
    422,
    "That is not a class of secrecy",
    "ไม่รู้จักชั้นความลับนี้",
    "Use normal (ปกติ), confidential (ลับ) or secret (ลับมาก); it is never guessed.",
    "ใช้ ปกติ ลับ หรือ ลับมาก",
)
SPEED_UNKNOWN: Final = Problem(
    "speed_unknown",
    422,
    "That is not a class of speed",
    "ไม่รู้จักชั้นความเร็วนี้",
    "Use normal (ปกติ), urgent (ด่วน), very_urgent (ด่วนมาก) or most_urgent (ด่วนที่สุด).",
    "ใช้ ปกติ ด่วน ด่วนมาก หรือ ด่วนที่สุด",
)
DATE_INVALID: Final = Problem(
    "date_invalid",
    422,
    "That is not a date",
    "วันที่ไม่ถูกต้อง",
    "Write a day of the calendar: 2017-11-09, or ๙ พฤศจิกายน ๒๕๖๐.",
    "ระบุวันที่ เช่น 2017-11-09 หรือ ๙ พฤศจิกายน ๒๕๖๐",
)
RELAY_NOT_YOURS: Final = Problem(
    "relay_not_yours",
    404,
    "That recipient is not your agency with a duty to pass the circular on",
    "ไม่พบหน้าที่แจ้งต่อของหน่วยงานท่านตามรหัสนี้",
    "Use the recipient_id under which your agency received the circular that it must pass on.",
    "ใช้ recipient_id ที่หน่วยงานท่านได้รับหนังสือซึ่งต้องแจ้งต่อ",
)
LETTER_INCOMPLETE: Final = Problem(
    "letter_incomplete",
    422,
    "The letter lacks what an external letter must have (ข้อ 11)",
    "หนังสือยังมีรายการไม่ครบตามระเบียบงานสารบรรณ ข้อ ๑๑",
    "Fill the fields named in `errors`, then register the letter.",
    "กรอกช่องที่ระบุใน errors ให้ครบ แล้วออกเลขที่ใหม่",
)
LETTER_NOT_DRAFT: Final = Problem(
    "letter_not_draft",
    409,
    "The letter has its number and does not change any more",
    "หนังสือออกเลขที่แล้ว แก้ไขไม่ได้",
    "Write a new letter that supersedes it.",
    "ออกหนังสือฉบับใหม่แทน",
)
LETTER_NOT_REGISTERED: Final = Problem(
    "letter_not_registered",
    409,
    "The letter has no number yet",
    "หนังสือยังไม่ได้ออกเลขที่",
    "Register the letter first: POST /v1/letters/{letter_id}/register.",
    "ออกเลขที่หนังสือก่อนส่งเวียน",
)
LETTER_ALREADY_DISPATCHED: Final = Problem(
    "letter_already_dispatched",
    409,
    "The letter has been sent round before",
    "หนังสือฉบับนี้ส่งเวียนแล้ว",
    "Follow the circular that `detail` names.",
    "ติดตามหนังสือเวียนที่ระบุใน detail",
)
IF_MATCH_MISSING: Final = Problem(
    "if_match_missing",
    428,
    "The call needs the version that it changes",
    "ต้องระบุรุ่นข้อมูลที่จะแก้ไข",
    "Send the ETag of the last GET as a header If-Match.",
    "ส่งค่า ETag ล่าสุดในส่วนหัว If-Match",
)
VERSION_CONFLICT: Final = Problem(
    "version_conflict",
    412,
    "Somebody has changed it meanwhile",
    "มีผู้อื่นแก้ไขข้อมูลนี้ไปแล้ว",
    "Read it again, look at the change, and send yours with the new ETag.",
    "อ่านข้อมูลล่าสุดแล้วแก้ไขใหม่",
)

CATALOGUE: Final = (
    AGENCY_UNKNOWN,
    AGENCY_CODE_TAKEN,
    AGENCY_CODE_FIXED,
    AGENCY_TREE_CYCLE,
    UNIT_CODE_MALFORMED,
    IMPORT_INVALID,
    CLIENT_SCOPES_INVALID,
    LIST_EMPTY,
    LIST_TOO_LONG,
    LIST_DUPLICATE,
    LIST_MISSING,
    LIST_UNKNOWN,
    REGISTER_UNKNOWN,
    REGISTER_EXISTS,
    REGISTER_INVALID,
    NUMBERS_EXHAUSTED,
    SECRECY_NOT_ELECTRONIC,
    SECRECY_UNKNOWN,
    SPEED_UNKNOWN,
    DATE_INVALID,
    RELAY_NOT_YOURS,
    LETTER_INCOMPLETE,
    LETTER_NOT_DRAFT,
    LETTER_NOT_REGISTERED,
    LETTER_ALREADY_DISPATCHED,
    IF_MATCH_MISSING,
    VERSION_CONFLICT,
    *(
        problem
        for area in (agencies, attachments, books, letters, lists, numbers, preflight, redirections, withdrawals)
        for problem in area.CATALOGUE
    ),
)

_BY_CODE: Final = {problem.code: problem for problem in CATALOGUE}

# A file of 100,000 lines may be wrong in every one.
MOST_ERRORS_SHOWN: Final = 100


def refuse(errors: Sequence[FieldError], problem: Problem | None = None) -> NoReturn:
    """Raise a ProblemError that names every field; without `problem`, the one of the first error's code."""
    shown = errors[:MOST_ERRORS_SHOWN]
    more = f" ({len(errors)} errors, the first {len(shown)} are shown)" if len(shown) < len(errors) else ""
    raise ProblemError(problem or _BY_CODE[errors[0].code], errors[0].detail + more, errors=shown)
