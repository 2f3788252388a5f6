"""Status subscriptions: events reach the subscriber's endpoint in order, none is skipped, and a retry is the same request again."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString
from uuid import UUID, uuid4

import httpx
import pytest

from services.dispatch.feed import EventType
from services.dispatch.sequencer import FeedPruner, Sequencer
from services.dispatch.store import subscriptions
from shared.access import Scope
from shared.contracts.events import CircularDispatched
from tests.support.dispatch import Bench, bench, circular_dispatched, gathered, recipient_registered
from tests.support.eventually import eventually
from tests.support.receiver import Answer, Receiver, receiver
from tests.support.tokens import TokenIssuer

READER = (Scope.CIRCULARS_READ, Scope.DELIVERIES_READ)


async def _place(dispatch: Bench) -> int:
    return await Sequencer(dispatch.database, poll_interval=1).run_once()


async def _call(dispatch: Bench, method: str, agency: UUID, *scopes: Scope, **body: Any) -> httpx.Response:
    headers = dispatch.tokens.headers(agency, *(scopes or (Scope.ENDPOINTS_WRITE, *READER)))
    given = body if method == "PUT" else None
    return await dispatch.http.request(method, "/v1/events/subscription", headers=headers, json=given)


async def _subscribe(dispatch: Bench, agency: UUID, **body: Any) -> dict[str, Any]:
    answer = await _call(dispatch, "PUT", agency, **body)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def _health(dispatch: Bench, agency: UUID) -> dict[str, Any]:
    answer = await _call(dispatch, "GET", agency)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def _read(dispatch: Bench, agency: UUID) -> list[dict[str, Any]]:
    answer = await dispatch.http.get("/v1/events", headers=dispatch.tokens.headers(agency, *READER))
    return answer.json()["items"]


async def _drain(dispatch: Bench) -> None:
    while await dispatch.engine.notifier.run_once():
        pass


async def _execute(dispatch: Bench, statement: LiteralString) -> None:
    async with dispatch.database.connection() as connection:
        await connection.execute(statement)


async def _make_due(dispatch: Bench) -> None:
    await _execute(dispatch, "UPDATE subscriptions SET next_attempt_at = now() - interval '1 second'")


async def _circular(dispatch: Bench, sender: UUID, recipients: int = 3) -> CircularDispatched:
    """A circular of `sender` whose recipients have all registered it; its events have their positions."""
    circular = circular_dispatched([await dispatch.agency() for _ in range(recipients)], sender=sender)
    await dispatch.apply(circular)
    for index in range(recipients):
        await dispatch.apply(recipient_registered(circular, index))
    await _place(dispatch)
    return circular


async def test_a_subscriber_gets_what_it_would_read_signed_and_in_order(dispatch: Bench, endpoint: Receiver) -> None:
    sender = await dispatch.agency(url=f"{endpoint.url}/hook")
    await _circular(dispatch, sender)
    assert (await _subscribe(dispatch, sender))["waiting"] == 0, "a new one begins now"
    await _drain(dispatch)
    assert endpoint.received == []
    before = await _read(dispatch, sender)
    await _circular(dispatch, sender)
    assert (await _health(dispatch, sender))["waiting"] > 0
    await _drain(dispatch)
    told = [request.verified(dispatch.secrets[sender]) for request in endpoint.received]
    assert told == (await _read(dispatch, sender))[len(before) :]
    assert [request.webhook_id for request in endpoint.received] == [event["id"] for event in told]
    assert {request.headers["content-type"] for request in endpoint.received} == {"application/cloudevents+json"}
    health = await _health(dispatch, sender)
    assert (health["waiting"], health["lag_seconds"], health["failures"], health["remedy"]) == (0, 0, 0, None)
    assert await dispatch.engine.notifier.run_once() == 0


async def test_batches_and_filters(dispatch: Bench, endpoint: Receiver) -> None:
    sender = await dispatch.agency(url=f"{endpoint.url}/hook")
    await _subscribe(dispatch, sender, about="sent", types=[EventType.REGISTERED], batch_size=2)
    await _circular(dispatch, sender)
    await _drain(dispatch)
    batches = [json.loads(request.body) for request in endpoint.received]
    assert [len(batch) for batch in batches] == [2, 1]
    assert {event["type"] for batch in batches for event in batch} == {EventType.REGISTERED}
    assert endpoint.received[0].headers["content-type"] == "application/cloudevents-batch+json"
    assert len({request.webhook_id for request in endpoint.received}) == 2


async def test_a_retry_is_the_same_request_though_more_has_come(dispatch: Bench, endpoint: Receiver) -> None:
    sender = await dispatch.agency(url=f"{endpoint.url}/hook")
    await _subscribe(dispatch, sender, types=[EventType.REGISTERED], batch_size=10)
    await _circular(dispatch, sender, 2)
    endpoint.script("/hook", Answer(503, "away", {"Retry-After": "1800"}), Answer(400, "no"))
    await dispatch.engine.notifier.run_once()
    failed = await _health(dispatch, sender)
    assert (failed["failures"], failed["last_failure"]["reason"], failed["waiting"]) == (1, "http_503", 2)
    assert failed["remedy"]["th"]
    assert failed["remedy"]["en"]
    at = datetime.fromisoformat(failed["next_attempt_at"]) - datetime.fromisoformat(failed["last_failure"]["at"])
    assert timedelta(minutes=29) < at < timedelta(minutes=31), "it asked for half an hour"
    assert await dispatch.engine.notifier.run_once() == 0
    await _circular(dispatch, sender, 1)
    for _ in range(2):
        await _make_due(dispatch)
        assert await dispatch.engine.notifier.run_once() == 1
    await _drain(dispatch)
    first, second, third, last = endpoint.received
    assert (first.webhook_id, first.body) == (second.webhook_id, second.body) == (third.webhook_id, third.body)
    assert (len(json.loads(first.body)), len(json.loads(last.body))) == (2, 1)
    assert (await _health(dispatch, sender))["failures"] == 0


async def test_a_sender_cancelled_between_the_answer_and_the_commit_sends_the_same_again(
    dispatch: Bench, endpoint: Receiver
) -> None:
    sender = await dispatch.agency(url=f"{endpoint.url}/hook")
    await _subscribe(dispatch, sender, types=[EventType.REGISTERED], batch_size=10)
    await _circular(dispatch, sender)
    gate = asyncio.Event()
    endpoint.script("/hook", Answer(gate=gate))
    stop = asyncio.Event()
    running = asyncio.create_task(dispatch.engine.notifier.run(stop))
    await eventually(endpoint.count, lambda count: count == 1)
    async with dispatch.database.transaction() as connection:
        holder = await connection.fetchval("SELECT pg_backend_pid() FROM subscriptions FOR UPDATE")
        gate.set()

        async def blocked() -> int:
            async with dispatch.database.connection() as other:
                return await other.fetchval(
                    "SELECT count(*) FROM pg_locks WHERE NOT granted AND $1 = ANY(pg_blocking_pids(pid))", holder
                )

        await eventually(blocked, lambda count: count > 0)
        running.cancel()
        # It ends before the row is free, so that what it was recording cannot get through.
        with pytest.raises(asyncio.CancelledError):
            await running
        await connection.execute("UPDATE subscriptions SET leased_until = now() - interval '1 second'")
    await _drain(dispatch)
    first, second = endpoint.received
    assert (first.webhook_id, first.body) == (second.webhook_id, second.body)
    assert (await _health(dispatch, sender))["waiting"] == 0


async def test_nothing_is_skipped_while_many_write_and_the_endpoint_falters(dispatch: Bench, endpoint: Receiver) -> None:
    sender = await dispatch.agency(url=f"{endpoint.url}/hook")
    await _subscribe(dispatch, sender, types=[EventType.REGISTERED], batch_size=3)
    circular = circular_dispatched([uuid4() for _ in range(30)], sender=sender)
    await dispatch.apply(circular)
    endpoint.script("/hook", *(Answer(status) for status in (503, 204, 404, 204, 500, 204)))
    writing = 3

    async def write(mine: range) -> None:
        nonlocal writing
        for index in mine:
            await dispatch.apply(recipient_registered(circular, index))
        writing -= 1

    async def follow() -> None:
        while writing or await _place(dispatch) or (await _health(dispatch, sender))["waiting"]:
            await _place(dispatch)
            await _make_due(dispatch)
            await dispatch.engine.notifier.run_once()

    async with asyncio.timeout(60):
        await gathered(*(write(range(n, 30, 3)) for n in range(3)), follow())
    told = [event["id"] for request in endpoint.received for event in json.loads(request.body)]
    assert len(told) > len(set(told)) == 30
    assert list(dict.fromkeys(told)) == [
        item["id"] for item in await _read(dispatch, sender) if item["type"] == EventType.REGISTERED
    ]


async def test_410_switches_it_off_and_setting_it_again_goes_on_where_it_stood(dispatch: Bench, endpoint: Receiver) -> None:
    sender = await dispatch.agency(url=f"{endpoint.url}/hook")
    await _subscribe(dispatch, sender)
    await _circular(dispatch, sender)
    endpoint.script("/hook", Answer(), Answer(410))
    await _drain(dispatch)
    off = await _health(dispatch, sender)
    assert off["state"] == "switched_off"
    assert "PUT /v1/events/subscription" in off["remedy"]["en"]
    endpoints = await dispatch.http.get("/v1/endpoints", headers=dispatch.tokens.headers(sender, Scope.ENDPOINTS_WRITE))
    assert endpoints.json()["state"] == "active", "letters still go"
    assert (await _subscribe(dispatch, sender))["state"] == "active"
    await _drain(dispatch)
    ids = [request.webhook_id for request in endpoint.received]
    assert ids[1] == ids[2]
    assert list(dict.fromkeys(ids)) == [item["id"] for item in await _read(dispatch, sender)]
    begin = await dispatch.http.get("/v1/events", params={"limit": 1}, headers=dispatch.tokens.headers(sender, *READER))
    await _subscribe(dispatch, sender, after=begin.json()["next"])
    await _drain(dispatch)
    assert [request.webhook_id for request in endpoint.received[len(ids) :]] == list(dict.fromkeys(ids))[1:]


async def test_letters_go_before_notices(dispatch: Bench, endpoint: Receiver) -> None:
    """An endpoint that rests is left alone; a paused one, and one where letters wait to find out, too."""
    agency = await dispatch.agency(url=f"{endpoint.url}/hook")
    await _subscribe(dispatch, agency)
    await _circular(dispatch, agency)
    resting = "INSERT INTO circuits (agency_id, state, failures, openings, open_until) SELECT agency_id, 'open', 5, 1, "
    await _execute(dispatch, resting + "now() + interval '1 hour' FROM endpoints")
    assert await dispatch.engine.notifier.run_once() == 0
    await _execute(dispatch, "UPDATE circuits SET open_until = now() - interval '1 second', look_at = now() + interval '1 hour'")
    assert await dispatch.engine.notifier.run_once() == 0
    await _execute(dispatch, "UPDATE circuits SET look_at = NULL")
    await _execute(dispatch, "UPDATE endpoints SET state = 'paused'")
    assert await dispatch.engine.notifier.run_once() == 0
    assert "resume" in (await _health(dispatch, agency))["remedy"]["en"]
    await _execute(dispatch, "UPDATE endpoints SET state = 'active'")
    assert await dispatch.engine.notifier.run_once() == 1
    async with dispatch.database.connection() as connection:
        assert await connection.fetchval("SELECT state FROM circuits") == "open", "a letter finds out, and no notice for it"


async def test_notices_that_fail_hold_back_no_letter(dispatch: Bench, endpoint: Receiver) -> None:
    """An endpoint may take letters and fail on events: its circuit is that of its letters."""
    agency = await dispatch.agency(url=f"{endpoint.url}/hook")
    await _subscribe(dispatch, agency, about="sent")
    await _circular(dispatch, agency)
    failures = 2 * dispatch.settings.dispatch_breaker_failures
    endpoint.script("/hook", *(Answer(503, "no events here", {"Retry-After": "3600"}) for _ in range(failures)), Answer())
    for _ in range(failures):
        await _make_due(dispatch)
        assert await dispatch.engine.notifier.run_once() == 1
    assert (await _health(dispatch, agency))["failures"] == failures
    await dispatch.apply(circular_dispatched([agency]))
    await dispatch.deliver_due()
    assert len(endpoint.received) == failures + 1
    assert [row["state"] for row in await dispatch.deliveries() if row["agency_id"] == agency] == ["handed_over"]


async def test_subscribers_that_do_not_answer_hold_up_no_other(
    settings_environment: dict[str, str], token_issuer: TokenIssuer
) -> None:
    limits = {"dispatch_notice_concurrency": "2", "dispatch_notice_slow_concurrency": "2"}
    async with bench(settings_environment, token_issuer, **limits) as dispatch, receiver() as endpoint:
        gate, stop = asyncio.Event(), asyncio.Event()
        for n in range(2):
            endpoint.script(f"/hanging/{n}", *[Answer(gate=gate)] * 10)
        senders = [await dispatch.agency(url=endpoint.url + path) for path in ("/hanging/0", "/hanging/1", "/quick")]
        for sender in senders[:2]:
            await _subscribe(dispatch, sender)
            await _circular(dispatch, sender, 1)
        running = asyncio.create_task(dispatch.engine.notifier.run(stop))

        async def paths() -> set[str]:
            return {request.path for request in endpoint.received}

        await eventually(paths, lambda found: found == {"/hanging/0", "/hanging/1"})
        await _subscribe(dispatch, senders[2])
        await _circular(dispatch, senders[2], 1)
        await eventually(paths, lambda found: "/quick" in found)
        stop.set()
        gate.set()
        await running


async def test_what_is_forgotten_untold_is_owned_up_to(dispatch: Bench, endpoint: Receiver) -> None:
    sender = await dispatch.agency(url=f"{endpoint.url}/hook")
    await _subscribe(dispatch, sender, types=["wian.recipient.registered.v1"])
    await _circular(dispatch, sender)
    await _drain(dispatch)
    await _circular(dispatch, sender, 2)
    async with dispatch.database.connection() as connection:
        assert await subscriptions.lag(connection) > 0
    assert (await _health(dispatch, sender))["lost_events"] == 0
    await _execute(dispatch, "UPDATE feed_events SET recorded_at = now() - interval '91 days'")
    while await FeedPruner(dispatch.database).run_once():
        pass
    health = await _health(dispatch, sender)
    assert (health["waiting"], health["lost_events"]) == (0, 2), "of the type that it wants, and not what it had taken"
    lost_until = datetime.fromisoformat(health["lost_until"])
    assert timedelta(days=90) < datetime.now(UTC) - lost_until < timedelta(days=92)
    assert (await _subscribe(dispatch, sender))["lost_events"] == 0, "whoever sets it again has seen it"
    await _circular(dispatch, sender, 1)
    await _drain(dispatch)
    assert endpoint.received[-1].verified(dispatch.secrets[sender])["type"] == "wian.recipient.registered.v1"
    async with dispatch.database.connection() as connection:
        assert await subscriptions.lag(connection) == 0


async def test_anothers_subscription_is_not_there_and_scopes_are_those_of_reading(dispatch: Bench, endpoint: Receiver) -> None:
    one, other = await dispatch.agency(url=f"{endpoint.url}/one"), await dispatch.agency(url=f"{endpoint.url}/other")
    await _subscribe(dispatch, one)
    assert (await _call(dispatch, "GET", other)).status_code == 404
    assert (await _call(dispatch, "DELETE", other)).status_code == 204
    assert (await _health(dispatch, one))["state"] == "active"
    await _circular(dispatch, one)
    await _drain(dispatch)
    assert {request.path for request in endpoint.received} == {"/one"}
    for scopes, body, expected in (
        ((Scope.ENDPOINTS_WRITE, Scope.DELIVERIES_READ), {"about": "both"}, (403, "scope_missing")),
        (READER, {}, (403, "scope_missing")),
        ((), {"about": "sent", "types": [EventType.ARRIVED]}, (422, "subscription_empty")),
        ((), {"batch_size": 101}, (422, "request_invalid")),
        ((), {"after": "spoilt"}, (422, "cursor_invalid")),
    ):
        answer = await _call(dispatch, "PUT", other, *scopes, **body)
        assert (answer.status_code, answer.json()["code"]) == expected, answer.text
    assert (await _call(dispatch, "DELETE", one)).status_code == 204
    assert (await _call(dispatch, "GET", one)).status_code == 404
