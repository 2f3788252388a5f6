"""A sender has a circular sent again to those who have it and do not answer."""

from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from shared.access import Scope
from shared.contracts.events import CircularDispatched, DeliveriesHandedOver
from shared.thai.dates import bangkok_date
from tests.support import afterwards
from tests.support.dispatch import Bench, being_sent, circular_dispatched, gathered, recipient_registered, recipient_withdrawn
from tests.support.receiver import Receiver


async def handed_over(dispatch: Bench, endpoint: Receiver, count: int) -> tuple[UUID, CircularDispatched]:
    """A circular that as many endpoints have taken, two days ago."""
    sender = uuid4()
    agencies = [await dispatch.agency(url=f"{endpoint.url}/{uuid4().hex}") for _ in range(count)]
    circular = circular_dispatched(agencies, sender=sender)
    await dispatch.apply(circular)
    await dispatch.deliver_due()
    await two_days_later(dispatch)
    return sender, circular


async def two_days_later(dispatch: Bench) -> None:
    async with dispatch.database.connection() as connection:
        await connection.execute("UPDATE deliveries SET handed_over_at = handed_over_at - interval '2 days'")


async def ask(dispatch: Bench, sender: UUID, circular: CircularDispatched, **more: Any) -> httpx.Response:
    headers = dispatch.tokens.headers(sender, Scope.CIRCULARS_READ, Scope.LETTERS_WRITE)
    body = {"circular_id": str(circular.circular_id), **more}
    return await dispatch.http.post("/v1/deliveries/redispatch", json=body, headers=headers)


async def test_the_silent_get_it_by_the_next_channel_and_those_who_answered_do_not(dispatch: Bench, endpoint: Receiver) -> None:
    sender, circular = await handed_over(dispatch, endpoint, 3)
    await dispatch.apply(recipient_registered(circular, 1))
    answer = await ask(dispatch, sender, circular, why="ใกล้ครบกำหนด")
    assert (answer.status_code, answer.json()) == (200, {"redispatched": 2, "remaining": 0})
    rows = await dispatch.deliveries()
    assert [(row["state"], row["channel"]) for row in rows] == [
        ("scheduled", "inbox"),
        ("handed_over", "webhook"),
        ("scheduled", "inbox"),
    ]
    async with dispatch.database.connection() as connection:
        kept = await connection.fetch("SELECT * FROM redispatches ORDER BY delivery_id")
    assert {row["delivery_id"] for row in kept} == {rows[0]["delivery_id"], rows[2]["delivery_id"]}
    assert {(row["hand_over_channel"], row["redispatched_by"], row["why"]) for row in kept} == {
        ("webhook", f"test-{sender}", "ใกล้ครบกำหนด")
    }
    # Nobody fetches it: it comes to the sender's clerk on paper, and by paper again after that.
    await dispatch.make_due()
    await dispatch.deliver_due()
    assert [row["channel"] for row in await dispatch.deliveries()] == ["paper", "webhook", "paper"]
    headers = dispatch.tokens.headers(sender, Scope.CIRCULARS_READ, Scope.LETTERS_WRITE)
    sent_today = {"sent_on": bangkok_date(datetime.now(UTC)).isoformat(), "how": "post"}
    sent = await dispatch.http.post(f"/v1/paper/{rows[0]['delivery_id']}/sent", json=sent_today, headers=headers)
    assert sent.status_code == 200, sent.text
    told = [(event["delivery_id"], event["channel"]) for event in await dispatch.events(DeliveriesHandedOver)]
    assert told[-1] == (str(rows[0]["delivery_id"]), "paper"), "the other service is told of the new hand-over"
    await two_days_later(dispatch)
    assert (await ask(dispatch, sender, circular)).json() == {"redispatched": 1, "remaining": 0}
    assert (await dispatch.deliveries())[0]["channel"] == "paper"


async def test_an_answer_that_comes_meanwhile_ends_it(dispatch: Bench, endpoint: Receiver) -> None:
    sender, circular = await handed_over(dispatch, endpoint, 1)
    assert (await ask(dispatch, sender, circular)).json()["redispatched"] == 1
    await dispatch.apply(recipient_registered(circular))
    assert await dispatch.states() == ["handed_over"]
    await two_days_later(dispatch)
    assert (await ask(dispatch, sender, circular)).json() == {"redispatched": 0, "remaining": 0}


@pytest.mark.parametrize("answer_first", [True, False])
async def test_whoever_took_its_answer_back_is_silent_again(dispatch: Bench, endpoint: Receiver, answer_first: bool) -> None:
    sender, circular = await handed_over(dispatch, endpoint, 1)
    answer, withdrawal = recipient_registered(circular), recipient_withdrawn(circular)
    for event in (answer, withdrawal) if answer_first else (withdrawal, answer):
        await dispatch.apply(event)
    row = await dispatch.delivery()
    assert (row["state"], row["acknowledged_at"], row["channel"]) == ("handed_over", None, "webhook")
    await dispatch.make_due()
    await dispatch.deliver_due()
    assert len(endpoint.received) == 1, "nothing is sent by itself: the letter is there"
    headers = dispatch.tokens.headers(circular.recipients[0].agency_id, Scope.DELIVERIES_READ)
    inbox = (await dispatch.http.get("/v1/inbox", headers=headers)).json()["items"]
    assert [item["delivery_id"] for item in inbox] == [str(row["delivery_id"])], "it waits for an answer again"
    assert (await ask(dispatch, sender, circular)).json() == {"redispatched": 1, "remaining": 0}
    await dispatch.apply(withdrawal)
    assert await dispatch.states() == ["scheduled"], "old news does not stop what was sent again"
    await dispatch.apply(recipient_registered(circular))
    assert (await dispatch.states(), (await dispatch.delivery())["acknowledged_at"] is not None) == (["handed_over"], True)


