"""Dead letters of the broker: moved where people see them, published again as they were, and lost by nothing."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import aio_pika
import httpx
import pytest

from services.dispatch.dead_letters import ORDER_HEADER, Keeper, Redriver
from services.dispatch.observer import Observer
from services.dispatch.store import dead_letters
from shared.access import Scope
from shared.broker import UNAVAILABLE, Consumer, Death, Handler, Incoming, Outgoing, Publisher, Verdict
from shared.contracts.topology import ACK_EVENTS, DEAD_LETTERS, DISPATCH_EVENTS
from tests.support.dispatch import Bench, bench
from tests.support.eventually import eventually
from tests.support.tokens import TokenIssuer

SUBJECT = "เรื่องลับเฉพาะ"
BODY = f'{{"type": "test.event.v1", "data": "{SUBJECT}"}}'.encode()


@dataclass
class Applier:
    """A consumer's handler that gives the verdict it is told to."""

    verdict: Verdict = Verdict.DEAD
    seen: list[Incoming] = field(default_factory=list[Incoming])

    async def __call__(self, message: Incoming) -> Verdict:
        self.seen.append(message)
        return self.verdict

    async def count(self) -> int:
        return len(self.seen)


@dataclass
class Office:
    """Dispatch with its keeper of dead letters, and a consumer of ack's queue that cannot apply what it gets."""

    dispatch: Bench
    applier: Applier

    async def publish(self, *bodies: bytes, queue: str = ACK_EVENTS) -> list[str]:
        """Put messages on a queue; returns their ids."""
        messages = [Outgoing(None, queue, str(uuid4()), body, {"traceparent": "00-1"}) for body in bodies]
        assert await self.dispatch.publisher.publish(messages) == [None] * len(messages)
        return [message.message_id for message in messages]

    @property
    def headers(self) -> dict[str, str]:
        return self.dispatch.tokens.headers(None, Scope.OPERATE)

    async def listed(self, **query: Any) -> list[dict[str, Any]]:
        answer = await self.dispatch.http.get("/v1/repair/dead-letters", params=query, headers=self.headers)
        assert answer.status_code == 200, answer.text
        assert SUBJECT not in answer.text
        return answer.json()["items"]

    async def kept(self, count: int) -> list[dict[str, Any]]:
        return await eventually(self.listed, lambda items: len(items) == count)

    async def post(self, path: str, body: Any = None) -> httpx.Response:
        return await self.dispatch.http.post(f"/v1/repair/dead-letters{path}", json=body, headers=self.headers)


@asynccontextmanager
async def consuming(dispatch: Bench, queue: str, handler: Handler) -> AsyncGenerator[None]:
    settings, stop = dispatch.settings, asyncio.Event()
    consumer = Consumer(settings.amqp_url.get_secret_value(), settings.broker_namespace, queue, handler, prefetch=4)
    running = asyncio.create_task(consumer.run(stop))
    await asyncio.wait_for(consumer.registered.wait(), 10)
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(running, 10)


@pytest.fixture
async def office(settings_environment: dict[str, str], token_issuer: TokenIssuer) -> AsyncGenerator[Office]:
    async with AsyncExitStack() as stack:
        dispatch = await stack.enter_async_context(bench(settings_environment, token_issuer))
        applier = Applier()
        await stack.enter_async_context(consuming(dispatch, DEAD_LETTERS, Keeper(dispatch.database)))
        await stack.enter_async_context(consuming(dispatch, ACK_EVENTS, applier))
        yield Office(dispatch, applier)


def dead(message_id: str, body: bytes = b"{", *, queue: str = ACK_EVENTS, order: str | None = None) -> Incoming:
    """A message as it comes from the dead letters."""
    headers = {} if order is None else {ORDER_HEADER: order}
    death = Death(queue, "events", "test.event.v1", "rejected", None)
    return Incoming(queue, message_id, body, headers, redelivered=False, death=death)


