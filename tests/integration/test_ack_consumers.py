"""What the acknowledgment service makes of events that come twice, late, or out of order."""

import asyncio
import itertools
from collections.abc import AsyncGenerator
from datetime import timedelta

import pytest

from shared.broker import Verdict
from shared.contracts.envelope import Event
from shared.contracts.events import Bounce, Channel, DeliveriesBounced, HandOverGrade
from tests.support.ack import (
    REGISTERED,
    SENT_AT,
    OpenAck,
    agency_of,
    circular,
    handed_over,
    message_of,
    opened_ack,
    undeliverable,
)
from tests.support.tokens import TokenIssuer


@pytest.fixture
async def ack(settings_environment: dict[str, str], token_issuer: TokenIssuer) -> AsyncGenerator[OpenAck]:
    async with opened_ack(settings_environment, token_issuer) as opened:
        yield opened


async def test_chunks_in_any_order_and_twice_make_each_recipient_once(ack: OpenAck) -> None:
    sent = circular(7)
    first, second, third = sent.chunks(3)
    await ack.apply(third)
    partial = (await ack.read(sent)).json()
    assert partial["recipients"] == 7
    assert partial["matrix"]["awaiting"] == 7, "recipients whose chunk is under way are awaiting"
    await ack.apply(first, second, first, third)
    rows = await ack.rows(sent)
    assert [row["position"] for row in rows] == [1, 2, 3, 4, 5, 6, 7]
    assert [row["recipient_id"] for row in rows] == [str(r.recipient_id) for r in sent.recipients]


async def test_the_same_message_twice_is_applied_once(ack: OpenAck) -> None:
    sent = circular(1)
    chunk, hand_over = message_of(sent.chunks()[0]), message_of(handed_over(sent, *sent.recipients))
    for message in (chunk, hand_over, hand_over, chunk):
        assert await ack.deliver(message) is Verdict.DONE
    assert await ack.count_events("handed_over") == 1


async def test_the_result_is_the_same_in_every_order(ack: OpenAck) -> None:
    for order in itertools.permutations(range(4)):
        sent = circular(2)
        one, two = sent.recipients
        told: list[Event] = [
            sent.chunks()[0],
            handed_over(sent, one, at=SENT_AT + timedelta(seconds=3)),
            undeliverable(sent, one, two),
            handed_over(sent, one, at=SENT_AT + timedelta(seconds=2), channel=Channel.EMAIL, grade=HandOverGrade.BLIND),
        ]
        await ack.apply(*(told[index] for index in order), *told)
        row, other = await ack.rows(sent)
        assert (row["state"], row["hand_over_channel"], row["hand_over_grade"]) == ("handed_over", "webhook", "transport"), order
        assert row["handed_over_at"] == "2026-11-23T02:00:02Z"
        assert (other["state"], other["failure_reason"]) == ("undeliverable", "no channel is left")
        figures = (await ack.read(sent)).json()
        assert (figures["handed_over_total"], figures["matrix"]["undeliverable"]) == (1, 1)


async def test_hand_overs_and_chunks_at_the_same_moment_lose_nothing(ack: OpenAck) -> None:
    sent = circular(40)
    told: list[Event] = [*sent.chunks(5), *(handed_over(sent, *sent.recipients[start::8]) for start in range(8))]
    told = told[::2] + told[1::2]
    await asyncio.gather(*(ack.apply(event) for event in told))
    assert [row["state"] for row in await ack.rows(sent)] == ["handed_over"] * 40


async def test_batches_with_recipients_in_common_do_not_deadlock(ack: OpenAck) -> None:
    sent = circular(30)
    await ack.apply(*sent.chunks())
    there = handed_over(sent, *sent.recipients)
    back = undeliverable(sent, *reversed(sent.recipients))
    await asyncio.gather(*(ack.apply(event) for event in (there, back, there, back, there, back)))
    assert {row["state"] for row in await ack.rows(sent)} == {"handed_over"}


