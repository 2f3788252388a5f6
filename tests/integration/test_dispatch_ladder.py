"""The ladder over a real database: the steps' ends are stored and kept, the first success cancels the rest, counters follow the log."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from services.dispatch.delivery.jobs import Sent
from services.dispatch.ladder import LADDER
from services.dispatch.outcomes import Refused, RetryLater
from services.dispatch.reasons import http_reason
from services.dispatch.store.transitions import LOCK_WAITING
from services.dispatch.worker import BatchLeased
from shared.access import Scope
from shared.contracts.envelope import Envelope
from shared.contracts.events import Channel, DeliveriesHandedOver, Speed
from shared.contracts.topology import SENDING_CHANNELS, Lane
from shared.thai.dates import bangkok_date
from tests.support.dispatch import Bench, circular_dispatched, gathered, letter
from tests.support.eventually import eventually
from tests.support.receiver import Answer, MailSink, Receiver

PAIRS = [(first, then) for first in LADDER for then in LADDER if LADDER.index(first) <= LADDER.index(then)]


@pytest.fixture
def dispatch_variables(sink: MailSink) -> dict[str, str]:
    return {"dispatch_smtp_port": str(sink.port)}


async def let_step_end(dispatch: Bench) -> None:
    """Let the running step's time pass."""
    async with dispatch.database.connection() as connection:
        await connection.execute(
            "UPDATE deliveries SET step_until = now() - interval '1 second', next_attempt_at = now() - interval '1 second' "
            "WHERE state = 'scheduled'"
        )


async def assert_counters_follow_the_log(dispatch: Bench) -> None:
    """The columns of every delivery are what its rows say."""
    async with dispatch.database.connection() as connection:
        rows = await connection.fetch("""
            SELECT d.attempts, d.channel_attempts, count(a.number) AS logged, max(a.number) AS highest,
                count(a.number) FILTER (WHERE a.channel = d.channel) AS logged_on_channel
            FROM deliveries d LEFT JOIN attempts a ON a.delivery_id = d.delivery_id GROUP BY d.delivery_id
        """)
    assert rows
    for row in rows:
        assert (row["attempts"], row["channel_attempts"]) == (row["logged"], row["logged_on_channel"])
        assert row["highest"] in (None, row["logged"]), "numbered without a gap"


async def send(dispatch: Bench, lane: Lane = Lane.NORMAL) -> int:
    """One turn of the scheduler and of the workers of a lane; how many batches were sent."""
    taken = [len(await dispatch.deliver_due(lane, channel)) for channel in SENDING_CHANNELS]
    return sum(taken)


async def test_urgency_and_deadline_set_the_end_of_each_step(dispatch: Bench, endpoint: Receiver) -> None:
    agency = await dispatch.agency(url=f"{endpoint.url}/hook")
    soon = datetime.now(UTC) + timedelta(minutes=20)
    await dispatch.apply(circular_dispatched([agency]))
    await dispatch.apply(circular_dispatched([agency], content=letter(speed=Speed.MOST_URGENT)))
    await dispatch.apply(circular_dispatched([agency], content=letter(speed=Speed.MOST_URGENT), deadline=soon))
    async with dispatch.database.connection() as connection:
        rows = await connection.fetch("SELECT lane, step_until - next_attempt_at AS length FROM deliveries ORDER BY delivery_id")
    assert [row["lane"] for row in rows] == ["normal", "express", "express"]
    assert rows[0]["length"] == timedelta(days=2)
    assert rows[1]["length"] == timedelta(minutes=10)
    assert timedelta(minutes=4, seconds=50) < rows[2]["length"] < timedelta(minutes=5), "a quarter of the time that is left"


