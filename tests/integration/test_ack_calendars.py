"""Declared days: who may declare them, and what becomes of deadlines, whoever dies meanwhile."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.ack.reminding import Sweeper
from services.ack.rescheduling import Rescheduler
from services.ack.store import calendars
from shared.access import Scope
from shared.contracts.events import DeadlinesMoved
from shared.thai.dates import BANGKOK
from tests.integration.test_ack_reminders import positions, swept
from tests.support.ack import OpenAck, Sent, agency_of, circular, opened_ack
from tests.support.tokens import TokenIssuer

# SENT_AT is Monday 23 November 2026, 09:00 in Bangkok; sixteen working hours later is Wednesday, 09:00.
DEADLINE = datetime(2026, 11, 25, 9, 0, tzinfo=BANGKOK)
DAY_LATER = DEADLINE + timedelta(days=1)
FLOOD = {"kind": "closed", "reason": "น้ำท่วม ประกาศจังหวัด", "below": True}


@pytest.fixture
async def ack(settings_environment: dict[str, str], token_issuer: TokenIssuer) -> AsyncGenerator[OpenAck]:
    async with opened_ack(settings_environment, token_issuer) as opened:
        yield opened


async def put(ack: OpenAck, by: UUID, whose: UUID | str, day: str, status: int = 200, **changes: Any) -> dict[str, Any]:
    headers = ack.headers(by)
    answer = await ack.http.put(f"/v1/calendars/{whose}/days/{day}", json=FLOOD | changes, headers=headers)
    assert answer.status_code == status, answer.text
    return answer.json()


def rescheduler(ack: OpenAck, batch: int = 500) -> Rescheduler:
    return Rescheduler(ack.resources.database, ack.clock, ack.resources.settings.deadline_rules, 1, batch)


async def looked_at(ack: OpenAck, batch: int = 500) -> None:
    for _ in range(50):
        if not await rescheduler(ack, batch).run_once():
            return
    raise AssertionError("the rescheduler has no end")


async def due(ack: OpenAck, sent: Sent) -> list[datetime | None]:
    return [None if (at := row["due_at"]) is None else datetime.fromisoformat(at) for row in await ack.rows(sent)]


async def test_a_day_that_is_taken_away_moves_open_deadlines_later_and_says_why(ack: OpenAck) -> None:
    sent = circular(3)
    first, second, _ = sent.recipients
    await ack.apply(*sent.chunks())
    await put(ack, first.agency_id, first.agency_id, "2026-11-24")
    await looked_at(ack)
    assert await due(ack, sent) == [DAY_LATER, None, None]
    own = (await ack.http.get("/v1/recipients", headers=ack.headers(first.agency_id))).json()["items"][0]
    assert datetime.fromisoformat(own["deadline"]) == DAY_LATER
    path = f"/v1/recipients/{first.recipient_id}/timeline"
    told = (await ack.http.get(path, headers=ack.headers(sent.sender))).json()["events"]
    (moved,) = [event for event in told if event["type"] == "deadline_moved"]
    assert moved["data"]["reason"] == "2026-11-24 น้ำท่วม ประกาศจังหวัด"
    (event,) = await ack.told(DeadlinesMoved)
    assert event["deadline"] == "2026-11-26T02:00:00Z", "in UTC as all times of events"
    news = DeadlinesMoved.model_validate(event)
    assert (news.circular_id, news.sender_agency_id, news.deadline) == (sent.circular_id, sent.sender, DAY_LATER)
    assert [(one.recipient_id, one.agency_id, one.before) for one in news.recipients] == [
        (first.recipient_id, first.agency_id, DEADLINE)
    ]
    shown = (await ack.http.get(f"/t/{ack.tracking(sent)}/state")).json()["lines"]
    own = "กำหนดเฉพาะหน่วยงาน ๒๖ พฤศจิกายน ๒๕๖๙ ๐๙.๐๐ น."
    assert [line["marks"] for line in shown] == [own, "", ""], "an open page shows it with its next look"
    ack.clock.now = DEADLINE + timedelta(seconds=1)
    assert [row["late"] for row in await ack.rows(sent)] == [False, True, True]
    assert [row["position"] for row in (await ack.read(sent, "/recipients", show="late")).json()["items"]] == [2, 3]
    assert (await ack.read(sent)).json()["overdue"] == 2
    ack.clock.now = DAY_LATER
    await ack.acknowledge(
        first, {"outcome": "registered", "receive_number": "1", "receive_date": "2026-11-26", "registrar_name": "ก"}
    )
    assert [row["late"] for row in await ack.rows(sent)] == [False, True, True], "a tie is in time"
    assert second.agency_id != first.agency_id


async def test_the_tree_counts_by_a_recipients_own_deadline_its_duty_too(ack: OpenAck) -> None:
    sent = circular(4, relay_duties=(1, 2, 3))
    first, second, third, _ = sent.recipients
    await ack.apply(*sent.chunks())
    for one in (first, second):
        await put(ack, one.agency_id, one.agency_id, "2026-11-24")
    await looked_at(ack)
    ack.clock.now = datetime(2026, 11, 24, 12, 0, tzinfo=BANGKOK)
    for one in (second, third):
        await ack.acknowledge(one)

    async def overdue(at: datetime) -> tuple[int, int]:
        ack.clock.now = at
        (level,) = (await ack.read(sent, "/tree")).json()["levels"]
        return level["overdue"], level["duties_overdue"]

    assert await overdue(DEADLINE) == (0, 0)
    assert await overdue(DEADLINE + timedelta(minutes=1)) == (1, 1), "the last is silent, the third has not passed it on"
    assert await overdue(DAY_LATER + timedelta(minutes=1)) == (2, 3)


async def test_reminders_follow_the_deadline_and_none_is_early_or_twice(ack: OpenAck) -> None:
    sent = circular(2)
    await ack.apply(*sent.chunks())
    await put(ack, sent.recipients[0].agency_id, sent.recipients[0].agency_id, "2026-11-24")
    await looked_at(ack)
    before = await swept(ack, DEADLINE + timedelta(seconds=1))
    assert [positions(sent, event) for event in before if event["overdue"]] == [[2]]
    assert await swept(ack, DAY_LATER - timedelta(seconds=1)) != []
    over = await swept(ack, DAY_LATER + timedelta(seconds=1))
    mine = [event for event in over if 1 in positions(sent, event)]
    assert [(event["overdue"], event["deadline"]) for event in mine] == [(True, "2026-11-26T02:00:00Z")]
    assert await swept(ack, DAY_LATER + timedelta(seconds=2)) == []


async def test_a_parents_day_counts_below_and_a_killed_batch_changes_nothing(
    ack: OpenAck, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent, parent = circular(5), uuid4()
    await ack.apply(*sent.chunks())
    await ack.apply(*(agency_of(one).model_copy(update={"parent_id": parent}) for one in sent.recipients[:4]))
    await put(ack, parent, parent, "2026-11-24")
    assert await rescheduler(ack, 2).run_once()
    async with ack.resources.database.connection() as connection:
        assert await calendars.waiting_since(connection) == ack.clock.now

    async def dies(*_: object, **__: object) -> None:
        raise asyncio.CancelledError

    with monkeypatch.context() as broken:
        broken.setattr(calendars, "advance", dies)
        with pytest.raises(asyncio.CancelledError):
            await rescheduler(ack, 2).run_once()
    assert sum(at is not None for at in await due(ack, sent)) == 2
    # The clock goes over midnight while nobody is up; the sweeper of reminders is up first.
    ack.clock.now = datetime(2026, 11, 24, 0, 0, 1, tzinfo=BANGKOK)
    await Sweeper(ack.resources.database, ack.clock, 1).run_once()
    await looked_at(ack, 2)
    assert await due(ack, sent) == [DAY_LATER] * 4 + [None]
    assert await ack.count_events("deadline_moved") == 4
    async with ack.resources.database.connection() as connection:
        assert await calendars.waiting_since(connection) is None
    await put(ack, parent, parent, "2026-11-24")
    await looked_at(ack, 2)
    assert await ack.count_events("deadline_moved") == 4, "the same again changes nothing"


async def test_what_is_taken_back_brings_no_open_deadline_forward_and_new_ones_are_as_before(ack: OpenAck) -> None:
    sent = circular(1)
    (one,) = sent.recipients
    await ack.apply(*sent.chunks())
    await put(ack, one.agency_id, one.agency_id, "2026-11-24")
    declared = Sent(uuid4(), uuid4(), (one.model_copy(update={"recipient_id": uuid4()}),), sent.letter)
    await ack.apply(*declared.chunks())
    assert await due(ack, declared) == [DAY_LATER], "a new deadline heeds it at once"
    path = f"/v1/calendars/{one.agency_id}/days/2026-11-24"
    answer = await ack.http.delete(path, params={"reason": "น้ำลดแล้ว"}, headers=ack.headers(one.agency_id))
    assert answer.status_code == 204
    again = Sent(uuid4(), uuid4(), (one.model_copy(update={"recipient_id": uuid4()}),), sent.letter)
    await ack.apply(*again.chunks())
    await looked_at(ack)
    assert [await due(ack, each) for each in (declared, again)] == [[DAY_LATER], [None]]
    shown = (await ack.http.get(f"/v1/calendars/{one.agency_id}", headers=ack.headers(one.agency_id))).json()
    assert (shown["days"], [change["kind"] for change in shown["history"]]) == ([], ["withdrawn", "closed"])


async def test_the_operator_declares_for_the_country_and_a_deadline_of_the_letter_stays(ack: OpenAck) -> None:
    sent, fixed = circular(2), circular(1, deadline=DEADLINE)
    await ack.apply(*sent.chunks(), *fixed.chunks())
    path = "/v1/calendars/country/days/2026-11-24"
    assert (await ack.http.put(path, json=FLOOD, headers=ack.headers(sent.sender))).status_code == 404
    operator = ack.tokens.headers(None, Scope.OPERATE)
    assert (await ack.http.put(path, json=FLOOD, headers=operator)).status_code == 200
    await looked_at(ack)
    assert await due(ack, sent) == [DAY_LATER] * 2
    assert await due(ack, fixed) == [None]


async def test_bounds_and_strangers(ack: OpenAck) -> None:
    (one,) = (sent := circular(1)).recipients
    parent = uuid4()
    await ack.apply(*sent.chunks(), agency_of(one).model_copy(update={"parent_id": parent}))
    mine = one.agency_id
    assert (await put(ack, sent.sender, mine, "2026-12-01", 404))["code"] == "not_found"
    assert (await put(ack, mine, parent, "2026-12-01", 404))["code"] == "not_found"
    assert (await put(ack, mine, mine, "2026-11-22", 422))["code"] == "calendar_day_invalid"
    assert (await put(ack, mine, mine, "2031-01-01", 422))["code"] == "calendar_day_invalid"
    assert (await put(ack, mine, mine, "2026-12-01", 422, reason=" "))["code"] == "statement_invalid"
    await put(ack, parent, mine, "2026-11-20")
    await put(ack, parent, mine, "2026-12-01")
    assert (await put(ack, mine, mine, "2026-12-01", 409, kind="open"))["code"] == "calendar_declared_above"
    first = datetime(2027, 1, 1, tzinfo=BANGKOK)
    for number in range(60):
        await put(ack, mine, mine, (first + timedelta(days=number)).date().isoformat())
    assert (await put(ack, mine, mine, "2027-06-01", 409))["code"] == "calendar_full"


async def test_a_day_that_is_declared_while_recipients_are_stored_passes_over_none(ack: OpenAck) -> None:
    sent, parent = circular(60), uuid4()
    await ack.apply(*(agency_of(one).model_copy(update={"parent_id": parent}) for one in sent.recipients))
    chunks = [ack.apply(chunk) for chunk in sent.chunks(10)]
    await asyncio.gather(*chunks[:3], put(ack, parent, parent, "2026-11-24"), *chunks[3:])
    await asyncio.gather(*(rescheduler(ack, 7).run_once() for _ in range(4)))
    await looked_at(ack, 7)
    assert await due(ack, sent) == [DAY_LATER] * 60
    assert await ack.count_events("deadline_moved") == 60


def spans(*given: tuple[str, str]) -> list[dict[str, str]]:
    return [{"opens": opens, "closes": closes} for opens, closes in given]


async def put_hours(ack: OpenAck, by: UUID, whose: UUID | str, day: str, status: int = 200, **changes: Any) -> dict[str, Any]:
    body = {"spans": spans(("09:00", "12:00"), ("13:00", "15:00")), "reason": "เดือนถือศีลอด", "below": True} | changes
    answer = await ack.http.put(f"/v1/calendars/{whose}/hours/{day}", json=body, headers=ack.headers(by))
    assert answer.status_code == status, answer.text
    return answer.json()


async def test_hours_of_an_agencys_own_move_its_deadlines_and_those_below_and_say_why(ack: OpenAck) -> None:
    sent, parent = circular(4), uuid4()
    first, second, third, _ = sent.recipients
    await ack.apply(*sent.chunks())
    await ack.apply(*(agency_of(one).model_copy(update={"parent_id": parent}) for one in (first, second)))
    await put_hours(ack, parent, parent, "2026-11-24")
    await put_hours(ack, second.agency_id, second.agency_id, "2026-11-23", spans=spans(("00:00", "24:00")), below=False)
    await put_hours(ack, third.agency_id, third.agency_id, "2026-12-01")
    await looked_at(ack)
    # Seven and a half hours of Monday, five of Tuesday, three and a half of Wednesday from nine on, with noon off.
    later = datetime(2026, 11, 25, 13, 30, tzinfo=BANGKOK)
    assert await due(ack, sent) == [later, None, None, None], "longer hours bring nothing forward, later ones change nothing"
    path = f"/v1/recipients/{first.recipient_id}/timeline"
    told = (await ack.http.get(path, headers=ack.headers(sent.sender))).json()["events"]
    assert [event["data"]["reason"] for event in told if event["type"] == "deadline_moved"] == ["2026-11-24 เดือนถือศีลอด"]
    shown = (await ack.http.get(f"/v1/calendars/{second.agency_id}", headers=ack.headers(parent))).json()
    assert [(one["day"], one["spans"]) for one in shown["hours"]] == [("2026-11-23", spans(("00:00", "24:00")))]
    assert [one["day"] for one in shown["counting_hours"]] == ["2026-11-23"]
    below = (await ack.http.get(f"/v1/calendars/{first.agency_id}", headers=ack.headers(first.agency_id))).json()
    assert (below["hours"], [one["day"] for one in below["counting_hours"]]) == ([], ["2026-11-24"])


async def test_hours_that_are_taken_back_leave_deadlines_as_they_are_and_new_ones_as_before(ack: OpenAck) -> None:
    sent = circular(1)
    (one,) = sent.recipients
    await ack.apply(*sent.chunks())
    await put_hours(ack, one.agency_id, one.agency_id, "2026-11-23", spans=spans(("00:00", "24:00")))
    fresh = Sent(uuid4(), uuid4(), (one.model_copy(update={"recipient_id": uuid4()}),), sent.letter)
    await ack.apply(*fresh.chunks())
    night = datetime(2026, 11, 24, 1, 0, tzinfo=BANGKOK)
    assert await due(ack, fresh) == [night], "sixteen hours after nine, over midnight, in an office that never closes"
    await put_hours(ack, one.agency_id, one.agency_id, "2026-11-23", spans=spans(("00:00", "24:00")))
    path = f"/v1/calendars/{one.agency_id}/hours/2026-11-23"
    for status in (204, 404):
        answer = await ack.http.delete(path, params={"reason": "เลิกเวร"}, headers=ack.headers(one.agency_id))
        assert answer.status_code == status
    await looked_at(ack)
    assert [await due(ack, each) for each in (sent, fresh)] == [[None], [DEADLINE]], "what is taken back gives time"
    shown = (await ack.http.get(f"/v1/calendars/{one.agency_id}", headers=ack.headers(one.agency_id))).json()
    assert [(change["kind"], change["spans"]) for change in shown["history"]] == [
        ("hours_withdrawn", None),
        ("hours", spans(("00:00", "24:00"))),
    ], "the same again is no change"


async def test_bounds_of_hours_and_strangers(ack: OpenAck) -> None:
    (one,) = (sent := circular(1)).recipients
    parent = uuid4()
    await ack.apply(*sent.chunks(), agency_of(one).model_copy(update={"parent_id": parent}))
    mine = one.agency_id
    assert (await put_hours(ack, sent.sender, mine, "2026-12-01", 404))["code"] == "not_found"
    assert (await put_hours(ack, mine, parent, "2026-12-01", 404))["code"] == "not_found"
    assert (await put_hours(ack, mine, "country", "2026-12-01", 404))["code"] == "not_found"
    assert (await put_hours(ack, mine, mine, "2026-11-22", 422))["code"] == "calendar_day_invalid"
    assert (await put_hours(ack, mine, mine, "2026-12-01", 422, reason=" "))["code"] == "statement_invalid"
    refused = await put_hours(ack, mine, mine, "2026-12-01", 422, spans=spans(("08:30", "09:30")))
    assert (refused["code"], refused["errors"][0]["pointer"]) == ("office_hours_invalid", "/spans")
    await put_hours(ack, parent, mine, "2026-12-01")
    assert (await put_hours(ack, mine, mine, "2026-12-01", 409, below=False))["code"] == "calendar_declared_above"
    for number in range(1, 13):
        await put_hours(ack, mine, mine, f"2027-01-{number:02}")
    assert (await put_hours(ack, mine, mine, "2027-01-13", 409))["code"] == "calendar_full"
