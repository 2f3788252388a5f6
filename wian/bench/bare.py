"""The bare loop: the same HTTP client, body and receiver as the engine's, and nothing else; a process of its own."""

import asyncio
import json
import sys
import time
from datetime import UTC, date, datetime
from typing import Final
from uuid import uuid4

import aiohttp

from services.dispatch import payload, signatures
from services.dispatch.delivery.jobs import Address, CircularContent
from shared.contracts.events import LetterSummary, Secrecy, Speed
from shared.runtime import run

REQUESTS: Final = 20_000
AT_ONCE: Final = 100


def letter() -> LetterSummary:
    """A letter of ordinary length: its webhook is about 3 KB."""
    paragraph = "ด้วยกระทรวงมหาดไทยแจ้งว่าคณะรัฐมนตรีได้มีมติเห็นชอบแนวทางการพัฒนางานบริการประชาชน " * 3
    return LetterSummary(
        letter_id=uuid4(),
        number="สค ๐๐๑๗.๑/ว ๑๕๑๒๓",
        date=date(2026, 11, 9),
        owner="ศาลากลางจังหวัดสมุทรสาคร",
        subject="การพัฒนางานบริการประชาชนเพื่อรองรับการเป็นศูนย์ราชการสะดวก",
        salutation="หน่วยงานที่เกี่ยวข้อง",
        body=(paragraph,),
        closing="ขอแสดงความนับถือ",
        signatory_name="นายตัวอย่าง",
        signatory_position="ผู้ว่าราชการจังหวัดสมุทรสาคร",
        contact_unit="สำนักงานจังหวัด",
        telephone="๐ ๓๔๔๑ ๑๒๕๑",
        speed=Speed.NORMAL,
        secrecy=Secrecy.NORMAL,
        content_hash="0" * 64,
        attachments=(),
    )


def _address() -> Address:
    return Address(uuid4(), uuid4(), uuid4(), "นายอำเภอ", 1, relay_duty=False, acknowledgment_link="x" * 90)


def bodies() -> payload.WebhookBodies:
    """Those of one circular."""
    content = CircularContent(uuid4(), uuid4(), "จังหวัดสมุทรสาคร", "Samut Sakhon Province", letter(), datetime.now(UTC), None, None)
    return payload.WebhookBodies(content, "http://127.0.0.1")


def signing_seconds() -> float:
    """CPU seconds of one delivery's body and signature."""
    made, addresses = bodies(), [_address() for _ in range(REQUESTS)]
    ring = signatures.keyring([signatures.new_secret()])
    begun = time.process_time()
    for address in addresses:
        signatures.sign(ring, str(address.delivery_id), 1_795_000_000, made.body(address))
    return (time.process_time() - begun) / REQUESTS


async def main(ports: list[int]) -> None:
    """Post, and print requests a second, CPU seconds of each request, and those of a delivery's body and signature."""
    content = bodies().body(_address())
    headers = {"content-type": payload.CONTENT_TYPE, "webhook-id": "0" * 36, "webhook-signature": "v1," + "0" * 44}
    left = iter(range(REQUESTS))

    async def post(session: aiohttp.ClientSession) -> None:
        for n in left:
            async with session.post(f"http://127.0.0.1:{ports[n % len(ports)]}/ok", data=content, headers=headers) as response:
                await response.read()

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), cookie_jar=aiohttp.DummyCookieJar()) as session:
        begun, worked = time.perf_counter(), time.process_time()
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(post(session))
        spent, worked = time.perf_counter() - begun, time.process_time() - worked
    measured = {"requests_per_s": REQUESTS / spent, "send_seconds": worked / REQUESTS, "sign_seconds": signing_seconds()}
    print(json.dumps(measured))


if __name__ == "__main__":
    run(main([int(port) for port in sys.argv[1:]]))
