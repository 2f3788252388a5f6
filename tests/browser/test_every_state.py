"""Both pages in every state that they can come to: WCAG 2.2 AA by axe, nothing to scroll sideways, a picture of each."""

import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Final

import pytest

from shared.contracts.events import Secrecy, Speed
from tests.support import afterwards
from tests.support.ack import (
    NOW,
    REGISTERED,
    REJECTED,
    OpenAck,
    Sent,
    agency_of,
    circular,
    handed_over,
    redirected,
    undeliverable,
)
from tests.support.browser import PHONE, SIZES, Visitor, is_wider_than_its_window, keep_picture, violations

# Each brings the record into a state and says which page shows it, and with which status.
State = Callable[[OpenAck], Awaitable[tuple[str, int]]]
LONG: Final = "สำนักงานส่งเสริมการปกครองท้องถิ่นจังหวัดสมุทรสาคร (กลุ่มงานการเงิน บัญชี และการตรวจสอบ)"


async def _sent(ack: OpenAck, **more: Any) -> Sent:
    sent = circular([LONG, "นายอำเภอกระทุ่มแบน", "ผู้อำนวยการโรงพยาบาล"], relay_duties=[1], **more)
    await ack.apply(*sent.chunks(), agency_of(sent.recipients[0], name="ที่ทำการปกครองจังหวัด"))
    return sent


def _page(ack: OpenAck, sent: Sent) -> tuple[str, int]:
    return f"/a/{ack.link(sent.recipients[0])}", 200


async def open_letter(ack: OpenAck) -> tuple[str, int]:
    return _page(ack, await _sent(ack, deadline=NOW + timedelta(hours=5), speed=Speed.MOST_URGENT))


async def late_letter(ack: OpenAck) -> tuple[str, int]:
    return _page(ack, await _sent(ack, deadline=NOW - timedelta(hours=5)))


async def secret_letter(ack: OpenAck) -> tuple[str, int]:
    return _page(ack, await _sent(ack, secrecy=Secrecy.SECRET))


async def registered_letter(ack: OpenAck) -> tuple[str, int]:
    sent = await _sent(ack)
    await ack.acknowledge(sent.recipients[0])
    return _page(ack, sent)


async def refused_letter(ack: OpenAck) -> tuple[str, int]:
    sent = await _sent(ack)
    await ack.acknowledge(sent.recipients[0], REJECTED)
    return _page(ack, sent)


async def disputed_letter(ack: OpenAck) -> tuple[str, int]:
    sent = await _sent(ack)
    await ack.acknowledge(sent.recipients[0])
    path = f"/v1/recipients/{sent.recipients[0].recipient_id}/disputes"
    said = {"text": "เลขรับนี้เป็นของหนังสืออีกฉบับหนึ่ง โปรดตรวจสอบทะเบียนหนังสือรับ"}
    assert (await ack.http.post(path, json=said, headers=ack.headers(sent.sender))).status_code == 200
    return _page(ack, sent)


async def corrected_letter(ack: OpenAck) -> tuple[str, int]:
    sent = await _sent(ack)
    await ack.acknowledge(sent.recipients[0])
    path = f"/v1/recipients/{sent.recipients[0].recipient_id}/corrections"
    body = {"registration": {**REGISTERED, "receive_number": "๑๑๐๗๓"}, "reason": "พิมพ์ผิด"}
    assert (await ack.http.post(path, json=body, headers=ack.headers(sent.recipients[0].agency_id))).status_code == 200
    return _page(ack, sent)[0] + "?done=corrected", 200


async def withdrawn_answer(ack: OpenAck) -> tuple[str, int]:
    sent = await _sent(ack)
    await ack.acknowledge(sent.recipients[0])
    path = f"/v1/recipients/{sent.recipients[0].recipient_id}/withdrawals"
    headers = ack.headers(sent.recipients[0].agency_id)
    assert (await ack.http.post(path, json={"reason": "ลงรับผิดฉบับ"}, headers=headers)).status_code == 200
    return _page(ack, sent)[0] + "?done=withdrawn", 200


async def recalled_letter(ack: OpenAck) -> tuple[str, int]:
    sent = await _sent(ack)
    await ack.apply(afterwards.recalled(sent.circular_id, sent.sender, sent.recipients))
    return _page(ack, sent)


