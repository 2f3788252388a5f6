"""What an agency mends when its endpoint does not take letters, in Thai and English, by the reason that is recorded."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Remedy:
    """What to do."""

    en: str
    th: str


_STATUS: Final[dict[int, Remedy]] = {
    401: Remedy(
        "Your endpoint refused the signature: verify it over the raw bytes of the body with the secret that signs now, "
        "and ask for no other login.",
        "ระบบปลายทางไม่ยอมรับลายมือชื่อ ให้ตรวจสอบจากไบต์ดิบของเนื้อหาด้วยรหัสลับปัจจุบัน และไม่ต้องขอการเข้าสู่ระบบอื่น",
    ),
    403: Remedy(
        "Something before your endpoint refused the request: let our requests through the firewall, and ask for no login.",
        "มีสิ่งกีดกันหน้าระบบปลายทาง ให้เปิดทางที่ไฟร์วอลล์ และไม่ต้องขอการเข้าสู่ระบบ",
    ),
    404: Remedy(
        "There is nothing at that path: correct the address with PUT /v1/endpoints.",
        "ไม่มีสิ่งใดที่เส้นทางนี้ ให้แก้ไขที่อยู่ด้วย PUT /v1/endpoints",
    ),
    405: Remedy("Let the address take POST.", "ให้ที่อยู่นี้รับวิธี POST"),
    410: Remedy(
        "410 means that no more letters are wanted. When they are, answer 2xx and call POST /v1/endpoints/verify.",
        "รหัส 410 หมายถึงไม่ต้องการรับหนังสืออีก หากต้องการรับ ให้ตอบ 2xx แล้วเรียก POST /v1/endpoints/verify",
    ),
    413: Remedy("Let the endpoint take bodies of 1 MB.", "ให้ระบบปลายทางรับเนื้อหาได้ถึง 1 MB"),
    415: Remedy("Let the endpoint take application/cloudevents+json.", "ให้ระบบปลายทางรับชนิดข้อมูล application/cloudevents+json"),
    429: Remedy(
        "Your endpoint asks us to slow down: letters come later. Ask the operator for a lower rate if it goes on.",
        "ระบบปลายทางขอให้ส่งช้าลง หนังสือจะมาถึงภายหลัง หากยังเกิดขึ้นให้ขอลดอัตราส่งจากผู้ดูแลระบบ",
    ),
}
_REDIRECT: Final = Remedy(
    "Redirects are not followed: register the address that they lead to.", "ระบบไม่ตามการเปลี่ยนเส้นทาง ให้ลงทะเบียนที่อยู่ปลายทางที่แท้จริง"
)
_REFUSAL: Final = Remedy(
    "Your endpoint refused the request: answer 2xx to every event whose signature holds, also to those of types that you do not know.",
    "ระบบปลายทางปฏิเสธคำขอ ให้ตอบ 2xx แก่ทุกเหตุการณ์ที่ลายมือชื่อถูกต้อง รวมทั้งชนิดที่ไม่รู้จัก",
)
_FAULT: Final = Remedy(
    "Your endpoint failed: look into its log at the time of the attempt; what is behind it may be down.",
    "ระบบปลายทางขัดข้อง ให้ตรวจบันทึกของระบบตามเวลาที่ส่ง ระบบเบื้องหลังอาจหยุดทำงาน",
)
_TOO_SLOW: Final = Remedy(
    "Answer 2xx as soon as the event is stored, and do the work afterwards; see that the server is not overloaded.",
    "ตอบ 2xx ทันทีที่บันทึกเหตุการณ์แล้วจึงทำงานต่อ และตรวจว่าเครื่องไม่ทำงานหนักเกินไป",
)
_UNREACHABLE: Final = Remedy(
    "No connection: see that the server runs and that the firewall lets our requests to its port through.",
    "เชื่อมต่อไม่ได้ ให้ตรวจว่าเครื่องทำงานอยู่และไฟร์วอลล์เปิดพอร์ตให้คำขอของเรา",
)
_CERTIFICATE: Final = Remedy(
    "The certificate cannot be verified: send the whole chain, for this host name, not expired, from a public authority.",
    "ตรวจสอบใบรับรองไม่ได้ ให้ส่งสายใบรับรองครบ ตรงชื่อเครื่อง ยังไม่หมดอายุ และออกโดยผู้ให้บริการสาธารณะ",
)
_ADDRESS: Final = Remedy(
    "The name leads to an address that is not public: correct its DNS entry, or register another address.",
    "ชื่อนี้ชี้ไปยังที่อยู่ที่ไม่ใช่สาธารณะ ให้แก้ไข DNS หรือลงทะเบียนที่อยู่อื่น",
)
_URL: Final = Remedy("Set a usable address with PUT /v1/endpoints.", "กำหนดที่อยู่ที่ใช้ได้ด้วย PUT /v1/endpoints")
_OURS: Final = Remedy(
    "The fault is ours: there is nothing for you to mend; tell the operator if it goes on.",
    "ข้อขัดข้องอยู่ที่ระบบกลาง ท่านไม่ต้องแก้ไข หากยังเกิดขึ้นให้แจ้งผู้ดูแลระบบ",
)

_REASONS: Final[dict[str, Remedy]] = {
    "timeout": _TOO_SLOW,
    "first_byte_timeout": _TOO_SLOW,
    "send_timeout": _TOO_SLOW,
    "connect_timeout": _UNREACHABLE,
    "tls_timeout": _UNREACHABLE,
    "connection_failed": _UNREACHABLE,
    "certificate_invalid": _CERTIFICATE,
    "tls_failed": Remedy("Let the server speak TLS 1.2 or later at this port.", "ให้เครื่องรองรับ TLS 1.2 ขึ้นไปที่พอร์ตนี้"),
    "lookup_timeout": Remedy(
        "The name's DNS servers do not answer in time: see that they run and can be reached from everywhere.",
        "เซิร์ฟเวอร์ DNS ของชื่อนี้ไม่ตอบภายในเวลา ให้ตรวจว่าทำงานอยู่และเข้าถึงได้จากทุกที่",
    ),
    "lookup_failed": Remedy("The name is not in the DNS: correct the entry, or the address.", "ไม่พบชื่อนี้ใน DNS ให้แก้ไขรายการหรือที่อยู่"),
    "answer_malformed": Remedy("Let the server answer in HTTP/1.1.", "ให้เครื่องตอบตามมาตรฐาน HTTP/1.1"),
    "address_refused": _ADDRESS,
    "url_refused": _URL,
    "url_invalid": _URL,
    "secret_unreadable": _OURS,
    "internal_error": _OURS,
    "proxy_unreachable": _OURS,
    "proxy_refused": _OURS,
    "challenge_unanswered": Remedy(
        "Answer OPTIONS with the header WebHook-Allowed-Origin and the value of WebHook-Request-Origin; or answer a POST of type "
        'wian.endpoint.challenge.v1 with 200 and {"challenge": the value of data.challenge}. Then call POST /v1/endpoints/verify.',
        "ตอบ OPTIONS ด้วยส่วนหัว WebHook-Allowed-Origin ซึ่งมีค่าเท่ากับ WebHook-Request-Origin หรือตอบ POST ชนิด "
        'wian.endpoint.challenge.v1 ด้วยรหัส 200 และ {"challenge": ค่าของ data.challenge} แล้วเรียก POST /v1/endpoints/verify',
    ),
}
_UNKNOWN: Final = Remedy(
    "Look at `reason` and `answer`; tell the operator if they do not help.", "ดู reason และ answer หากยังไม่ชัดเจนให้แจ้งผู้ดูแลระบบ"
)


def remedy_for(reason: str | None, status: int | None) -> Remedy:
    """What the recipient agency mends after an attempt that ended so."""
    code = (reason or "").partition(":")[0]
    if code in _REASONS:
        return _REASONS[code]
    if status is None and code.startswith("http_"):
        status = int(code.removeprefix("http_"))
    if status is None:
        return _UNKNOWN
    if status in _STATUS:
        return _STATUS[status]
    if 300 <= status < 400:
        return _REDIRECT
    if status >= 500 or status in (408, 425):
        return _FAULT
    return _REFUSAL