async def test_a_failing_webhook_is_left_when_its_time_is_over_though_retries_are_left(
    dispatch: Bench, endpoint: Receiver, sink: MailSink
) -> None:
    agency = await dispatch.agency(url=f"{endpoint.url}/hook", email="saraban@example.go.th")
    await dispatch.apply(circular_dispatched([agency], content=letter(speed=Speed.MOST_URGENT)))
    endpoint.script("/hook", Answer(503), Answer(503, headers={"Retry-After": "3000"}))
    await dispatch.deliver_due(Lane.EXPRESS)
    before = await dispatch.delivery()
    assert (before["channel"], before["channel_attempts"]) == ("webhook", 1)
    await dispatch.make_due()
    await dispatch.deliver_due(Lane.EXPRESS)
    row = await dispatch.delivery()
    assert (row["channel"], row["channel_attempts"], row["attempts"]) == ("email", 0, 2), "it asks for more time than there is"
    assert row["step_until"] > before["step_until"]
    await dispatch.deliver_due(Lane.EXPRESS, Channel.EMAIL)
    assert len(sink.messages) == 1
    await assert_counters_follow_the_log(dispatch)


@pytest.mark.parametrize(("first", "then"), PAIRS, ids=str)
async def test_the_first_success_on_any_channel_cancels_the_rest(
    dispatch: Bench, endpoint: Receiver, sink: MailSink, first: Channel, then: Channel
) -> None:
    """The letter begins on `first`, everything fails down to `then`, and that succeeds."""
    sender = uuid4()
    agency = await dispatch.agency(
        url=f"{endpoint.url}/hook" if first is Channel.WEBHOOK else None,
        email="saraban@example.go.th" if first in SENDING_CHANNELS else None,
    )
    circular = circular_dispatched([agency], sender=sender)
    await dispatch.apply(circular)
    delivery_id = (await dispatch.delivery())["delivery_id"]
    passed = LADDER[LADDER.index(first) : LADDER.index(then)]
    # Nothing begins on paper: the inbox above it is always open.
    for channel in passed if first is not Channel.PAPER else (Channel.INBOX,):
        if channel is Channel.WEBHOOK:
            endpoint.script("/hook", Answer(404))
            await dispatch.deliver_due()
        elif channel is Channel.EMAIL:
            sink.recipient_answers.append("550 no such mailbox")
            await dispatch.deliver_due(channel=Channel.EMAIL)
        else:
            await let_step_end(dispatch)
            await dispatch.engine.scheduler.run_once()

    own = dispatch.tokens.headers(agency, Scope.DELIVERIES_READ)
    clerk = dispatch.tokens.headers(sender, Scope.LETTERS_WRITE, Scope.CIRCULARS_READ)
    assert (await dispatch.delivery())["channel"] == then
    if then is Channel.INBOX:
        await dispatch.http.get(f"/v1/inbox/{delivery_id}", headers=own)
    elif then is Channel.PAPER:
        body = {"sent_on": bangkok_date(datetime.now(UTC)).isoformat(), "how": "post"}
        assert (await dispatch.http.post(f"/v1/paper/{delivery_id}/sent", json=body, headers=clerk)).status_code == 200
    else:
        await send(dispatch)

    async def seen() -> tuple[object, ...]:
        row = await dispatch.delivery()
        waiting = (await dispatch.http.get("/v1/paper", headers=clerk)).json()["items"]
        return row["state"], row["hand_over_channel"], row["attempts"], len(await dispatch.attempts()), len(waiting)

    ended = await seen()
    assert ended[:2] == ("handed_over", then)
    sent_before = len(endpoint.received), len(sink.messages)
    for _ in range(3):
        await dispatch.make_due()
        await let_step_end(dispatch)
        assert await send(dispatch) == 0
    await dispatch.http.get(f"/v1/inbox/{delivery_id}", headers=own)
    assert (
        await dispatch.http.post(f"/v1/paper/{delivery_id}/failed", json={"reason": "lost"}, headers=clerk)
    ).status_code == 409
    assert await seen() == ended
    assert (len(endpoint.received), len(sink.messages)) == sent_before
    assert len(await dispatch.events(DeliveriesHandedOver)) == 1
    await assert_counters_follow_the_log(dispatch)