async def test_the_newest_of_answers_and_withdrawals_counts_in_whatever_order_they_come(
    dispatch: Bench, endpoint: Receiver
) -> None:
    for order in permutations(range(3)):
        sender, circular = await handed_over(dispatch, endpoint, 1)
        moments = [datetime.now(UTC) + timedelta(seconds=second) for second in range(3)]
        told = (
            recipient_registered(circular, recorded_at=moments[0]),
            recipient_withdrawn(circular, recorded_at=moments[1]),
            recipient_registered(circular, recorded_at=moments[2]),
        )
        for index in (*order, *order):
            await dispatch.apply(told[index])
        row = (await dispatch.deliveries())[-1]
        assert (row["state"], row["acknowledged_at"]) == ("handed_over", moments[2]), order
        assert (await ask(dispatch, sender, circular)).json() == {"redispatched": 0, "remaining": 0}


async def test_an_answer_that_was_taken_back_before_its_letter_came_here_ends_the_ladder(
    dispatch: Bench, endpoint: Receiver
) -> None:
    circular = circular_dispatched([await dispatch.agency(url=endpoint.url)])
    for event in (recipient_registered(circular), recipient_withdrawn(circular), circular):
        await dispatch.apply(event)
    row = await dispatch.delivery()
    assert (row["state"], row["acknowledged_at"]) == ("handed_over", None), "whoever takes an answer back had the letter"
    await dispatch.deliver_due()
    assert endpoint.received == []


@pytest.mark.parametrize("status", [204, 500])
async def test_an_answer_that_came_and_went_while_the_letter_was_sent_ends_the_ladder_once(
    dispatch: Bench, endpoint: Receiver, status: int
) -> None:
    async with being_sent(dispatch, endpoint, status) as circular:
        await dispatch.apply(recipient_registered(circular))
        await dispatch.apply(recipient_withdrawn(circular))
    row = await dispatch.delivery()
    assert (row["state"], row["acknowledged_at"], row["lease_token"], row["attempts"]) == ("handed_over", None, None, 1)
    assert len(await dispatch.events(DeliveriesHandedOver)) == 1
    assert [attempt["status"] for attempt in await dispatch.attempts()] == [status]


async def test_a_recall_that_came_too_late_for_an_answer_counts_once_that_is_taken_back(
    dispatch: Bench, endpoint: Receiver
) -> None:
    sender, circular = await handed_over(dispatch, endpoint, 1)
    await dispatch.apply(recipient_registered(circular))
    await dispatch.apply(afterwards.recalled(circular.circular_id, sender, circular.recipients))
    await dispatch.apply(recipient_withdrawn(circular))
    assert (await ask(dispatch, sender, circular)).json() == {"redispatched": 0, "remaining": 0}
    headers = dispatch.tokens.headers(circular.recipients[0].agency_id, Scope.DELIVERIES_READ)
    assert (await dispatch.http.get("/v1/inbox", headers=headers)).json()["items"] == []


async def test_it_is_bounded_and_the_same_call_again_sends_nothing_twice(dispatch: Bench, endpoint: Receiver) -> None:
    sender, circular = await handed_over(dispatch, endpoint, 5)
    one = str(circular.recipients[4].recipient_id)
    assert (await ask(dispatch, sender, circular, recipient_ids=[one])).json() == {"redispatched": 1, "remaining": 0}
    assert (await ask(dispatch, sender, circular, limit=3)).json() == {"redispatched": 3, "remaining": 1}
    answers: list[int] = []

    async def again() -> None:
        answers.append((await ask(dispatch, sender, circular)).json()["redispatched"])

    await gathered(*(again() for _ in range(4)))
    assert sum(answers) == 1
    assert (await ask(dispatch, sender, circular)).json() == {"redispatched": 0, "remaining": 0}


async def test_a_letter_that_has_just_come_is_not_sent_again(dispatch: Bench, endpoint: Receiver) -> None:
    sender, circular = await handed_over(dispatch, endpoint, 1)
    async with dispatch.database.connection() as connection:
        await connection.execute("UPDATE deliveries SET handed_over_at = now() - interval '23 hours'")
    assert (await ask(dispatch, sender, circular)).json() == {"redispatched": 0, "remaining": 0}
    assert await dispatch.states() == ["handed_over"]


async def test_nobody_sends_anothers_circular_again(dispatch: Bench, endpoint: Receiver) -> None:
    sender, circular = await handed_over(dispatch, endpoint, 1)
    for other in (uuid4(), circular.recipients[0].agency_id):
        assert (await ask(dispatch, other, circular)).status_code == 404
    reader = dispatch.tokens.headers(sender, Scope.CIRCULARS_READ)
    body = {"circular_id": str(circular.circular_id)}
    assert (await dispatch.http.post("/v1/deliveries/redispatch", json=body, headers=reader)).status_code == 403
    for wrong in ({"limit": 0}, {"recipient_ids": []}, {"why": "ก\u202e"}, {"all": True}):
        answer = await ask(dispatch, sender, circular, **wrong)
        assert (answer.status_code, answer.json()["code"]) == (422, "request_invalid"), wrong
    assert await dispatch.states() == ["handed_over"]
