"""The event feed: told once with the change, in an order that skips nothing, to whom it concerns and to nobody else."""

import asyncio
import random
import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

import httpx
import pytest

from services.dispatch import sequencer
from services.dispatch.feed import CATALOGUE, TO_RECIPIENTS, EventType
from services.dispatch.sequencer import FeedPruner, Sequencer
from services.dispatch.store import feed, notices
from services.dispatch.store.feed import Entry
from services.dispatch.store.notices import Notice
from shared.access import Scope
from shared.contracts.events import (
    Channel,
    CircularDispatched,
    DeadlinesMoved,
    HandOverGrade,
    MovedDeadline,
    RecipientDisputeAnswered,
    RecipientDisputed,
    RecipientRejected,
    RecipientsReminded,
    RecipientWithdrawn,
    Reminder,
    Secrecy,
)
from shared.pages import write_cursor
from shared.postgres import Connection
from tests.support.dispatch import Bench, circular_dispatched, gathered, letter, recipient_registered
from tests.support.receiver import receiver
from wian.reference import DOCS

REMINDER: Final = {"deadline": "2026-11-23T00:00:00Z", "overdue": False, "escalation": False, "rung": 1}


async def _place(dispatch: Bench) -> int:
    """Give everything that is committed its position."""
    return await Sequencer(dispatch.database, poll_interval=1).run_once()


async def _get(dispatch: Bench, agency: UUID, *scopes: Scope, **query: Any) -> httpx.Response:
    headers = dispatch.tokens.headers(agency, *(scopes or (Scope.CIRCULARS_READ, Scope.DELIVERIES_READ)))
    return await dispatch.http.get("/v1/events", params=query, headers=headers)


