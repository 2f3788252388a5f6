"""A sender follows its circulars: figures, rows, the tracking page."""

import csv
import io
import json
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import timedelta
from itertools import permutations
from typing import Any
from uuid import uuid4

import pytest

from shared.contracts.events import FrozenRecipient
from shared.links import Purpose
from tests.support import afterwards
from tests.support.ack import (
    NOW,
    REGISTERED,
    REJECTED,
    SENT_AT,
    OpenAck,
    Sent,
    agency_of,
    circular,
    handed_over,
    opened_ack,
    redirected,
    undeliverable,
)
from tests.support.tokens import TokenIssuer

DEADLINE = NOW + timedelta(hours=1)


@pytest.fixture
async def ack(settings_environment: dict[str, str], token_issuer: TokenIssuer) -> AsyncGenerator[OpenAck]:
    async with opened_ack(settings_environment, token_issuer, ack_tracking_rows="10") as opened:
        yield opened


async def mixed(ack: OpenAck, **more: Any) -> Sent:
    """Nine recipients: 1–2 registered (2 without a hand-over), 3 rejected, 4–6 handed over, 7 undeliverable, 8–9 awaiting."""
    sent = circular(9, relay_duties=[1, 4], **more)
    one, two, three, four, five, six, seven, *_ = sent.recipients
    await ack.apply(*sent.chunks(), handed_over(sent, one, three, four, at=SENT_AT + timedelta(seconds=2)))
    await ack.apply(handed_over(sent, five, six, at=SENT_AT + timedelta(seconds=5)), undeliverable(sent, seven))
    for recipient in (one, two):
        assert (await ack.acknowledge(recipient)).status_code == 200
    assert (await ack.acknowledge(three, REJECTED)).status_code == 200
    await ack.apply(*circular(20, relay_of=one.recipient_id).chunks(7))
    return sent


async def test_the_figures_add_up(ack: OpenAck) -> None:
    sent = await mixed(ack, deadline=DEADLINE)
    assert (await ack.read(sent)).json() == {
        "circular_id": str(sent.circular_id),
        "letter_id": str(sent.letter.letter_id),
        "number": "สค ๐๐๑๗.๑/ว ๑๕๑๒๓",
        "date": "2026-11-16",
        "subject": sent.letter.subject,
        "state": "open",
        "deadline_by": "letter",
        "deadline": "2026-11-23T05:30:00Z",
        "recipients": 9,
        "matrix": {
            "awaiting": 2,
            "undeliverable": 1,
            "handed_over": 3,
            "opened": 0,
            "received": 0,
            "recalled": 0,
            "registered": 2,
            "rejected": 1,
        },
        "handed_over_total": 5,
        "registered": 2,
        "rejected": 1,
        "recalled": 0,
        "outstanding": 6,
        "overdue": 0,
        "crossed": 0,
        "relay": {"duties": 2, "relayed": 1, "onward_recipients": 20},
        "dispatched_at": "2026-11-23T02:00:00Z",
        "last_hand_over_at": "2026-11-23T02:00:05Z",
        "seconds_to_last_hand_over": 5.0,
        "superseded_by": None,
        "errata": [],
    }


async def test_a_circular_is_overdue_after_its_deadline_and_not_at_it(ack: OpenAck) -> None:
    sent = circular(2, deadline=DEADLINE)
    await ack.apply(*sent.chunks())
    ack.clock.now = DEADLINE
    assert (await ack.read(sent)).json()["state"] == "open"
    await ack.acknowledge(sent.recipients[0])
    ack.clock.now = DEADLINE + timedelta(microseconds=1)
    figures = (await ack.read(sent)).json()
    assert (figures["state"], figures["overdue"]) == ("overdue", 1)
    assert [row["late"] for row in await ack.rows(sent)] == [False, True]
    await ack.acknowledge(sent.recipients[1])
    figures = (await ack.read(sent)).json()
    assert (figures["state"], figures["overdue"], figures["outstanding"]) == ("complete", 0, 0)
    ack.clock.now += timedelta(days=9)
    assert [row["late"] for row in await ack.rows(sent)] == [False, True], "a late answer counts, and shows as late"


