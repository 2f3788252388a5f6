"""Retries and the ladder: never early, bounded in number and in time, and every run comes to an end."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from services.dispatch.delivery.decide import (
    LOST_LEASES,
    Again,
    HandedOver,
    LostLease,
    Recalled,
    Standing,
    Take,
    Transition,
    Undeliverable,
    decide,
    first_step,
    lease_lost,
    paper_failed,
    pulled,
    reached,
    sent_on_paper,
    without_sending,
)
from services.dispatch.ladder import LADDER, Routes, first_channel
from services.dispatch.outcomes import Deferred, Delivered, Gone, NoRoute, Outcome, Refused, RetryLater, was_tried
from services.dispatch.reasons import http_reason
from services.dispatch.retry import JITTER, LONGEST_REQUESTED_PAUSE, LanePolicy, Policy, wait_before_retry
from services.dispatch.steps import SHORTEST_STEPS, StepLimits, step_end, step_length
from shared.contracts.events import Channel
from shared.contracts.topology import SENDING_CHANNELS, Lane

NOW = datetime(2026, 11, 9, 9, 0, tzinfo=UTC)
AGENCY_PATIENCE = timedelta(seconds=60)

seconds = st.floats(min_value=0.1, max_value=100_000)
schedules = st.lists(seconds, min_size=1, max_size=12).map(tuple)
dice = st.floats(min_value=0, max_value=1)
requested = st.none() | st.floats(min_value=0, max_value=1e9)
failures = st.one_of(
    requested.map(lambda after: RetryLater("timeout", after=after)),
    st.just(Refused(http_reason(404), 404)),
    st.just(Gone(410)),
    st.just(NoRoute("none")),
)
deferrals = st.floats(min_value=0, max_value=60).map(lambda after: Deferred("over a limit", after))
routes = st.builds(Routes, webhook=st.booleans(), email=st.booleans())
spans = st.timedeltas(min_value=timedelta(seconds=1), max_value=timedelta(days=60))
limits = st.builds(StepLimits, webhook=spans, email=spans, inbox=spans, paper=spans)
policies = st.fixed_dictionaries({lane: st.builds(LanePolicy, schedule=schedules, limits=limits) for lane in Lane}).map(
    lambda lanes: Policy(lanes, agency_patience=AGENCY_PATIENCE)
)
lefts = st.timedeltas(min_value=timedelta(days=-60), max_value=timedelta(days=400))
deadlines = st.none() | lefts.map(lambda left: NOW + left)
channels = st.sampled_from(Channel)


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


@given(channels, spans, lefts, lefts)
def test_a_deadline_shortens_a_step_and_a_nearer_one_never_lengthens_it(
    channel: Channel, limit: timedelta, one: timedelta, other: timedelta
) -> None:
    nearer, farther = (step_length(channel, limit, left) for left in sorted((one, other)))
    assert min(limit, SHORTEST_STEPS[channel]) <= nearer <= farther <= limit == step_length(channel, limit, None)


@given(limits, st.timedeltas(min_value=timedelta(days=8), max_value=timedelta(days=400)))
def test_all_steps_together_leave_paper_a_part_of_the_time_until_the_deadline(bounds: StepLimits, left: timedelta) -> None:
    now = NOW
    for channel in LADDER[:-1]:
        now = step_end(channel, bounds, NOW + left, now)
    assert NOW + left - now >= 0.28 * left
    assert step_end(Channel.PAPER, bounds, NOW + left, now) <= NOW + left


@given(
    policies,
    st.sampled_from(Lane),
    routes,
    st.sampled_from(SENDING_CHANNELS),
    st.integers(min_value=0, max_value=12),
    deadlines,
    st.none() | st.just(NOW - timedelta(hours=1)),
    failures | deferrals | st.just(Delivered(204)),
    dice,
)
def test_every_outcome_leads_on_or_to_an_end(
    policy: Policy,
    lane: Lane,
    open_routes: Routes,
    channel: Channel,
    tried: int,
    deadline: datetime | None,
    acknowledged_at: datetime | None,
    outcome: Outcome,
    number: float,
) -> None:
    until = step_end(channel, policy.lanes[lane].limits, deadline, NOW)
    standing = Standing(lane, channel, until, tried, tried, open_routes, deadline, acknowledged_at)
    transition = decide(outcome, standing, policy, NOW, number)
    if isinstance(outcome, Delivered) or acknowledged_at is not None:
        assert isinstance(transition, HandedOver)
    elif isinstance(transition, Take):
        assert LADDER.index(transition.channel) > LADDER.index(channel)
    else:
        assert isinstance(transition, Again)
        assert NOW <= transition.at < until


class DeliveryMachine(RuleBasedStateMachine):
    """One delivery under any run of outcomes, lost leases, long outages and changes of the agency's ways in."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.ended: HandedOver | Undeliverable | Recalled | None = None
        self.leased = False

    @initialize(policy=policies, lane=st.sampled_from(Lane), open_routes=st.none() | routes, deadline=deadlines)
    def arrive(self, policy: Policy, lane: Lane, open_routes: Routes | None, deadline: datetime | None) -> None:
        self.policy, self.lane, self.deadline = policy, lane, deadline
        self.routes = open_routes or Routes(webhook=False, email=False)
        self.known = open_routes is not None
        self.channel: Channel | None = None
        self.until: datetime | None = None
        self.in_channel = self.attempts = self.lost = 0
        self.visited: list[Channel] = []
        self.follow(first_step(open_routes, lane, deadline, policy, NOW))

    @property
    def standing(self) -> Standing:
        return Standing(
            self.lane, self.channel, self.until, self.in_channel, self.attempts, self.routes, self.deadline, None, self.lost
        )

    def follow(self, transition: Transition, *, tried: bool = False) -> None:
        self.attempts += tried
        self.in_channel += tried
        self.leased = False
        match transition:
            case HandedOver() | Undeliverable() | Recalled():
                self.ended = transition
            case Again(at):
                assert at >= self.now
                self.due, self.lost = at, 0
            case LostLease(at):
                assert at >= self.now
                self.due, self.lost = at, self.lost + 1
                assert self.lost < LOST_LEASES
            case Take(channel, at, until):
                assert self.now <= at <= until <= self.now + self.policy.lanes[self.lane].limits.of(channel)
                assert self.channel is None or LADDER.index(channel) > LADDER.index(self.channel), "only ever down"
                self.channel, self.due, self.until, self.in_channel, self.lost = channel, at, until, 0, 0
                self.visited.append(channel)

    @precondition(lambda self: self.ended is None and not self.leased)
    @rule()
    def come_due(self) -> None:
        """The scheduler's turn when the time has come: a lease for what is sent, a decision for the rest."""
        self.now = max(self.now, self.due)
        if self.channel in SENDING_CHANNELS:
            self.leased = True
            return
        self.follow(self.waited())

    def waited(self) -> Transition:
        return without_sending(self.standing, agency_known=self.known, created_at=NOW, policy=self.policy, now=self.now)

    @precondition(lambda self: self.ended is None and self.leased)
    @rule(outcome=failures | deferrals | st.just(Delivered(204)), number=dice)
    def send(self, outcome: Outcome, number: float) -> None:
        transition = decide(outcome, self.standing, self.policy, self.now, number)
        self.follow(transition, tried=was_tried(outcome))

    @precondition(lambda self: self.ended is None and self.leased)
    @rule()
    def lose_the_lease(self) -> None:
        self.follow(lease_lost(self.standing, self.policy, self.now))

    @rule(span=spans)
    def let_time_pass(self, span: timedelta) -> None:
        self.now += span

    @precondition(lambda self: self.ended is None and not self.leased)
    @rule(open_routes=routes)
    def change_the_ways_in(self, open_routes: Routes) -> None:
        self.routes, self.known = open_routes, True

    @precondition(lambda self: self.ended is None and not self.leased and self.channel in SENDING_CHANNELS)
    @rule()
    def be_held_back(self) -> None:
        """Over a limit or behind an open breaker: nobody sends it, the scheduler looks."""
        self.follow(self.waited())

    @precondition(lambda self: self.ended is None and self.channel is Channel.PAPER)
    @rule(sent=st.booleans())
    def a_clerk_records(self, sent: bool) -> None:
        self.follow(sent_on_paper(self.now) if sent else paper_failed("returned", self.now), tried=True)

    @precondition(lambda self: self.ended is None)
    @rule(by_pull=st.booleans())
    def the_agency_has_it(self, by_pull: bool) -> None:
        self.follow(pulled(self.now) if by_pull else reached(self.standing, self.now))

    @invariant()
    def the_budget_is_kept(self) -> None:
        longest = len(self.policy.lanes[self.lane].schedule) + 1
        assert self.in_channel <= longest
        assert self.attempts <= longest * len(SENDING_CHANNELS) + 1
        assert len(self.visited) == len(set(self.visited))

    @invariant()
    def whoever_has_a_channel_has_an_end_of_its_step(self) -> None:
        assert (self.channel is None) == (self.until is None)

    @invariant()
    def undeliverable_only_after_paper(self) -> None:
        if isinstance(self.ended, Undeliverable):
            assert self.channel is Channel.PAPER

    def teardown(self) -> None:
        """However it stands: with nothing but lost leases and passing time, every delivery ends, and in bounded time."""
        turns = 0
        while self.ended is None:
            self.now = max(self.now, self.due) + timedelta(hours=6)
            self.follow(lease_lost(self.standing, self.policy, self.now) if self.channel in SENDING_CHANNELS else self.waited())
            turns += 1
            assert turns < 1000, "no end"