async def recalled_after_the_answer(ack: OpenAck) -> tuple[str, int]:
    sent = await _sent(ack)
    await ack.acknowledge(sent.recipients[0])
    await ack.apply(afterwards.recalled(sent.circular_id, sent.sender, sent.recipients))
    return _page(ack, sent)


async def _crossed(ack: OpenAck) -> Sent:
    sent = await _sent(ack)
    wrong = sent.recipients[0]
    await ack.acknowledge(wrong, REJECTED)
    await ack.apply(redirected(sent, wrong))
    path = f"/v1/recipients/{wrong.recipient_id}/withdrawals"
    answer = await ack.http.post(path, json={"reason": "กดผิด"}, headers=ack.headers(wrong.agency_id))
    assert answer.status_code == 200
    return sent


async def letter_at_two_agencies(ack: OpenAck) -> tuple[str, int]:
    return _page(ack, await _crossed(ack))


async def tracked_letter_at_two_agencies(ack: OpenAck) -> tuple[str, int]:
    return f"/t/{ack.tracking(await _crossed(ack))}", 200


async def unknown_link(_ack: OpenAck) -> tuple[str, int]:
    return "/a/spoilt", 404


async def revoked_link(ack: OpenAck) -> tuple[str, int]:
    sent = await _sent(ack)
    path = f"/v1/recipients/{sent.recipients[0].recipient_id}/link-revocations"
    assert (await ack.http.post(path, json={"reason": "ส่งผิดกล่องจดหมาย"}, headers=ack.headers(sent.sender))).status_code == 200
    return _page(ack, sent)[0], 410


async def letter_under_way(ack: OpenAck) -> tuple[str, int]:
    return f"/a/{ack.link(circular(1).recipients[0])}", 503


async def entrance_for_paper(_ack: OpenAck) -> tuple[str, int]:
    return "/a", 200


async def tracked_circular(ack: OpenAck) -> tuple[str, int]:
    sent = await _sent(ack, deadline=NOW + timedelta(hours=5))
    first, second, third = sent.recipients
    await ack.apply(handed_over(sent, first, second), undeliverable(sent, third))
    await ack.acknowledge(first)
    return f"/t/{ack.tracking(sent)}", 200


async def tracked_recall(ack: OpenAck) -> tuple[str, int]:
    sent = await _sent(ack, deadline=NOW - timedelta(hours=5))
    first, second, _ = sent.recipients
    await ack.apply(handed_over(sent, first, second))
    await ack.acknowledge(first)
    await ack.acknowledge(second, REJECTED)
    await ack.apply(afterwards.recalled(sent.circular_id, sent.sender, sent.recipients))
    return f"/t/{ack.tracking(sent)}", 200


async def expired_tracking_link(ack: OpenAck) -> tuple[str, int]:
    sent = await _sent(ack)
    long_ago = time.time() - (ack.resources.settings.ack_tracking_link_days + 1) * 86_400
    with pytest.MonkeyPatch.context() as moved:
        moved.setattr("itsdangerous.timed.time.time", lambda: long_ago)
        return f"/t/{ack.tracking(sent)}", 404


STATES: Final[dict[str, State]] = {
    state.__name__.replace("_", "-"): state
    for state in (
        open_letter,
        late_letter,
        secret_letter,
        registered_letter,
        refused_letter,
        disputed_letter,
        corrected_letter,
        withdrawn_answer,
        recalled_letter,
        recalled_after_the_answer,
        letter_at_two_agencies,
        unknown_link,
        revoked_link,
        letter_under_way,
        entrance_for_paper,
        tracked_circular,
        tracked_recall,
        tracked_letter_at_two_agencies,
        expired_tracking_link,
    )
}


@pytest.mark.parametrize("name", STATES)
async def test_every_state_is_accessible_and_fits(ack: OpenAck, visitor: Visitor, name: str) -> None:
    path, status = await STATES[name](ack)
    for size, window in SIZES.items():
        async with visitor.page(path, size=window, status=status) as page:
            closed = page.locator("details:not([open]) > summary")
            while await closed.count():
                await closed.first.click()
            assert await violations(page) == []
            assert not await is_wider_than_its_window(page)
            if window is PHONE:
                # WCAG 1.4.10: also what 400 % leaves of a window of 1280.
                await page.set_viewport_size({"width": 320, "height": 640})
                assert not await is_wider_than_its_window(page)
                await page.set_viewport_size({"width": window["width"], "height": window["height"]})
            await keep_picture(page, f"{name}-{size}")
