"""Faults that users of other delivery systems reported, and what holds each of them off here.

==========================================================  ===========================================================
fault (reported of)                                         held by
==========================================================  ===========================================================
message lost between commit and queue (Svix)                test_shared_messaging.py::test_committed_events_arrive_once_and_in_the_same_trace
                                                            test_shared_messaging.py::test_relay_and_consumer_go_on_after_the_broker_was_killed
                                                            test_dispatch_webhooks.py::test_a_batch_that_the_broker_does_not_take_is_handed_back_at_once
                                                            test_dispatch_faults.py::test_a_batch_that_the_queue_lost_is_claimed_anew
retries that never end (Convoy #1833)                       test_dispatch_faults.py::test_retries_begin_by_themselves_and_end
retries that never begin (Convoy #1811)                     test_dispatch_faults.py::test_retries_begin_by_themselves_and_end
stuck in "processing" (Convoy #1977)                        test_dispatch_webhooks.py::test_a_lease_that_ran_out_is_claimed_anew_and_the_old_holder_records_nothing
                                                            test_dispatch_webhooks.py::test_nothing_is_forgotten_and_the_backlog_has_an_age
                                                            test_demo.py::test_nothing_is_lost_when_the_dispatch_worker_is_killed
batch retry that crosses tenants (Convoy #2116)             test_dispatch_repair.py::test_many_are_set_going_within_a_bound_and_never_another_agencys
a new connection per delivery (Outpost #1017)               test_dispatch_faults.py::test_one_connection_carries_the_letters_of_many_batches
                                                            test_dispatch_transport.py::test_one_connection_carries_many_letters
a dropped broker connection that wedges the process (#999)  test_dispatch_faults.py::test_workers_outlive_an_outage_of_the_broker_and_go_on
a worker that dies 3 s into a broker outage (#900)          test_dispatch_faults.py::test_workers_outlive_an_outage_of_the_broker_and_go_on
                                                            test_demo.py::test_figures_are_the_same_when_rabbitmq_and_then_postgresql_are_away
an invisible dead-letter queue (#957)                       test_shared_messaging.py::test_message_whose_handler_always_fails_ends_in_the_dead_letters
                                                            test_dispatch_dead_letters.py::test_a_message_that_cannot_be_applied_is_listed_and_published_again_as_it_was
one duplicate that fails its whole batch (#946)             test_dispatch_faults.py::test_one_recipient_that_is_known_already_spoils_no_other
                                                            test_dispatch_faults.py::test_one_delivery_that_has_ended_meanwhile_spoils_no_other
a transaction open during the HTTP call (Hook0)             test_dispatch_faults.py::test_no_transaction_is_open_while_an_endpoint_thinks
one dead endpoint that stops everybody (keygen-api #771,    test_dispatch_faults.py::test_an_endpoint_that_hangs_stops_nobody_else
govau/notify #354)
==========================================================  ===========================================================
"""

import asyncio
import re
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from services.dispatch.app import SERVICE
from services.dispatch.config import DispatchSettings
from shared.broker import Verdict
from shared.contracts.events import DeliveriesHandedOver
from shared.runtime import run_workers
from tests.support.cable import cable_to
from tests.support.dispatch import Bench, circular_dispatched, dispatch_settings, gathered, recipient_registered
from tests.support.eventually import eventually
from tests.support.peers import answering, peer, silent
from tests.support.receiver import Answer, Receiver

TESTS = Path(__file__).parents[1]
# As long as the worker of the report lived.
OUTAGE_SECONDS = 3.0


@pytest.fixture
def dispatch_variables() -> dict[str, str]:
    return {"dispatch_retry_schedule": "0.05,0.05"}


@asynccontextmanager
async def _working(settings: DispatchSettings) -> AsyncGenerator[asyncio.Task[None]]:
    """All workers of dispatch, as a process runs them."""
    stop = asyncio.Event()
    async with SERVICE.open(settings) as parts:
        running = asyncio.create_task(run_workers(parts.workers, stop, grace=10))
        for probe in parts.worker_probes:
            await eventually(probe.problem, lambda problem: problem is None, within=20)
        yield running
        stop.set()
        await running