async def test_rejections_complete_a_circular(ack: OpenAck) -> None:
    sent = circular(2)
    await ack.apply(*sent.chunks())
    await ack.acknowledge(sent.recipients[0], REJECTED)
    assert (await ack.read(sent)).json()["state"] == "open"
    await ack.acknowledge(sent.recipients[1])
    assert (await ack.read(sent)).json()["state"] == "complete"


async def test_rows_are_paged_in_list_order(ack: OpenAck) -> None:
    sent = circular(7)
    await ack.apply(*sent.chunks(2))
    first = await ack.read(sent, "/recipients", limit=3)
    assert first.headers["link"].endswith('rel="next"')
    assert f"after={first.json()['next']}" in first.headers["link"]
    second = await ack.read(sent, "/recipients", limit=3, after=first.json()["next"])
    third = await ack.read(sent, "/recipients", limit=3, after=second.json()["next"])
    pages = [answer.json() for answer in (first, second, third)]
    assert [row["position"] for page in pages for row in page["items"]] == [1, 2, 3, 4, 5, 6, 7]
    assert pages[2]["next"] is None
    assert "link" not in third.headers
    assert (await ack.read(sent, "/recipients", after="x")).status_code == 422


async def test_rows_are_filtered_by_state(ack: OpenAck) -> None:
    sent = await mixed(ack)
    found = (await ack.read(sent, "/recipients", state="rejected")).json()["items"]
    assert [(row["position"], row["rejection"]["reason"]) for row in found] == [(3, "misaddressed")]
    assert (await ack.read(sent, "/recipients", state="lost")).status_code == 422


async def test_a_stranger_sees_nothing_of_a_circular(ack: OpenAck) -> None:
    sent = circular(1)
    await ack.apply(*sent.chunks())
    for stranger in (uuid4(), sent.recipients[0].agency_id):
        for rest in ("", "/recipients", "/annex.pdf", "/annex.csv", "/annex.json"):
            answer = await ack.http.get(f"/v1/circulars/{sent.circular_id}{rest}", headers=ack.headers(stranger))
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), rest
        made = await ack.http.post(f"/v1/circulars/{sent.circular_id}/tracking-link", headers=ack.headers(stranger))
        assert made.status_code == 404


async def tracking_path(ack: OpenAck, sent: Sent) -> str:
    made = await ack.http.post(f"/v1/circulars/{sent.circular_id}/tracking-link", headers=ack.headers(sent.sender))
    assert made.status_code == 200
    url: str = made.json()["tracking_url"]
    assert url.startswith("http://wian.test/t/")
    return url.removeprefix("http://wian.test")


async def test_the_tracking_page_shows_figures_and_rows_in_thai(ack: OpenAck) -> None:
    sent = await mixed(ack, deadline=DEADLINE)
    page = await ack.http.get(await tracking_path(ack, sent))
    assert page.status_code == 200
    for shown in (
        '<dd id="figure-all">๙</dd>',
        '<dd id="figure-handed_over">๕</dd>',
        '<dd id="figure-registered">๒</dd>',
        '<dd id="figure-rejected">๑</dd>',
        '<dd id="figure-undeliverable">๑</dd>',
        '<dd id="figure-outstanding">๖</dd>',
        "เลขรับ ๑๑๐๗๒ ลว. ๒๓ พ.ย. ๖๙ ๐๙.๓๐ น.",
        "ปฏิเสธ ๒๓ พ.ย. ๖๙ วิชัย มั่นคง",
        "แจ้งต่อแล้ว ๒๐ หน่วยงาน",
        "มีหน้าที่แจ้งต่อ",
        "กำลังดำเนินการ",
    ):
        assert shown in page.text
    assert page.text.index("หน่วยงานที่ 1<") < page.text.index("หน่วยงานที่ 2<") < page.text.index("หน่วยงานที่ 9<")


