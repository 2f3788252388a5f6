"""The checks: what each of them asks, and how to mend what it finds."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from wian.conformance.findings import Text


class Check(StrEnum):
    """In the order in which they are made."""

    ADDRESS = "address"
    CERTIFICATE = "certificate"
    OWNERSHIP = "ownership"
    REDIRECT = "redirect"
    ACCEPTED = "accepted"
    ANSWER = "answer"
    SIGNATURE_WRONG = "signature-wrong"
    SIGNATURE_GARBLED = "signature-garbled"
    SIGNATURE_MISSING = "signature-missing"
    BODY_CHANGED = "body-changed"
    TIMESTAMP_OLD = "timestamp-old"
    TIMESTAMP_FUTURE = "timestamp-future"
    ROTATION = "rotation"
    OTHER_VERSION = "other-version"
    REPEATED = "repeated"
    REPEATED_AT_ONCE = "repeated-at-once"
    UNKNOWN_EVENT = "unknown-event"
    EXTRA_FIELDS = "extra-fields"
    THAI = "thai"
    LARGE = "large"
    KEEP_ALIVE = "keep-alive"
    CONCURRENT = "concurrent"


@dataclass(frozen=True, slots=True)
class About:
    """What a check asks, and how to mend it."""

    what: Text
    mend: Text


CATALOGUE: Final[Mapping[Check, About]] = {
    Check.ADDRESS: About(
        Text("The exchange may call this address", "ระบบเวียนเรียกที่อยู่นี้ได้"),
        Text(
            "Give the endpoint a public host name and port 443, or one from 1024 on; no user name, password or fragment. "
            "In a closed network, ask the operator of the exchange to allow yours.",
            "ใช้ชื่อโฮสต์สาธารณะ พอร์ต 443 หรือตั้งแต่ 1024 ขึ้นไป ไม่มีชื่อผู้ใช้ รหัสผ่าน หรือ # ใน URL หากอยู่ในเครือข่ายปิดให้ผู้ดูแลระบบเวียนอนุญาตเครือข่ายของท่าน",
        ),
    ),
    Check.CERTIFICATE: About(
        Text("HTTPS with a certificate that is trusted and in date", "ใช้ HTTPS และใบรับรองน่าเชื่อถือ ไม่หมดอายุ"),
        Text(
            "Serve https with TLS 1.2 or later and a certificate for this host name from a public authority, with its "
            "intermediate certificates; renew it by itself, well before it ends.",
            "เปิด https ด้วย TLS 1.2 ขึ้นไป ใช้ใบรับรองของชื่อโฮสต์นี้จากผู้ออกที่เชื่อถือได้ พร้อมใบรับรองตัวกลาง และตั้งต่ออายุอัตโนมัติ",
        ),
    ),
    Check.OWNERSHIP: About(
        Text("Handshake (OPTIONS) or challenge is answered", "ตอบการจับมือ (OPTIONS) หรือคำท้า"),
        Text(
            "Answer OPTIONS with 200 and `WebHook-Allowed-Origin` (the `WebHook-Request-Origin` that was sent, or `*`); or answer "
            'the signed POST of type `wian.endpoint.challenge.v1` with 200 and `{"challenge": "<data.challenge>"}`.',
            "ตอบ OPTIONS ด้วย 200 และส่วนหัว WebHook-Allowed-Origin (ค่าเดียวกับ WebHook-Request-Origin หรือ *) หรือตอบ POST ชนิด "
            'wian.endpoint.challenge.v1 ด้วย 200 และ {"challenge": "<data.challenge>"}',
        ),
    ),
    Check.REDIRECT: About(
        Text("The address answers by itself, without a redirect", "ตอบเองโดยไม่เปลี่ยนเส้นทาง"),
        Text(
            "Register the final address; mind the slash at the end, http to https, and log-in pages in front.",
            "ลงทะเบียนที่อยู่ปลายทางจริง ระวังเครื่องหมาย / ท้าย URL การเปลี่ยน http เป็น https และหน้าเข้าสู่ระบบที่คั่นอยู่",
        ),
    ),
    Check.ACCEPTED: About(
        Text("A valid letter is taken with 2xx in time", "รับหนังสือที่ถูกต้องด้วย 2xx ทันเวลา"),
        Text(
            "Verify the signature over `webhook-id.webhook-timestamp.body` with the bytes of the body as they came and the secret of "
            "this endpoint, store the letter, answer 204, and do the rest of the work afterwards.",
            "ตรวจลายเซ็นของ webhook-id.webhook-timestamp.body โดยใช้ไบต์ของเนื้อหาตามที่ได้รับและรหัสลับของปลายทางนี้ บันทึกหนังสือ ตอบ 204 แล้วจึงทำงานที่เหลือ",
        ),
    ),
    Check.ANSWER: About(
        Text("The answer is small and ends", "คำตอบสั้นและจบ"),
        Text("Answer 204 without a body; 4 KB are kept at most.", "ตอบ 204 โดยไม่มีเนื้อหา ระบบเก็บไม่เกิน 4 KB"),
    ),
    Check.SIGNATURE_WRONG: About(
        Text("A wrong signature is refused", "ปฏิเสธลายเซ็นที่ผิด"),
        Text(
            "Compare the signature (HMAC-SHA256, in constant time) before anything else, and answer 401 when none is right: "
            "anybody can post to a public address.",
            "เปรียบเทียบลายเซ็น (HMAC-SHA256) ก่อนทำสิ่งอื่น หากไม่ตรงให้ตอบ 401 เพราะใครก็ส่งมายังที่อยู่สาธารณะได้",
        ),
    ),
    Check.SIGNATURE_GARBLED: About(
        Text("A signature that cannot be read is refused", "ปฏิเสธลายเซ็นที่อ่านไม่ได้"),
        Text(
            "Answer 401 to a signature that is not base64 or has no version; catch what your library raises then.",
            "ตอบ 401 เมื่อลายเซ็นไม่ใช่ base64 หรือไม่มีรุ่น และดักข้อผิดพลาดที่ไลบรารีแจ้ง",
        ),
    ),
    Check.SIGNATURE_MISSING: About(
        Text("A letter without a signature is refused", "ปฏิเสธหนังสือที่ไม่มีลายเซ็น"),
        Text(
            "Answer 400 or 401 when `webhook-id`, `webhook-timestamp` or `webhook-signature` is missing.",
            "ตอบ 400 หรือ 401 เมื่อไม่มีส่วนหัว webhook-id, webhook-timestamp หรือ webhook-signature",
        ),
    ),
    Check.BODY_CHANGED: About(
        Text("A body that was changed by one byte is refused", "ปฏิเสธเนื้อหาที่ถูกแก้แม้ไบต์เดียว"),
        Text("Sign the whole body as it came, before parsing it.", "คำนวณลายเซ็นจากเนื้อหาทั้งหมดตามที่ได้รับ ก่อนแปลงเป็นข้อมูล"),
    ),
    Check.TIMESTAMP_OLD: About(
        Text("An old letter, rightly signed, is refused", "ปฏิเสธหนังสือเก่าแม้ลายเซ็นถูกต้อง"),
        Text(
            "Refuse a `webhook-timestamp` more than 5 minutes from your clock, and keep the clock right by NTP: else whoever has "
            "recorded a request can send it again.",
            "ปฏิเสธ webhook-timestamp ที่ห่างจากนาฬิกาเกิน 5 นาที และตั้งนาฬิกาด้วย NTP มิฉะนั้นผู้ที่ดักเก็บคำขอจะส่งซ้ำได้",
        ),
    ),
    Check.TIMESTAMP_FUTURE: About(
        Text("A letter from the future is refused", "ปฏิเสธหนังสือที่ลงเวลาในอนาคต"),
        Text("Apply the 5 minutes to both sides of your clock.", "ใช้เกณฑ์ 5 นาทีทั้งก่อนและหลังเวลาปัจจุบัน"),
    ),
    Check.ROTATION: About(
        Text("Of two signatures one is right: taken", "รับเมื่อมีสองลายเซ็นและถูกหนึ่ง"),
        Text(
            "Split `webhook-signature` at spaces and take the letter when any part is right: while a secret is replaced, both sign.",
            "แยก webhook-signature ด้วยช่องว่าง และรับเมื่อส่วนใดส่วนหนึ่งถูกต้อง เพราะช่วงเปลี่ยนรหัสลับจะลงลายเซ็นด้วยทั้งสองรหัส",
        ),
    ),
    Check.OTHER_VERSION: About(
        Text("A signature of another version beside the right one is passed over", "ข้ามลายเซ็นรุ่นอื่นที่มาพร้อมลายเซ็นที่ถูก"),
        Text(
            "Pass over parts of `webhook-signature` that do not begin with `v1,`, such as `v1a,` (Ed25519).",
            "ข้ามส่วนของ webhook-signature ที่ไม่ขึ้นต้นด้วย v1, เช่น v1a, (Ed25519)",
        ),
    ),
    Check.REPEATED: About(
        Text("The same webhook-id again is taken again", "รับ webhook-id เดิมซ้ำได้"),
        Text(
            "Answer 2xx to a letter that you have, and register it once: key the store by `webhook-id`. 409 or 4xx here loses letters "
            "whose first answer did not reach the exchange.",
            "ตอบ 2xx เมื่อได้หนังสือเดิมซ้ำ และลงรับเพียงครั้งเดียวโดยใช้ webhook-id เป็นกุญแจ หากตอบ 409 หรือ 4xx หนังสือที่คำตอบแรกส่งไม่ถึงจะสูญ",
        ),
    ),
    Check.REPEATED_AT_ONCE: About(
        Text("The same webhook-id twice at the same moment is taken", "รับ webhook-id เดิมสองครั้งพร้อมกันได้"),
        Text(
            "Let the database decide (INSERT … ON CONFLICT DO NOTHING) instead of looking first and inserting then.",
            "ให้ฐานข้อมูลตัดสิน (INSERT … ON CONFLICT DO NOTHING) แทนการค้นก่อนแล้วจึงเพิ่ม",
        ),
    ),
    Check.UNKNOWN_EVENT: About(
        Text("An event of an unknown type is answered with 2xx", "ตอบ 2xx ให้เหตุการณ์ชนิดที่ไม่รู้จัก"),
        Text(
            "Answer 204 to types that you do not know: new ones will come, and a refusal would switch the channel.",
            "ตอบ 204 ให้ชนิดที่ไม่รู้จัก เพราะจะมีชนิดใหม่ และการปฏิเสธจะทำให้เปลี่ยนช่องทางส่ง",
        ),
    ),
    Check.EXTRA_FIELDS: About(
        Text("Unknown fields in a letter are no harm", "รับหนังสือที่มีช่องข้อมูลเพิ่ม"),
        Text("Read the fields that you need and pass over the others.", "อ่านเฉพาะช่องที่ใช้ และข้ามช่องอื่น"),
    ),
    Check.THAI: About(
        Text("Thai text in UTF-8 is taken", "รับข้อความไทยแบบ UTF-8"),
        Text(
            "Treat the body as bytes for the signature, and as UTF-8 for the rest; store it in columns that hold Thai.",
            "ใช้เนื้อหาเป็นไบต์เมื่อตรวจลายเซ็น อ่านเป็น UTF-8 และเก็บในฐานข้อมูลที่รองรับภาษาไทย",
        ),
    ),
    Check.LARGE: About(
        Text("A letter of 300 KB is taken", "รับหนังสือขนาด 300 KB"),
        Text(
            "Raise the limits of your proxy and framework to 1 MB at least (client_max_body_size and the like).",
            "เพิ่มขีดจำกัดของพร็อกซีและเฟรมเวิร์กเป็นอย่างน้อย 1 MB (เช่น client_max_body_size)",
        ),
    ),
    Check.KEEP_ALIVE: About(
        Text("A connection serves more than one letter", "ใช้การเชื่อมต่อเดียวรับได้หลายฉบับ"),
        Text(
            "Switch HTTP/1.1 keep-alive on, for 30 seconds or more: a TLS handshake for each letter slows you down.",
            "เปิด keep-alive ของ HTTP/1.1 อย่างน้อย 30 วินาที เพื่อไม่ต้องทำ TLS ใหม่ทุกฉบับ",
        ),
    ),
    Check.CONCURRENT: About(
        Text("Ten letters at once are taken", "รับสิบฉบับพร้อมกัน"),
        Text(
            "Let more than one request be worked on at a time; after a circular to many sub-units several come together.",
            "ให้ระบบรับได้หลายคำขอพร้อมกัน เพราะหนังสือเวียนอาจมาพร้อมกันหลายฉบับ",
        ),
    ),
}
