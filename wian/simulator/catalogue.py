"""The simulated recipients: their names, as they stand in the path, and what each of them does."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Recipient(StrEnum):
    """The first part of the path; what follows it is free, so that one behaviour serves many endpoints."""

    OK = "ok"
    SLOW = "slow"
    FLAKY = "flaky"
    DOWN = "down"
    ERROR = "error"
    THROTTLE = "throttle"
    REFUSE = "refuse"
    GONE = "gone"
    REDIRECT = "redirect"
    HUGE = "huge"
    DRIP = "drip"
    DRIP_HEAD = "drip-head"
    BOMB = "bomb"
    RESET = "reset"
    WRONG_CERTIFICATE = "wrong-certificate"
    ACK = "ack"
    LATE_ACK = "late-ack"
    DUPLICATE_ACK = "duplicate-ack"
    NEVER_ACK = "never-ack"
    REJECT = "reject"
    HANDSHAKE_ONLY = "handshake-only"
    CHALLENGE_ONLY = "challenge-only"
    STRANGER = "stranger"


@dataclass(frozen=True, slots=True)
class About:
    """What a recipient does; `options` are parameters of the query with their defaults."""

    en: str
    th: str
    options: Mapping[str, str]


def _about(en: str, th: str, **options: str) -> About:
    return About(en, th, options)


CATALOGUE: Final[Mapping[Recipient, About]] = {
    Recipient.OK: _about("Takes every letter with 204 at once.", "รับหนังสือทุกฉบับทันที (204)"),
    Recipient.SLOW: _about("Takes the letter with 204 after some seconds.", "รับหนังสือหลังหน่วงเวลา (204)", seconds="5"),
    Recipient.FLAKY: _about(
        "Fails with 503 at the first tries of each webhook-id, then takes it with 204.",
        "ตอบ 503 ในครั้งแรก ๆ ของแต่ละ webhook-id แล้วจึงรับ (204)",
        failures="2",
    ),
    Recipient.DOWN: _about(
        "Takes the connection and never answers, until the client gives up.", "รับการเชื่อมต่อแต่ไม่ตอบ จนกว่าผู้ส่งจะเลิกรอ"
    ),
    Recipient.ERROR: _about("Answers 500 always.", "ตอบ 500 ทุกครั้ง"),
    Recipient.THROTTLE: _about("Answers 429 with Retry-After always.", "ตอบ 429 พร้อม Retry-After ทุกครั้ง", seconds="30"),
    Recipient.REFUSE: _about("Refuses with a 4xx that is not worth a retry.", "ปฏิเสธด้วย 4xx ที่ไม่ควรส่งซ้ำ", status="422"),
    Recipient.GONE: _about("Answers 410: the endpoint is to be switched off.", "ตอบ 410 ให้ปิดปลายทางนี้"),
    Recipient.REDIRECT: _about("Answers 302 to /ok/redirected; nobody may follow.", "ตอบ 302 ไปยัง /ok/redirected ซึ่งผู้ส่งต้องไม่ตาม"),
    Recipient.HUGE: _about("Answers 200 with a body that never ends.", "ตอบ 200 พร้อมเนื้อหาที่ไม่มีวันจบ"),
    Recipient.DRIP: _about(
        "Answers 200 and then a byte of the body each second, for ever.", "ตอบ 200 แล้วส่งเนื้อหาทีละไบต์ต่อวินาทีไม่รู้จบ", seconds="1"
    ),
    Recipient.DRIP_HEAD: _about(
        "Sends the head of the answer a byte each second, for ever.", "ส่งส่วนหัวของคำตอบทีละไบต์ต่อวินาทีไม่รู้จบ", seconds="1"
    ),
    Recipient.BOMB: _about(
        "Answers 200 with 260 kB of gzip that unpack to 256 MB.", "ตอบ 200 ด้วย gzip ขนาด 260 kB ที่คลายได้ 256 MB"
    ),
    Recipient.RESET: _about("Reads the letter and breaks the connection off.", "อ่านหนังสือแล้วตัดการเชื่อมต่อ"),
    Recipient.WRONG_CERTIFICATE: _about(
        "On the TLS port, where every path has a self-signed certificate for another name; answers 204 to a client that does not look.",
        "อยู่ที่พอร์ต TLS ซึ่งใช้ใบรับรองที่ออกเองและเป็นของชื่ออื่น หากผู้ส่งไม่ตรวจจะตอบ 204",
    ),
    Recipient.ACK: _about("Takes the letter and acknowledges it at once with a receive number.", "รับหนังสือและแจ้งเลขรับทันที"),
    Recipient.LATE_ACK: _about(
        "Takes the letter and acknowledges it after some seconds.", "รับหนังสือและแจ้งเลขรับหลังหน่วงเวลา", seconds="5"
    ),
    Recipient.DUPLICATE_ACK: _about(
        "Acknowledges twice with one number, then with another, and keeps what it was told.",
        "แจ้งเลขรับเดิมสองครั้ง แล้วแจ้งเลขอื่น และเก็บคำตอบที่ได้รับ",
    ),
    Recipient.NEVER_ACK: _about("Takes the letter and never acknowledges it.", "รับหนังสือแต่ไม่แจ้งเลขรับเลย"),
    Recipient.REJECT: _about(
        "Takes the letter, then refuses it through the acknowledgment URL with a coded reason.",
        "รับหนังสือแล้วแจ้งปฏิเสธพร้อมรหัสเหตุผล",
        reason="misaddressed",
    ),
    Recipient.HANDSHAKE_ONLY: _about(
        "Answers the handshake (OPTIONS) but not the challenge; takes letters.", "ตอบการจับมือ (OPTIONS) แต่ไม่ตอบคำท้า และรับหนังสือ"
    ),
    Recipient.CHALLENGE_ONLY: _about(
        "Answers the challenge but not the handshake; takes letters.", "ตอบคำท้าแต่ไม่ตอบการจับมือ และรับหนังสือ"
    ),
    Recipient.STRANGER: _about("Answers neither handshake nor challenge; takes letters.", "ไม่ตอบทั้งการจับมือและคำท้า แต่รับหนังสือ"),
}


def listing() -> str:
    """The catalogue for a terminal."""
    lines: list[str] = []
    for recipient, about in CATALOGUE.items():
        query = "&".join(f"{name}={default}" for name, default in about.options.items())
        lines.append(f"/{recipient}{'?' + query if query else ''}")
        lines += [f"    {about.en}", f"    {about.th}"]
    return "\n".join(lines)