async def test_who_got_it_in_place_of_a_closed_agency_is_shown_to_the_sender(ack: OpenAck) -> None:
    sent = circular(2)
    closed = sent.recipients[1].model_copy(update={"agency_id": uuid4()})
    followed = sent.recipients[0].model_copy(update={"in_place_of": closed.agency_id})
    sent = replace(sent, recipients=(followed, sent.recipients[1]))
    await ack.apply(*sent.chunks(), agency_of(followed, name="กรมใหม่"), agency_of(closed, name="กรมเดิม"))
    rows = [(row["agency_name_th"], row["in_place_of"], row["in_place_of_name_th"]) for row in await ack.rows(sent)]
    assert rows == [("กรมใหม่", str(closed.agency_id), "กรมเดิม"), (None, None, None)]
    page = (await ack.http.get(await tracking_path(ack, sent))).text
    assert page.count("ส่งถึงกรมใหม่ แทนกรมเดิม") == 1
    table = csv.DictReader(io.StringIO((await ack.read(sent, "/annex.csv")).text.removeprefix("\ufeff")))
    assert [row["in_place_of_name_th"] for row in table] == ["กรมเดิม", ""]


async def test_the_pages_script_gets_what_has_changed_and_304_otherwise(ack: OpenAck) -> None:
    sent = circular(2)
    await ack.apply(*sent.chunks())
    path = f"{await tracking_path(ack, sent)}/state"
    first = await ack.http.get(path)
    assert first.json()["figures"]["registered"] == {"value": "๐", "percent": 0.0}
    same = await ack.http.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert (same.status_code, same.content) == (304, b"")
    await ack.acknowledge(sent.recipients[1])
    moved = await ack.http.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert moved.status_code == 200
    assert moved.json()["figures"]["registered"] == {"value": "๑", "percent": 50.0}
    assert moved.json()["lines"][1] == {
        "key": "2",
        "state": "registered",
        "state_th": "ลงทะเบียนรับแล้ว",
        "state_en": "registered",
        "stamp": "เลขรับ ๑๑๐๗๒ ลว. ๒๓ พ.ย. ๖๙ ๐๙.๓๐ น.",
        "note": REGISTERED["registrar_name"],
        "marks": "",
        "relay": "",
    }


async def test_a_long_list_is_tracked_in_sheets(ack: OpenAck) -> None:
    sent = circular(25)
    await ack.apply(*sent.chunks())
    path = await tracking_path(ack, sent)
    keys: list[str] = []
    for after in (0, 10, 20):
        page = (await ack.http.get(path, params={"after": after})).text
        assert ('rel="next"' in page) == (after < 20)
        assert ('rel="prev"' in page) == (after > 0)
        keys += [line["key"] for line in (await ack.http.get(f"{path}/state", params={"after": after})).json()["lines"]]
    assert keys == [str(position) for position in range(1, 26)]


async def test_the_tracking_link_is_the_credential_of_the_annex(ack: OpenAck) -> None:
    sent = circular(2)
    await ack.apply(*sent.chunks())
    path = await tracking_path(ack, sent)
    assert (await ack.http.get(f"{path}/annex.pdf")).content.startswith(b"%PDF-")
    assert (await ack.http.get(f"{path}/annex.csv")).text.startswith("\ufeffposition,title,")
    assert len(json.loads((await ack.http.get(f"{path}/annex.json")).text)["recipients"]) == 2
    assert (await ack.http.get(f"{path}/annex.exe")).status_code == 422


