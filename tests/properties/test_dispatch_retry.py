"""Retries: never early, bounded, and every run of outcomes comes to an end."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.dispatch.delivery.decide import Again, HandedOver, Standing, Take, Undeliverable, decide, without_sending
from services.dispatch.ladder import LADDER, Routes
from services.dispatch.outcomes import Delivered, Gone, NoRoute, Outcome, Refused, RetryLater
from services.dispatch.retry import JITTER, LONGEST_REQUESTED_PAUSE, Policy, wait_before_retry
from shared.contracts.events import Channel

NOW = datetime(2026, 11, 9, 9, 0, tzinfo=UTC)

seconds = st.floats(min_value=0.1, max_value=100_000)
schedules = st.lists(seconds, min_size=1, max_size=12).map(tuple)
dice = st.floats(min_value=0, max_value=1)
requested = st.none() | st.floats(min_value=0, max_value=1e9)
failures = st.one_of(
    requested.map(lambda after: RetryLater("timeout", after=after)),
    st.just(Refused("http_404", 404)),
    st.just(Gone(410)),
    st.just(NoRoute("none")),
)
routes = st.builds(Routes, webhook=st.booleans(), email=st.booleans())


def _policy(schedule: tuple[float, ...]) -> Policy:
    return Policy(schedule, inbox_patience=timedelta(days=30), agency_patience=timedelta(seconds=60))


@given(schedules, st.integers(min_value=1, max_value=20), requested, dice)
def test_a_retry_is_never_early_nor_later_than_its_bound(
    schedule: tuple[float, ...], failed: int, after: float | None, number: float
) -> None:
    wait = wait_before_retry(schedule, failed, after, number)
    if failed > len(schedule):
        assert wait is None
        return
    assert wait is not None
    planned = schedule[failed - 1]
    bound = max(2 * planned, LONGEST_REQUESTED_PAUSE)
    assert wait >= planned * (1 - JITTER) * 0.999
    assert wait <= max(planned * (1 + JITTER) * 1.001, bound)
    if after is not None:
        assert wait >= min(after, bound)
    else:
        assert wait <= planned * (1 + JITTER) * 1.001


@given(schedules, routes, st.lists(st.tuples(failures, dice), min_size=40, max_size=40))
def test_failures_alone_always_end_in_the_inbox_within_the_budget(
    schedule: tuple[float, ...], open_routes: Routes, fates: list[tuple[Outcome, float]]
) -> None:
    policy, now = _policy(schedule), NOW
    standing = Standing(Channel.WEBHOOK, 0, 0, open_routes, None)
    visited = [standing.channel]
    for outcome, number in fates:
        transition = decide(outcome, standing, policy, now, number)
        assert isinstance(transition, Again | Take)
        assert transition.at >= now
        now = transition.at
        attempts = standing.attempts + 1
        if isinstance(transition, Again):
            standing = Standing(standing.channel, standing.channel_attempts + 1, attempts, open_routes, None)
            assert standing.channel_attempts <= len(schedule)
            continue
        visited.append(transition.channel)
        standing = Standing(transition.channel, 0, attempts, open_routes, None)
        if transition.channel is Channel.INBOX:
            break
    assert standing.channel is Channel.INBOX
    assert standing.attempts <= (len(LADDER) - 1) * (len(schedule) + 1)
    assert visited == sorted(set(visited), key=LADDER.index), "the ladder goes down only"
    ended = without_sending(standing, agency_known=True, created_at=NOW, policy=policy, now=now)
    assert isinstance(ended, Undeliverable)


@given(
    schedules,
    routes,
    st.sampled_from([Channel.WEBHOOK, Channel.EMAIL]),
    st.integers(min_value=0, max_value=12),
    st.none() | st.just(NOW - timedelta(hours=1)),
    failures | st.just(Delivered(204)),
    dice,
)
def test_every_outcome_leads_on_or_to_an_end(
    schedule: tuple[float, ...],
    open_routes: Routes,
    channel: Channel,
    tried: int,
    acknowledged_at: datetime | None,
    outcome: Outcome,
    number: float,
) -> None:
    standing = Standing(channel, tried, tried, open_routes, acknowledged_at)
    transition = decide(outcome, standing, _policy(schedule), NOW, number)
    if isinstance(outcome, Delivered) or acknowledged_at is not None:
        assert isinstance(transition, HandedOver)
    elif isinstance(transition, Take):
        assert LADDER.index(transition.channel) > LADDER.index(channel)
    else:
        assert isinstance(transition, Again)
