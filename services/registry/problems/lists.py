"""Problems of distribution lists and of the addressees that they resolve to."""

from typing import Final

from shared.problems import Problem

LIST_CYCLE: Final = Problem(
    "list_cycle",
    422,
    "A list would contain itself",
    "บัญชีรายชื่อซ้อนกันเป็นวง",
    "Take one of the lists on the path in `detail` out of the one before it.",
    "นำบัญชีรายชื่อหนึ่งในเส้นทางที่ระบุใน detail ออก",
)
LIST_TOO_DEEP: Final = Problem(
    "list_too_deep",
    422,
    "The lists are nested too deeply",
    "บัญชีรายชื่อซ้อนกันหลายชั้นเกินกำหนด",
    "Put the inner lists' addressees into the outer list; `detail` names the limit.",
    "ย้ายผู้รับของบัญชีชั้นในมาไว้ในบัญชีชั้นนอก ดูขีดจำกัดใน detail",
)
LIST_RESOLVES_TO_NOBODY: Final = Problem(
    "list_resolves_to_nobody",
    422,
    "The list resolves to nobody",
    "บัญชีรายชื่อไม่มีผู้รับเหลืออยู่",
    "Look at the list's preview: its groups find no agency, or everybody is left out.",
    "ดูตัวอย่างรายชื่อก่อนส่ง กลุ่มไม่พบหน่วยงานหรือทุกหน่วยงานถูกยกเว้น",
)
LIST_NEVER_DISPATCHED: Final = Problem(
    "list_never_dispatched",
    404,
    "That version of the list never went round",
    "บัญชีรายชื่อรุ่นนี้ยังไม่เคยส่ง",
    "Leave out `since_version` to compare with the last dispatch.",
    "ไม่ต้องระบุ since_version เพื่อเทียบกับการส่งครั้งล่าสุด",
)

CATALOGUE: Final[tuple[Problem, ...]] = (LIST_CYCLE, LIST_TOO_DEEP, LIST_RESOLVES_TO_NOBODY, LIST_NEVER_DISPATCHED)