async def test_spoilt_wrong_and_old_tracking_links_open_nothing(ack: OpenAck, monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    sent = circular(1)
    await ack.apply(*sent.chunks())
    old_moment = time.time() - 91 * 86_400
    with monkeypatch.context() as moved:
        moved.setattr("itsdangerous.timed.time.time", lambda: old_moment)
        old = ack.tracking(sent)
        old_letter = ack.link(sent.recipients[0])
    wrong = ack.resources.links.sign(Purpose.FILE, sent.circular_id)
    for link in (old, wrong, ack.link(sent.recipients[0]), "x"):
        assert (await ack.http.get(f"/t/{link}")).status_code == 404
        for rest in ("/state", "/annex.pdf", "/annex.csv", "/annex.json"):
            answer = await ack.http.get(f"/t/{link}{rest}")
            assert (answer.status_code, answer.json()["code"]) == (404, "link_invalid")
    assert (await ack.http.get(f"/a/{old_letter}")).status_code == 200, "a late acknowledgment counts"


@pytest.mark.parametrize("order", list(permutations(range(3))))
async def test_a_letter_that_was_sent_on_has_one_recipient_more_in_whatever_order_the_news_comes(
    ack: OpenAck, order: tuple[int, ...]
) -> None:
    sent = circular(2)
    wrong = sent.recipients[0]
    addition = redirected(sent, wrong)
    news = (sent.chunks()[0], addition, addition)
    for number in order:
        await ack.apply(news[number])
    await ack.acknowledge(wrong, REJECTED)
    figures = (await ack.read(sent)).json()
    assert (figures["recipients"], figures["rejected"], figures["outstanding"]) == (3, 1, 2)
    first, _, last = (await ack.read(sent, "/recipients")).json()["items"]
    assert (first["redirected_to"], last["redirected_from"]) == (last["recipient_id"], first["recipient_id"])
    assert (first["state"], last["state"]) == ("rejected", "awaiting")
    path = f"/v1/recipients/{wrong.recipient_id}/timeline"
    timeline = (await ack.http.get(path, headers=ack.headers(sent.sender))).json()
    assert [event["type"] for event in timeline["events"]].count("redirected") == 1
    sheet = (await ack.read(sent, "/annex.csv")).text
    assert last["recipient_id"] in sheet
    await ack.acknowledge(addition.recipients[0])
    assert (await ack.read(sent)).json()["registered"] == 1


async def take_back(ack: OpenAck, recipient: FrozenRecipient) -> None:
    path = f"/v1/recipients/{recipient.recipient_id}/withdrawals"
    answer = await ack.http.post(path, json={"reason": "กดผิด"}, headers=ack.headers(recipient.agency_id))
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("redirected_first", [False, True])
async def test_a_refusal_taken_back_while_the_letter_was_sent_on_is_plain_to_the_sender_and_nobody_is_counted_twice(
    ack: OpenAck, redirected_first: bool
) -> None:
    sent = circular(2)
    wrong, other = sent.recipients
    addition = redirected(sent, wrong)
    (right,) = addition.recipients
    await ack.apply(*sent.chunks(), agency_of(wrong))
    await ack.acknowledge(wrong, REJECTED)
    if redirected_first:
        await ack.apply(addition)
        figures = (await ack.read(sent)).json()
        assert (figures["crossed"], figures["rejected"]) == (0, 1)
    await take_back(ack, wrong)
    if not redirected_first:
        assert (await ack.read(sent)).json()["crossed"] == 0
    await ack.apply(addition, addition)
    figures = (await ack.read(sent)).json()
    assert (figures["recipients"], figures["rejected"], figures["outstanding"], figures["crossed"]) == (3, 0, 3, 1)
    for one in (wrong, other, right):
        assert (await ack.acknowledge(one)).status_code == 200, "the letter is at both, and either may register it"
    figures = (await ack.read(sent)).json()
    assert (figures["state"], figures["registered"], figures["outstanding"], figures["crossed"]) == ("complete", 3, 0, 1)
    assert sum(figures["matrix"].values()) == figures["recipients"] == 3
    rows = await ack.rows(sent)
    assert [(row["state"], row["crossed"]) for row in rows] == [
        ("registered", True),
        ("registered", False),
        ("registered", False),
    ]
    path = f"/v1/recipients/{wrong.recipient_id}/timeline"
    timeline = (await ack.http.get(path, headers=ack.headers(sent.sender))).json()
    assert timeline["crossed"] is True
    assert {"rejected", "withdrawn", "redirected", "registered"} <= {event["type"] for event in timeline["events"]}
    page = (await ack.http.get(f"/t/{ack.tracking(sent)}")).text
    assert page.count("ถอนการปฏิเสธแล้ว") == 1, "in the row of the one that keeps it"
    assert "หนังสืออยู่ที่ทั้งสองหน่วยงาน ๑ ราย" in page
    state = (await ack.http.get(f"/t/{ack.tracking(sent)}/state")).json()
    assert "๑ ราย" in state["crossed"]
    letter = (await ack.http.get(f"/a/{ack.link(wrong)}")).text
    assert "ส่งต่อไปยังหน่วยงานอื่น" in letter, "whoever keeps it knows that another has it too"
    sheet = list(csv.DictReader(io.StringIO((await ack.read(sent, "/annex.csv")).text.removeprefix("\ufeff"))))
    assert [row["crossed"] for row in sheet] == ["true", "false", "false"]


async def test_who_refuses_again_or_is_recalled_does_not_keep_a_letter_that_was_sent_on(ack: OpenAck) -> None:
    sent = circular(1)
    (wrong,) = sent.recipients
    await ack.apply(*sent.chunks())
    await ack.acknowledge(wrong, REJECTED)
    await ack.apply(redirected(sent, wrong))
    await take_back(ack, wrong)
    assert (await ack.read(sent)).json()["crossed"] == 1
    await ack.acknowledge(wrong, REJECTED)
    assert (await ack.read(sent)).json()["crossed"] == 0
    await take_back(ack, wrong)
    await ack.apply(afterwards.recalled(sent.circular_id, sent.sender, [wrong]))
    figures = (await ack.read(sent)).json()
    assert (figures["recalled"], figures["crossed"], (await ack.rows(sent))[0]["crossed"]) == (1, 0, False)


async def test_whom_to_call_stands_beside_those_who_have_not_answered_and_nowhere_else(ack: OpenAck) -> None:
    sent = circular(2)
    silent, answering = sent.recipients
    contact: dict[str, Any] = {
        "contact_unit": "งานสารบรรณ <b>",
        "telephone": "=๐ ๓๔๔๑ ๑๒๕๑ ต่อ ๑๒",
        "email": "saraban@smk.example",
    }
    await ack.apply(*sent.chunks(), agency_of(silent, **contact), agency_of(answering, **contact))
    shown = {"unit": contact["contact_unit"], "telephone": contact["telephone"], "email": contact["email"]}
    assert [row["contact"] for row in await ack.rows(sent)] == [shown, shown]
    assert (await ack.acknowledge(answering)).status_code == 200
    assert [row["contact"] for row in await ack.rows(sent)] == [shown, None]
    page = (await ack.http.get(f"/t/{ack.tracking(sent)}")).text
    assert page.count("งานสารบรรณ &lt;b&gt; โทร. =๐ ๓๔๔๑ ๑๒๕๑ ต่อ ๑๒") == 1, "once, for the silent one, and escaped"
    lines = (await ack.http.get(f"/t/{ack.tracking(sent)}/state")).json()["lines"]
    assert ["โทร." in line["note"] for line in lines] == [True, False]
    for form in ("csv", "json"):
        annex = await ack.read(sent, f"/annex.{form}")
        assert annex.status_code == 200 and "๓๔๔๑ ๑๒๕๑ ต่อ" not in annex.text, "the annex is for others' eyes too"
    # A newer version without them takes them away.
    await ack.apply(agency_of(silent, version=2))
    assert (await ack.rows(sent))[0]["contact"] == {"unit": None, "telephone": None, "email": None}
