"""The problems that the acknowledgment service reports: a closed catalogue of stable codes, in Thai and English."""

from typing import Final

from shared.problems import Problem

ACKNOWLEDGMENT_CONFLICT: Final = Problem(
    "acknowledgment_conflict",
    409,
    "The letter has been answered before, and otherwise",
    "หนังสือฉบับนี้มีการตอบรับไว้แล้วเป็นอย่างอื่น",
    "Look at the answer that `detail` names. If it is wrong, correct it: POST …/corrections, or …/withdrawals to take it back.",
    "ตรวจสอบการตอบรับเดิมที่แสดงไว้ หากไม่ถูกต้องให้แก้ไขด้วย …/corrections หรือถอนด้วย …/withdrawals",
)
NOT_ANSWERED: Final = Problem(
    "not_answered",
    409,
    "There is no answer that could be corrected, withdrawn or disputed",
    "ยังไม่มีการตอบรับที่จะแก้ไข ถอน หรือทักท้วงได้",
    "Read what is recorded with GET /v1/recipients/{recipient_id}/timeline; a number that is not there is registered, not corrected.",
    "ตรวจสอบประวัติที่ GET /v1/recipients/{recipient_id}/timeline หากยังไม่มีเลขรับให้ลงทะเบียนรับ",
)
DISPUTE_OPEN: Final = Problem(
    "dispute_open",
    409,
    "The answer is disputed already",
    "มีการทักท้วงเลขรับนี้อยู่แล้ว",
    "Wait for the recipient to correct the number or to say that it stands.",
    "รอหน่วยงานผู้รับแก้ไขเลขรับหรือยืนยันเลขรับเดิม",
)
DISPUTE_UNKNOWN: Final = Problem(
    "dispute_unknown",
    409,
    "No dispute is open",
    "ไม่มีการทักท้วงที่รอคำตอบ",
    "Nothing needs to be answered.",
    "ไม่ต้องดำเนินการ",
)
CONTENT_HASH_DIFFERS: Final = Problem(
    "content_hash_differs",
    409,
    "What you have registered is not the letter as it was sent",
    "เนื้อหาที่ลงรับไม่ตรงกับหนังสือที่ส่ง",
    "Fetch the letter again; if it was superseded, register the one that took its place.",
    "ดึงหนังสือใหม่อีกครั้ง หากมีหนังสือฉบับใหม่แทนให้ลงรับฉบับนั้น",
)
LEVEL_INVALID: Final = Problem(
    "level_invalid",
    422,
    "It is not clear whose register the number is of",
    "ไม่ระบุว่าเป็นทะเบียนของหน่วยงานระดับใด",
    "Name the level; for a division or a centre name its `unit` too.",
    "ระบุระดับ และหากเป็นกองหรือศูนย์ให้ระบุชื่อหน่วยด้วย",
)
ATTESTATION_INVALID: Final = Problem(
    "attestation_invalid",
    422,
    "It is not said how you know the answer",
    "ไม่ได้ระบุว่าทราบการตอบรับได้อย่างไร",
    "Name the medium (paper, telephone or other), and who said so or what shows it.",
    "ระบุช่องทาง (paper, telephone หรือ other) และผู้ให้ข้อมูลหรือหลักฐาน",
)
STATEMENT_INVALID: Final = Problem(
    "statement_invalid",
    422,
    "The reason cannot be taken",
    "เหตุผลไม่ถูกต้อง",
    "Say why, in 1 to 1000 characters.",
    "ระบุเหตุผล ไม่เกิน ๑,๐๐๐ ตัวอักษร",
)
RECIPIENT_RECALLED: Final = Problem(
    "recipient_recalled",
    409,
    "The sender has recalled the letter",
    "หน่วยงานผู้ส่งเรียกคืนหนังสือฉบับนี้แล้ว",
    "Do not register it and do not act on it; ask the sender if you need to know more.",
    "ไม่ต้องลงทะเบียนรับและไม่ต้องดำเนินการ หากมีข้อสงสัยโปรดสอบถามหน่วยงานผู้ส่ง",
)
RECEIVE_NUMBER_INVALID: Final = Problem(
    "receive_number_invalid",
    422,
    "That is not a receive number",
    "เลขรับไม่ถูกต้อง",
    "Write the number of your register of incoming letters: 1 to 50 characters on one line, with a digit, without < and >.",
    "กรอกเลขรับตามทะเบียนหนังสือรับ ไม่เกิน ๕๐ ตัวอักษร ต้องมีตัวเลข และไม่มีเครื่องหมาย < >",
)
RECEIVE_DATE_INVALID: Final = Problem(
    "receive_date_invalid",
    422,
    "That cannot be the day on which the letter was received",
    "วันที่รับไม่ถูกต้อง",
    "Write a day from the letter's own date to today in Bangkok, such as 2026-11-23.",
    "ระบุวันที่รับตั้งแต่วันที่ของหนังสือ แต่ไม่เกินวันนี้",
)
RECEIVE_TIME_INVALID: Final = Problem(
    "receive_time_invalid",
    422,
    "That is not a time of day",
    "เวลารับไม่ถูกต้อง",
    "Write hours and minutes, such as 09:30, or leave the time out.",
    "ระบุเวลา เช่น 09:30 หรือเว้นว่าง",
)
REGISTRAR_INVALID: Final = Problem(
    "registrar_invalid",
    422,
    "The registrar's name, position or unit cannot be taken",
    "ชื่อ ตำแหน่ง หรือหน่วยงานของผู้รับไม่ถูกต้อง",
    "Write the name of the person who registered the letter: up to 200 characters on one line.",
    "กรอกชื่อผู้รับ ไม่เกิน ๒๐๐ ตัวอักษร ในบรรทัดเดียว",
)
REJECTION_INVALID: Final = Problem(
    "rejection_invalid",
    422,
    "The refusal does not say why",
    "ข้อมูลการปฏิเสธไม่ครบถ้วน",
    "Name one of the reasons; for `other` write why, in up to 1000 characters.",
    "เลือกเหตุผล หากเลือกเหตุผลอื่นโปรดอธิบาย ไม่เกิน ๑,๐๐๐ ตัวอักษร",
)
LINK_INVALID: Final = Problem(
    "link_invalid",
    404,
    "The link is spoilt or has expired",
    "ลิงก์ไม่ถูกต้องหรือหมดอายุ",
    "Open the link exactly as it was sent; ask the sender for a new one if it still fails.",
    "เปิดลิงก์ตามที่ได้รับทุกตัวอักษร หากยังไม่ได้โปรดขอลิงก์ใหม่จากหน่วยงานผู้ส่ง",
)
LINK_REVOKED: Final = Problem(
    "link_revoked",
    410,
    "The link has been revoked",
    "ลิงก์นี้ถูกยกเลิกแล้ว",
    "Nothing was stored. Use the newest link that you were given, or ask the sender for one.",
    "ยังไม่มีการบันทึก โปรดใช้ลิงก์ฉบับล่าสุดที่ได้รับ หรือขอลิงก์ใหม่จากหน่วยงานผู้ส่ง",
)
CODE_MISTYPED: Final = Problem(
    "code_mistyped",
    422,
    "That is not an acknowledgment code",
    "รหัสตอบรับไม่ถูกต้อง",
    "Type the 12 letters and digits of the cover sheet again.",
    "พิมพ์ตัวอักษรและตัวเลข ๑๒ ตัวตามใบนำส่งอีกครั้ง",
)
CODE_UNKNOWN: Final = Problem(
    "code_unknown",
    404,
    "No letter on paper has that code yet",
    "ยังไม่พบหนังสือที่ใช้รหัสนี้",
    "The sender may not have recorded the letter as sent yet: try again later, or ask the sender.",
    "หน่วยงานผู้ส่งอาจยังไม่ได้บันทึกการส่ง โปรดลองใหม่ภายหลังหรือสอบถามหน่วยงานผู้ส่ง",
)
FORM_EXPIRED: Final = Problem(
    "form_expired",
    422,
    "The form was not opened from this page, or has stood open too long",
    "แบบฟอร์มหมดอายุหรือไม่ได้เปิดจากหน้านี้",
    "Nothing was stored. Look at what you have typed and press the button once more.",
    "ยังไม่มีการบันทึก โปรดตรวจสอบข้อมูลแล้วกดปุ่มอีกครั้ง",
)
PERIOD_INVALID: Final = Problem(
    "period_invalid",
    422,
    "The days do not make a period that can be counted",
    "ช่วงวันที่ไม่ถูกต้องหรือยาวเกินกำหนด",
    "Give a first day that is not after the last, and a period no longer than `detail` says.",
    "ระบุวันแรกที่ไม่หลังวันสุดท้าย และช่วงเวลาไม่เกินที่ระบุใน detail",
)
ANNEX_TOO_LONG: Final = Problem(
    "annex_too_long",
    422,
    "The list is too long to be printed",
    "บัญชีรายชื่อยาวเกินกว่าจะพิมพ์เป็น PDF",
    "Take the annex as XLSX, CSV or JSON; `detail` names the limit.",
    "ใช้แฟ้ม XLSX, CSV หรือ JSON แทน ดูขีดจำกัดใน detail",
)
COPY_NOT_STAMPABLE: Final = Problem(
    "copy_not_stampable",
    422,
    "The stamp cannot be laid over that file",
    "ประทับตรารับบนแฟ้มนี้ไม่ได้",
    "Send a PDF without password or protection, printed anew if need be; or take the stamp alone and lay it over the page yourself.",
    "ส่งแฟ้ม PDF ที่ไม่มีรหัสผ่านหรือการป้องกัน หากจำเป็นให้พิมพ์เป็น PDF ใหม่ หรือใช้ภาพตรารับไปประทับเอง",
)