async def test_a_hand_over_after_the_registration_changes_no_state(ack: OpenAck) -> None:
    sent = circular(1)
    await ack.apply(*sent.chunks())
    assert (await ack.acknowledge(sent.recipients[0])).status_code == 200
    await ack.apply(undeliverable(sent, *sent.recipients), handed_over(sent, *sent.recipients))
    (row,) = await ack.rows(sent)
    assert (row["state"], row["receive_number"]) == ("registered", REGISTERED["receive_number"])
    assert (await ack.read(sent)).json()["handed_over_total"] == 1


async def test_what_was_undeliverable_twice_and_then_arrives_is_handed_over(ack: OpenAck) -> None:
    sent = circular(1)
    await ack.apply(*sent.chunks())
    failed = undeliverable(sent, *sent.recipients)
    again = undeliverable(sent, *sent.recipients, at=SENT_AT + timedelta(days=1))
    for event, state in (
        (failed, "undeliverable"),
        (again, "undeliverable"),
        (handed_over(sent, *sent.recipients), "handed_over"),
    ):
        await ack.apply(event)
        assert [row["state"] for row in await ack.rows(sent)] == [state]
    await ack.apply(again)
    assert [row["state"] for row in await ack.rows(sent)] == ["handed_over"], "late news does not take it back"


async def test_a_relay_is_rolled_up_to_the_circular_before_it_once(ack: OpenAck) -> None:
    parent = circular(3, relay_duties=[1, 2])
    district = parent.recipients[0]
    child = circular(12, relay_of=district.recipient_id)
    other = circular(5, relay_of=parent.recipients[1].recipient_id)
    # The second relay comes before the circular that it passes on.
    await ack.apply(*other.chunks(2), *parent.chunks(), *child.chunks(5), *child.chunks(5))
    figures = (await ack.read(parent)).json()
    assert figures["relay"] == {"duties": 2, "relayed": 2, "onward_recipients": 17}
    row = (await ack.rows(parent))[0]
    assert (row["relay_duty"], row["relayed_circular_id"], row["state"]) == (True, str(child.circular_id), "awaiting")
    assert (await ack.read(child)).json()["relay"] == {"duties": 0, "relayed": 0, "onward_recipients": 0}


async def test_relays_of_circulars_that_come_at_the_same_moment_do_not_deadlock(ack: OpenAck) -> None:
    parent = circular(4, relay_duties=[1, 2, 3, 4])
    children = [circular(6, relay_of=recipient.recipient_id) for recipient in parent.recipients]
    told: list[Event] = [*parent.chunks(1), *(chunk for child in children for chunk in child.chunks(2))]
    await asyncio.gather(*(ack.apply(event) for event in reversed(told)))
    assert (await ack.read(parent)).json()["relay"] == {"duties": 4, "relayed": 4, "onward_recipients": 24}


async def test_the_higher_version_of_an_agency_wins(ack: OpenAck) -> None:
    sent = circular(1)
    (recipient,) = sent.recipients
    await ack.apply(*sent.chunks(), agency_of(recipient, version=3, name="ชื่อใหม่"), agency_of(recipient, version=2, name="ชื่อเดิม"))
    (row,) = await ack.rows(sent)
    assert row["agency_name_th"] == "ชื่อใหม่"


async def test_a_mail_that_came_back_is_on_record_and_lowers_no_grade(ack: OpenAck) -> None:
    sent = circular(1)
    (recipient,) = sent.recipients
    bounce = Bounce(
        delivery_id=recipient.recipient_id,
        recipient_id=recipient.recipient_id,
        circular_id=sent.circular_id,
        status="5.1.1",
        reason="5.1.1: there is no such mailbox",
        bounced_at=SENT_AT,
        attempts=1,
    )
    bounced = DeliveriesBounced(items=(bounce,))
    await ack.apply(*sent.chunks(1), handed_over(sent, recipient, channel=Channel.EMAIL, grade=HandOverGrade.BLIND))
    before = (await ack.read(sent)).json()["matrix"]
    await ack.apply(bounced, bounced)
    assert (await ack.read(sent)).json()["matrix"] == before
    assert before["handed_over"] == 1
    async with ack.resources.database.connection() as connection:
        rows = await connection.fetch("SELECT channel, data FROM recipient_events WHERE type = 'bounced'")
    assert [(row["channel"], row["data"]["status"]) for row in rows] == [("email", "5.1.1")]