async def test_a_message_that_cannot_be_applied_is_listed_and_published_again_as_it_was(office: Office) -> None:
    (message_id,) = await office.publish(BODY)
    (item,) = await office.kept(1)
    assert (item["message_id"], item["type"], item["queue"], item["size"]) == (message_id, "test.event.v1", ACK_EVENTS, len(BODY))
    assert (item["cause"]["code"], item["cause"]["blame"], item["state"]) == ("message_unreadable", "platform", "kept")
    assert item["cause"]["remedy"]["th"]
    assert await Observer(office.dispatch.database, interval=1).run_once() == 0
    agency = office.dispatch.tokens.headers(uuid4(), Scope.LETTERS_WRITE, Scope.CIRCULARS_READ)
    refused = await office.dispatch.http.get("/v1/repair/dead-letters", headers=agency)
    assert (refused.status_code, refused.json()["code"]) == (403, "scope_missing")

    office.applier.verdict = Verdict.DONE
    path = f"/{item['dead_letter_id']}/redrive"
    answers = [await office.post(path, {"why": "แก้ไขแล้ว"}) for _ in range(2)]
    assert [answer.json()["state"] for answer in answers] == ["redriven"] * 2
    assert (answers[1].json()["settled_why"], answers[1].json()["settled_by"]) == ("แก้ไขแล้ว", "test-None")
    await eventually(office.applier.count, lambda count: count == 2)
    first, again = office.applier.seen
    assert (again.message_id, again.body, again.headers["traceparent"]) == (first.message_id, BODY, "00-1")
    assert again.death is None, "a new life, not the history of the last one"
    assert await office.listed() == []


async def test_a_message_that_dies_again_is_kept_again(office: Office) -> None:
    await office.publish(BODY)
    (item,) = await office.kept(1)
    for deaths in (2, 3):
        await office.post(f"/{item['dead_letter_id']}/redrive")

        async def deaths_now() -> list[tuple[int, str]]:
            return [(found["deaths"], found["state"]) for found in await office.listed()]

        expected = [(deaths, "kept")]
        await eventually(deaths_now, lambda found, expected=expected: found == expected)
    assert len(office.applier.seen) == 3


async def test_what_every_try_failed_on_is_told_from_what_cannot_be_read(office: Office) -> None:
    office.applier.verdict = Verdict.AGAIN
    await office.publish(b"{}")
    (item,) = await office.kept(1)
    assert (item["cause"]["code"], item["type"]) == ("message_poison", None)


async def test_a_second_copy_changes_nothing_and_a_death_under_an_order_is_never_taken_for_redriven(office: Office) -> None:
    keeper, database, order = Keeper(office.dispatch.database), office.dispatch.database, uuid4()
    for _ in range(2):
        assert await keeper(dead("m1")) is Verdict.DONE
    (item,) = await office.listed()
    assert item["deaths"] == 1
    async with database.connection() as connection:
        (ordered,) = await dead_letters.order_redrive(connection, await _ids(office), order)
        # It dies before its redrive is settled: the settling comes too late.
        await keeper(dead("m1", order=str(order)))
        await dead_letters.set_redriven(connection, [ordered.dead_letter_id], order, "op", "")
        assert (await office.listed())[0]["deaths"] == 2
        # And a copy of that death, after somebody has discarded it, does not bring it back.
        await dead_letters.discard(connection, ordered.dead_letter_id, "op", "enough")
    await keeper(dead("m1", order=str(order)))
    assert await office.listed() == []
    (discarded,) = await office.listed(state="discarded")
    assert discarded["settled_why"] == "enough"


async def test_nothing_that_a_message_holds_stops_the_keeper(office: Office) -> None:
    settings = office.dispatch.settings
    async with await aio_pika.connect(settings.amqp_url.get_secret_value()) as connection:
        channel = await connection.channel()
        for body, headers in (
            (b"\xff\x00", {"x-death": "nonsense"}),
            (b"other", {"x-death": [1, 2], ORDER_HEADER: "no uuid"}),
            (b'{"type": "\\u0000"}', {"x-death": [{"queue": 7, "routing-keys": [], "time": "never", "reason": "\x00"}]}),
            (b'{"type": ["list"]}', {"n\x00me": "v\x00lue"}),
        ):
            message = aio_pika.Message(body, headers=headers)  # pyright: ignore[reportArgumentType]
            await channel.default_exchange.publish(message, f"{settings.broker_namespace}.{DEAD_LETTERS}")
    items = await office.kept(4)
    assert {item["type"] for item in items} == {None}, "without an id, each is known by its bytes"
    assert {item["cause"]["code"] for item in items} == {"message_unreadable", "unknown"}


async def test_many_are_published_within_a_bound_and_others_stay(office: Office) -> None:
    await office.publish(*(f'{{"type": "test.event.v1", "n": {n}}}'.encode() for n in range(5)))
    await office.kept(5)
    await Keeper(office.dispatch.database)(dead("elsewhere", queue=DISPATCH_EVENTS))
    office.applier.verdict = Verdict.DONE
    for body in ({}, {"filter": {}}, {"filter": {"queue": ACK_EVENTS}, "limit": 1001}, {"filter": {"queue": "a\x00b"}}):
        assert (await office.post("/redrive", body)).status_code == 422, body
    asked = {"filter": {"queue": ACK_EVENTS, "type": "test.event.v1", "from": "2020-01-01T00:00:00Z"}}
    answers = [(await office.post("/redrive", {**asked, "limit": 3})).json() for _ in range(3)]
    assert [(answer["redriven"], answer["remaining"]) for answer in answers] == [(3, 2), (2, 0), (0, 0)]
    await eventually(office.applier.count, lambda count: count == 10)
    (left,) = await office.listed()
    assert left["queue"] == DISPATCH_EVENTS


