"""Problems of agencies as they change, and of their files."""

from typing import Final

from shared.problems import Problem

AGENCY_CLOSED: Final = Problem(
    "agency_closed",
    409,
    "The agency is closed already",
    "หน่วยงานนี้ยุบเลิกแล้ว",
    "Read the agency: it says on which day it was closed, and who came after it.",
    "ตรวจสอบวันที่ยุบเลิกและหน่วยงานที่รับช่วงต่อ",
)
AGENCY_HAS_CHILDREN: Final = Problem(
    "agency_has_children",
    409,
    "Agencies below this one are still open",
    "ยังมีหน่วยงานในสังกัดที่เปิดดำเนินการอยู่",
    "Say what becomes of those in `errors`: `children` as move_to_successor or keep, or close them first.",
    "ระบุ children เป็น move_to_successor หรือ keep หรือยุบเลิกหน่วยงานในสังกัดก่อน",
)
AGENCY_CHILDREN_NEED_ONE_SUCCESSOR: Final = Problem(
    "agency_children_need_one_successor",
    422,
    "The agencies below can only move to one successor",
    "การย้ายหน่วยงานในสังกัดต้องมีหน่วยงานรับช่วงต่อเพียงแห่งเดียว",
    "Name exactly one successor, or keep the children and move each with PUT.",
    "ระบุหน่วยงานรับช่วงต่อเพียงแห่งเดียว หรือเลือก keep แล้วย้ายทีละหน่วยงาน",
)
AGENCY_VALIDITY_BACKWARD: Final = Problem(
    "agency_validity_backward",
    422,
    "The agency would end before it begins",
    "วันสิ้นสุดต้องอยู่หลังวันเริ่มต้น",
    "Give a day of closing that is later than the first day.",
    "ระบุวันสิ้นสุดที่อยู่หลังวันเริ่มต้น",
)
AGENCY_SUCCESSOR_OF_OPEN: Final = Problem(
    "agency_successor_of_open",
    422,
    "An agency that is open has no successors",
    "หน่วยงานที่ยังไม่ยุบเลิกมีหน่วยงานรับช่วงต่อไม่ได้",
    "Give the day of closing too, or leave the successors out.",
    "ระบุวันยุบเลิกด้วย หรือไม่ระบุหน่วยงานรับช่วงต่อ",
)
AGENCY_SUCCESSOR_TWICE: Final = Problem(
    "agency_successor_twice",
    422,
    "A successor is named twice",
    "ระบุหน่วยงานรับช่วงต่อซ้ำ",
    "Name each successor once.",
    "ระบุหน่วยงานรับช่วงต่อเพียงครั้งเดียว",
)
AGENCY_SUCCESSOR_ABSENT: Final = Problem(
    "agency_successor_absent",
    422,
    "The successor does not stand on the day on which it takes over",
    "หน่วยงานรับช่วงต่อไม่ได้เปิดดำเนินการในวันที่รับช่วง",
    "Choose a successor that is open on that day, or correct the days; `detail` names them.",
    "เลือกหน่วยงานที่เปิดดำเนินการในวันนั้น หรือแก้ไขวันที่ตามที่ระบุใน detail",
)
AGENCY_SUCCESSION_CYCLE: Final = Problem(
    "agency_succession_cycle",
    422,
    "An agency would come after itself",
    "หน่วยงานจะรับช่วงต่อจากตนเอง",
    "Choose a successor that does not lead back to the agency.",
    "เลือกหน่วยงานรับช่วงต่อที่ไม่วนกลับมายังหน่วยงานเดิม",
)
IMPORT_FORMAT_UNKNOWN: Final = Problem(
    "import_format_unknown",
    415,
    "That is neither a CSV file nor an XLSX workbook",
    "แฟ้มต้องเป็น CSV หรือ XLSX",
    "Send CSV as text/csv, or a workbook saved as .xlsx with the media type of such workbooks.",
    "ส่งแฟ้ม CSV (text/csv) หรือสมุดงานที่บันทึกเป็น .xlsx",
)
IMPORT_MACROS: Final = Problem(
    "import_macros",
    422,
    "The workbook holds macros",
    "สมุดงานมีแมโคร",
    "Save the workbook as .xlsx, which holds none, and send that.",
    "บันทึกสมุดงานเป็น .xlsx ซึ่งไม่มีแมโคร แล้วส่งใหม่",
)
IMPORT_ZIP_BOMB: Final = Problem(
    "import_zip_bomb",
    422,
    "The workbook unpacks to far more than it should",
    "สมุดงานขยายตัวเกินขนาดที่กำหนด",
    "Save only the sheet with the table as .xlsx, or as CSV; `detail` names the limit.",
    "บันทึกเฉพาะแผ่นงานที่มีตารางเป็น .xlsx หรือ CSV ดูขีดจำกัดใน detail",
)
IMPORT_UNREADABLE: Final = Problem(
    "import_unreadable",
    422,
    "The workbook cannot be read",
    "อ่านสมุดงานไม่ได้",
    "Open it in a spreadsheet program, save it again as .xlsx or CSV without a password, and send that.",
    "เปิดด้วยโปรแกรมตารางคำนวณ บันทึกใหม่เป็น .xlsx หรือ CSV โดยไม่ใส่รหัสผ่าน แล้วส่งใหม่",
)
IMPORT_ABANDONED: Final = Problem(
    "import_abandoned",
    500,
    "The import was begun several times and never came to an end; nothing was imported",
    "การนำเข้าเริ่มหลายครั้งแต่ไม่สำเร็จ จึงไม่ได้นำเข้า",
    "Send the file again, in smaller parts if it is very large, and tell the operator of the system.",
    "ส่งแฟ้มใหม่ หากใหญ่มากให้แบ่งเป็นส่วน และแจ้งผู้ดูแลระบบ",
)

CATALOGUE: Final[tuple[Problem, ...]] = (
    AGENCY_CLOSED,
    AGENCY_HAS_CHILDREN,
    AGENCY_CHILDREN_NEED_ONE_SUCCESSOR,
    AGENCY_VALIDITY_BACKWARD,
    AGENCY_SUCCESSOR_OF_OPEN,
    AGENCY_SUCCESSOR_TWICE,
    AGENCY_SUCCESSOR_ABSENT,
    AGENCY_SUCCESSION_CYCLE,
    IMPORT_FORMAT_UNKNOWN,
    IMPORT_MACROS,
    IMPORT_ZIP_BOMB,
    IMPORT_UNREADABLE,
    IMPORT_ABANDONED,
)
