"""The problems that dispatch reports beside the common ones: a closed catalogue, with what to do, in Thai and English."""

from typing import Final

from shared.problems import Problem

ENDPOINT_URL_REFUSED: Final = Problem(
    "endpoint_url_refused",
    422,
    "Webhooks cannot be sent to that address",
    "ไม่สามารถส่งเว็บฮุกไปยังที่อยู่นี้ได้",
    "Give a public https address without user name; `errors` says what is wrong with this one.",
    "ระบุที่อยู่ https สาธารณะที่ไม่มีชื่อผู้ใช้ ดูสาเหตุใน errors",
)
ENDPOINT_SECRET_INVALID: Final = Problem(
    "endpoint_secret_invalid",
    422,
    "The signing secret is not usable",
    "รหัสลับสำหรับลงลายมือชื่อใช้ไม่ได้",
    "Send `whsec_` and 24 to 64 random bytes in base64, or null to have a secret made.",
    "ส่ง whsec_ ตามด้วยข้อมูลสุ่ม 24 ถึง 64 ไบต์แบบ base64 หรือส่ง null เพื่อให้ระบบสร้างให้",
)

CURSOR_EXPIRED: Final = Problem(
    "cursor_expired",
    410,
    "The feed no longer has what stood behind that cursor",
    "ตำแหน่งอ่านเหตุการณ์นี้หมดอายุแล้ว",
    "Events are kept for 90 days. Read again without `after`, from the oldest that is kept; how older letters stand is at "
    "`GET /v1/circulars/{circular_id}` and `GET /v1/inbox`.",
    "ระบบเก็บเหตุการณ์ไว้ 90 วัน ให้เริ่มอ่านใหม่โดยไม่ระบุ after ส่วนสถานะของหนังสือที่เก่ากว่านั้นดูได้ที่ "
    "GET /v1/circulars/{circular_id} และ GET /v1/inbox",
)
SUBSCRIPTION_EMPTY: Final = Problem(
    "subscription_empty",
    422,
    "None of these types is about those letters",
    "ไม่มีเหตุการณ์ชนิดที่เลือกสำหรับหนังสือกลุ่มนี้",
    "Choose `types` that fit `about` (the catalogue says which are told to senders and which to recipients), or leave `types` out.",
    "เลือก types ให้ตรงกับ about ตามรายการชนิดเหตุการณ์ หรือไม่ระบุ types",
)
PAPER_NOT_WAITING: Final = Problem(
    "paper_not_waiting",
    409,
    "The letter does not wait to be sent on paper",
    "หนังสือฉบับนี้ไม่ได้รอส่งเป็นกระดาษ",
    "Look at the delivery: another channel is being tried still, or the recipient has the letter already.",
    "ตรวจสอบสถานะการนำส่ง ระบบอาจกำลังส่งทางช่องทางอื่น หรือผู้รับได้รับหนังสือแล้ว",
)
PAPER_RECORDED_OTHERWISE: Final = Problem(
    "paper_recorded_otherwise",
    409,
    "Something else has been recorded of this letter on paper",
    "มีการบันทึกการส่งหนังสือฉบับนี้ไว้แล้วเป็นอย่างอื่น",
    "Look at the delivery's attempts; what was recorded first stays.",
    "ตรวจสอบประวัติการนำส่ง ข้อมูลที่บันทึกไว้ก่อนยังคงอยู่",
)
SENT_ON_INVALID: Final = Problem(
    "sent_on_invalid",
    422,
    "That cannot be the day on which the letter was sent",
    "วันที่ส่งไม่ถูกต้อง",
    "Write a day from the circular's dispatch to today in Bangkok, such as 2026-11-23.",
    "ระบุวันที่ส่งตั้งแต่วันที่สั่งเวียน แต่ไม่เกินวันนี้",
)
PAPER_LIST_TOO_LONG: Final = Problem(
    "paper_list_too_long",
    422,
    "The list is too long to be printed",
    "บัญชียาวเกินกว่าจะพิมพ์เป็น PDF",
    "Take the list as CSV; `detail` names the limit.",
    "ใช้แฟ้ม CSV แทน ดูขีดจำกัดใน detail",
)
DELIVERY_NOT_UNDELIVERABLE: Final = Problem(
    "delivery_not_undeliverable",
    409,
    "Only an undeliverable letter can be set going again",
    "สั่งส่งใหม่ได้เฉพาะหนังสือที่ส่งไม่ได้เท่านั้น",
    "Look at the delivery: it is under way still, or the recipient has the letter.",
    "ตรวจสอบสถานะการนำส่ง ระบบอาจกำลังส่งอยู่ หรือผู้รับได้รับหนังสือแล้ว",
)
DEAD_LETTER_SETTLED: Final = Problem(
    "dead_letter_settled",
    409,
    "The dead letter was settled otherwise",
    "ข้อความที่ค้างนี้ถูกจัดการไปแล้วเป็นอย่างอื่น",
    "Look at it: it was published again, or discarded for the reason given there.",
    "ตรวจสอบสถานะ ข้อความนี้ถูกส่งใหม่หรือถูกทิ้งไปแล้วตามเหตุผลที่บันทึกไว้",
)
DEAD_LETTER_NOT_TAKEN: Final = Problem(
    "dead_letter_not_taken",
    409,
    "The broker has no queue that takes this message",
    "ตัวกลางข้อความไม่มีคิวที่รับข้อความนี้",
    "The dead letter is kept. See whether its queue still exists in this version, or discard it.",
    "ข้อความยังถูกเก็บไว้ ตรวจสอบว่าคิวเดิมยังมีอยู่หรือไม่ หรือสั่งทิ้ง",
)
RESEND_NOT_POSSIBLE: Final = Problem(
    "resend_not_possible",
    409,
    "Only a letter that your agency was handed, and that still counts, is sent once more",
    "ส่งซ้ำได้เฉพาะหนังสือที่ส่งถึงหน่วยงานของท่านแล้วและยังมีผล",
    "Look at the delivery in `GET /v1/inbox`: it is under way and will come by itself, or its sender has recalled it.",
    "ตรวจสอบที่ GET /v1/inbox หนังสือกำลังส่งและจะมาถึงเอง หรือผู้ส่งเรียกคืนแล้ว",
)
RESEND_RUNNING: Final = Problem(
    "resend_running",
    409,
    "Your agency's letters are being sent once more already",
    "ระบบกำลังส่งหนังสือซ้ำให้หน่วยงานของท่านอยู่แล้ว",
    "Wait until the order that `detail` names has ended, or cancel it with POST /v1/endpoints/resends/{resend_id}/cancel.",
    "รอให้คำสั่งที่ระบุใน detail เสร็จสิ้น หรือยกเลิกด้วย POST /v1/endpoints/resends/{resend_id}/cancel",
)
RESEND_TOO_SOON: Final = Problem(
    "resend_too_soon",
    429,
    "That was sent once more a moment ago",
    "เพิ่งสั่งส่งซ้ำไปเมื่อครู่",
    "Order it again after the time in `Retry-After`.",
    "สั่งใหม่หลังพ้นเวลาที่ระบุใน Retry-After",
)

