"""Problems of drafts, kinds, templates and references."""

from typing import Final

from shared.problems import Problem

FORM_NOT_OF_KIND: Final = Problem(
    "form_not_of_kind",
    422,
    "That form does not belong to that kind of letter",
    "รูปแบบนี้ไม่ใช่ของหนังสือชนิดที่ระบุ",
    "Choose a form of the kind (ข้อ 10); `detail` names them.",
    "เลือกรูปแบบให้ตรงกับชนิดของหนังสือตามข้อ 10 ดูใน detail",
)
CIRCULAR_NOT_OF_KIND: Final = Problem(
    "circular_not_of_kind",
    422,
    "A letter of that kind has no circular number",
    "หนังสือชนิดนี้ไม่ใช้เลข ว",
    "Leave `circular` out: only external, internal and stamped letters bear ว. The letter can still go round.",
    "ไม่ต้องระบุ circular เพราะเลข ว ใช้กับหนังสือภายนอก หนังสือภายใน และหนังสือประทับตรา",
)
URGENT_WITHIN_NOT_URGENT: Final = Problem(
    "urgent_within_not_urgent",
    422,
    "A letter of normal speed names an instant of ด่วนภายใน",
    "หนังสือชั้นความเร็วปกติระบุเวลาด่วนภายใน",
    "Choose an urgent class of speed, or leave `urgent_within` out and set `deadline`.",
    "เลือกชั้นความเร็วด่วน หรือใช้ deadline แทน",
)
REFERENCE_UNKNOWN: Final = Problem(
    "reference_unknown",
    422,
    "There is no such letter to refer to",
    "ไม่พบหนังสือที่อ้างถึง",
    "Link only registered letters that your agency sent or received; describe others by issuer, number and date.",
    "เชื่อมโยงได้เฉพาะหนังสือที่หน่วยงานของท่านส่งหรือได้รับ หนังสืออื่นให้ระบุผู้ออก เลขที่ และวันที่",
)
REFERENCE_DIFFERS: Final = Problem(
    "reference_differs",
    422,
    "The reference contradicts the letter that it links to",
    "รายละเอียดหนังสืออ้างถึงไม่ตรงกับหนังสือที่เชื่อมโยง",
    "Leave issuer, number and date out, so that they are taken from the letter; or correct `letter_id`.",
    "ไม่ต้องระบุผู้ออก เลขที่ และวันที่ ระบบจะใช้ข้อมูลจากหนังสือนั้น หรือแก้ไข letter_id",
)
TEMPLATE_EXISTS: Final = Problem(
    "template_exists",
    409,
    "Your agency has a template of that name",
    "หน่วยงานของท่านมีแบบหนังสือชื่อนี้แล้ว",
    "Choose another name, or change the template that `detail` names.",
    "ใช้ชื่ออื่น หรือแก้ไขแบบเดิมที่ระบุใน detail",
)
TEMPLATE_UNKNOWN: Final = Problem(
    "template_unknown",
    422,
    "Your agency has no such template",
    "หน่วยงานของท่านไม่มีแบบหนังสือนี้",
    "Check `template_id`; GET /v1/templates shows your templates.",
    "ตรวจสอบ template_id",
)

CATALOGUE: Final[tuple[Problem, ...]] = (
    FORM_NOT_OF_KIND,
    CIRCULAR_NOT_OF_KIND,
    URGENT_WITHIN_NOT_URGENT,
    REFERENCE_UNKNOWN,
    REFERENCE_DIFFERS,
    TEMPLATE_EXISTS,
    TEMPLATE_UNKNOWN,
)