def test_every_test_that_the_table_names_is_there() -> None:
    named = re.findall(r"(\w+\.py)::(\w+)", __doc__ or "")
    assert len(named) >= 15
    for file, test in named:
        (path,) = TESTS.rglob(file)
        assert f"def {test}(" in path.read_text(encoding="utf-8"), f"{file} has no {test}"


async def test_a_batch_that_the_queue_lost_is_claimed_anew(dispatch: Bench, endpoint: Receiver) -> None:
    agencies = [await dispatch.agency(url=f"{endpoint.url}/hooks/{n}") for n in range(5)]
    await dispatch.apply(circular_dispatched(agencies))
    await dispatch.engine.scheduler.run_once()
    assert len(await dispatch.messages()) == 1, "taken off the queue, and gone"
    await dispatch.deliver_due()
    assert endpoint.received == []
    await dispatch.expire_leases()
    await dispatch.engine.scheduler.run_once()
    await dispatch.deliver_due()
    assert await dispatch.states() == ["handed_over"] * 5
    assert len(endpoint.received) == 5


async def test_retries_begin_by_themselves_and_end(dispatch: Bench, endpoint: Receiver) -> None:
    recovers, never = [await dispatch.agency(url=f"{endpoint.url}/hooks/{name}") for name in ("recovers", "never")]
    endpoint.script("/hooks/recovers", Answer(503), Answer(500))
    endpoint.script("/hooks/never", *(Answer(503) for _ in range(50)))
    async with _working(dispatch.settings):
        await dispatch.apply(circular_dispatched([recovers, never]))
        rows = await eventually(dispatch.deliveries, lambda rows: [row["channel"] for row in rows] == ["webhook", "inbox"])
        assert rows[0]["state"] in {"scheduled", "leased", "handed_over"}
        await eventually(dispatch.states, lambda states: states[0] == "handed_over")
        # Another letter goes all the way round: time enough for a fourth attempt, if there were one.
        await dispatch.apply(circular_dispatched([recovers]))
        await eventually(dispatch.states, lambda states: states.count("handed_over") == 2)
    assert len(endpoint.at("/hooks/never")) == 3, "one attempt and a retry for each wait of the schedule"
    assert len(endpoint.at("/hooks/recovers")) == 4


async def test_one_connection_carries_the_letters_of_many_batches(dispatch: Bench) -> None:
    async with peer(answering()) as there:
        agency = await dispatch.agency(url=f"http://127.0.0.1:{there.port}/hook")
        for _ in range(20):
            await dispatch.apply(circular_dispatched([agency]))
            await dispatch.deliver_due()
        assert await dispatch.states() == ["handed_over"] * 20
        assert len(there.requests) == 20
        assert there.connections == 1


async def test_workers_outlive_an_outage_of_the_broker_and_go_on(
    dispatch: Bench, endpoint: Receiver, settings_environment: dict[str, str]
) -> None:
    agency = await dispatch.agency(url=f"{endpoint.url}/hook")
    async with (
        cable_to(settings_environment["amqp_url"]) as (cable, amqp_url),
        _working(dispatch_settings(settings_environment, **_same_keys(dispatch), amqp_url=amqp_url)) as running,
    ):
        await dispatch.apply(circular_dispatched([agency]))
        await eventually(dispatch.states, lambda states: states == ["handed_over"])
        cable.pull()
        pulled = time.monotonic()
        await dispatch.apply(circular_dispatched([agency]))
        # Each consumer, the relay and the scheduler come again and again.
        await eventually(cable.refusals, lambda count: count >= 20 and time.monotonic() > pulled + OUTAGE_SECONDS, within=30)
        assert not running.done()
        cable.plug()
        await eventually(dispatch.states, lambda states: states == ["handed_over"] * 2, within=30)
        await dispatch.apply(circular_dispatched([agency]))
        await eventually(dispatch.states, lambda states: states == ["handed_over"] * 3, within=30)
    assert len(endpoint.received) == 3


def _same_keys(dispatch: Bench) -> dict[str, str]:
    return {"dispatch_secret_key": dispatch.settings.dispatch_secret_key.get_secret_value()}


