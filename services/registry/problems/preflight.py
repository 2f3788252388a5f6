"""Problems of the check before dispatch, and of texts that are read into drafts."""

from typing import Final

from shared.problems import Problem

PREFLIGHT_ERRORS: Final = Problem(
    "preflight_errors",
    422,
    "The letter has errors, and was not sent round",
    "หนังสือมีข้อผิดพลาด จึงยังไม่ได้ส่งเวียน",
    "Correct what `errors` names; or send `override` with your reason and the codes that you overrule.",
    "แก้ไขตาม errors หรือส่ง override พร้อมเหตุผลและรหัสข้อผิดพลาดที่ยอมรับ",
)
PAPER_TYPE_REFUSED: Final = Problem(
    "paper_type_refused",
    415,
    "Texts of that type are not read",
    "ไม่อ่านเอกสารชนิดนี้",
    "Send text/plain (UTF-8 or Windows-874), application/pdf or a DOCX document.",
    "ส่งข้อความ (UTF-8 หรือ Windows-874) PDF หรือ DOCX",
)
PAPER_TOO_LARGE: Final = Problem(
    "paper_too_large",
    413,
    "The paper is too large to be read",
    "เอกสารใหญ่เกินกว่าจะอ่านได้",
    "Send the letter alone; `detail` names the limit.",
    "ส่งเฉพาะตัวหนังสือ ดูขีดจำกัดใน detail",
)
PAPER_UNREADABLE: Final = Problem(
    "paper_unreadable",
    422,
    "The document is damaged, or is not what its type says",
    "เอกสารเสียหายหรือไม่ตรงกับชนิดที่แจ้ง",
    "Save the document again and send it with its true Content-Type.",
    "บันทึกเอกสารใหม่ แล้วส่งพร้อม Content-Type ที่ถูกต้อง",
)
PAPER_MACROS: Final = Problem(
    "paper_macros",
    422,
    "The document holds macros",
    "เอกสารมีมาโคร",
    "Save it as a DOCX without macros.",
    "บันทึกเป็น DOCX ที่ไม่มีมาโคร",
)
PAPER_ENCRYPTED: Final = Problem(
    "paper_encrypted",
    422,
    "The document is encrypted",
    "เอกสารเข้ารหัสไว้",
    "Send it without a password.",
    "ส่งเอกสารที่ไม่มีรหัสผ่าน",
)
PAPER_WITHOUT_TEXT: Final = Problem(
    "paper_without_text",
    422,
    "The document holds no text: it is a picture",
    "เอกสารไม่มีข้อความ มีแต่ภาพ",
    "Send the file from which it was printed, or a scan with a text layer.",
    "ส่งแฟ้มต้นฉบับ หรือภาพสแกนที่มีชั้นข้อความ",
)
PAPER_TOO_SLOW: Final = Problem(
    "paper_too_slow",
    422,
    "Reading the document takes too long",
    "ใช้เวลาอ่านเอกสารนานเกินไป",
    "Send a simpler file, or the text alone.",
    "ส่งแฟ้มที่ซับซ้อนน้อยลง หรือส่งเฉพาะข้อความ",
)

CATALOGUE: Final[tuple[Problem, ...]] = (
    PREFLIGHT_ERRORS,
    PAPER_TYPE_REFUSED,
    PAPER_TOO_LARGE,
    PAPER_UNREADABLE,
    PAPER_MACROS,
    PAPER_ENCRYPTED,
    PAPER_WITHOUT_TEXT,
    PAPER_TOO_SLOW,
)