ENDPOINT_NOT_ACTIVE: Final = Problem(
    "endpoint_not_active",
    409,
    "The endpoint gets no letters that could be paused or resumed",
    "ปลายทางนี้ยังไม่ได้รับหนังสือ จึงพักหรือเปิดต่อไม่ได้",
    "Mend what `detail` names, then call POST /v1/endpoints/verify.",
    "แก้ไขตามที่ระบุใน detail แล้วเรียก POST /v1/endpoints/verify",
)
ENDPOINT_CHANGED: Final = Problem(
    "endpoint_changed",
    409,
    "The endpoint was changed meanwhile",
    "ปลายทางถูกแก้ไขในระหว่างนั้น",
    "Read it with GET /v1/endpoints, and ask again if that is still what you want.",
    "อ่านข้อมูลใหม่ด้วย GET /v1/endpoints แล้วสั่งใหม่หากยังต้องการ",
)
ROTATIONS_TOO_MANY: Final = Problem(
    "rotations_too_many",
    409,
    "Too many rotations overlap",
    "มีการเปลี่ยนรหัสลับซ้อนกันมากเกินไป",
    "Wait until the overlap ends (GET /v1/endpoints shows when), or rotate with `overlap_seconds` 0 to end the keys before at once.",
    "รอจนพ้นช่วงซ้อน (ดูเวลาได้ที่ GET /v1/endpoints) หรือเปลี่ยนด้วย overlap_seconds เป็น 0 เพื่อยกเลิกรหัสเดิมทันที",
)

CATALOGUE: Final = (
    ENDPOINT_URL_REFUSED,
    ENDPOINT_SECRET_INVALID,
    CURSOR_EXPIRED,
    SUBSCRIPTION_EMPTY,
    ENDPOINT_NOT_ACTIVE,
    ENDPOINT_CHANGED,
    ROTATIONS_TOO_MANY,
    PAPER_NOT_WAITING,
    PAPER_RECORDED_OTHERWISE,
    SENT_ON_INVALID,
    PAPER_LIST_TOO_LONG,
    DELIVERY_NOT_UNDELIVERABLE,
    DEAD_LETTER_SETTLED,
    DEAD_LETTER_NOT_TAKEN,
    RESEND_NOT_POSSIBLE,
    RESEND_RUNNING,
    RESEND_TOO_SOON,
)
