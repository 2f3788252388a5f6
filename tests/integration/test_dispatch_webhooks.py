"""Webhooks end to end against a scripted endpoint: signed, the same at every retry, once, and fenced."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import aio_pika
import pytest

from services.dispatch.app import SERVICE
from services.dispatch.observer import Observer, backlogs
from services.dispatch.store.claims import hand_back
from shared.access import Scope
from shared.broker import UNAVAILABLE, Outgoing, Publisher, Verdict
from shared.contracts.events import DeliveriesHandedOver, Role
from shared.contracts.topology import ACK_EVENTS
from shared.runtime import run_workers
from tests.support.cable import cable_to
from tests.support.dispatch import TRACEPARENT, Bench, agency_saved, bench, circular_dispatched, gathered
from tests.support.eventually import eventually
from tests.support.receiver import Answer, Receiver
from tests.support.tokens import TokenIssuer


async def test_a_circular_to_99_is_handed_over_signed_and_reported(
    dispatch: Bench, endpoint: Receiver, settings_environment: dict[str, str], amqp_url: str, broker_namespace: str
) -> None:
    agencies = [await dispatch.agency(url=f"{endpoint.url}/hooks/{n}") for n in range(99)]
    circular = circular_dispatched(agencies)
    stop = asyncio.Event()
    async with SERVICE.open(dispatch.settings) as parts:
        running = asyncio.create_task(run_workers(parts.workers, stop, grace=10))
        for probe in parts.worker_probes:
            await eventually(probe.problem, lambda problem: problem is None)
        await dispatch.apply(circular)
        await eventually(dispatch.states, lambda states: states == ["handed_over"] * 99, within=20)
        await eventually(lambda: _queued(amqp_url, broker_namespace), lambda count: count >= 1)
        stop.set()
        await running
    assert len(endpoint.received) == 99
    for n, agency in enumerate(agencies):
        (request,) = endpoint.at(f"/hooks/{n}")
        event = request.verified(dispatch.secrets[agency])
        assert event["id"] == request.webhook_id == event["data"]["delivery_id"]
        assert event["type"] == "wian.letter.delivered.v1"
        assert event["data"]["recipient_id"] == str(circular.recipients[n].recipient_id)
        assert event["data"]["letter"]["number"] == "สค ๐๐๑๗.๑/ว ๑๕๑๒๓"
        assert event["data"]["acknowledgment_url"].startswith("http://wian.test/v1/acknowledgments/")
        assert request.headers["content-type"] == "application/cloudevents+json"
        assert request.headers["traceparent"].split("-")[1] == TRACEPARENT.split("-")[1]
    assert len(await dispatch.attempts()) == 99


async def _queued(url: str, namespace: str) -> int:
    connection = await aio_pika.connect(url)
    async with connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(f"{namespace}.{ACK_EVENTS}", passive=True)
        return queue.declaration_result.message_count or 0


async def test_the_same_circular_twice_and_at_once_makes_one_delivery_each(dispatch: Bench, endpoint: Receiver) -> None:
    agencies = [await dispatch.agency(url=f"{endpoint.url}/hooks/{n}") for n in range(20)]
    circular = circular_dispatched(agencies)
    await gathered(*(dispatch.apply(circular) for _ in range(5)))
    await dispatch.apply(circular)
    await dispatch.deliver_due()
    await dispatch.deliver_due()
    assert len(await dispatch.deliveries()) == 20
    assert len(endpoint.received) == 20
    assert len({request.webhook_id for request in endpoint.received}) == 20


async def test_a_retry_carries_the_same_id_and_the_same_bytes(dispatch: Bench, endpoint: Receiver) -> None:
    agency = await dispatch.agency(url=f"{endpoint.url}/hook")
    endpoint.script("/hook", Answer(503, "กำลังปรับปรุงระบบ"))
    await dispatch.apply(circular_dispatched([agency]))
    await dispatch.deliver_due()
    waiting = await dispatch.delivery()
    assert (waiting["state"], waiting["attempts"], waiting["channel"]) == ("scheduled", 1, "webhook")
    assert waiting["next_attempt_at"] > datetime.now(UTC) + timedelta(seconds=3)
    await dispatch.deliver_due()
    assert len(endpoint.received) == 1, "not before its time"

    await dispatch.make_due()
    await dispatch.deliver_due()
    first, second = endpoint.received
    assert first.webhook_id == second.webhook_id
    assert first.body == second.body
    second.verified(dispatch.secrets[agency])
    made = await dispatch.attempts()
    assert [(row["number"], row["outcome"], row["status"]) for row in made] == [(1, "retry_later", 503), (2, "delivered", 204)]
    assert made[0]["answer"] == "กำลังปรับปรุงระบบ"
    (item,) = await dispatch.events(DeliveriesHandedOver)
    assert (item["channel"], item["grade"], item["attempts"]) == ("webhook", "transport", 2)


async def test_each_recipient_is_told_its_role(dispatch: Bench, endpoint: Receiver) -> None:
    agencies = [await dispatch.agency(url=f"{endpoint.url}/{n}") for n in range(3)]
    circular = circular_dispatched(agencies)
    roles = tuple(r.model_copy(update={"role": role}) for r, role in zip(circular.recipients, Role, strict=True))
    await dispatch.apply(circular.model_copy(update={"recipients": roles}))
    await dispatch.deliver_due()
    assert [endpoint.at(f"/{n}")[0].data["role"] for n in range(3)] == ["action", "information", "copy"]
    copy = await dispatch.http.get("/v1/inbox", headers=dispatch.tokens.headers(agencies[2], Scope.DELIVERIES_READ))
    assert [item["role"] for item in copy.json()["items"]] == ["copy"]


async def test_retry_after_is_honoured(dispatch: Bench, endpoint: Receiver) -> None:
    agency = await dispatch.agency(url=f"{endpoint.url}/hook")
    endpoint.script("/hook", Answer(429, headers={"Retry-After": "900"}))
    await dispatch.apply(circular_dispatched([agency]))
    await dispatch.deliver_due()
    wait = (await dispatch.delivery())["next_attempt_at"] - datetime.now(UTC)
    assert timedelta(seconds=880) < wait <= timedelta(seconds=900)


async def test_410_disables_the_endpoint_and_the_ladder_goes_on(dispatch: Bench, endpoint: Receiver) -> None:
    agency = await dispatch.agency(url=f"{endpoint.url}/hook", email="saraban@example.go.th")
    endpoint.script("/hook", Answer(410))
    await dispatch.apply(circular_dispatched([agency]))
    await dispatch.deliver_due()
    row = await dispatch.delivery()
    assert (row["state"], row["channel"], row["channel_attempts"], row["attempts"]) == ("scheduled", "email", 0, 1)
    async with dispatch.database.connection() as connection:
        assert await connection.fetchval("SELECT state FROM endpoints") == "disabled"
    await dispatch.apply(circular_dispatched([agency]))
    assert [row["channel"] for row in await dispatch.deliveries()] == ["email", "email"]


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 404])
async def test_a_refusal_is_not_repeated_and_a_redirect_not_followed(dispatch: Bench, endpoint: Receiver, status: int) -> None:
    agency = await dispatch.agency(url=f"{endpoint.url}/hook")
    endpoint.script("/hook", Answer(status, headers={"Location": f"{endpoint.url}/elsewhere"}))
    await dispatch.apply(circular_dispatched([agency]))
    await dispatch.deliver_due()
    assert (await dispatch.delivery())["channel"] == "inbox"
    assert endpoint.at("/elsewhere") == []


async def test_a_message_that_comes_again_sends_nothing_again(dispatch: Bench, endpoint: Receiver) -> None:
    gate = asyncio.Event()
    agency = await dispatch.agency(url=f"{endpoint.url}/hook")
    endpoint.script("/hook", Answer(gate=gate))
    await dispatch.apply(circular_dispatched([agency]))
    await dispatch.engine.scheduler.run_once()
    (message,) = await dispatch.messages()
    handler = dispatch.handler()
    assert await handler(message) is Verdict.DONE
    await eventually(endpoint.count, lambda count: count == 1)
    assert await handler(message) is Verdict.DONE
    gate.set()
    await handler.idle()
    assert await handler(message) is Verdict.DONE
    assert len(endpoint.received) == 1
    assert await dispatch.states() == ["handed_over"]
    assert len(await dispatch.events(DeliveriesHandedOver)) == 1


async def test_a_lost_channel_does_not_stop_the_recording(
    settings_environment: dict[str, str], token_issuer: TokenIssuer, endpoint: Receiver
) -> None:
    gate = asyncio.Event()
    async with bench(settings_environment, token_issuer, dispatch_concurrency="1", dispatch_slow_concurrency="0") as dispatch:
        agencies = [await dispatch.agency(url=f"{endpoint.url}/hook") for _ in range(2)]
        endpoint.script("/hook", Answer(gate=gate))
        await dispatch.apply(circular_dispatched(agencies))
        await dispatch.engine.scheduler.run_once()
        (message,) = await dispatch.messages()
        handler = dispatch.handler()
        delivering = asyncio.create_task(handler(message))
        await eventually(endpoint.count, lambda count: count == 1)
        # aiormq cancels the callbacks of a channel that it loses.
        delivering.cancel()
        with pytest.raises(asyncio.CancelledError):
            await delivering
        gate.set()
        await handler.idle()
        assert await dispatch.states() == ["handed_over"] * 2


async def test_a_lease_that_ran_out_is_claimed_anew_and_the_old_holder_records_nothing(
    dispatch: Bench, endpoint: Receiver
) -> None:
    gate = asyncio.Event()
    agency = await dispatch.agency(url=f"{endpoint.url}/hook")
    endpoint.script("/hook", Answer(503, gate=gate))
    await dispatch.apply(circular_dispatched([agency]))
    await dispatch.engine.scheduler.run_once()
    (message,) = await dispatch.messages()
    handler = dispatch.handler()
    assert await handler(message) is Verdict.DONE
    await eventually(endpoint.count, lambda count: count == 1)
    await dispatch.expire_leases()
    await dispatch.engine.scheduler.run_once()
    await dispatch.engine.scheduler.run_once()
    for again in await dispatch.messages():
        assert await handler(again) is Verdict.DONE
    await eventually(dispatch.states, lambda states: states == ["handed_over"])
    gate.set()
    await handler.idle()
    row = await dispatch.delivery()
    assert (row["state"], row["attempts"]) == ("handed_over", 1)
    assert len({request.webhook_id for request in endpoint.received}) == 1
    assert len(await dispatch.events(DeliveriesHandedOver)) == 1


async def test_a_batch_that_the_broker_does_not_take_is_handed_back_at_once(dispatch: Bench, endpoint: Receiver) -> None:
    agency = await dispatch.agency(url=f"{endpoint.url}/hook")
    await dispatch.apply(circular_dispatched([agency]))
    scheduler = dispatch.engine.scheduler
    scheduler._publisher = Publisher("amqp://guest:guest@127.0.0.1:9/", "nowhere", timeout=1)
    with pytest.raises(UNAVAILABLE):
        await scheduler.run_once()
    row = await dispatch.delivery()
    assert (row["state"], row["lease_token"]) == ("scheduled", None)
    scheduler._publisher = dispatch.publisher
    await dispatch.deliver_due()
    assert await dispatch.states() == ["handed_over"]


class _NeverConfirmed(Publisher):
    """A broker that takes a batch and never says so."""

    async def publish(self, messages: Sequence[Outgoing]) -> list[Exception | None]:
        await asyncio.Event().wait()
        raise AssertionError(messages)


async def test_leases_that_ran_out_while_the_database_was_away_are_left_to_workers_that_live(
    dispatch: Bench, endpoint: Receiver
) -> None:
    gate, stop = asyncio.Event(), asyncio.Event()
    agency = await dispatch.agency(url=f"{endpoint.url}/hook")
    endpoint.script("/hook", Answer(gate=gate))
    await dispatch.apply(circular_dispatched([agency]))
    await dispatch.engine.scheduler.run_once()
    (message,) = await dispatch.messages()
    working = asyncio.create_task(dispatch.handler()(message))
    await eventually(endpoint.count, lambda count: count == 1)
    await dispatch.expire_leases()
    # A scheduler comes up before the worker has renewed; that it claims another letter shows that it has looked at the leases.
    await dispatch.apply(circular_dispatched([await dispatch.agency(url=f"{endpoint.url}/other")]))
    scheduling = asyncio.create_task(dispatch.engine.scheduler.run(stop))
    await eventually(dispatch.states, lambda states: states == ["leased", "leased"])
    gate.set()
    assert await working is Verdict.DONE
    await dispatch.handler().idle()
    stop.set()
    await scheduling
    assert sorted(await dispatch.states()) == ["handed_over", "leased"]
    assert await endpoint.count() == 1


async def test_a_scheduler_killed_before_it_has_published_holds_its_batch_only_briefly(
    dispatch: Bench, endpoint: Receiver
) -> None:
    agency = await dispatch.agency(url=f"{endpoint.url}/hook")
    await dispatch.apply(circular_dispatched([agency]))
    scheduler = dispatch.engine.scheduler
    scheduler._publisher = _NeverConfirmed("amqp://guest:guest@127.0.0.1:9/", "nowhere", timeout=1)
    killed = asyncio.create_task(scheduler.run_once())
    await eventually(dispatch.states, lambda states: states == ["leased"])
    killed.cancel()
    held = await dispatch.leased_until() - datetime.now(UTC)
    assert held < scheduler._pace.publish_lease
    await dispatch.expire_leases()
    scheduler._publisher = dispatch.publisher
    await scheduler.run_once()
    waiting = await dispatch.leased_until() - datetime.now(UTC)
    assert waiting > scheduler._pace.publish_lease
    await dispatch.deliver_due()
    assert await dispatch.states() == ["handed_over"]


async def test_a_batch_handed_back_is_nothing_to_a_worker_that_got_it_after_all(dispatch: Bench, endpoint: Receiver) -> None:
    agency = await dispatch.agency(url=f"{endpoint.url}/hook")
    await dispatch.apply(circular_dispatched([agency]))
    await dispatch.engine.scheduler.run_once()
    (message,) = await dispatch.messages()
    async with dispatch.database.transaction() as connection:
        await hand_back(connection, [(await dispatch.delivery())["lease_token"]])
    assert await dispatch.handler()(message) is Verdict.DONE
    assert endpoint.received == []


async def test_outcomes_wait_for_a_database_that_is_away(
    settings_environment: dict[str, str], token_issuer: TokenIssuer, endpoint: Receiver
) -> None:
    gate = asyncio.Event()
    async with (
        cable_to(settings_environment["postgres_dsn"]) as (cable, dsn),
        bench({**settings_environment, "postgres_dsn": dsn}, token_issuer) as dispatch,
    ):
        agency = await dispatch.agency(url=f"{endpoint.url}/hook")
        endpoint.script("/hook", Answer(gate=gate))
        await dispatch.apply(circular_dispatched([agency]))
        await dispatch.engine.scheduler.run_once()
        (message,) = await dispatch.messages()
        assert await dispatch.handler()(message) is Verdict.DONE
        await eventually(endpoint.count, lambda count: count == 1)
        cable.pull()
        gate.set()
        recording = asyncio.create_task(dispatch.handler().idle())
        _, still = await asyncio.wait([recording], timeout=0.6)
        assert still, "the outcome is kept, not dropped"
        cable.plug()
        await recording
        assert await dispatch.states() == ["handed_over"]
        assert len(endpoint.received) == 1


async def test_a_letter_waits_for_news_of_its_agency(dispatch: Bench, endpoint: Receiver) -> None:
    agency = UUID(int=7)
    await dispatch.apply(circular_dispatched([agency]))
    assert (await dispatch.delivery())["channel"] is None
    await dispatch.set_endpoint(agency, f"{endpoint.url}/hook")
    await dispatch.apply(agency_saved(agency))
    await dispatch.deliver_due()
    assert await dispatch.states() == ["handed_over"]
    assert len(endpoint.received) == 1


async def test_a_letter_to_an_agency_that_nobody_knows_ends_up_in_the_inbox(
    settings_environment: dict[str, str], token_issuer: TokenIssuer
) -> None:
    async with bench(settings_environment, token_issuer, dispatch_agency_patience="0") as dispatch:
        await dispatch.apply(circular_dispatched([UUID(int=7)]))
        await dispatch.make_due()
        await dispatch.engine.scheduler.run_once()
        assert (await dispatch.delivery())["channel"] == "inbox"


async def test_a_slow_endpoint_does_not_hold_up_the_news_of_the_others(dispatch: Bench, endpoint: Receiver) -> None:
    gate = asyncio.Event()
    agencies = [await dispatch.agency(url=f"{endpoint.url}/hooks/{n}") for n in range(10)]
    endpoint.script("/hooks/3", Answer(gate=gate))
    await dispatch.apply(circular_dispatched(agencies))
    await dispatch.engine.scheduler.run_once()
    (message,) = await dispatch.messages()
    assert await dispatch.handler()(message) is Verdict.DONE
    await eventually(dispatch.states, lambda states: states.count("handed_over") == 9)
    gate.set()
    await dispatch.handler().idle()
    assert await dispatch.states() == ["handed_over"] * 10


async def test_the_window_bounds_what_is_claimed(
    settings_environment: dict[str, str], token_issuer: TokenIssuer, endpoint: Receiver
) -> None:
    async with bench(settings_environment, token_issuer, dispatch_window="10", dispatch_batch_size="4") as dispatch:
        agency = await dispatch.agency(url=f"{endpoint.url}/hook")
        await dispatch.apply(circular_dispatched([agency] * 25))
        await dispatch.engine.scheduler.run_once()
        assert (await dispatch.states()).count("leased") == 10
        assert await dispatch.engine.scheduler.run_once() == 0
        assert len(await dispatch.messages()) == 3


async def test_nothing_is_forgotten_and_the_backlog_has_an_age(dispatch: Bench, endpoint: Receiver) -> None:
    agency = await dispatch.agency(url=f"{endpoint.url}/hook")
    await dispatch.apply(circular_dispatched([agency]))
    await dispatch.make_due()
    async with dispatch.database.connection() as connection:
        measured = {(b.lane, b.channel): b for b in await backlogs(connection)}
    assert measured["normal", "webhook"].age >= 1
    assert measured["bulk", "webhook"].age == 0
    assert await Observer(dispatch.database, interval=1).run_once() == 0
