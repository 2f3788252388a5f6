"""Deadlines and reminders: never early, never missed, nothing twice, whoever dies meanwhile."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.ack.deadlines import ladder
from services.ack.reminding import Sweeper
from shared import outbox
from shared.contracts.events import RecipientsReminded, Speed
from shared.thai.dates import BANGKOK
from tests.support.ack import OpenAck, Sent, agency_of, circular, opened_ack
from tests.support.afterwards import recalled
from tests.support.tokens import TokenIssuer

# SENT_AT is Monday 23 November 2026, 09:00 in Bangkok.
DEADLINE = datetime(2026, 11, 25, 14, 0, tzinfo=BANGKOK)


@pytest.fixture
async def ack(settings_environment: dict[str, str], token_issuer: TokenIssuer) -> AsyncGenerator[OpenAck]:
    async with opened_ack(settings_environment, token_issuer) as opened:
        yield opened


def sweeper(ack: OpenAck) -> Sweeper:
    return Sweeper(ack.resources.database, ack.clock, poll_interval=1)


async def swept(ack: OpenAck, at: datetime) -> list[dict[str, Any]]:
    """What is told when the clock shows `at`, and not before."""
    ack.clock.now = at
    known = len(await ack.told(RecipientsReminded))
    for _ in range(50):
        if not await sweeper(ack).run_once():
            return (await ack.told(RecipientsReminded))[known:]
    raise AssertionError("the sweeper has no end")


def positions(sent: Sent, event: dict[str, Any]) -> list[int]:
    by_id = {str(one.recipient_id): one.position for one in sent.recipients}
    return [by_id[one["recipient_id"]] for one in event["recipients"]]


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BANGKOK)


async def test_the_ladder_is_told_rung_by_rung_to_those_who_have_not_answered(ack: OpenAck) -> None:
    sent = circular(4, deadline=DEADLINE)
    await ack.apply(*sent.chunks())
    await ack.acknowledge(sent.recipients[0])
    await ack.apply(recalled(sent.circular_id, sent.sender, [sent.recipients[1]]))
    assert await swept(ack, _at("2026-11-24 14:00")) == [], "eight working hours before is not over yet"
    (first,) = await swept(ack, _at("2026-11-24 14:01"))
    assert (first["rung"], first["overdue"], first["escalation"]) == (1, False, False)
    assert positions(sent, first) == [3, 4]
    assert await swept(ack, _at("2026-11-25 12:00")) == []
    await ack.acknowledge(sent.recipients[2])
    (second,) = await swept(ack, _at("2026-11-25 13:59"))
    assert (second["rung"], positions(sent, second)) == (2, [4])
    assert await swept(ack, DEADLINE) == [], "a tie is in time"
    (over,) = await swept(ack, DEADLINE + timedelta(microseconds=1))
    assert (over["overdue"], over["deadline"]) == (True, "2026-11-25T07:00:00Z")
    assert [one["rung"] for one in await swept(ack, _at("2026-12-20 10:00"))] == [4, 5]
    assert await swept(ack, _at("2027-12-20 10:00")) == []


async def test_what_was_due_while_nobody_was_up_is_told_once_by_whoever_is_up_first(ack: OpenAck) -> None:
    sent = circular(3, deadline=DEADLINE)
    await ack.apply(*sent.chunks())
    ack.clock.now = DEADLINE + timedelta(hours=1)
    await asyncio.gather(*(sweeper(ack).run_once() for _ in range(6)))
    while await sweeper(ack).run_once():
        pass
    assert sorted(event["rung"] for event in await ack.told(RecipientsReminded)) == [1, 2, 3]


async def test_a_long_list_is_told_in_chunks_and_a_sweeper_that_dies_between_loses_none(
    ack: OpenAck, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = circular(1100, deadline=DEADLINE)
    await ack.apply(*sent.chunks())
    ack.clock.now = _at("2026-11-24 15:00")
    assert await sweeper(ack).run_once()

    async def dies(*_: object) -> None:
        raise asyncio.CancelledError

    with monkeypatch.context() as broken:
        broken.setattr(outbox, "add", dies)
        with pytest.raises(asyncio.CancelledError):
            await sweeper(ack).run_once()
    await swept(ack, ack.clock.now)
    chunks = await ack.told(RecipientsReminded)
    assert [len(chunk["recipients"]) for chunk in chunks] == [500, 500, 100]
    assert [place for chunk in chunks for place in positions(sent, chunk)] == list(range(1, 1101))


async def test_a_late_reminder_goes_to_the_agency_above(ack: OpenAck) -> None:
    sent = circular(2, deadline=DEADLINE)
    above = uuid4()
    await ack.apply(*sent.chunks())
    await ack.apply(agency_of(sent.recipients[0]).model_copy(update={"parent_id": above}), agency_of(sent.recipients[1]))
    events = await swept(ack, _at("2026-12-20 10:00"))
    assert [event["escalation"] for event in events] == [False, False, False, False, True]
    own = [str(one.agency_id) for one in sent.recipients]
    assert [one["told_agency_id"] for one in events[3]["recipients"]] == own
    assert [one["told_agency_id"] for one in events[4]["recipients"]] == [str(above), own[1]]


@pytest.mark.parametrize(
    ("speed", "deadline"),
    [
        (Speed.NORMAL, "2026-11-25 09:00"),
        (Speed.URGENT, "2026-11-24 09:00"),
        (Speed.VERY_URGENT, "2026-11-23 13:00"),
        (Speed.MOST_URGENT, "2026-11-23 11:00"),
    ],
)
async def test_a_letter_without_a_deadline_has_that_of_its_speed(ack: OpenAck, speed: Speed, deadline: str) -> None:
    sent = circular(1, speed=speed)
    await ack.apply(*sent.chunks())
    shown = (await ack.read(sent)).json()
    assert datetime.fromisoformat(shown["deadline"]) == _at(deadline)
    assert shown["deadline_by"] == "speed"


async def test_an_answer_after_the_deadline_counts_and_shows_as_late(ack: OpenAck) -> None:
    sent = circular(3, deadline=DEADLINE)
    await ack.apply(*sent.chunks())
    ack.clock.now = DEADLINE
    await ack.acknowledge(sent.recipients[0])
    ack.clock.now = DEADLINE + timedelta(microseconds=1)
    await ack.acknowledge(sent.recipients[1])
    assert [(row["state"], row["late"]) for row in await ack.rows(sent)] == [
        ("registered", False),
        ("registered", True),
        ("awaiting", True),
    ]
    assert (await ack.read(sent)).json()["state"] == "overdue"


def test_a_deadline_that_nobody_means_has_no_reminders(ack: OpenAck) -> None:
    rules = ack.resources.settings.deadline_rules
    sent_at = datetime(2026, 11, 23, 9, 0, tzinfo=BANGKOK)
    assert ladder(datetime(9999, 12, 31, tzinfo=BANGKOK), sent_at, rules) == []
    assert ladder(sent_at - timedelta(days=1), sent_at, rules) == []
    # Two hours are left: only what is still to come is a rung.
    assert [rung.number for rung in ladder(sent_at + timedelta(hours=2), sent_at, rules)] == [1, 2, 3]


async def test_what_my_agency_has_not_answered(ack: OpenAck) -> None:
    agency = uuid4()
    sents: list[Sent] = []
    for number in range(3):
        made = circular(2, deadline=DEADLINE + timedelta(days=number))
        mine = (made.recipients[0].model_copy(update={"agency_id": agency}), made.recipients[1])
        sents.append(Sent(made.circular_id, made.sender, mine, made.letter, made.deadline))
        await ack.apply(*sents[-1].chunks())
    await ack.acknowledge(sents[1].recipients[0])

    async def read(agency_id: UUID, **query: object) -> dict[str, Any]:
        params = {name: str(value) for name, value in query.items()}
        answer = await ack.http.get("/v1/recipients", params=params, headers=ack.headers(agency_id))
        assert answer.status_code == 200, answer.text
        return answer.json()

    page = await read(agency)
    assert {item["circular_id"] for item in page["items"]} == {str(sents[0].circular_id), str(sents[2].circular_id)}
    assert page["items"][0]["letter"]["number"] == "สค ๐๐๑๗.๑/ว ๑๕๑๒๓"
    first = await read(agency, limit=1)
    second = await read(agency, limit=1, after=first["next"])
    assert [first["items"][0], second["items"][0]] == page["items"]
    assert second["next"] is None
    assert (await read(uuid4()))["items"] == []


async def test_the_sender_asks_who_is_missing_late_or_doubted(ack: OpenAck) -> None:
    sent = circular(4, deadline=DEADLINE)
    await ack.apply(*sent.chunks())
    await ack.acknowledge(sent.recipients[0])
    ack.clock.now = DEADLINE + timedelta(minutes=1)
    await ack.acknowledge(sent.recipients[1])
    await ack.http.post(
        f"/v1/recipients/{sent.recipients[0].recipient_id}/disputes", json={"text": "ไม่ใช่"}, headers=ack.headers(sent.sender)
    )

    async def shown(what: str) -> list[int]:
        answer = await ack.read(sent, "/recipients", show=what)
        assert answer.status_code == 200, answer.text
        return [row["position"] for row in answer.json()["items"]]

    assert await shown("missing") == [3, 4]
    assert await shown("late") == [2, 3, 4]
    assert await shown("disputed") == [1]
    assert (await ack.read(sent, "/recipients", show="nonsense")).status_code == 422
