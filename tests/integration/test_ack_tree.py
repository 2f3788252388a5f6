"""A sender follows its circular down the relay tree, in figures that tell nothing of the letters below."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.ack.store import tree as store
from services.ack.tree import Bounds
from shared.contracts.events import RelayTarget
from tests.support.ack import NOW, REJECTED, SENT_AT, OpenAck, Sent, agency_of, circular, handed_over, opened_ack, redirected
from tests.support.plans import carried_out
from tests.support.tokens import TokenIssuer

DEADLINE = NOW + timedelta(hours=1)
SECRETS = ("เรื่องเฉพาะของอำเภอ", "เทศบาลที่ไม่ควรเห็น")


@pytest.fixture
async def ack(settings_environment: dict[str, str], token_issuer: TokenIssuer) -> AsyncGenerator[OpenAck]:
    async with opened_ack(settings_environment, token_issuer, ack_tree_levels="3", ack_tree_circulars="10") as opened:
        yield opened


async def three_levels(ack: OpenAck) -> tuple[Sent, Sent, Sent]:
    """A ministry to three provinces, two of them with a duty; the first to four districts, one with a duty; it to five offices."""
    ministry = circular(3, relay_duties=[1, 2], deadline=DEADLINE)
    target = RelayTarget(text="ทุกอำเภอ", below="agency-2", kind="district")
    first = ministry.recipients[0].model_copy(update={"relay_target": target})
    ministry = replace(ministry, recipients=(first, *ministry.recipients[1:]))
    province = circular([SECRETS[1], *"กขค"], relay_duties=[2], relay_of=first.recipient_id, subject=SECRETS[0], deadline=NOW)
    province = replace(province, sender=first.agency_id)
    district = circular(5, relay_of=province.recipients[1].recipient_id, subject=SECRETS[0])
    await ack.apply(
        *ministry.chunks(),
        agency_of(ministry.recipients[1], name="จังหวัดที่สอง"),
        handed_over(ministry, first, at=SENT_AT - timedelta(seconds=90)),
        handed_over(ministry, ministry.recipients[1]),
        *province.chunks(2),
        handed_over(province, *province.recipients[:3]),
        *district.chunks(),
    )
    await ack.acknowledge(province.recipients[0])
    await ack.acknowledge(province.recipients[3], REJECTED)
    return ministry, province, district


def figures(level: dict[str, Any], *names: str) -> tuple[int, ...]:
    return tuple(level[name] for name in names)


async def test_the_tree_tells_who_must_pass_on_to_whom_and_how_far_it_has_come(ack: OpenAck) -> None:
    ministry, *_ = await three_levels(ack)
    ack.clock.now = NOW + timedelta(minutes=1)
    answer = await ack.read(ministry, "/tree")
    tree = answer.json()
    assert answer.status_code == 200
    shown = ("level", "circulars", "recipients", "handed_over", "registered", "rejected", "outstanding", "overdue")
    assert [figures(level, *shown) for level in tree["levels"]] == [
        (1, 1, 3, 2, 0, 0, 3, 0),
        (2, 1, 4, 3, 1, 1, 2, 2),
        (3, 1, 5, 0, 0, 0, 5, 0),
    ]
    duties = ("duties", "relayed", "duties_waiting", "duties_overdue")
    assert [figures(level, *duties) for level in tree["levels"]] == [(2, 1, 1, 0), (1, 1, 0, 0), (0, 0, 0, 0)]
    assert [level["hops"]["longest_seconds"] for level in tree["levels"]] == [None, 90.0, 0.0]
    one, two = tree["relays"]
    assert one["target"] == {"text": "ทุกอำเภอ", "below": "agency-2", "below_name_th": "จังหวัดที่สอง", "kind": "district"}
    assert (one["state"], one["hop_seconds"], one["due_at"]) == ("relayed", 90.0, "2026-11-23T05:30:00Z")
    assert one["levels"] == tree["levels"][1:]
    assert (two["state"], two["target"], two["levels"], two["agency_name_th"]) == ("waiting", None, [], "จังหวัดที่สอง")
    assert (tree["complete"], tree["next"]) == (True, None)
    ack.clock.now = DEADLINE + timedelta(seconds=1)
    tree = (await ack.read(ministry, "/tree")).json()
    assert [relay["state"] for relay in tree["relays"]] == ["relayed", "overdue"]
    assert tree["levels"][0]["duties_overdue"] == 1


async def test_the_duty_of_a_recipient_from_which_the_letter_was_sent_on_counts_once(ack: OpenAck) -> None:
    sent = circular(3, relay_duties=[1, 2], deadline=DEADLINE)
    wrong = sent.recipients[0]
    addition = redirected(sent, wrong)
    right = addition.recipients[0].model_copy(update={"relay_duty": True})
    await ack.apply(*sent.chunks())
    await ack.acknowledge(wrong, REJECTED)
    await ack.apply(addition.model_copy(update={"recipients": (right,)}))

    async def shown() -> tuple[object, ...]:
        counted = (await ack.read(sent)).json()["relay"]
        tree = (await ack.read(sent, "/tree")).json()
        states = [(relay["position"], relay["state"]) for relay in tree["relays"]]
        return counted["duties"], counted["relayed"], figures(tree["levels"][0], "duties", "relayed", "duties_waiting"), states

    assert await shown() == (2, 0, (2, 0, 2), [(1, "released"), (2, "waiting"), (4, "waiting")])
    page = (await ack.http.get(f"/t/{ack.tracking(sent)}")).text
    assert "ที่ต้องแจ้งต่อ ๒ แห่ง" in page
    assert page.count('relays">มีหน้าที่แจ้งต่อ<') == 2
    path = f"/v1/recipients/{wrong.recipient_id}/withdrawals"
    await ack.http.post(path, json={"reason": "กดผิด"}, headers=ack.headers(wrong.agency_id))
    assert await shown() == (2, 0, (2, 0, 2), [(1, "released"), (2, "waiting"), (4, "waiting")]), "the duty went with the letter"
    assert "หน้าที่แจ้งหนังสือนี้ต่อ" not in (await ack.http.get(f"/a/{ack.link(wrong)}")).text
    assert "หน้าที่แจ้งหนังสือนี้ต่อ" in (await ack.http.get(f"/a/{ack.link(right)}")).text
    await ack.apply(*circular(6, relay_of=right.recipient_id).chunks())
    assert await shown() == (2, 1, (2, 1, 1), [(1, "released"), (2, "waiting"), (4, "relayed")])


async def test_the_tree_shows_its_sender_figures_alone_and_others_nothing(ack: OpenAck) -> None:
    ministry, province, district = await three_levels(ack)
    text = (await ack.read(ministry, "/tree")).text
    hidden = [*SECRETS, str(province.circular_id), str(district.circular_id), *(str(r.recipient_id) for r in province.recipients)]
    assert not [word for word in hidden if word in text]
    for agency_id in (province.sender, district.sender, ministry.recipients[1].agency_id, uuid4()):
        path = f"/v1/circulars/{ministry.circular_id}/tree"
        refused = await ack.http.get(path, headers=ack.headers(agency_id))
        assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
    below = (await ack.read(province, "/tree")).json()
    assert [level["recipients"] for level in below["levels"]] == [4, 5]


async def test_relays_are_paged_and_a_tree_that_is_too_large_says_so(ack: OpenAck) -> None:
    sent = circular(12, relay_duties=range(1, 13))
    await ack.apply(*sent.chunks())
    for recipient in sent.recipients[:11]:
        await ack.apply(*circular(2, relay_of=recipient.recipient_id).chunks())
    first = await ack.read(sent, "/tree", limit=5)
    assert first.headers["link"].endswith('rel="next"')
    assert first.json()["complete"] is False, "twelve circulars, and ten are followed"
    assert [level["circulars"] for level in first.json()["levels"]] == [1, 9]
    relays: list[dict[str, Any]] = first.json()["relays"]
    for after in ("5", "10"):
        page = (await ack.read(sent, "/tree", limit=5, after=after)).json()
        assert page["next"] == {"5": "10", "10": None}[after]
        relays += page["relays"]
    assert [relay["position"] for relay in relays] == list(range(1, 13))
    last = [relay["state"] for relay in relays[-2:]]
    assert last == ["relayed", "waiting"], "whether a duty is done does not hang on the bounds"
    async with ack.resources.database.connection() as connection:
        found, complete = await store.branches(connection, sent.circular_id, Bounds(levels=1, circulars=100, recipients=1))
        assert ([branch.recipients for branch in found], complete) == ([12], False)
        found, complete = await store.branches(connection, sent.circular_id, Bounds(levels=5, circulars=100, recipients=14))
        assert ([branch.recipients for branch in found], complete) == ([12, 2], False)


async def test_the_page_of_the_tree_shows_figures_and_duties_and_no_letter_below(ack: OpenAck) -> None:
    ministry, province, district = await three_levels(ack)
    ack.clock.now = NOW + timedelta(minutes=1)
    link = ack.tracking(ministry)
    answer = await ack.http.get(f"/t/{link}/tree")
    page = answer.text
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert page.count('<svg class="level-bar"') == 3, "a bar for each level"
    assert "ลงทะเบียนรับแล้ว ๑, ปฏิเสธ ๑, ส่งถึงแล้ว ยังไม่ตอบ ๑, ยังไม่ถึง ๑" in page, "the second level in words"
    assert ("ต้องแจ้ง ทุกอำเภอ" in page, page.count('data-relay="relayed"'), page.count('data-relay="waiting"')) == (True, 1, 1)
    assert "พ้นกำหนดตอบรับ ๒" in page, "by the province's own deadline"
    hidden = (*SECRETS, *(str(sent.circular_id) for sent in (province, district)))
    assert not [word for word in hidden if word in page]
    assert f'href="/t/{link}/tree"' in (await ack.http.get(f"/t/{link}")).text
    for wrong in ("forged", ack.link(ministry.recipients[0])):
        assert (await ack.http.get(f"/t/{wrong}/tree")).status_code == 404


async def test_a_tree_is_read_by_index_among_many(ack: OpenAck) -> None:
    async with ack.resources.database.connection() as connection:
        await connection.execute(MANY)
        await connection.execute("VACUUM (ANALYZE) recipients, circulars, agencies")
        root = await connection.fetchval("SELECT circular_id FROM circulars WHERE relay_of_recipient_id IS NULL LIMIT 1")
        assert isinstance(root, UUID)
        for statement, most, *arguments in (
            (store.BRANCHES, 3000, root, 6, 10_000, 200_000),
            (store.DUTIES, 1500, root, 0, 101),
        ):
            plan = await carried_out(connection, statement, *arguments)
            assert not plan.scanned
            assert plan.read < most
            if statement == store.BRANCHES:
                assert "recipients_matrix" in plan.indexes
        found, complete = await store.branches(connection, root, Bounds(6, 10_000, 200_000))
        assert (len(found), sum(branch.recipients for branch in found), complete) == (77, 76 + 76 * 12, True)


# Forty circulars to 76 provinces, each of which passes it on to 12 districts; all of the same size, so that no index is favoured.
MANY = """
INSERT INTO agencies (agency_id, version, code, name_th, name_en, parent_id)
SELECT gen_random_uuid(), 1, 'a-' || n, '', '', NULL FROM generate_series(1, 5000) n;
INSERT INTO circulars (circular_id, sender_agency_id, sender_name_th, sender_name_en, letter, dispatched_at, recipient_count)
SELECT gen_random_uuid(), gen_random_uuid(), '', '', '{}', now(), 76 FROM generate_series(1, 40);
INSERT INTO recipients (recipient_id, circular_id, position, agency_id, title, relay_duty)
SELECT gen_random_uuid(), c.circular_id, n, gen_random_uuid(), 'ผู้ว่าราชการจังหวัด', true
FROM circulars c, generate_series(1, 76) n;
INSERT INTO circulars (circular_id, sender_agency_id, sender_name_th, sender_name_en, letter, dispatched_at, recipient_count,
    relay_of_recipient_id)
SELECT gen_random_uuid(), r.agency_id, '', '', '{}', now(), 12, r.recipient_id FROM recipients r;
INSERT INTO recipients (recipient_id, circular_id, position, agency_id, title, relay_duty)
SELECT gen_random_uuid(), c.circular_id, n, gen_random_uuid(), 'นายอำเภอ', false
FROM circulars c, generate_series(1, 12) n WHERE c.relay_of_recipient_id IS NOT NULL;
"""