async def test_one_recipient_that_is_known_already_spoils_no_other(dispatch: Bench, endpoint: Receiver) -> None:
    agencies = [await dispatch.agency(url=f"{endpoint.url}/hooks/{n}") for n in range(6)]
    circular = circular_dispatched(agencies)
    early = circular.model_copy(update={"recipients": circular.recipients[2:3]})
    await dispatch.apply(early)
    await dispatch.deliver_due()
    assert len(endpoint.received) == 1
    await gathered(dispatch.apply(circular), dispatch.apply(circular))
    await dispatch.deliver_due()
    assert await dispatch.states() == ["handed_over"] * 6
    assert sorted(request.path for request in endpoint.received) == [f"/hooks/{n}" for n in range(6)]


async def test_one_delivery_that_has_ended_meanwhile_spoils_no_other(dispatch: Bench, endpoint: Receiver) -> None:
    gate = asyncio.Event()
    agencies = [await dispatch.agency(url=f"{endpoint.url}/hooks/{n}") for n in range(6)]
    for n in range(6):
        endpoint.script(f"/hooks/{n}", Answer(gate=gate))
    circular = circular_dispatched(agencies)
    await dispatch.apply(circular)
    await dispatch.engine.scheduler.run_once()
    (message,) = await dispatch.messages()
    assert await dispatch.handler()(message) is Verdict.DONE
    await eventually(endpoint.count, lambda count: count == 6)
    await dispatch.apply(recipient_registered(circular, 2))
    assert await dispatch.handler()(message) is Verdict.DONE, "the same batch again finds nothing to do"
    gate.set()
    await dispatch.handler().idle()
    assert await dispatch.states() == ["handed_over"] * 6
    assert len(endpoint.received) == 6
    assert len(await dispatch.events(DeliveriesHandedOver)) == 6


BUSY = """
SELECT state, query FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
    AND (xact_start IS NOT NULL OR state <> 'idle')
"""


async def test_no_transaction_is_open_while_an_endpoint_thinks(dispatch: Bench, endpoint: Receiver, database_dsn: str) -> None:
    gate = asyncio.Event()
    agencies = [await dispatch.agency(url=f"{endpoint.url}/hooks/{n}") for n in range(5)]
    for n in range(5):
        endpoint.script(f"/hooks/{n}", Answer(gate=gate))
    await dispatch.apply(circular_dispatched(agencies))
    await dispatch.engine.scheduler.run_once()
    (message,) = await dispatch.messages()
    assert await dispatch.handler()(message) is Verdict.DONE
    await eventually(endpoint.count, lambda count: count == 5)
    watcher = await asyncpg.connect(database_dsn)
    try:
        async with dispatch.database.transaction() as connection:
            await connection.fetchval("SELECT 1")
            assert [row["state"] for row in await watcher.fetch(BUSY)] == ["idle in transaction"], "what this looks for shows"
        for _ in range(50):
            assert await watcher.fetch(BUSY) == []
        # And nobody else is kept from the rows of what is under way.
        async with watcher.transaction():
            locked = await watcher.fetch("SELECT delivery_id FROM dispatch.deliveries FOR UPDATE NOWAIT")
        assert len(locked) == 5
    finally:
        await watcher.close()
    gate.set()
    await dispatch.handler().idle()
    assert await dispatch.states() == ["handed_over"] * 5


async def test_an_endpoint_that_hangs_stops_nobody_else(dispatch: Bench, endpoint: Receiver) -> None:
    async with _working(dispatch.settings), peer(silent) as dead:
        agencies = [await dispatch.agency(url=f"{endpoint.url}/hooks/{n}") for n in range(9)]
        agencies.insert(4, await dispatch.agency(url=f"http://127.0.0.1:{dead.port}/hook"))
        for letters in (1, 2):
            await dispatch.apply(circular_dispatched(agencies))
            await eventually(dispatch.states, lambda states, letters=letters: states.count("handed_over") == 9 * letters)
            assert dead.open >= 1, "it still hangs"
    assert len(endpoint.received) == 18
