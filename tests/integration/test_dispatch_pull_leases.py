"""Leases on the pull inbox: many at a time, acknowledged in any order, and long polls that end when they should."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from services.dispatch.app import create_app
from services.dispatch.arrivals import Arrivals
from services.dispatch.sequencer import LEASES_KEPT, FeedPruner
from services.dispatch.store import pulls
from shared.access import Scope
from shared.contracts.events import AttachmentLink, DeliveriesHandedOver
from shared.links import LinkSigner, Purpose
from shared.runtime import HttpServer
from tests.support.dispatch import Bench, circular_dispatched, letter, recipient_registered
from tests.support.eventually import eventually
from tests.support.receiver import receiver


@pytest.fixture
def dispatch_variables() -> dict[str, str]:
    return {"dispatch_pull_interval": "0.05"}


class Puller:
    """An agency's system that pulls."""

    def __init__(self, dispatch: Bench, agency_id: UUID, http: httpx.AsyncClient | None = None) -> None:
        self.agency_id = agency_id
        self._http = http or dispatch.http
        self._headers = dispatch.tokens.headers(agency_id, Scope.DELIVERIES_READ)

    async def call(self, what: str, **body: Any) -> dict[str, Any]:
        answer = await self._http.post(f"/v1/inbox/{what}", json=body, headers=self._headers, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def lease(self, most: int = 100, **more: Any) -> list[dict[str, Any]]:
        return (await self.call("lease", max=most, **more))["items"]

    async def say(self, what: str, lease_ids: list[str], **more: Any) -> list[str]:
        return [item["result"] for item in (await self.call(what, lease_ids=lease_ids, **more))["items"]]


async def _letters(dispatch: Bench, count: int) -> Puller:
    """An agency without a webhook, with `count` letters."""
    puller = Puller(dispatch, await dispatch.agency())
    for _ in range(count):
        await dispatch.apply(circular_dispatched([puller.agency_id]))
    return puller


async def _expire(dispatch: Bench, *lease_ids: str) -> None:
    async with dispatch.database.connection() as connection:
        await connection.execute(
            "UPDATE pull_leases SET leased_until = now() - interval '1 second' WHERE lease_id = ANY($1::uuid[])", list(lease_ids)
        )


async def test_leased_letters_are_hidden_and_acknowledged_in_any_order(dispatch: Bench) -> None:
    puller = await _letters(dispatch, 5)
    first, second = await asyncio.gather(puller.lease(3), puller.lease(3))
    assert sorted((len(first), len(second))) == [2, 3]
    leases = first + second
    assert len({item["delivery_id"] for item in leases}) == len({item["lease_id"] for item in leases}) == 5
    assert await puller.lease() == []
    assert set(await dispatch.states()) == {"scheduled"}, "a lease is not a hand-over"
    assert leases[0]["letter"]["body"], "the whole letter, without a further call"
    assert leases[0]["handed_over_at"] is None

    last, middle = leases[4]["lease_id"], leases[2]["lease_id"]
    stranger = str(uuid4())
    answer = await puller.call("acknowledge", lease_ids=[last, stranger, middle])
    assert [item["result"] for item in answer["items"]] == ["done", "unknown", "done"]
    assert (answer["recorded"], answer["channel"], answer["grade"]) == ("handed_over", "inbox", "transport")
    assert await puller.say("acknowledge", [middle, last]) == ["already", "already"]
    events = await dispatch.events(DeliveriesHandedOver)
    assert {event["delivery_id"] for event in events} == {leases[4]["delivery_id"], leases[2]["delivery_id"]}
    assert {(event["channel"], event["grade"]) for event in events} == {("inbox", "transport")}
    assert sorted(await dispatch.states()) == ["handed_over"] * 2 + ["scheduled"] * 3
    assert {row["acknowledged_at"] for row in await dispatch.deliveries()} == {None}, "and not a registration either"
    listed = (
        await dispatch.http.get("/v1/inbox", headers=dispatch.tokens.headers(puller.agency_id, Scope.DELIVERIES_READ))
    ).json()
    assert len(listed["items"]) == 5, "what is not registered still waits for that"


async def test_a_lease_that_ran_out_is_given_to_the_next_and_counts_no_more(dispatch: Bench) -> None:
    puller = await _letters(dispatch, 1)
    (old,) = await puller.lease()
    await _expire(dispatch, old["lease_id"])
    assert await puller.say("extend", [old["lease_id"]]) == ["lease_expired"]
    assert await puller.say("acknowledge", [old["lease_id"]]) == ["lease_expired"]
    (new,) = await puller.lease()
    assert (new["delivery_id"], new["lease_id"] != old["lease_id"]) == (old["delivery_id"], True)
    assert await puller.say("acknowledge", [old["lease_id"], new["lease_id"]]) == ["lease_expired", "done"]
    assert await puller.say("acknowledge", [old["lease_id"]]) == ["already"], "the letter is handed over, by whomever"
    assert len(await dispatch.events(DeliveriesHandedOver)) == 1


async def test_a_lease_is_extended_or_given_back(dispatch: Bench) -> None:
    puller = await _letters(dispatch, 2)
    kept, given_back = await puller.lease(visibility_seconds=5)
    extended = await puller.call("extend", lease_ids=[kept["lease_id"]], visibility_seconds=3600)
    assert extended["items"][0]["result"] == "done"
    assert extended["leased_until"] > kept["leased_until"]
    for result in ("done", "already"):
        assert await puller.say("release", [given_back["lease_id"]]) == [result]
    assert await puller.say("acknowledge", [given_back["lease_id"]]) == ["lease_expired"]
    assert [item["delivery_id"] for item in await puller.lease()] == [given_back["delivery_id"]]
    assert await puller.say("acknowledge", [kept["lease_id"]]) == ["done"]
    assert await puller.say("release", [kept["lease_id"]]) == ["already"]


async def test_looking_for_letters_does_not_pass_over_those_that_were_handed_over(dispatch: Bench) -> None:
    puller = await _letters(dispatch, 1)
    async with dispatch.database.connection() as connection:
        await connection.execute(
            """
            INSERT INTO deliveries (delivery_id, recipient_id, circular_id, agency_id, title, position, relay_duty,
                acknowledgment_link, lane, channel, state, handed_over_at, hand_over_channel, hand_over_grade)
            SELECT gen_random_uuid(), gen_random_uuid(), circular_id, agency_id, title, n, false, '', lane, 'inbox', 'handed_over',
                now(), 'inbox', 'transport'
            FROM deliveries, generate_series(2, 20000) n
            """
        )
        await connection.execute("ANALYZE deliveries")
        agency = puller.agency_id
        for plan in (
            await connection.fetch("EXPLAIN " + pulls.WAITED_FOR, [agency]),
            await connection.fetch("EXPLAIN " + pulls.LEASE, agency, 10, timedelta(minutes=1)),
        ):
            assert any("deliveries_to_pull" in row[0] for row in plan), plan
            assert not any("Seq Scan on deliveries" in row[0] for row in plan), plan
    assert len(await puller.lease()) == 1


async def test_leases_long_over_are_forgotten_and_running_ones_are_not(dispatch: Bench) -> None:
    puller = await _letters(dispatch, 2)
    old, running = await puller.lease()
    async with dispatch.database.connection() as connection:
        await connection.execute(
            "UPDATE pull_leases SET leased_until = now() - $2::interval WHERE lease_id = $1", old["lease_id"], LEASES_KEPT
        )
    assert await FeedPruner(dispatch.database).run_once() == 1
    assert await puller.say("acknowledge", [old["lease_id"], running["lease_id"]]) == ["unknown", "done"]


async def test_another_agency_can_do_nothing_with_a_lease(dispatch: Bench) -> None:
    puller = await _letters(dispatch, 1)
    (leased,) = await puller.lease()
    stranger = Puller(dispatch, await dispatch.agency())
    assert await stranger.lease() == []
    for what in ("acknowledge", "release", "extend"):
        answer = await stranger.call(what, lease_ids=[leased["lease_id"]])
        assert answer["items"] == [{"lease_id": leased["lease_id"], "delivery_id": None, "result": "unknown"}]
    assert await puller.say("acknowledge", [leased["lease_id"]]) == ["done"]


async def test_a_letter_that_another_channel_hands_over_meanwhile_is_not_handed_over_twice(dispatch: Bench) -> None:
    async with receiver() as endpoint:
        puller = Puller(dispatch, await dispatch.agency(url=f"{endpoint.url}/hook"))
        await dispatch.apply(circular_dispatched([puller.agency_id]))
        (leased,) = await puller.lease()
        await dispatch.deliver_due()
        assert len(endpoint.received) == 1, "a lease holds up no webhook"
        assert await puller.say("acknowledge", [leased["lease_id"]]) == ["already"]
        (event,) = await dispatch.events(DeliveriesHandedOver)
        assert event["channel"] == "webhook"


async def test_what_is_registered_or_was_given_up_is_leased_as_it_should(dispatch: Bench) -> None:
    puller = Puller(dispatch, await dispatch.agency())
    circular = circular_dispatched([puller.agency_id])
    await dispatch.apply(circular)
    await dispatch.apply(recipient_registered(circular))
    assert await puller.lease() == []
    await dispatch.apply(circular_dispatched([puller.agency_id]))
    for _ in ("inbox", "paper"):
        await dispatch.make_due()
        await dispatch.engine.scheduler.run_once()
    assert "undeliverable" in await dispatch.states()
    (late,) = await puller.lease()
    assert await puller.say("acknowledge", [late["lease_id"]]) == ["done"]
    assert await dispatch.states() == ["handed_over"] * 2


async def test_files_come_by_a_fresh_signed_link(dispatch: Bench) -> None:
    puller = Puller(dispatch, await dispatch.agency())
    file = AttachmentLink(
        attachment_id=uuid4(),
        file_name="สิ่งที่ส่งมาด้วย.pdf",
        media_type="application/pdf",
        size=4,
        sha256="0" * 64,
        url="http://wian.test/f/of-the-day-of-dispatch",
    )
    await dispatch.apply(circular_dispatched([puller.agency_id], content=letter(attachments=[file])))
    (leased,) = await puller.lease()
    url = leased["letter"]["attachments"][0]["url"]
    signer = LinkSigner(dispatch.settings.link_key.get_secret_value())
    assert url != file.url
    assert signer.read(Purpose.FILE, url.rpartition("/")[2]) == file.attachment_id


@pytest.mark.parametrize(
    "body", [{"max": 0}, {"max": 101}, {"wait_seconds": 21}, {"visibility_seconds": 4}, {"wait_seconds": -1}]
)
async def test_what_is_out_of_bounds_is_refused(dispatch: Bench, body: dict[str, float]) -> None:
    headers = dispatch.tokens.headers(uuid4(), Scope.DELIVERIES_READ)
    answer = await dispatch.http.post("/v1/inbox/lease", json=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "request_invalid")


@asynccontextmanager
async def _served(dispatch: Bench) -> AsyncGenerator[tuple[httpx.AsyncClient, Arrivals, asyncio.Event]]:
    """The application behind a real HTTP server."""
    app = create_app(dispatch.resources, dispatch.tokens.verifier())
    server, stop = HttpServer(app, host="127.0.0.1", port=0), asyncio.Event()
    running = asyncio.create_task(server.run(stop))
    await server.started.wait()
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as http:
            yield http, app.state.arrivals, stop
    finally:
        stop.set()
        await running


async def _waiting(arrivals: Arrivals, count: int) -> None:
    async def read() -> int:
        return arrivals.waiting

    await eventually(read, lambda waiting: waiting == count)


async def test_a_long_poll_answers_when_a_letter_comes_or_is_given_back(dispatch: Bench) -> None:
    async with _served(dispatch) as (http, arrivals, _):
        puller, other = [Puller(dispatch, await dispatch.agency(), http) for _ in range(2)]
        assert await puller.lease(wait_seconds=0.2) == []
        calls = [asyncio.create_task(each.lease(wait_seconds=20)) for each in (puller, puller, other)]
        await _waiting(arrivals, 3)
        await dispatch.apply(circular_dispatched([puller.agency_id]))
        answered, still = await asyncio.wait(calls, timeout=10, return_when=asyncio.FIRST_COMPLETED)
        assert (len(answered), len(still)) == (1, 2), "one letter wakes one call of its agency"
        (leased,) = answered.pop().result()
        await _waiting(arrivals, 2)
        await puller.say("release", [leased["lease_id"]])
        answered, still = await asyncio.wait(still, timeout=10, return_when=asyncio.FIRST_COMPLETED)
        assert [item["delivery_id"] for item in answered.pop().result()] == [leased["delivery_id"]]
        still.pop().cancel()
        await _waiting(arrivals, 0)


async def test_a_long_poll_whose_caller_has_gone_leases_nothing(dispatch: Bench) -> None:
    async with _served(dispatch) as (http, arrivals, _):
        puller = Puller(dispatch, await dispatch.agency(), http)
        call = asyncio.create_task(puller.lease(wait_seconds=20))
        await _waiting(arrivals, 1)
        call.cancel()
        await _waiting(arrivals, 0)
        await dispatch.apply(circular_dispatched([puller.agency_id]))
        assert len(await puller.lease()) == 1


async def test_a_long_poll_ends_when_the_process_is_asked_to_stop(dispatch: Bench) -> None:
    async with _served(dispatch) as (http, arrivals, stop):
        puller = Puller(dispatch, await dispatch.agency(), http)
        call = asyncio.create_task(puller.lease(wait_seconds=20))
        await _waiting(arrivals, 1)
        stop.set()
        async with asyncio.timeout(3):
            assert await call == []