DeliveryMachine.TestCase.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
TestDelivery = DeliveryMachine.TestCase


@given(policies, st.sampled_from(Lane), routes, deadlines, st.lists(st.tuples(failures, dice), min_size=40, max_size=40))
def test_failures_alone_lead_through_inbox_and_paper_within_all_limits(
    policy: Policy, lane: Lane, open_routes: Routes, deadline: datetime | None, fates: list[tuple[Outcome, float]]
) -> None:
    """Sent as soon as it is due, a delivery is never in a channel after its limit, and never out of the budget."""
    bounds = policy.lanes[lane].limits
    now, attempts = NOW, 0
    step: Transition = first_step(open_routes, lane, deadline, policy, now)
    assert isinstance(step, Take)
    assert step.channel is first_channel(open_routes)
    standing = Standing(lane, step.channel, step.until, 0, 0, open_routes, deadline, None)
    for outcome, number in fates:
        if standing.channel not in SENDING_CHANNELS:
            break
        step = decide(outcome, standing, policy, now, number)
        attempts += 1
        if isinstance(step, Again):
            now = step.at
            standing = replace(standing, channel_attempts=standing.channel_attempts + 1, attempts=attempts)
            assert standing.step_until is not None
            assert now < standing.step_until
            continue
        assert isinstance(step, Take)
        standing = replace(standing, channel=step.channel, step_until=step.until, channel_attempts=0, attempts=attempts)
    assert standing.channel is Channel.INBOX
    assert now <= NOW + bounds.webhook + bounds.email
    assert attempts <= len(SENDING_CHANNELS) * (len(policy.lanes[lane].schedule) + 1)
    assert isinstance(step, Take)
    to_paper = without_sending(standing, agency_known=True, created_at=NOW, policy=policy, now=step.until)
    assert isinstance(to_paper, Take)
    assert to_paper.channel is Channel.PAPER
    standing = replace(standing, channel=Channel.PAPER, step_until=to_paper.until)
    ended = without_sending(standing, agency_known=True, created_at=NOW, policy=policy, now=to_paper.until)
    assert isinstance(ended, Undeliverable)
    assert ended.at <= NOW + bounds.webhook + bounds.email + bounds.inbox + bounds.paper