CALENDAR_DAY_INVALID: Final = Problem(
    "calendar_day_invalid",
    422,
    "That day cannot be declared any more, or not yet",
    "ไม่สามารถประกาศวันดังกล่าวได้",
    "An agency declares days from today to 400 days ahead; the agency above it may declare days of the last 30 days too.",
    "หน่วยงานประกาศได้ตั้งแต่วันนี้ถึง ๔๐๐ วันข้างหน้า หน่วยงานต้นสังกัดประกาศย้อนหลังได้ไม่เกิน ๓๐ วัน",
)
CALENDAR_FULL: Final = Problem(
    "calendar_full",
    409,
    "Too much of that year is declared already",
    "ประกาศของปีนั้นครบจำนวนแล้ว",
    "Take back what is not needed: at most 60 days of a year may differ from the public calendar, and office hours change 12 times.",
    "ยกเลิกรายการที่ไม่จำเป็น ประกาศวันได้ไม่เกิน ๖๐ วัน และเปลี่ยนเวลาทำการได้ไม่เกิน ๑๒ ครั้งต่อปี",
)
OFFICE_HOURS_INVALID: Final = Problem(
    "office_hours_invalid",
    422,
    "Those cannot be the hours of an office",
    "เวลาทำการไม่ถูกต้อง",
    "Give 1 to 4 spans of a day in order, such as 08:30-12:00 and 13:00-16:30, that neither touch nor overlap; together 4 hours or more.",
    "ระบุช่วงเวลาของวันตามลำดับ ๑ ถึง ๔ ช่วง เช่น 08:30-12:00 และ 13:00-16:30 โดยไม่ต่อกันหรือซ้อนกัน รวมกันไม่น้อยกว่า ๔ ชั่วโมง",
)
CALENDAR_DECLARED_ABOVE: Final = Problem(
    "calendar_declared_above",
    409,
    "An agency above yours has declared that",
    "หน่วยงานต้นสังกัดเป็นผู้ประกาศ",
    "Ask the agency above to change it.",
    "โปรดติดต่อหน่วยงานต้นสังกัดเพื่อเปลี่ยนแปลง",
)

CATALOGUE: Final = (
    ACKNOWLEDGMENT_CONFLICT,
    NOT_ANSWERED,
    DISPUTE_OPEN,
    DISPUTE_UNKNOWN,
    CONTENT_HASH_DIFFERS,
    LEVEL_INVALID,
    ATTESTATION_INVALID,
    STATEMENT_INVALID,
    RECIPIENT_RECALLED,
    RECEIVE_NUMBER_INVALID,
    RECEIVE_DATE_INVALID,
    RECEIVE_TIME_INVALID,
    REGISTRAR_INVALID,
    REJECTION_INVALID,
    LINK_INVALID,
    LINK_REVOKED,
    CODE_MISTYPED,
    CODE_UNKNOWN,
    FORM_EXPIRED,
    PERIOD_INVALID,
    ANNEX_TOO_LONG,
    CALENDAR_DAY_INVALID,
    CALENDAR_FULL,
    OFFICE_HOURS_INVALID,
    CALENDAR_DECLARED_ABOVE,
    COPY_NOT_STAMPABLE,
)

BY_CODE: Final = {problem.code: problem for problem in CATALOGUE}
