"""No neighbour's fault is felt: limits in flight and rates, circuits, parking, turns between senders, slow requests aside."""

import asyncio
import json
from datetime import timedelta
from typing import Any, LiteralString
from uuid import UUID, uuid4

import pytest

from services.dispatch.delivery.decide import LOST_LEASES
from services.dispatch.observer import Observer
from services.dispatch.scheduler import LANES
from services.dispatch.store import circulars
from services.dispatch.store.circuits import LOOK, UNPARK
from services.dispatch.store.claims import LOCK_DUE
from shared.broker import Verdict
from tests.support.dispatch import Bench, bench, circular_dispatched
from tests.support.eventually import eventually
from tests.support.receiver import Answer, Receiver
from tests.support.tokens import TokenIssuer


@pytest.fixture
def dispatch_variables() -> dict[str, str]:
    return {"dispatch_agency_in_flight": "3", "dispatch_breaker_failures": "2"}


async def _count(dispatch: Bench, condition: str) -> int:
    async with dispatch.database.connection() as connection:
        return len([row for row in await connection.fetch("SELECT state, parked FROM deliveries") if row[condition]])


async def _circuit(dispatch: Bench, agency: UUID) -> str | None:
    async with dispatch.database.connection() as connection:
        return await connection.fetchval("SELECT state FROM circuits WHERE agency_id = $1", agency)


async def _look_now(dispatch: Bench) -> None:
    async with dispatch.database.connection() as connection:
        await connection.execute("UPDATE circuits SET look_at = now() - interval '1 second' WHERE look_at IS NOT NULL")
        await connection.execute("UPDATE circuits SET open_until = now() - interval '1 second' WHERE state = 'open'")


async def test_what_is_over_an_agencys_limit_is_parked_and_follows_as_room_comes(dispatch: Bench, endpoint: Receiver) -> None:
    busy, other = await dispatch.agency(url=f"{endpoint.url}/busy"), await dispatch.agency(url=f"{endpoint.url}/other")
    await dispatch.apply(circular_dispatched([busy] * 8 + [other]))
    await dispatch.deliver_due()
    assert len(endpoint.at("/other")) == 1
    assert len(endpoint.at("/busy")) == 3
    assert await _count(dispatch, "parked") == 5
    for expected in (6, 8):
        await _look_now(dispatch)
        await dispatch.deliver_due()
        assert len(endpoint.at("/busy")) == expected
    assert await dispatch.states() == ["handed_over"] * 9
    sent = [request.data["addressee"]["position"] for request in endpoint.at("/busy")]
    assert [sorted(sent[:3]), sorted(sent[3:6]), sorted(sent[6:])] == [[1, 2, 3], [4, 5, 6], [7, 8]], "in the order of turns"


async def test_a_failing_endpoint_opens_its_circuit_and_one_letter_finds_out(dispatch: Bench, endpoint: Receiver) -> None:
    agency = await dispatch.agency(url=f"{endpoint.url}/hook")
    endpoint.script("/hook", *[Answer(503)] * 4)
    await dispatch.apply(circular_dispatched([agency] * 3))
    await dispatch.deliver_due()
    assert await _circuit(dispatch, agency) == "open"
    assert len(endpoint.received) == 3

    await dispatch.make_due()
    await dispatch.deliver_due()
    assert len(endpoint.received) == 3, "nothing is sent while it is open"
    assert [row["attempts"] for row in await dispatch.deliveries()] == [1, 1, 1], "and waiting costs no attempt"

    await _look_now(dispatch)
    await dispatch.deliver_due()
    assert len(endpoint.received) == 4, "half-open: one letter finds out"
    assert await _circuit(dispatch, agency) == "open", "it failed again"

    await _look_now(dispatch)
    await dispatch.deliver_due()
    assert await _circuit(dispatch, agency) == "closed"
    await _look_now(dispatch)
    await dispatch.make_due()
    await dispatch.deliver_due()
    assert await dispatch.states() == ["handed_over"] * 3
    assert await Observer(dispatch.database, interval=1).run_once() == 0


