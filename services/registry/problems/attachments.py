"""Problems of files that go with letters."""

from typing import Final

from shared.problems import Problem

ATTACHMENT_TOO_LARGE: Final = Problem(
    "attachment_too_large",
    413,
    "The attachment is too large",
    "สิ่งที่ส่งมาด้วยมีขนาดใหญ่เกินไป",
    "Send a smaller file; `detail` names the limit.",
    "ลดขนาดแฟ้ม ดูขีดจำกัดใน detail",
)
ATTACHMENT_EMPTY: Final = Problem(
    "attachment_empty",
    422,
    "The attachment has no content",
    "แฟ้มไม่มีข้อมูล",
    "Send the file as the body of the request.",
    "ส่งข้อมูลแฟ้มเป็นเนื้อหาคำขอ",
)
ATTACHMENT_TYPE_REFUSED: Final = Problem(
    "attachment_type_refused",
    415,
    "Files of that type are not taken",
    "ไม่รับแฟ้มชนิดนี้",
    "Send one of the types that `detail` names, with its Content-Type.",
    "ส่งแฟ้มชนิดที่ระบุใน detail",
)
ATTACHMENT_NAME_INVALID: Final = Problem(
    "attachment_name_invalid",
    422,
    "The attachment has no usable file name",
    "ชื่อแฟ้มใช้ไม่ได้",
    "Send a `file_name` such as สิ่งที่ส่งมาด้วย.pdf.",
    "ระบุชื่อแฟ้ม เช่น สิ่งที่ส่งมาด้วย.pdf",
)
ATTACHMENT_HASH_DIFFERS: Final = Problem(
    "attachment_hash_differs",
    422,
    "What arrived is not what was sent",
    "ข้อมูลที่ได้รับไม่ตรงกับที่ส่ง",
    "Send the file again; Content-Digest must be the SHA-256 of the file.",
    "ส่งแฟ้มใหม่อีกครั้ง",
)
ATTACHMENTS_TOO_MANY: Final = Problem(
    "attachments_too_many",
    422,
    "The letter has as many attachments as it may have",
    "จำนวนสิ่งที่ส่งมาด้วยเกินกำหนด",
    "Join files; `detail` names the limit.",
    "รวมแฟ้ม ดูขีดจำกัดใน detail",
)
DIGEST_MALFORMED: Final = Problem(
    "digest_malformed",
    400,
    "The Content-Digest cannot be read",
    "ส่วนหัว Content-Digest ไม่ถูกรูปแบบ",
    "Write it as RFC 9530 does: sha-256=:base64:.",
    "ใช้รูปแบบ sha-256=:base64:",
)
ATTACHMENT_TYPE_DIFFERS: Final = Problem(
    "attachment_type_differs",
    422,
    "The file is not what its Content-Type says",
    "เนื้อแฟ้มไม่ตรงกับชนิดที่ระบุ",
    "Send the file with the type that `detail` names, if it is one that is taken, or save it again in the type that you meant.",
    "ระบุ Content-Type ให้ตรงกับเนื้อแฟ้มตาม detail หรือบันทึกแฟ้มใหม่ให้เป็นชนิดที่ต้องการ",
)
ATTACHMENT_MACROS: Final = Problem(
    "attachment_macros",
    422,
    "The document holds macros",
    "เอกสารมีแมโคร",
    "Save it in a format without macros, such as PDF, .docx, .xlsx or .odt, and without a template from elsewhere.",
    "บันทึกเป็นรูปแบบที่ไม่มีแมโคร เช่น PDF, .docx, .xlsx หรือ .odt และไม่อ้างแม่แบบจากภายนอก",
)
ATTACHMENT_ZIP_BOMB: Final = Problem(
    "attachment_zip_bomb",
    422,
    "The document unpacks to far more than it should",
    "เอกสารขยายตัวเกินขนาดที่กำหนด",
    "Save it again, with smaller pictures or as PDF; `detail` names the limit.",
    "บันทึกใหม่โดยลดขนาดภาพ หรือบันทึกเป็น PDF ดูขีดจำกัดใน detail",
)
ATTACHMENT_ENCRYPTED: Final = Problem(
    "attachment_encrypted",
    422,
    "The document is locked with a password",
    "เอกสารเข้ารหัสผ่านไว้",
    "Save it without a password: a recipient who does not know it could not read the letter.",
    "บันทึกโดยไม่ใส่รหัสผ่าน เพราะผู้รับจะเปิดอ่านไม่ได้",
)
ATTACHMENT_DAMAGED: Final = Problem(
    "attachment_damaged",
    422,
    "The document is damaged",
    "เอกสารเสียหาย",
    "Open it in the program that it comes from, save it again, and send that.",
    "เปิดด้วยโปรแกรมเดิม บันทึกใหม่ แล้วส่งอีกครั้ง",
)
ATTACHMENT_INFECTED: Final = Problem(
    "attachment_infected",
    422,
    "The virus scanner refuses the file",
    "โปรแกรมตรวจไวรัสไม่ยอมรับแฟ้มนี้",
    "Do not send it on; have the computer that it comes from examined. `detail` names what was found.",
    "อย่าส่งต่อ และให้ตรวจเครื่องที่แฟ้มนี้มา ดูชื่อไวรัสใน detail",
)
ATTACHMENT_NOT_SCANNED: Final = Problem(
    "attachment_not_scanned",
    503,
    "The virus scanner did not answer, so the file was not taken",
    "โปรแกรมตรวจไวรัสไม่ตอบ จึงยังไม่รับแฟ้ม",
    "Send the file again after the time that Retry-After names.",
    "ส่งแฟ้มอีกครั้งหลังเวลาที่ระบุใน Retry-After",
)
RANGE_UNSATISFIABLE: Final = Problem(
    "range_unsatisfiable",
    416,
    "The file has nothing where the range begins",
    "ช่วงข้อมูลที่ขออยู่นอกแฟ้ม",
    "Ask for a range within the size that Content-Range names, or for the whole file without a Range.",
    "ขอช่วงภายในขนาดแฟ้มตาม Content-Range หรือขอทั้งแฟ้มโดยไม่ระบุ Range",
)
LINK_NOT_MADE: Final = Problem(
    "link_not_made",
    409,
    "No link is made to the files of this letter",
    "ไม่ออกลิงก์ให้แฟ้มของหนังสือนี้",
    "Links open files of letters that went round and are not secret; read others with a token at /v1/attachments/{id}.",
    "ลิงก์ใช้ได้กับหนังสือที่เวียนแล้วและไม่มีชั้นความลับ กรณีอื่นให้อ่านด้วยโทเคนที่ /v1/attachments/{id}",
)

CATALOGUE: Final[tuple[Problem, ...]] = (
    ATTACHMENT_TOO_LARGE,
    ATTACHMENT_EMPTY,
    ATTACHMENT_TYPE_REFUSED,
    ATTACHMENT_NAME_INVALID,
    ATTACHMENT_HASH_DIFFERS,
    ATTACHMENTS_TOO_MANY,
    DIGEST_MALFORMED,
    ATTACHMENT_TYPE_DIFFERS,
    ATTACHMENT_MACROS,
    ATTACHMENT_ZIP_BOMB,
    ATTACHMENT_ENCRYPTED,
    ATTACHMENT_DAMAGED,
    ATTACHMENT_INFECTED,
    ATTACHMENT_NOT_SCANNED,
    RANGE_UNSATISFIABLE,
    LINK_NOT_MADE,
)