async def test_a_late_pull_ends_the_wait_on_paper(dispatch: Bench) -> None:
    agency, sender = await dispatch.agency(), uuid4()
    await dispatch.apply(circular_dispatched([agency], sender=sender))
    await let_step_end(dispatch)
    await dispatch.engine.scheduler.run_once()
    row = await dispatch.delivery()
    assert (row["state"], row["channel"]) == ("scheduled", "paper")
    headers = dispatch.tokens.headers(agency, Scope.DELIVERIES_READ)
    assert (await dispatch.http.get(f"/v1/inbox/{row['delivery_id']}", headers=headers)).status_code == 200
    row = await dispatch.delivery()
    assert (row["state"], row["hand_over_channel"], row["hand_over_grade"]) == ("handed_over", "inbox", "transport")
    clerk = dispatch.tokens.headers(sender, Scope.LETTERS_WRITE, Scope.CIRCULARS_READ)
    assert (await dispatch.http.get("/v1/paper", headers=clerk)).json()["items"] == []


async def test_counters_follow_the_log_when_a_letter_is_pulled_while_it_is_sent(dispatch: Bench, endpoint: Receiver) -> None:
    gate = asyncio.Event()
    agency = await dispatch.agency(url=f"{endpoint.url}/hook")
    await dispatch.apply(circular_dispatched([agency]))
    endpoint.script("/hook", Answer(500, gate=gate))
    sending = asyncio.create_task(dispatch.deliver_due())
    await eventually(endpoint.count, lambda count: count == 1)
    headers = dispatch.tokens.headers(agency, Scope.DELIVERIES_READ)
    await dispatch.http.get(f"/v1/inbox/{(await dispatch.delivery())['delivery_id']}", headers=headers)
    gate.set()
    await sending
    row = await dispatch.delivery()
    assert (row["state"], row["attempts"]) == ("handed_over", 1)
    await assert_counters_follow_the_log(dispatch)


@pytest.mark.parametrize("pulled", [False, True])
async def test_counters_follow_the_log_when_outcomes_are_recorded_twice_and_at_once(
    dispatch: Bench, endpoint: Receiver, pulled: bool
) -> None:
    """After a lost connection nobody knows whether the commit happened, so the record is made again."""
    agencies = [await dispatch.agency(url=f"{endpoint.url}/hook") for _ in range(4)]
    await dispatch.apply(circular_dispatched(agencies))
    recorder = dispatch.handler()._recorder
    for turn in range(3):
        await dispatch.make_due()
        await dispatch.engine.scheduler.run_once()
        (message,) = await dispatch.messages()
        batch = await dispatch.handler()._taker.take(ticket_of(message.body))
        assert len(batch.jobs) == 4 - pulled * turn
        if pulled:
            agency = batch.jobs[0].address.agency_id
            headers = dispatch.tokens.headers(agency, Scope.DELIVERIES_READ)
            await dispatch.http.get(f"/v1/inbox/{batch.jobs[0].address.delivery_id}", headers=headers)
        now = datetime.now(UTC)
        outcome = Refused(http_reason(404), 404) if turn == 2 else RetryLater(http_reason(503), 503)
        sent = [Sent(job, outcome, now, now, 1.0) for job in batch.jobs]
        await gathered(*(recorder.record_once([(batch.lease_token, one) for one in sent]) for _ in range(3)))
        await assert_counters_follow_the_log(dispatch)
    assert sum(row["attempts"] for row in await dispatch.deliveries()) == (12 - 3 * pulled)


def ticket_of(body: bytes) -> UUID:
    return BatchLeased.model_validate(Envelope.model_validate_json(body).data).lease_token


async def test_the_look_for_what_waits_reads_its_index_and_not_the_backlog(dispatch: Bench) -> None:
    async with dispatch.database.transaction() as connection:
        await connection.execute("SET LOCAL enable_seqscan = off")
        plan = await connection.fetch(f"EXPLAIN {LOCK_WAITING}", 500)
    assert any("deliveries_waiting" in row[0] for row in plan), plan
