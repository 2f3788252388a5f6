"""A sender has a circular sent again to those who have it and do not answer."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx

from shared.access import Scope
from shared.contracts.events import CircularDispatched, DeliveriesHandedOver
from shared.thai.dates import bangkok_date
from tests.support.dispatch import Bench, circular_dispatched, gathered, recipient_registered
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