async def test_an_agencys_rate_is_kept(
    settings_environment: dict[str, str], token_issuer: TokenIssuer, endpoint: Receiver
) -> None:
    async with bench(settings_environment, token_issuer, dispatch_agency_per_second="0.01") as dispatch:
        agency = await dispatch.agency(url=f"{endpoint.url}/hook")
        await dispatch.apply(circular_dispatched([agency] * 3))
        await dispatch.deliver_due()
        assert len(endpoint.received) == 1
        await dispatch.deliver_due()
        assert len(endpoint.received) == 1, "its hundred seconds are not over"
        async with dispatch.database.connection() as connection:
            await connection.execute("UPDATE circuits SET spent_until = spent_until - interval '100 seconds'")
        await _look_now(dispatch)
        await dispatch.deliver_due()
        assert len(endpoint.received) == 2


async def test_two_senders_take_turns(
    settings_environment: dict[str, str], token_issuer: TokenIssuer, endpoint: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Turns so far apart that the pace of this test plays no part.
    monkeypatch.setattr(circulars, "TURN_SPACING", timedelta(hours=1))
    async with bench(settings_environment, token_issuer, dispatch_window="20", dispatch_batch_size="20") as dispatch:
        agencies = [await dispatch.agency(url=f"{endpoint.url}/hook") for _ in range(30)]
        ministry, office = uuid4(), uuid4()
        await dispatch.apply(circular_dispatched(agencies * 3, sender=ministry))
        await dispatch.apply(circular_dispatched(agencies[:10], sender=office))
        await dispatch.deliver_due()
        served = [request.data["sender"]["agency_id"] for request in endpoint.received]
        assert (served.count(str(office)), served.count(str(ministry))) == (10, 10), "by turns, though the ministry came first"
        await dispatch.deliver_due()
        assert len(endpoint.received) == 40, "alone again, the ministry is not slowed"


async def test_slow_requests_make_room_for_others(
    settings_environment: dict[str, str], token_issuer: TokenIssuer, endpoint: Receiver
) -> None:
    gate = asyncio.Event()
    async with bench(settings_environment, token_issuer, dispatch_concurrency="1", dispatch_slow_concurrency="2") as dispatch:
        slow = [await dispatch.agency(url=f"{endpoint.url}/slow/{n}") for n in range(2)]
        quick = [await dispatch.agency(url=f"{endpoint.url}/quick/{n}") for n in range(3)]
        for n in range(2):
            endpoint.script(f"/slow/{n}", Answer(gate=gate))
        await dispatch.apply(circular_dispatched([*slow, *quick]))
        await dispatch.engine.scheduler.run_once()
        (message,) = await dispatch.messages()
        # The message is done with while two requests still wait: they hold neither it nor the only slot.
        assert await asyncio.wait_for(dispatch.handler()(message), 20) is Verdict.DONE
        await eventually(dispatch.states, lambda states: states.count("handed_over") == 3)
        gate.set()
        await eventually(dispatch.states, lambda states: states == ["handed_over"] * 5)


async def test_a_worker_that_must_stop_hands_back_what_it_has_not_sent(
    settings_environment: dict[str, str], token_issuer: TokenIssuer, endpoint: Receiver
) -> None:
    gate = asyncio.Event()
    async with bench(settings_environment, token_issuer, dispatch_concurrency="1") as dispatch:
        agencies = [await dispatch.agency(url=f"{endpoint.url}/hook/{n}") for n in range(5)]
        for n in range(5):
            endpoint.script(f"/hook/{n}", Answer(gate=gate))
        await dispatch.apply(circular_dispatched(agencies))
        await dispatch.engine.scheduler.run_once()
        (message,) = await dispatch.messages()
        delivering = asyncio.create_task(dispatch.handler()(message))
        await eventually(endpoint.count, lambda count: count == 1)
        dispatch.handler().stopping.set()
        gate.set()
        await delivering
        await dispatch.handler().finish()
        assert sorted(await dispatch.states()) == ["handed_over", *["scheduled"] * 4]
        async with dispatch.database.connection() as connection:
            assert await connection.fetchval("SELECT count(*) FROM leases") == 0, "nothing is left leased"


async def test_when_the_grace_is_over_what_is_under_way_is_handed_back(dispatch: Bench, endpoint: Receiver) -> None:
    gate = asyncio.Event()
    agency = await dispatch.agency(url=f"{endpoint.url}/hook")
    endpoint.script("/hook", Answer(gate=gate))
    await dispatch.apply(circular_dispatched([agency]))
    await dispatch.engine.scheduler.run_once()
    (message,) = await dispatch.messages()
    assert await dispatch.handler()(message) is Verdict.DONE
    await eventually(endpoint.count, lambda count: count == 1)
    await dispatch.handler().abandon()
    gate.set()
    await eventually(dispatch.states, lambda states: states == ["scheduled"])


async def test_a_delivery_that_ends_every_worker_is_taken_off_its_channel(dispatch: Bench, endpoint: Receiver) -> None:
    agency = await dispatch.agency(url=f"{endpoint.url}/hook", email="saraban@example.go.th")
    await dispatch.apply(circular_dispatched([agency]))
    for _ in range(LOST_LEASES):
        await dispatch.make_due()
        await dispatch.engine.scheduler.run_once()
        async with dispatch.database.connection() as connection:
            # As a worker that has taken it up and died.
            await connection.execute("UPDATE leases SET holder = gen_random_uuid()")
        await dispatch.expire_leases()
        await dispatch.engine.scheduler.decide_waiting()
    row = await dispatch.delivery()
    assert (row["state"], row["channel"], row["attempts"]) == ("scheduled", "email", 0)
    assert endpoint.received == []


async def test_a_batch_that_no_worker_took_up_is_no_lost_worker(dispatch: Bench, endpoint: Receiver) -> None:
    agency = await dispatch.agency(url=f"{endpoint.url}/hook")
    await dispatch.apply(circular_dispatched([agency]))
    await dispatch.engine.scheduler.run_once()
    await dispatch.expire_leases()
    await dispatch.engine.scheduler.decide_waiting()
    row = await dispatch.delivery()
    assert (row["state"], row["lost_leases"]) == ("scheduled", 0)


async def test_an_outcome_that_cannot_be_recorded_stops_no_other(dispatch: Bench, endpoint: Receiver) -> None:
    agencies = [await dispatch.agency(url=f"{endpoint.url}/hook/{n}") for n in range(4)]
    await dispatch.apply(circular_dispatched(agencies))
    spoilt = (await dispatch.deliveries())[1]["delivery_id"]
    recorder = dispatch.handler()._recorder
    record_once = recorder.record_once

    async def fails_for_one(given: Any) -> list[bool]:
        if any(sent.job.address.delivery_id == spoilt for _, sent in given):
            raise ValueError("a value that PostgreSQL does not take")
        return await record_once(given)

    recorder.record_once = fails_for_one
    await dispatch.deliver_due()
    assert (await dispatch.states()) == ["handed_over", "leased", "handed_over", "handed_over"]


async def test_parked_letters_that_escaped_are_found(dispatch: Bench, endpoint: Receiver) -> None:
    agency = await dispatch.agency(url=f"{endpoint.url}/hook")
    await dispatch.apply(circular_dispatched([agency]))
    async with dispatch.database.connection() as connection:
        await connection.execute("UPDATE deliveries SET parked = true")
    await dispatch.deliver_due()
    assert endpoint.received == []
    assert await Observer(dispatch.database, interval=1).run_once() == 1
    await dispatch.deliver_due()
    assert await dispatch.states() == ["handed_over"]


async def test_a_claim_reads_no_more_of_a_large_backlog_than_of_a_small_one(dispatch: Bench, endpoint: Receiver) -> None:
    agencies = [await dispatch.agency(url=f"{endpoint.url}/hook") for _ in range(20)]
    for _ in range(3):
        await dispatch.apply(circular_dispatched(agencies * 300))
    async with dispatch.database.connection() as connection:
        await connection.execute("ANALYZE deliveries")
        statements: tuple[tuple[LiteralString, tuple[object, ...]], ...] = (
            (LOCK_DUE, ([lane for lane, _ in LANES], [channel for _, channel in LANES], 2000, 100)),
            (UNPARK, (agencies, [1] * len(agencies))),
            (LOOK, (200,)),
        )
        for statement, arguments in statements:
            explained = await connection.fetchval("EXPLAIN (ANALYZE, FORMAT JSON) " + statement, *arguments)
            (plan,) = json.loads(explained) if isinstance(explained, str) else explained
            assert not _scans(plan["Plan"], "deliveries"), f"a sequential scan of deliveries: {plan}"


def _scans(node: dict[str, Any], table: str) -> bool:
    own = node["Node Type"] == "Seq Scan" and node.get("Relation Name") == table
    return own or any(_scans(child, table) for child in node.get("Plans", []))