async def _read(dispatch: Bench, agency: UUID, **query: Any) -> dict[str, Any]:
    answer = await _get(dispatch, agency, **query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def _kinds(page: dict[str, Any]) -> list[str]:
    return [EventType(item["type"]).kind for item in page["items"]]


def _handed_over(circular: CircularDispatched, index: int = 0) -> Entry:
    return Entry(
        EventType.HANDED_OVER,
        circular.sender_agency_id,
        circular.circular_id,
        circular.recipients[index].recipient_id,
        datetime.now(UTC),
        Channel.WEBHOOK,
        HandOverGrade.TRANSPORT,
    )


async def test_the_sender_reads_how_its_letter_fares_and_each_recipient_what_came(dispatch: Bench) -> None:
    async with receiver() as endpoint:
        agency, refuser = await dispatch.agency(url=f"{endpoint.url}/hook"), await dispatch.agency()
        nobody = await dispatch.agency()
        circular = circular_dispatched([agency, refuser, nobody], deadline=datetime.now(UTC))
        await dispatch.apply(circular)
        await dispatch.deliver_due()
    await dispatch.apply(recipient_registered(circular))
    refusal = recipient_registered(circular, 1)
    refused = refusal.model_dump(exclude={"receive_number", "receive_date"})
    await dispatch.apply(RecipientRejected(**refused, reason="misaddressed", text="ไม่ใช่"))
    for _ in ("inbox", "paper"):
        await dispatch.make_due()
        await dispatch.engine.scheduler.run_once()
    assert await _place(dispatch) == 9

    page = await _read(dispatch, circular.sender_agency_id)
    assert _kinds(page) == ["dispatched", "handed_over", "registered", "handed_over", "rejected", "undeliverable"]
    out, by_hook, registered, by_word, rejected, given_up = page["items"]
    assert out["data"]["recipient_count"] == 3
    assert out["subject"] == str(circular.circular_id)
    assert "recipient" not in out["data"]
    for item in (by_hook, registered):
        assert item["subject"] == item["data"]["recipient"]["recipient_id"] == str(circular.recipients[0].recipient_id)
        assert item["data"]["recipient"]["agency_id"] == str(agency)
        assert (item["specversion"], item["source"]) == ("1.0", "http://wian.test")
        assert (item["data"]["number"], item["data"]["circular_id"]) == (circular.letter.number, str(circular.circular_id))
    assert by_hook["data"]["hand_over"] == {"channel": "webhook", "grade": "transport"}
    assert by_word["data"]["hand_over"] == {"channel": "inbox", "grade": "blind"}
    assert registered["data"]["registration"] == {"receive_number": "๓๓๓", "receive_date": "2017-11-10"}
    assert rejected["data"]["rejection"] == {"reason": "misaddressed", "text": "ไม่ใช่"}
    assert given_up["data"]["failure"]["reason"] == "paper_not_sent"
    assert page["more"] is False

    (arrived,) = (await _read(dispatch, nobody))["items"]
    assert (arrived["type"], arrived["data"]["recipient"]["title"]) == ("wian.letter.arrived.v1", "นายอำเภอที่ 3")
    assert arrived["data"]["sender"]["agency_id"] == str(circular.sender_agency_id)
    assert arrived["data"]["deadline"]
    assert (await _read(dispatch, uuid4()))["items"] == []


async def test_what_becomes_of_an_answer_is_told_to_the_other_side(dispatch: Bench) -> None:
    agency = await dispatch.agency()
    circular = circular_dispatched([agency])
    await dispatch.apply(circular)
    about = recipient_registered(circular).model_dump(exclude={"receive_number", "receive_date"})
    doubt = uuid4()
    await dispatch.apply(RecipientDisputed(**about, dispute_id=doubt, text="ไม่ใช่เลขนี้"))
    await dispatch.apply(RecipientDisputeAnswered(**about, dispute_id=doubt, text="ถูกต้องแล้ว"))
    await dispatch.apply(RecipientWithdrawn(**about, reason="ลงรับผิดฉบับ"))
    await _place(dispatch)
    arrived, disputed = (await _read(dispatch, agency))["items"]
    assert (arrived["type"], disputed["type"]) == ("wian.letter.arrived.v1", "wian.letter.disputed.v1")
    assert disputed["data"]["dispute"] == {"dispute_id": str(doubt), "text": "ไม่ใช่เลขนี้"}
    page = await _read(dispatch, circular.sender_agency_id)
    assert _kinds(page) == ["dispatched", "dispute_answered", "withdrawn"]
    assert page["items"][2]["data"]["withdrawal"] == {"reason": "ลงรับผิดฉบับ"}


async def test_an_event_that_commits_late_is_read_though_others_overtook_it(dispatch: Bench) -> None:
    circular = circular_dispatched([uuid4(), uuid4()])
    await dispatch.apply(circular)
    await _place(dispatch)
    sender = circular.sender_agency_id
    begin = (await _read(dispatch, sender))["next"]

    async def number(connection: Connection) -> int:
        return await connection.fetchval("SELECT max(pending_id) FROM feed_pending")

    async with dispatch.database.transaction() as slow:
        await feed.add(slow, [_handed_over(circular, 0)])
        slow_number = await number(slow)
        async with dispatch.database.transaction() as quick:
            await feed.add(quick, [_handed_over(circular, 1)])
            quick_number = await number(quick)
        assert slow_number < quick_number, "a reader of `number > last` would never see the slow one"
        assert await _place(dispatch) == 1
        first = await _read(dispatch, sender, after=begin)
        assert [item["data"]["recipient"]["position"] for item in first["items"]] == [2]
    assert await _place(dispatch) == 1
    second = await _read(dispatch, sender, after=first["next"])
    assert [item["data"]["recipient"]["position"] for item in second["items"]] == [1]
    again = await _read(dispatch, sender, after=begin)
    assert again["items"] == first["items"] + second["items"], "the same cursor gives the same, and more"


async def test_a_reader_who_follows_while_many_write_misses_nothing_and_gets_nothing_twice(dispatch: Bench) -> None:
    circular = circular_dispatched([uuid4() for _ in range(60)])
    await dispatch.apply(circular)
    await _place(dispatch)
    cursor, got, dice = (await _read(dispatch, circular.sender_agency_id))["next"], list[str](), random.Random(7)
    writing = 3

    async def write(mine: range) -> None:
        nonlocal writing
        for index in mine:
            async with dispatch.database.transaction() as connection:
                await feed.add(connection, [_handed_over(circular, index)])
                for _ in range(dice.randrange(4)):
                    await connection.fetchval("SELECT 1")
        writing -= 1

    async def place() -> None:
        while writing:
            await _place(dispatch)

    async def follow() -> None:
        nonlocal cursor
        while writing or await _place(dispatch) or len(got) < 60:
            page = await _read(dispatch, circular.sender_agency_id, after=cursor, limit=3)
            got.extend(item["data"]["recipient"]["recipient_id"] for item in page["items"])
            cursor = page["next"]

    async with asyncio.timeout(60):
        await gathered(*(write(range(n, 60, 3)) for n in range(3)), place(), place(), follow())
    assert sorted(got) == sorted(str(recipient.recipient_id) for recipient in circular.recipients)


async def test_what_is_rolled_back_is_not_told(dispatch: Bench) -> None:
    circular = circular_dispatched([uuid4()])
    await dispatch.apply(circular)
    with pytest.raises(ZeroDivisionError):
        async with dispatch.database.transaction() as connection:
            await feed.add(connection, [_handed_over(circular)])
            raise ZeroDivisionError
    await _place(dispatch)
    assert _kinds(await _read(dispatch, circular.sender_agency_id)) == ["dispatched"]


async def test_a_message_that_comes_twice_tells_the_same_event(dispatch: Bench) -> None:
    circular = circular_dispatched([await dispatch.agency()])
    for _ in range(2):
        await dispatch.apply(circular)
        await dispatch.apply(recipient_registered(circular))
    await _place(dispatch)
    items = (await _read(dispatch, circular.sender_agency_id, types=["wian.circular.dispatched.v1"]))["items"]
    assert len({item["id"] for item in items}) == 1
    kinds = _kinds(await _read(dispatch, circular.sender_agency_id))
    assert kinds.count("handed_over") == 1


async def test_an_acknowledgment_that_comes_before_its_circular_is_told_afterwards(dispatch: Bench) -> None:
    circular = circular_dispatched([await dispatch.agency()])
    await dispatch.apply(recipient_registered(circular))
    async with dispatch.database.connection() as connection:
        assert await feed.age_of_pending(connection) == 0, "it waits for its circular, not for a position"
        assert await _place(dispatch) == 0
        await dispatch.apply(circular)
        assert await feed.age_of_pending(connection) > 0
        await _place(dispatch)
        assert await feed.age_of_pending(connection) == 0
    assert sorted(_kinds(await _read(dispatch, circular.sender_agency_id))) == ["dispatched", "handed_over", "registered"]


async def test_pages_types_and_scopes(dispatch: Bench) -> None:
    circular = circular_dispatched([await dispatch.agency() for _ in range(5)])
    await dispatch.apply(circular)
    for index in range(5):
        await dispatch.apply(recipient_registered(circular, index))
    await _place(dispatch)
    sender = circular.sender_agency_id
    seen, after = list[int](), dict[str, str]()
    while True:
        answer = await _get(dispatch, sender, types="wian.recipient.registered.v1", limit=2, **after)
        page = answer.json()
        assert answer.headers["Link"].endswith('>; rel="next"')
        assert f"after={page['next']}" in answer.headers["Link"]
        seen += [item["data"]["recipient"]["position"] for item in page["items"]]
        after = {"after": page["next"]}
        if not page["more"]:
            break
    assert seen == [1, 2, 3, 4, 5]
    assert (await _read(dispatch, sender, **after))["items"] == []

    recipient = circular.recipients[0].agency_id
    assert _kinds((await _get(dispatch, recipient, Scope.DELIVERIES_READ)).json()) == ["arrived"]
    assert _kinds((await _get(dispatch, recipient, Scope.CIRCULARS_READ)).json()) == []
    for answer in (
        await _get(dispatch, recipient, Scope.CIRCULARS_READ, types="wian.letter.arrived.v1"),
        await _get(dispatch, recipient, Scope.LETTERS_READ),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")
    for query, code in (({"types": "wian.letter.lost.v1"}, "request_invalid"), ({"after": "spoilt"}, "cursor_invalid")):
        assert (await _get(dispatch, sender, **query)).json()["code"] == code


async def test_what_is_older_than_ninety_days_goes_and_its_cursors_say_so(dispatch: Bench) -> None:
    old, new = circular_dispatched([uuid4(), uuid4()]), circular_dispatched([uuid4()])
    await dispatch.apply(old)
    await _place(dispatch)
    reader = old.sender_agency_id
    begun = (await _read(dispatch, reader, limit=1, types="wian.circular.dispatched.v1"))["next"]
    in_the_midst = (await _read(dispatch, old.recipients[0].agency_id, limit=1))["next"]
    assert begun == in_the_midst, "who has read all stands at the end of the whole feed"
    async with dispatch.database.connection() as connection:
        await connection.execute("UPDATE feed_events SET recorded_at = now() - interval '90 days 1 second'")
    await dispatch.apply(new)
    await _place(dispatch)
    begin = write_cursor("1")
    pruner = FeedPruner(dispatch.database)
    assert (await pruner.run_once(), await pruner.run_once()) == (3, 0)
    assert (await _read(dispatch, reader, after=begun))["items"] == [], "who kept reading has lost nothing"
    assert (await _read(dispatch, reader))["items"] == []
    assert _kinds(await _read(dispatch, new.sender_agency_id)) == ["dispatched"]
    for cursor in (begin, write_cursor(str(2**40))):
        answer = await _get(dispatch, reader, after=cursor)
        assert (answer.status_code, answer.json()["code"]) == (410, "cursor_expired")


async def test_a_page_costs_the_same_however_much_lies_between(dispatch: Bench) -> None:
    sender, kinds = uuid4(), [event.kind for event in EventType]
    async with dispatch.database.connection() as connection:
        await connection.execute(
            """
            INSERT INTO feed_events (position, kind, agency_id, circular_id, recipient_id, occurred_at)
            SELECT n, CASE WHEN n % 10000 = 0 THEN 'registered' ELSE 'arrived' END, $1, $1, gen_random_uuid(), now()
            FROM generate_series(1, 40000) n
            """,
            sender,
        )
        await connection.execute("ANALYZE feed_events")
        plan = await connection.fetch("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) " + feed.READ, sender, kinds, 0, 51)
    touched = [int(found[1]) for row in plan if (found := re.search(r"on feed_events .*rows=(\d+)", row[0]))]
    assert touched, plan
    assert max(touched) <= 51, "no kind is read further than the page goes"


async def test_a_secret_letters_events_say_nothing_of_its_subject(dispatch: Bench) -> None:
    content = letter(secrecy=Secrecy.SECRET).model_copy(update={"subject": "เรื่องลับ"})
    circular = circular_dispatched([await dispatch.agency()], content=content)
    await dispatch.apply(circular)
    await _place(dispatch)
    for agency in (circular.sender_agency_id, circular.recipients[0].agency_id):
        answer = await _get(dispatch, agency)
        assert len(answer.json()["items"]) == 1
        assert "เรื่องลับ" not in answer.text


async def test_the_documentation_lists_the_types_that_there_are() -> None:
    lines = re.findall(
        r"^\| `(wian\.[a-z_.]+\.v1)` \| the (\w+) \| `([a-z:]+)` \|", (DOCS / "api.md").read_text("utf-8"), re.MULTILINE
    )
    assert {(line[0], line[2]) for line in lines} == {(entry.type, entry.scope) for entry in CATALOGUE}
    assert {entry.type for entry in CATALOGUE} == set(EventType)
    assert {line[0] for line in lines if line[1] == "recipient"} == set(TO_RECIPIENTS)


async def test_a_reminder_and_a_doubt_before_their_chunk_are_told_when_it_comes(dispatch: Bench) -> None:
    agency, above = await dispatch.agency(), uuid4()
    circular = circular_dispatched([agency])
    (recipient,) = circular.recipients
    about = recipient_registered(circular).model_dump(exclude={"receive_number", "receive_date"})
    reminder = RecipientsReminded(
        circular_id=circular.circular_id,
        letter_id=circular.letter.letter_id,
        sender_agency_id=circular.sender_agency_id,
        number=circular.letter.number,
        deadline=datetime.now(UTC),
        rung=2,
        overdue=True,
        escalation=True,
        due_at=datetime.now(UTC),
        recipients=tuple(
            Reminder(recipient_id=recipient.recipient_id, agency_id=agency, told_agency_id=told) for told in (agency, above)
        ),
    )
    await dispatch.apply(reminder)
    await dispatch.apply(RecipientDisputed(**about, dispute_id=uuid4(), text="ไม่ใช่เลขนี้"))
    await _place(dispatch)
    for reader in (agency, above):
        assert (await _read(dispatch, reader))["items"] == []
    await dispatch.apply(circular)
    await _place(dispatch)
    assert sorted(_kinds(await _read(dispatch, agency))) == ["arrived", "disputed", "reminded"]
    assert _kinds(await _read(dispatch, above)) == ["reminded"]


async def test_a_moved_deadline_is_told_to_the_sender_and_to_the_recipient_once(dispatch: Bench) -> None:
    agency, other = await dispatch.agency(), await dispatch.agency()
    circular = circular_dispatched([agency, other])
    before = datetime(2026, 11, 25, 2, 0, tzinfo=UTC)
    news = DeadlinesMoved(
        circular_id=circular.circular_id,
        sender_agency_id=circular.sender_agency_id,
        deadline=before + timedelta(days=1),
        reason="2026-11-24 น้ำท่วม",
        moved_at=datetime.now(UTC),
        recipients=(MovedDeadline(recipient_id=circular.recipients[0].recipient_id, agency_id=agency, before=before),),
    )
    for event in (news, circular, news):
        await dispatch.apply(event)
    await _place(dispatch)
    moved = {"deadline": "2026-11-26T02:00:00Z", "before": "2026-11-25T02:00:00Z", "reason": "2026-11-24 น้ำท่วม"}
    for reader, kind in ((circular.sender_agency_id, "deadline_moved"), (agency, "deadline_extended")):
        told = [item for item in (await _read(dispatch, reader))["items"] if "deadline" in item["type"]]
        assert {item["type"].split(".")[-2] for item in told} == {kind}
        assert len({item["id"] for item in told}) == 1, "told again, it is the same"
        assert told[0]["data"]["moved"] == moved
        assert told[0]["data"]["recipient"]["position"] == 1
    assert _kinds(await _read(dispatch, other)) == ["arrived"]


async def test_an_event_of_a_recipient_that_is_not_known_is_read_without_its_particulars(dispatch: Bench) -> None:
    circular = circular_dispatched([await dispatch.agency()])
    await dispatch.apply(circular)
    stranger = uuid4()
    told = Entry(EventType.REMINDED, stranger, circular.circular_id, uuid4(), datetime.now(UTC), data=REMINDER)
    async with dispatch.database.transaction() as connection:
        await feed.add(connection, [told])
    await _place(dispatch)
    (item,) = (await _read(dispatch, stranger))["items"]
    assert item["subject"] == str(told.recipient_id)
    assert "recipient" not in item["data"]


async def test_what_waits_for_a_chunk_that_never_comes_is_forgotten(dispatch: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequencer, "PRUNED_PER_TURN", 2)
    for days in (89, 91, 92, 93, 94, 95):
        circular = circular_dispatched([uuid4()])
        notice = Notice(
            EventType.REMINDED,
            circular.recipients[0].recipient_id,
            uuid4(),
            circular.circular_id,
            datetime.now(UTC) - timedelta(days=days),
            REMINDER,
        )
        async with dispatch.database.transaction() as connection:
            await notices.keep(connection, [notice])
    pruner = FeedPruner(dispatch.database)
    assert [await pruner.run_once() for _ in range(4)] == [2, 2, 1, 0], "as long as something is old"
    async with dispatch.database.connection() as connection:
        left = await connection.fetch("SELECT now() - occurred_at AS age FROM early_notices")
    assert [row["age"].days for row in left] == [89]
