"""What is behind a failure: a closed catalogue of causes, each with whom to ask and what to do, in Thai and English.

A delivery's or dead letter's *symptom* is one word that its store reads off: the reason of its last failed attempt without
the detail, or else why it ended (`store.repair`), or why the broker gave a message up (`store.dead_letters`).
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final


class Blame(StrEnum):
    """Who can mend it."""

    SENDER = "sender"
    PLATFORM = "platform"
    NETWORK = "network"
    RECIPIENT = "recipient"


@dataclass(frozen=True, slots=True)
class Cause:
    """One cause. `code` never changes; `symptoms` are what it is known by."""

    code: str
    blame: Blame
    title_en: str
    title_th: str
    remedy_en: str
    remedy_th: str
    symptoms: frozenset[str] = field(repr=False)


def _http(*statuses: int | range) -> frozenset[str]:
    found: set[int] = set()
    for status in statuses:
        found.update(status if isinstance(status, range) else (status,))
    return frozenset(f"http_{status}" for status in found)


ENDPOINT_GONE: Final = Cause(
    "endpoint_gone",
    Blame.RECIPIENT,
    "The endpoint has been given up (410)",
    "ปลายทางเว็บฮุกแจ้งเลิกใช้งาน (410)",
    "The agency sets a new endpoint, or has a mailbox entered; then redrive.",
    "ให้หน่วยงานผู้รับกำหนดปลายทางใหม่หรือแจ้งอีเมล แล้วสั่งส่งใหม่",
    _http(410),
)
ENDPOINT_NOT_FOUND: Final = Cause(
    "endpoint_not_found",
    Blame.RECIPIENT,
    "Nothing answers under the endpoint's path",
    "ไม่พบบริการตามที่อยู่ปลายทาง",
    "The agency corrects its endpoint's address; then redrive.",
    "ให้หน่วยงานผู้รับแก้ไขที่อยู่ปลายทาง แล้วสั่งส่งใหม่",
    _http(404, 405),
)
ENDPOINT_DENIES_ACCESS: Final = Cause(
    "endpoint_denies_access",
    Blame.RECIPIENT,
    "The endpoint lets nobody in",
    "ปลายทางไม่อนุญาตให้เข้าถึง",
    "The agency admits signed webhooks on its endpoint, without a login of its own; then redrive.",
    "ให้หน่วยงานผู้รับเปิดรับเว็บฮุกที่ลงลายมือชื่อโดยไม่ต้องเข้าสู่ระบบ แล้วสั่งส่งใหม่",
    _http(401, 403, 407),
)
ENDPOINT_REDIRECTS: Final = Cause(
    "endpoint_redirects",
    Blame.RECIPIENT,
    "The endpoint points elsewhere, and redirects are not followed",
    "ปลายทางส่งต่อไปยังที่อยู่อื่น ระบบไม่ส่งตาม",
    "The agency sets the final address as its endpoint; then redrive.",
    "ให้หน่วยงานผู้รับกำหนดที่อยู่สุดท้ายเป็นปลายทาง แล้วสั่งส่งใหม่",
    _http(range(300, 400)),
)
ENDPOINT_THROTTLES: Final = Cause(
    "endpoint_throttles",
    Blame.RECIPIENT,
    "The endpoint takes no more at a time (429)",
    "ปลายทางจำกัดจำนวนคำขอ (429)",
    "Redrive in smaller parts; if it stays so, the agency raises its limit.",
    "สั่งส่งใหม่ทีละน้อย หากยังไม่สำเร็จให้หน่วยงานผู้รับเพิ่มขีดจำกัด",
    _http(429),
)
LETTER_REFUSED: Final = Cause(
    "letter_refused",
    Blame.RECIPIENT,
    "The endpoint refuses this letter",
    "ระบบปลายทางปฏิเสธหนังสือฉบับนี้",
    "The agency finds out from its own log why it answered so, and mends it; then redrive.",
    "ให้หน่วยงานผู้รับตรวจสาเหตุจากบันทึกของระบบตนและแก้ไข แล้วสั่งส่งใหม่",
    _http(range(400, 500)) - _http(401, 403, 404, 405, 407, 408, 409, 410, 425, 429),
)
ENDPOINT_FAILS: Final = Cause(
    "endpoint_fails",
    Blame.RECIPIENT,
    "The endpoint fails",
    "ระบบปลายทางขัดข้อง",
    "The agency mends its system; then redrive.",
    "ให้หน่วยงานผู้รับแก้ไขระบบของตน แล้วสั่งส่งใหม่",
    _http(range(100, 200), 408, 409, 425, range(500, 1000)) | {"answer_malformed"},
)
ENDPOINT_SILENT: Final = Cause(
    "endpoint_silent",
    Blame.RECIPIENT,
    "The endpoint does not answer in time",
    "ปลายทางไม่ตอบภายในเวลาที่กำหนด",
    "The agency answers first and does its work afterwards; then redrive.",
    "ให้หน่วยงานผู้รับตอบรับคำขอก่อนแล้วจึงประมวลผล แล้วสั่งส่งใหม่",
    frozenset({"first_byte_timeout", "timeout"}),
)
ENDPOINT_CERTIFICATE: Final = Cause(
    "endpoint_certificate",
    Blame.RECIPIENT,
    "The endpoint's certificate or TLS is not valid",
    "ใบรับรองหรือการเข้ารหัสของปลายทางไม่ถูกต้อง",
    "The agency renews its certificate with the whole chain; then redrive.",
    "ให้หน่วยงานผู้รับต่ออายุใบรับรองพร้อมใบรับรองกลางให้ครบ แล้วสั่งส่งใหม่",
    frozenset({"certificate_invalid", "tls_failed", "tls_timeout"}),
)
ENDPOINT_ADDRESS: Final = Cause(
    "endpoint_address",
    Blame.RECIPIENT,
    "The endpoint's address is not one that webhooks may go to",
    "ที่อยู่ปลายทางไม่อยู่ในเกณฑ์ที่ส่งได้",
    "The agency sets a public https address, or the operator admits its network; then redrive.",
    "ให้หน่วยงานผู้รับกำหนดที่อยู่ https สาธารณะ หรือให้ผู้ดูแลระบบอนุญาตเครือข่ายนั้น แล้วสั่งส่งใหม่",
    frozenset({"address_refused", "url_invalid", "url_refused"}),
)
UNREACHABLE: Final = Cause(
    "unreachable",
    Blame.NETWORK,
    "No connection to the endpoint",
    "เชื่อมต่อปลายทางไม่ได้",
    "See whether the name, the route and the firewall let the exchange through; then redrive.",
    "ตรวจชื่อโดเมน เส้นทางเครือข่าย และไฟร์วอลล์ แล้วสั่งส่งใหม่",
    frozenset({"connect_timeout", "connection_failed", "lookup_failed", "lookup_timeout", "send_timeout"}),
)
MAILBOX_REFUSED: Final = Cause(
    "mailbox_refused",
    Blame.RECIPIENT,
    "The mailbox does not exist or takes nothing",
    "ไม่มีตู้อีเมลนี้ หรือตู้อีเมลไม่รับ",
    "Correct the agency's e-mail address, or let it empty its mailbox; then redrive.",
    "แก้ไขอีเมลของหน่วยงานผู้รับ หรือให้เคลียร์พื้นที่ตู้อีเมล แล้วสั่งส่งใหม่",
    frozenset({"recipient_refused", "mailbox_needs_smtputf8"}),
)
MAIL_REFUSED: Final = Cause(
    "mail_refused",
    Blame.RECIPIENT,
    "The mail server refuses the mail",
    "เซิร์ฟเวอร์อีเมลปฏิเสธข้อความ",
    "The recipient's mail server admits mail of the exchange; then redrive.",
    "ให้ผู้ดูแลอีเมลของผู้รับอนุญาตอีเมลจากระบบเวียน แล้วสั่งส่งใหม่",
    frozenset({"mail_refused", "mail_too_large"}),
)
OWN_MAIL_SERVER: Final = Cause(
    "own_mail_server",
    Blame.PLATFORM,
    "The exchange's own mail server is away or refuses us",
    "เซิร์ฟเวอร์อีเมลของระบบเวียนใช้งานไม่ได้",
    "The operator mends the mail server or its login; then redrive.",
    "ให้ผู้ดูแลระบบแก้ไขเซิร์ฟเวอร์อีเมลหรือรหัสเข้าใช้ แล้วสั่งส่งใหม่",
    frozenset({"mail_server_refuses_us", "mail_server_unreachable"}),
)
OWN_PROXY: Final = Cause(
    "own_proxy",
    Blame.PLATFORM,
    "The exchange's own proxy is away or refuses us",
    "พร็อกซีของระบบเวียนใช้งานไม่ได้",
    "The operator mends the proxy; then redrive.",
    "ให้ผู้ดูแลระบบแก้ไขพร็อกซี แล้วสั่งส่งใหม่",
    frozenset({"proxy_refused", "proxy_unreachable"}),
)
SECRET_UNREADABLE: Final = Cause(
    "secret_unreadable",
    Blame.PLATFORM,
    "The endpoint's signing secret cannot be read",
    "ระบบอ่านรหัสลับของปลายทางไม่ได้",
    "The operator gives back the key under which it was kept, or the agency sets a new secret; then redrive.",
    "ให้ผู้ดูแลระบบคืนกุญแจเดิม หรือให้หน่วยงานผู้รับตั้งรหัสลับใหม่ แล้วสั่งส่งใหม่",
    frozenset({"secret_unreadable"}),
)
PLATFORM_ERROR: Final = Cause(
    "platform_error",
    Blame.PLATFORM,
    "An error of the exchange",
    "ระบบเวียนขัดข้องภายใน",
    "The operator looks the delivery up in the log and mends the error; then redrive.",
    "ให้ผู้ดูแลระบบตรวจบันทึกการนำส่งและแก้ไข แล้วสั่งส่งใหม่",
    frozenset({"internal_error"}),
)
NOT_SENT_ON_PAPER: Final = Cause(
    "not_sent_on_paper",
    Blame.SENDER,
    "Nobody fetched the letter, and no clerk sent it on paper in time",
    "ไม่มีผู้เปิดรับหนังสือ และไม่มีเจ้าหน้าที่ส่งเป็นกระดาษภายในเวลา",
    "Tell the agency that the letter waits, or give it an endpoint or a mailbox; then redrive.",
    "แจ้งหน่วยงานผู้รับให้เปิดรับ หรือเพิ่มปลายทางหรืออีเมลของหน่วยงาน แล้วสั่งส่งใหม่",
    frozenset({"no_channel", "paper_failed", "paper_not_sent"}),
)
PAPER_ADDRESS: Final = Cause(
    "paper_address",
    Blame.SENDER,
    "The postal address is not known",
    "ไม่ทราบที่อยู่สำหรับส่งเป็นกระดาษ",
    "Find the agency's address, or give it an endpoint or a mailbox; then redrive.",
    "ตรวจสอบที่อยู่ของหน่วยงานผู้รับ หรือเพิ่มปลายทางหรืออีเมล แล้วสั่งส่งใหม่",
    frozenset({"paper_address_unknown"}),
)
PAPER_REFUSED: Final = Cause(
    "paper_refused",
    Blame.RECIPIENT,
    "The letter on paper came back or was refused",
    "หนังสือกระดาษถูกตีกลับหรือผู้รับปฏิเสธ",
    "Ask the agency why; then redrive, or send it to the right one.",
    "สอบถามหน่วยงานผู้รับ แล้วสั่งส่งใหม่หรือส่งไปยังหน่วยงานที่ถูกต้อง",
    frozenset({"paper_refused", "paper_returned"}),
)
PAPER_LOST: Final = Cause(
    "paper_lost",
    Blame.NETWORK,
    "The letter on paper was lost on its way",
    "หนังสือกระดาษสูญหายระหว่างทาง",
    "Redrive, and send it again by another way.",
    "สั่งส่งใหม่ และเลือกวิธีส่งอื่น",
    frozenset({"paper_lost"}),
)
PAPER_OTHERWISE: Final = Cause(
    "paper_otherwise",
    Blame.SENDER,
    "The clerk gave another reason",
    "เจ้าหน้าที่ระบุสาเหตุอื่น",
    "Read the clerk's note in the record of the letter on paper; then redrive.",
    "อ่านหมายเหตุของเจ้าหน้าที่ในบันทึกการส่งเป็นกระดาษ แล้วสั่งส่งใหม่",
    frozenset({"paper_other"}),
)
MESSAGE_UNREADABLE: Final = Cause(
    "message_unreadable",
    Blame.PLATFORM,
    "A consumer cannot read the message",
    "โปรแกรมปลายทางอ่านข้อความไม่ได้",
    "Mostly two versions at work at once: finish the upgrade; then redrive. Discard what nobody can read.",
    "มักเกิดจากใช้งานสองรุ่นพร้อมกัน อัปเกรดให้ครบแล้วสั่งส่งใหม่ ข้อความที่อ่านไม่ได้จริงให้ทิ้ง",
    frozenset({"dead_rejected"}),
)
MESSAGE_POISON: Final = Cause(
    "message_poison",
    Blame.PLATFORM,
    "Every try to apply the message failed",
    "ประมวลผลข้อความไม่สำเร็จทุกครั้ง",
    "Find `message handler failed` with this message id in the log and mend it; then redrive.",
    "ค้นบันทึก message handler failed ด้วยรหัสข้อความนี้ แก้ไข แล้วสั่งส่งใหม่",
    frozenset({"dead_delivery_limit"}),
)
MESSAGE_DISPLACED: Final = Cause(
    "message_displaced",
    Blame.PLATFORM,
    "The broker's own policy took the message off its queue",
    "นโยบายของตัวกลางข้อความนำข้อความออกจากคิว",
    "Take the length or time limit off that queue; then redrive.",
    "ยกเลิกขีดจำกัดความยาวหรือเวลาของคิวนั้น แล้วสั่งส่งใหม่",
    frozenset({"dead_expired", "dead_maxlen"}),
)
# Also what a later or an earlier version wrote.
UNKNOWN: Final = Cause(
    "unknown",
    Blame.PLATFORM,
    "A reason that this version does not know",
    "สาเหตุที่ระบบรุ่นนี้ไม่รู้จัก",
    "The operator looks it up in the log; then redrive.",
    "ให้ผู้ดูแลระบบตรวจสอบจากบันทึก แล้วสั่งส่งใหม่",
    frozenset(),
)

CATALOGUE: Final = (
    ENDPOINT_GONE,
    ENDPOINT_NOT_FOUND,
    ENDPOINT_DENIES_ACCESS,
    ENDPOINT_REDIRECTS,
    ENDPOINT_THROTTLES,
    LETTER_REFUSED,
    ENDPOINT_FAILS,
    ENDPOINT_SILENT,
    ENDPOINT_CERTIFICATE,
    ENDPOINT_ADDRESS,
    UNREACHABLE,
    MAILBOX_REFUSED,
    MAIL_REFUSED,
    OWN_MAIL_SERVER,
    OWN_PROXY,
    SECRET_UNREADABLE,
    PLATFORM_ERROR,
    NOT_SENT_ON_PAPER,
    PAPER_ADDRESS,
    PAPER_REFUSED,
    PAPER_LOST,
    PAPER_OTHERWISE,
    MESSAGE_UNREADABLE,
    MESSAGE_POISON,
    MESSAGE_DISPLACED,
    UNKNOWN,
)
BY_CODE: Final[Mapping[str, Cause]] = {cause.code: cause for cause in CATALOGUE}
_BY_SYMPTOM: Final[Mapping[str, Cause]] = {symptom: cause for cause in CATALOGUE for symptom in cause.symptoms}


def cause_of(symptom: str) -> Cause:
    """The cause that `symptom` is known by; `UNKNOWN` for what no version of this catalogue names."""
    return _BY_SYMPTOM.get(symptom, UNKNOWN)


@dataclass(frozen=True, slots=True)
class Symptoms:
    """A set of symptoms as a query asks for it: those listed, or all but those listed."""

    listed: Collection[str]
    wanted: bool

    @property
    def values(self) -> list[str]:
        return sorted(self.listed)


ANY: Final = Symptoms(frozenset(), wanted=False)


def symptoms_of(code: str | None, blame: Blame | None) -> Symptoms:
    """The symptoms of the cause `code`, of all causes with that blame, or of both; all when neither is given."""
    chosen = [cause for cause in CATALOGUE if code in (None, cause.code) and blame in (None, cause.blame)]
    if UNKNOWN in chosen:
        # What is not in the catalogue cannot be listed.
        return Symptoms(_listed(cause for cause in CATALOGUE if cause not in chosen), wanted=False)
    return Symptoms(_listed(chosen), wanted=True)


def _listed(causes: Iterable[Cause]) -> frozenset[str]:
    return frozenset[str]().union(*(cause.symptoms for cause in causes))
