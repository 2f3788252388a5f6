"""An agency whose system lost letters has them sent to its endpoint once more; nothing changes for anybody else."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, LiteralString
from uuid import UUID, uuid4

import httpx
import pytest
from cryptography.fernet import Fernet

from services.dispatch.observer import Observer
from services.dispatch.outcomes import Deferred, Delivered, Gone, NoRoute, Outcome, Refused, RetryLater
from services.dispatch.reasons import http_reason
from services.dispatch.resends import GivenUp, Result, Taken, TriedAgain, decide, is_used_up, left_out
from services.dispatch.sequencer import FeedPruner
from services.dispatch.store import circuits, resend_leases, resends
from shared.access import Scope
from shared.contracts.events import CircularDispatched
from shared.contracts.topology import Lane
from shared.postgres import Row
from tests.support.afterwards import recalled
from tests.support.dispatch import Bench, bench, circular_dispatched, gathered
from tests.support.eventually import eventually
from tests.support.receiver import Answer, Receiver, receiver
from tests.support.tokens import TokenIssuer

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 24, tzinfo=UTC)
RANGE = {"from": "2026-01-01T00:00:00+07:00", "to": "2100-01-01T00:00:00+07:00"}


@pytest.fixture
async def endpoint() -> AsyncGenerator[Receiver]:
    async with receiver() as running:
        yield running


@pytest.fixture
async def dispatch(settings_environment: dict[str, str], token_issuer: TokenIssuer) -> AsyncGenerator[Bench]:
    async with bench(settings_environment, token_issuer, dispatch_resend_pause="0") as opened:
        yield opened


async def handed_over(dispatch: Bench, endpoint: Receiver, count: int = 3) -> tuple[UUID, list[CircularDispatched]]:
    """An agency that has taken so many letters by webhook; what the endpoint has seen of them is forgotten."""
    agency = await dispatch.agency(url=f"{endpoint.url}/hook")
    sent = [circular_dispatched([agency]) for _ in range(count)]
    for circular in sent:
        await dispatch.apply(circular)
    await eventually(lambda: _delivered(dispatch), lambda done: done)
    assert len(endpoint.received) == count
    return agency, sent


async def _delivered(dispatch: Bench) -> bool:
    await dispatch.deliver_due()
    return set(await dispatch.states()) == {"handed_over"}


async def call(
    dispatch: Bench, agency: UUID, method: str, path: str = "", *, key: str | None = None, **body: Any
) -> httpx.Response:
    headers = dispatch.tokens.headers(agency, Scope.ENDPOINTS_WRITE)
    if key is not None:
        headers["Idempotency-Key"] = key
    return await dispatch.http.request(method, f"/v1/endpoints/resends{path}", headers=headers, json=body or None)


async def ordered(dispatch: Bench, agency: UUID, **body: Any) -> dict[str, Any]:
    answer = await call(dispatch, agency, "POST", **body)
    assert answer.status_code == 202, answer.text
    return answer.json()


async def shown(dispatch: Bench, agency: UUID, resend_id: str) -> dict[str, Any]:
    answer = await call(dispatch, agency, "GET", f"/{resend_id}")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def drain(dispatch: Bench) -> None:
    """Turns until nothing is left to do now."""
    while await look_now(dispatch) and await dispatch.engine.resender.run_once():
        pass
    await look_now(dispatch)
    await dispatch.engine.resender.run_once()


async def look_now(dispatch: Bench) -> bool:
    await execute(dispatch, "UPDATE resends SET look_at = now() WHERE state = 'running'")
    return True


async def execute(dispatch: Bench, statement: LiteralString, *values: object) -> None:
    async with dispatch.database.connection() as connection:
        await connection.execute(statement, *values)


async def everything_told(dispatch: Bench) -> tuple[list[Row], list[Row], list[Row], list[Row]]:
    async with dispatch.database.connection() as connection:
        return (
            await connection.fetch("SELECT * FROM deliveries ORDER BY delivery_id"),
            await connection.fetch("SELECT * FROM attempts ORDER BY delivery_id, number"),
            await connection.fetch("SELECT * FROM outbox ORDER BY outbox_id"),
            await connection.fetch("SELECT * FROM feed_pending ORDER BY pending_id"),
        )


async def test_a_range_comes_again_with_the_same_identifiers_and_bytes_and_nothing_else_moves(
    dispatch: Bench, endpoint: Receiver
) -> None:
    agency, _ = await handed_over(dispatch, endpoint)
    first = {request.webhook_id: request.body for request in endpoint.received}
    before = await everything_told(dispatch)
    made = await ordered(dispatch, agency, **RANGE, why="กู้คืนจากสำเนาเก่า")
    assert (made["state"], made["total"], made["waiting"], made["next"]) == ("running", 3, 3, None)
    await drain(dispatch)
    again = endpoint.received[3:]
    assert {request.webhook_id: request.body for request in again} == first
    assert len(again) == 3
    for request in again:
        request.verified(dispatch.secrets[agency])
    done = await shown(dispatch, agency, made["resend_id"])
    assert (done["state"], done["sent"], done["waiting"], done["why"]) == ("done", 3, 0, "กู้คืนจากสำเนาเก่า")
    assert await everything_told(dispatch) == before, "the sender sees nothing, and no budget is touched"
    items = (await call(dispatch, agency, "GET", f"/{made['resend_id']}/deliveries")).json()["items"]
    assert [(item["position"], item["state"], item["tries"]) for item in items] == [
        (1, "sent", 1),
        (2, "sent", 1),
        (3, "sent", 1),
    ]


async def test_the_log_and_the_health_page_name_the_order(dispatch: Bench, endpoint: Receiver) -> None:
    agency, _ = await handed_over(dispatch, endpoint, 2)
    endpoint.script("/hook", Answer(status=422, body="no"))
    made = await ordered(dispatch, agency, **RANGE)
    await drain(dispatch)
    headers = dispatch.tokens.headers(agency, Scope.ENDPOINTS_WRITE)
    first = (await dispatch.http.get("/v1/endpoints/attempts?limit=3", headers=headers)).json()
    rest = (await dispatch.http.get(f"/v1/endpoints/attempts?after={first['next']}", headers=headers)).json()
    log = first["items"] + rest["items"]
    assert [one["resend_id"] for one in log] == [made["resend_id"]] * 2 + [None] * 2
    health = (await dispatch.http.get("/v1/endpoints/health", headers=headers)).json()
    assert (health["attempts"], health["delivered"]) == (4, 3)
    assert [(one["reason"], one["count"]) for one in health["failures"]] == [("http_422", 1)]
    assert [(one["resend_id"], one["answer"]) for one in health["last_failures"]] == [(made["resend_id"], "no")]
    done = await shown(dispatch, agency, made["resend_id"])
    assert (done["state"], done["sent"], done["failed"]) == ("done", 1, 1)


async def test_one_letter(dispatch: Bench, endpoint: Receiver) -> None:
    agency, _ = await handed_over(dispatch, endpoint, 2)
    wanted = endpoint.received[1].webhook_id
    made = await ordered(dispatch, agency, delivery_id=wanted)
    same = await ordered(dispatch, agency, delivery_id=wanted)
    assert same["resend_id"] == made["resend_id"], "it is being sent already"
    await drain(dispatch)
    assert [request.webhook_id for request in endpoint.received[2:]] == [wanted]
    assert (await shown(dispatch, agency, made["resend_id"]))["state"] == "done"


async def test_only_the_agency_itself(dispatch: Bench, endpoint: Receiver) -> None:
    agency, _ = await handed_over(dispatch, endpoint, 1)
    stranger = await dispatch.agency(url=f"{endpoint.url}/other")
    delivery_id = endpoint.received[0].webhook_id
    assert (await call(dispatch, stranger, "POST", delivery_id=delivery_id)).status_code == 404
    assert (await ordered(dispatch, stranger, **RANGE))["total"] == 0
    made = await ordered(dispatch, agency, **RANGE)
    for method, path in (("GET", ""), ("GET", "/deliveries"), ("POST", "/cancel")):
        assert (await call(dispatch, stranger, method, f"/{made['resend_id']}{path}")).status_code == 404
    listed = (await call(dispatch, stranger, "GET")).json()["items"]
    assert made["resend_id"] not in {one["resend_id"] for one in listed}
    nobody = uuid4()
    assert (await call(dispatch, nobody, "POST", **RANGE)).status_code == 404, "it has no endpoint"


async def test_the_same_key_gets_the_same_order_and_another_request_under_it_is_refused(
    dispatch: Bench, endpoint: Receiver
) -> None:
    agency, _ = await handed_over(dispatch, endpoint, 1)
    answers = [await call(dispatch, agency, "POST", key="a", **RANGE)]
    await drain(dispatch)
    answers.append(await call(dispatch, agency, "POST", key="a", **RANGE))
    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].json()["resend_id"] == answers[1].json()["resend_id"]
    await drain(dispatch)
    assert len(endpoint.received) == 2, "it was sent once more once"
    other = await call(dispatch, agency, "POST", key="a", **RANGE, why="other")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


async def test_one_range_runs_at_a_time_however_many_ask_at_once(dispatch: Bench, endpoint: Receiver) -> None:
    agency, _ = await handed_over(dispatch, endpoint, 1)
    answers: list[httpx.Response] = []

    async def ask() -> None:
        answers.append(await call(dispatch, agency, "POST", **RANGE))

    await gathered(*(ask() for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [202, 409, 409, 409]
    (running,) = [answer.json()["resend_id"] for answer in answers if answer.status_code == 202]
    refused = next(answer.json() for answer in answers if answer.status_code == 409)
    assert (refused["code"], refused["detail"]) == ("resend_running", running)


async def test_a_pause_lies_between_two_orders_of_the_same(
    settings_environment: dict[str, str], token_issuer: TokenIssuer, endpoint: Receiver
) -> None:
    async with bench(settings_environment, token_issuer, dispatch_resend_pause="600") as dispatch:
        agency, _ = await handed_over(dispatch, endpoint, 2)
        one, other = (request.webhook_id for request in endpoint.received)
        for asked in (RANGE, {"delivery_id": one}):
            await ordered(dispatch, agency, **asked)
            await drain(dispatch)
            refused = await call(dispatch, agency, "POST", **asked)
            assert (refused.status_code, refused.json()["code"]) == (429, "resend_too_soon")
            assert 590 < int(refused.headers["Retry-After"]) <= 600
        await ordered(dispatch, agency, delivery_id=other)


async def test_a_range_that_holds_more_than_an_order_goes_on_behind_it(dispatch: Bench, endpoint: Receiver) -> None:
    agency, _ = await handed_over(dispatch, endpoint, 5)
    # As when they were recorded together.
    await execute(dispatch, "UPDATE attempts SET started_at = $1", NOW)
    wanted = sorted(request.webhook_id for request in endpoint.received)
    after: str | None = None
    sizes: list[int] = []
    while True:
        made = await ordered(dispatch, agency, **RANGE, limit=2, after=after)
        sizes.append(made["total"])
        await drain(dispatch)
        after = made["next"]
        if after is None:
            break
    assert sizes == [2, 2, 1]
    assert sorted(request.webhook_id for request in endpoint.received[5:]) == wanted


async def test_the_range_is_that_of_the_hand_over(dispatch: Bench, endpoint: Receiver) -> None:
    agency, _ = await handed_over(dispatch, endpoint, 3)
    by_time = [request.webhook_id for request in endpoint.received]
    for n, delivery_id in enumerate(by_time):
        await execute(
            dispatch, "UPDATE attempts SET started_at = $1 WHERE delivery_id = $2", NOW + timedelta(hours=n), UUID(delivery_id)
        )
    asked = {"from": (NOW + timedelta(hours=1)).isoformat(), "to": (NOW + timedelta(hours=2)).isoformat()}
    await ordered(dispatch, agency, **asked)
    await drain(dispatch)
    assert [request.webhook_id for request in endpoint.received[3:]] == [by_time[1]]


async def test_what_was_fetched_from_the_inbox_is_in_its_range_too(dispatch: Bench, endpoint: Receiver) -> None:
    agency = await dispatch.agency()
    await dispatch.apply(circular_dispatched([agency]))
    headers = dispatch.tokens.headers(agency, Scope.DELIVERIES_READ)
    leases = await dispatch.http.post("/v1/inbox/lease", json={"max": 1}, headers=headers)
    assert leases.status_code == 200, leases.text
    (lease,) = leases.json()["items"]
    await dispatch.http.post("/v1/inbox/acknowledge", json={"lease_ids": [lease["lease_id"]]}, headers=headers)
    assert await dispatch.states() == ["handed_over"]
    await dispatch.set_endpoint(agency, f"{endpoint.url}/hook")
    await ordered(dispatch, agency, **RANGE)
    await drain(dispatch)
    assert [request.webhook_id for request in endpoint.received] == [str((await dispatch.delivery())["delivery_id"])]


async def test_what_its_sender_recalled_is_left_out_before_and_after_the_order(dispatch: Bench, endpoint: Receiver) -> None:
    agency, sent = await handed_over(dispatch, endpoint, 3)
    await dispatch.apply(recalled(sent[0].circular_id, sent[0].sender_agency_id, sent[0].recipients))
    made = await ordered(dispatch, agency, **RANGE)
    assert (made["total"], made["waiting"], made["left_out"]) == (3, 2, 1)
    await dispatch.apply(recalled(sent[1].circular_id, sent[1].sender_agency_id, sent[1].recipients))
    await drain(dispatch)
    done = await shown(dispatch, agency, made["resend_id"])
    assert (done["sent"], done["left_out"]) == (1, 2)
    left = (await call(dispatch, agency, "GET", f"/{made['resend_id']}/deliveries?state=left_out")).json()["items"]
    assert {item["reason"] for item in left} == {"recalled"}
    (again,) = endpoint.received[3:]
    assert again.data["recipient_id"] == str(sent[2].recipients[0].recipient_id)
    refused = await call(dispatch, agency, "POST", delivery_id=left[0]["delivery_id"])
    assert (refused.status_code, refused.json()["code"], refused.json()["detail"]) == (409, "resend_not_possible", "recalled")


async def test_what_is_under_way_comes_by_itself(dispatch: Bench, endpoint: Receiver) -> None:
    agency = await dispatch.agency(url=f"{endpoint.url}/hook")
    await dispatch.apply(circular_dispatched([agency]))
    refused = await call(dispatch, agency, "POST", delivery_id=str((await dispatch.delivery())["delivery_id"]))
    assert (refused.status_code, refused.json()["detail"]) == (409, "under_way")


async def test_an_order_is_cancelled_and_what_was_under_way_is_logged_all_the_same(dispatch: Bench, endpoint: Receiver) -> None:
    agency, _ = await handed_over(dispatch, endpoint, 3)
    await execute(dispatch, "INSERT INTO circuits (agency_id, max_in_flight) VALUES ($1, 1)", agency)
    gate = asyncio.Event()
    endpoint.script("/hook", Answer(gate=gate))
    made = await ordered(dispatch, agency, **RANGE)
    turn = asyncio.create_task(dispatch.engine.resender.run_once())
    await eventually(endpoint.count, lambda count: count == 4)
    ended = (await call(dispatch, agency, "POST", f"/{made['resend_id']}/cancel")).json()
    assert (ended["state"], ended["not_sent"], ended["waiting"]) == ("cancelled", 3, 0)
    gate.set()
    await turn
    await drain(dispatch)
    assert len(endpoint.received) == 4, "nothing more was sent"
    async with dispatch.database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM resend_attempts") == 1
    twice = (await call(dispatch, agency, "POST", f"/{made['resend_id']}/cancel")).json()
    assert twice == ended
    await ordered(dispatch, agency, **RANGE)


async def test_failures_are_tried_again_by_the_schedule_of_long_lists_and_then_given_up(
    settings_environment: dict[str, str], token_issuer: TokenIssuer, endpoint: Receiver
) -> None:
    more = {"dispatch_resend_pause": "0", "dispatch_retry_schedule_bulk": "60,60", "dispatch_breaker_failures": "100"}
    async with bench(settings_environment, token_issuer, **more) as dispatch:
        agency, _ = await handed_over(dispatch, endpoint, 1)
        endpoint.script("/hook", *[Answer(status=503)] * 3)
        made = await ordered(dispatch, agency, **RANGE)
        for tries in range(1, 4):
            await drain(dispatch)
            assert len(endpoint.received) == 1 + tries
            await execute(dispatch, "UPDATE resend_deliveries SET next_attempt_at = now() WHERE state = 'waiting'")
        done = await shown(dispatch, agency, made["resend_id"])
        assert (done["state"], done["failed"]) == ("done", 1)
        items = (await call(dispatch, agency, "GET", f"/{made['resend_id']}/deliveries")).json()["items"]
        assert [(item["reason"], item["tries"]) for item in items] == [("http_503", 3)]


async def test_an_endpoint_that_fails_opens_its_circuit_and_one_that_answers_410_is_switched_off(
    settings_environment: dict[str, str], token_issuer: TokenIssuer, endpoint: Receiver
) -> None:
    async with bench(settings_environment, token_issuer, dispatch_resend_pause="0", dispatch_breaker_failures="2") as dispatch:
        agency, _ = await handed_over(dispatch, endpoint, 6)
        await execute(dispatch, "INSERT INTO circuits (agency_id, max_in_flight) VALUES ($1, 2)", agency)
        endpoint.script("/hook", *[Answer(status=503)] * 2)
        await ordered(dispatch, agency, **RANGE)
        await drain(dispatch)
        assert len(endpoint.received) == 8, "two at a time, and none while it rests"
        async with dispatch.database.connection() as connection:
            assert await connection.fetchval("SELECT state FROM circuits WHERE agency_id = $1", agency) == "open"
        await execute(dispatch, "UPDATE circuits SET open_until = now()")
        endpoint.script("/hook", Answer(status=410))
        await drain(dispatch)
        assert len(endpoint.received) == 9, "one found out"
        async with dispatch.database.connection() as connection:
            assert await connection.fetchval("SELECT state FROM endpoints WHERE agency_id = $1", agency) == "disabled"
        assert set(await dispatch.states()) == {"handed_over"}


async def test_letters_go_first_and_share_the_limit(dispatch: Bench, endpoint: Receiver) -> None:
    agency, _ = await handed_over(dispatch, endpoint, 1)
    await execute(dispatch, "INSERT INTO circuits (agency_id, max_in_flight) VALUES ($1, 1)", agency)
    await ordered(dispatch, agency, **RANGE)
    for _ in range(2):
        await dispatch.apply(circular_dispatched([agency]))
    await dispatch.engine.scheduler.run_once()
    await look_now(dispatch)
    assert await dispatch.engine.resender.run_once() == 0, "a letter is under way, and one is parked"
    for message in await dispatch.messages():
        await dispatch.handler()(message)
    await dispatch.handler().idle()
    await look_now(dispatch)
    assert await dispatch.engine.resender.run_once() == 0, "the other has not gone yet"
    await execute(dispatch, "UPDATE circuits SET look_at = now()")
    await dispatch.deliver_due()
    await execute(dispatch, "UPDATE circuits SET look_at = NULL")
    gate = asyncio.Event()
    endpoint.script("/hook", Answer(gate=gate))
    await look_now(dispatch)
    turn = asyncio.create_task(dispatch.engine.resender.run_once())
    await eventually(endpoint.count, lambda count: count == 4)
    async with dispatch.database.connection() as connection:
        flows = await circuits.flows(connection, [agency], dispatch.engine.notifier._pace.limits)
    assert flows[agency].in_flight == 1, "to the letters' claim it is under way like a letter"
    gate.set()
    await turn


async def test_a_rate_holds(dispatch: Bench, endpoint: Receiver) -> None:
    agency, _ = await handed_over(dispatch, endpoint, 4)
    await execute(dispatch, "INSERT INTO circuits (agency_id, max_per_second) VALUES ($1, 0.5)", agency)
    await ordered(dispatch, agency, **RANGE)
    await drain(dispatch)
    assert len(endpoint.received) == 5, "one, and the next in two seconds"


async def test_a_paused_endpoint_gets_nothing_and_an_order_that_waits_too_long_ends(dispatch: Bench, endpoint: Receiver) -> None:
    agency, _ = await handed_over(dispatch, endpoint, 2)
    headers = dispatch.tokens.headers(agency, Scope.ENDPOINTS_WRITE)
    assert (await dispatch.http.post("/v1/endpoints/pause", headers=headers)).status_code == 200
    made = await ordered(dispatch, agency, **RANGE)
    await drain(dispatch)
    assert len(endpoint.received) == 2
    await execute(dispatch, "UPDATE resends SET runs_until = now()")
    await drain(dispatch)
    ended = await shown(dispatch, agency, made["resend_id"])
    assert (ended["state"], ended["not_sent"]) == ("expired", 2)


@asynccontextmanager
async def worker(dispatch: Bench, base: dict[str, str], secret_key: str, log: Path) -> AsyncGenerator[asyncio.subprocess.Process]:
    """The dispatch worker as a process of its own."""
    given = base | {
        "dispatch_secret_key": secret_key,
        "dispatch_allow_networks": "127.0.0.0/8",
        "dispatch_poll_interval": "0.02",
        "dispatch_endpoint_proof": "off",
        "http_port": "0",
    }
    environment = {**os.environ, **{f"WIAN_{name.upper()}": value for name, value in given.items()}}
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.dispatch", "worker", cwd=ROOT, env=environment, stdout=output, stderr=output
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_a_worker_killed_in_mid_range_loses_no_letter_and_repeats_only_what_it_had_in_hand(
    settings_environment: dict[str, str], token_issuer: TokenIssuer, endpoint: Receiver, tmp_path: Path
) -> None:
    secret_key = Fernet.generate_key().decode()
    async with bench(settings_environment, token_issuer, dispatch_resend_pause="0", dispatch_secret_key=secret_key) as dispatch:
        agency, _ = await handed_over(dispatch, endpoint, 12)
        wanted = sorted(request.webhook_id for request in endpoint.received)
        endpoint.received.clear()
        await execute(dispatch, "INSERT INTO circuits (agency_id, max_in_flight) VALUES ($1, 3)", agency)
        endpoint.script("/hook", *[Answer()] * 5, *[Answer(gate=asyncio.Event())] * 3)
        made = await ordered(dispatch, agency, **RANGE)

        async def recorded() -> int:
            return (await shown(dispatch, agency, made["resend_id"]))["sent"]

        async with worker(dispatch, settings_environment, secret_key, tmp_path / "worker.log") as process:
            await eventually(endpoint.count, lambda count: count == 8, within=60)
            assert await eventually(recorded, lambda sent: sent == 5) == 5
            process.send_signal(signal.SIGKILL)
            assert await process.wait() == -signal.SIGKILL
        await drain(dispatch)
        assert len(endpoint.received) == 8, "the leases of the dead hold, and count as under way"
        await execute(dispatch, "UPDATE resend_deliveries SET next_attempt_at = now() WHERE lease_token IS NOT NULL")
        await drain(dispatch)
        done = await shown(dispatch, agency, made["resend_id"])
        assert (done["state"], done["sent"]) == ("done", 12)
        came = [request.webhook_id for request in endpoint.received]
        assert sorted(set(came)) == wanted
        assert len(came) == 12 + 3, "each that was in hand once more, under the same identifier"


async def test_a_lease_that_was_lost_cannot_record(dispatch: Bench, endpoint: Receiver) -> None:
    agency, _ = await handed_over(dispatch, endpoint, 1)
    gate = asyncio.Event()
    endpoint.script("/hook", Answer(gate=gate, status=422))
    made = await ordered(dispatch, agency, **RANGE)
    slow = asyncio.create_task(dispatch.engine.resender.run_once())
    await eventually(endpoint.count, lambda count: count == 2)
    await execute(dispatch, "UPDATE resend_deliveries SET next_attempt_at = now()")
    async with dispatch.database.transaction() as connection:
        (taken,) = await resend_leases.lease(connection, UUID(made["resend_id"]), 1, uuid4(), timedelta(minutes=1))
    gate.set()
    await slow
    items = (await call(dispatch, agency, "GET", f"/{made['resend_id']}/deliveries")).json()["items"]
    assert [(item["state"], item["tries"]) for item in items] == [("waiting", taken.tries)], "the refusal moved nothing"
    async with dispatch.database.connection() as connection:
        logged = await connection.fetch("SELECT number, outcome FROM resend_attempts")
    assert [tuple(row) for row in logged] == [(1, "refused")]


async def test_a_worker_that_must_end_gives_back_what_it_has_in_hand(dispatch: Bench, endpoint: Receiver) -> None:
    agency, _ = await handed_over(dispatch, endpoint, 2)
    endpoint.script("/hook", *[Answer(gate=asyncio.Event())] * 2)
    made = await ordered(dispatch, agency, **RANGE)
    running = asyncio.create_task(dispatch.engine.resender.run(asyncio.Event()))
    await eventually(endpoint.count, lambda count: count == 4)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await drain(dispatch)
    done = await shown(dispatch, agency, made["resend_id"])
    assert (done["state"], done["sent"], len(endpoint.received)) == ("done", 2, 6), "at once, not when the leases would end"


async def test_a_worker_asked_to_stop_ends_what_it_has_begun(dispatch: Bench, endpoint: Receiver) -> None:
    agency, _ = await handed_over(dispatch, endpoint, 3)
    await execute(dispatch, "INSERT INTO circuits (agency_id, max_in_flight) VALUES ($1, 1)", agency)
    gate, stop = asyncio.Event(), asyncio.Event()
    endpoint.script("/hook", Answer(gate=gate))
    made = await ordered(dispatch, agency, **RANGE)
    running = asyncio.create_task(dispatch.engine.resender.run(stop))
    await eventually(endpoint.count, lambda count: count == 4)
    stop.set()
    gate.set()
    await asyncio.wait_for(running, 10)
    left = await shown(dispatch, agency, made["resend_id"])
    assert (left["sent"], left["waiting"], len(endpoint.received)) == (1, 2, 4)


async def test_a_letter_that_ends_its_workers_is_given_up(dispatch: Bench, endpoint: Receiver) -> None:
    agency, _ = await handed_over(dispatch, endpoint, 1)
    made = await ordered(dispatch, agency, **RANGE)
    schedule = dispatch.settings.policy.lanes[Lane.BULK].schedule
    await execute(dispatch, "UPDATE resend_deliveries SET tries = $1", len(schedule) + 1)
    await drain(dispatch)
    items = (await call(dispatch, agency, "GET", f"/{made['resend_id']}/deliveries")).json()["items"]
    assert [(item["state"], item["reason"]) for item in items] == [("failed", "workers_lost")]
    assert len(endpoint.received) == 1


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"from": RANGE["from"]},
        {"from": RANGE["to"], "to": RANGE["from"]},
        {**RANGE, "delivery_id": str(uuid4())},
        {**RANGE, "limit": 0},
        {**RANGE, "limit": 10_001},
        {**RANGE, "why": "a\nb"},
        {"delivery_id": str(uuid4()), "from": RANGE["from"]},
    ],
)
async def test_what_is_no_order_is_refused(dispatch: Bench, body: dict[str, Any]) -> None:
    agency = await dispatch.agency()
    headers = dispatch.tokens.headers(agency, Scope.ENDPOINTS_WRITE)
    answer = await dispatch.http.post("/v1/endpoints/resends", json=body, headers=headers)
    assert answer.status_code == 422, answer.text
    spoilt = {**RANGE, "after": "nonsense"}
    answer = await dispatch.http.post("/v1/endpoints/resends", json=spoilt, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "cursor_invalid")


async def test_old_orders_are_forgotten_with_their_letters_and_running_ones_are_counted(
    dispatch: Bench, endpoint: Receiver
) -> None:
    agency, _ = await handed_over(dispatch, endpoint, 1)
    old = await ordered(dispatch, agency, **RANGE)
    await drain(dispatch)
    await execute(dispatch, "UPDATE resends SET ended_at = now() - interval '91 days'")
    kept = await ordered(dispatch, agency, **RANGE)
    async with dispatch.database.connection() as connection:
        assert await resends.count_all_running(connection) == 1
    await Observer(dispatch.database, interval=1).run_once()
    pruner = FeedPruner(dispatch.database)
    while await pruner.run_once():
        pass
    listed = (await call(dispatch, agency, "GET")).json()["items"]
    assert [one["resend_id"] for one in listed] == [kept["resend_id"]]
    async with dispatch.database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM resend_attempts WHERE resend_id = $1", UUID(old["resend_id"])) == 0


@pytest.mark.parametrize(
    ("outcome", "tries", "result"),
    [
        (Delivered(204), 1, Taken()),
        (RetryLater(http_reason(503), 503), 1, TriedAgain(NOW + timedelta(seconds=60))),
        (RetryLater(http_reason(429), 429, after=600), 2, TriedAgain(NOW + timedelta(seconds=600))),
        (RetryLater(http_reason(503), 503), 3, GivenUp("http_503")),
        (Refused(http_reason(422), 422), 1, GivenUp("http_422")),
        (Gone(410), 1, GivenUp("http_410")),
        (NoRoute("none"), 1, GivenUp("none")),
        (Deferred("full", 5), 1, TriedAgain(NOW + timedelta(seconds=5))),
    ],
)
def test_what_follows_from_an_answer(outcome: Outcome, tries: int, result: Result) -> None:
    assert decide(outcome, tries, (60, 60), NOW, 0.5) == result


def test_budgets_and_what_is_left_out() -> None:
    assert [is_used_up(tries, (60, 60)) for tries in (1, 3, 4)] == [False, False, True]
    assert left_out("handed_over", None) is None
    assert left_out("handed_over", NOW) == "recalled"
    assert left_out("recalled", NOW) == "recalled"
    assert left_out("undeliverable", None) == "undeliverable"
    assert left_out("scheduled", None) == left_out("leased", None) == "under_way"