async def test_many_are_discarded_within_a_bound_and_others_stay(office: Office) -> None:
    keeper = Keeper(office.dispatch.database)
    for n in range(5):
        await keeper(dead(f"m{n}"))
    await keeper(dead("elsewhere", queue=DISPATCH_EVENTS))
    wrong: tuple[dict[str, Any], ...] = (
        {"filter": {}, "why": "x"},
        {"filter": {"queue": ACK_EVENTS}},
        {"filter": {"queue": ACK_EVENTS}, "why": " "},
        {"filter": {"queue": ACK_EVENTS}, "why": "x", "limit": 1001},
        {"why": "x"},
    )
    for body in wrong:
        assert (await office.post("/discard", body)).status_code == 422, body
    agency = office.dispatch.tokens.headers(uuid4(), Scope.LETTERS_WRITE, Scope.CIRCULARS_READ)
    asked = {"filter": {"queue": ACK_EVENTS, "from": "2020-01-01T00:00:00Z"}, "limit": 3, "why": "ข้อมูลทดสอบ"}
    refused = await office.dispatch.http.post("/v1/repair/dead-letters/discard", json=asked, headers=agency)
    assert (refused.status_code, len(await office.listed())) == (403, 6)
    answers = [(await office.post("/discard", asked)).json() for _ in range(2)]
    answers.append((await office.post("/discard", {**asked, "why": "later"})).json())
    assert [(answer["discarded"], answer["remaining"]) for answer in answers] == [(3, 2), (2, 0), (0, 0)]
    discarded = await office.listed(state="discarded")
    assert {(one["queue"], one["settled_by"], one["settled_why"]) for one in discarded} == {
        (ACK_EVENTS, "test-None", "ข้อมูลทดสอบ")
    }
    assert len(discarded) == 5
    (left,) = await office.listed()
    assert left["queue"] == DISPATCH_EVENTS


async def test_two_who_discard_at_once_settle_each_letter_once(office: Office) -> None:
    keeper = Keeper(office.dispatch.database)
    for n in range(20):
        await keeper(dead(f"m{n}"))
    asked = {"filter": {"queue": ACK_EVENTS}, "limit": 15}
    answers = await asyncio.gather(*(office.post("/discard", {**asked, "why": why}) for why in ("a", "b", "c")))
    by_why = {
        one: sum(found["settled_why"] == one for found in await office.listed(state="discarded", limit=100)) for one in "abc"
    }
    assert [answer.json()["discarded"] for answer in answers] == [by_why[why] for why in "abc"]
    while (await office.post("/discard", {**asked, "why": "d"})).json()["remaining"]:
        pass
    assert await office.listed() == []


async def test_what_the_broker_does_not_take_is_kept_until_somebody_discards_it(office: Office) -> None:
    await Keeper(office.dispatch.database)(dead("orphan", queue="of.an.older.version"))
    (item,) = await office.listed()
    path = f"/{item['dead_letter_id']}"
    answer = await office.post(f"{path}/redrive")
    assert (answer.status_code, answer.json()["code"]) == (409, "dead_letter_not_taken")
    away = Redriver(office.dispatch.database, Publisher("amqp://127.0.0.1:1/", "none", timeout=1))
    with pytest.raises(UNAVAILABLE):
        await away.redrive([(await _ids(office))[0]], "op", "")
    assert [item["state"] for item in await office.listed()] == ["kept"]

    assert (await office.post(f"{path}/discard", {"why": " "})).status_code == 422, "not without a reason"
    discarded = [(await office.post(f"{path}/discard", {"why": why})).json() for why in ("คิวเลิกใช้แล้ว", "again")]
    assert [(one["state"], one["settled_why"]) for one in discarded] == [("discarded", "คิวเลิกใช้แล้ว")] * 2
    answer = await office.post(f"{path}/redrive")
    assert (answer.status_code, answer.json()["code"]) == (409, "dead_letter_settled")
    assert (await office.post(f"/{uuid4()}/discard", {"why": "x"})).status_code == 404
    assert await office.listed() == []


async def _ids(office: Office) -> list[Any]:
    async with office.dispatch.database.connection() as connection:
        return [one.dead_letter_id for one in await dead_letters.wanted(connection, dead_letters.WantedDead(), None, 9)]
