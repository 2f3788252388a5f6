"""What becomes of a delivery: pure decisions, from an outcome or from the passing of time to a transition."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, assert_never

from services.dispatch import ladder
from services.dispatch.ladder import Routes
from services.dispatch.outcomes import GONE_REASON, Deferred, Delivered, Gone, NoRoute, Outcome, Refused, RetryLater
from services.dispatch.reasons import FailureReason
from services.dispatch.retry import Policy, wait_before_retry
from services.dispatch.steps import step_end
from shared.contracts.events import Channel, HandOverGrade
from shared.contracts.topology import SENDING_CHANNELS, Lane

UNKNOWN_AGENCY_PAUSE: Final = timedelta(seconds=2)
LOST_LEASES: Final = 8
# Waits of 0, 5, 15, 35, 75, 155 and 315 seconds.
LOST_LEASE_PAUSE: Final = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a delivery stands. `channel` is None while its agency is not known; attempts are those already recorded.

    `step_until` is the end of the running step; None while there is no channel.
    """

    lane: Lane
    channel: Channel | None
    step_until: datetime | None
    channel_attempts: int
    attempts: int
    routes: Routes
    deadline: datetime | None
    acknowledged_at: datetime | None
    lost_leases: int = 0
    recalled_at: datetime | None = None

    def step_is_over(self, now: datetime) -> bool:
        return self.step_until is not None and now >= self.step_until


@dataclass(frozen=True, slots=True)
class HandedOver:
    """An end: the letter is with the agency."""

    channel: Channel
    grade: HandOverGrade
    at: datetime


@dataclass(frozen=True, slots=True)
class Again:
    """Another look at `at`, on the same channel."""

    at: datetime


@dataclass(frozen=True, slots=True)
class LostLease:
    """Another look at `at`, after a worker that was lost with the delivery in hand."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Take:
    """Begin on `channel`, the first or the next of the ladder, at `at`; the step ends at `until`.

    What nobody sends (the inbox, paper) is looked at again when its step ends: there `at` is `until`.
    """

    channel: Channel
    at: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Undeliverable:
    """An end: no channel is left."""

    reason: FailureReason
    detail: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Recalled:
    """An end: the sender has taken the letter back before it was handed over."""

    at: datetime


Transition = HandedOver | Again | LostLease | Take | Undeliverable | Recalled


def decide(outcome: Outcome, standing: Standing, policy: Policy, now: datetime, dice: float) -> Transition:
    """What follows from an attempt that ended at `now`; `dice` (0 to 1) spreads the retries."""
    channel = _channel(standing)
    if isinstance(outcome, Delivered):
        return HandedOver(channel, ladder.grade_of(channel), now)
    if standing.acknowledged_at is not None:
        return reached(standing, standing.acknowledged_at)
    match outcome:
        case RetryLater():
            tried = standing.channel_attempts + 1
            wait = wait_before_retry(policy.lanes[standing.lane].schedule, tried, outcome.after, dice)
            at = None if wait is None else now + timedelta(seconds=wait)
            # A retry that would come after the step's end is not waited for: the next channel begins at once.
            if at is not None and not standing.step_is_over(at):
                return Again(at)
            return _descend(standing, policy, now, f"gave up after {tried} attempts: {outcome.reason}")
        case Refused() | NoRoute():
            return _descend(standing, policy, now, outcome.reason)
        case Gone():
            return _descend(standing, policy, now, GONE_REASON)
        case Deferred() if standing.step_is_over(now):
            return _descend(standing, policy, now, f"the time for this channel passed: {outcome.reason}")
        case Deferred():
            # A step's end is looked at when it comes: what waited all the time for room still gets its look then.
            at = now + timedelta(seconds=outcome.after)
            return Again(at if standing.step_until is None else min(at, standing.step_until))
        case _:
            assert_never(outcome)


def reached(standing: Standing, acknowledged_at: datetime) -> HandedOver:
    """What follows from an acknowledgment of a delivery that has not ended.

    The receive number proves that the letter is with the agency, so there is nothing left to send and "handed over" is
    true; which channel carried it is not known (an answer was lost, or somebody passed the link on). So the hand-over
    is put down to the channel that was being tried, with the weaker grade `blind`, and never `transport`.
    """
    return HandedOver(standing.channel or Channel.INBOX, HandOverGrade.BLIND, acknowledged_at)


def unanswered_again(standing: Standing, state: str) -> Transition | None:
    """What follows when the recipient takes its answer back. None: the delivery has ended as it should, or its answer is unknown here.

    One that was being sent when the answer came would go on once that is forgotten; one that nobody could hand over would wait
    for repair although it was recalled.
    """
    if standing.acknowledged_at is None:
        return None
    match state:
        case "leased":
            return reached(standing, standing.acknowledged_at)
        case "undeliverable" if standing.recalled_at is not None:
            return Recalled(standing.recalled_at)
        case _:
            return None


def pulled(now: datetime) -> HandedOver:
    """What follows when the agency fetches the letter from its inbox, whatever else is being tried."""
    return HandedOver(Channel.INBOX, HandOverGrade.TRANSPORT, now)


def bounced(standing: Standing, policy: Policy, now: datetime) -> Transition | None:
    """What follows when a mail that counted as handed over came back: the next channel. None: the letter is there all the same.

    A letter that was recalled meanwhile takes no further way.
    """
    if standing.acknowledged_at is not None:
        return None
    if standing.recalled_at is not None:
        return Recalled(standing.recalled_at)
    return _descend(standing, policy, now, "the mail came back")


def without_sending(standing: Standing, *, agency_known: bool, created_at: datetime, policy: Policy, now: datetime) -> Transition:
    """What follows when a delivery that nobody sends is due: its agency was awaited, or its step is over."""
    if standing.acknowledged_at is not None:
        return reached(standing, standing.acknowledged_at)
    match standing.channel:
        case None if agency_known or now >= created_at + policy.agency_patience:
            return _begin(ladder.first_channel(standing.routes), standing.lane, standing.deadline, policy, now)
        case None:
            return Again(now + UNKNOWN_AGENCY_PAUSE)
        case Channel.PAPER:
            return Undeliverable("paper_not_sent", "no clerk of the sender sent the letter on paper in time", now)
        case Channel.INBOX:
            return _descend(standing, policy, now, "nobody fetched the letter from the inbox in time")
        case Channel.WEBHOOK | Channel.EMAIL if standing.step_is_over(now):
            return _descend(standing, policy, now, "the time for this channel passed")
        case Channel.WEBHOOK | Channel.EMAIL:
            return Again(now)


def sent_on_paper(at: datetime) -> HandedOver:
    """What follows when a clerk of the sender has sent the letter on paper: nothing proves yet that it arrived."""
    return HandedOver(Channel.PAPER, ladder.grade_of(Channel.PAPER), at)


def redriven(standing: Standing, policy: Policy, now: datetime) -> Take:
    """What follows when an undeliverable letter is set going again: the ladder from its first open channel, with full budgets."""
    return _begin(ladder.first_channel(standing.routes), standing.lane, standing.deadline, policy, now)


def sent_again(standing: Standing, policy: Policy, now: datetime) -> Take:
    """What follows when the sender has a letter sent again that nobody answers: the next channel, or the last one once more."""
    channel = _channel(standing)
    following = ladder.next_channel(channel, standing.routes) or channel
    return _begin(following, standing.lane, standing.deadline, policy, now)


def paper_failed(why: str, now: datetime) -> Undeliverable:
    """What follows when a clerk says that paper does not reach the recipient either."""
    return Undeliverable("paper_failed", why, now)


def lease_lost(standing: Standing, policy: Policy, now: datetime) -> Transition:
    """What follows when a worker's lease ran out: it died, so whether it sent is not known, and it is sent (again).

    The first time at once, then after longer and longer waits: a delivery that ends every worker that sends it must not end
    them all. After `LOST_LEASES` it is taken off its channel; sooner when the step is over and an attempt was recorded in it.
    An outage of ours may outlast a step: what nobody could try gets its attempt after all.
    """
    if standing.acknowledged_at is not None:
        return reached(standing, standing.acknowledged_at)
    if standing.step_is_over(now) and standing.channel_attempts > 0:
        return _descend(standing, policy, now, "the time for this channel passed")
    if standing.lost_leases + 1 >= LOST_LEASES:
        return _descend(standing, policy, now, f"workers_lost: {LOST_LEASES} workers were lost while they sent it")
    return LostLease(now + LOST_LEASE_PAUSE * (2**standing.lost_leases - 1))


def first_step(routes: Routes | None, lane: Lane, deadline: datetime | None, policy: Policy, now: datetime) -> Take | Again:
    """How a new delivery begins; `routes` is None while the agency is not known."""
    if routes is None:
        return Again(now + UNKNOWN_AGENCY_PAUSE)
    return _begin(ladder.first_channel(routes), lane, deadline, policy, now)


def _descend(standing: Standing, policy: Policy, now: datetime, why: str) -> Transition:
    channel = ladder.next_channel(_channel(standing), standing.routes)
    if channel is None:
        return Undeliverable("no_channel", why, now)
    return _begin(channel, standing.lane, standing.deadline, policy, now)


def _begin(channel: Channel, lane: Lane, deadline: datetime | None, policy: Policy, now: datetime) -> Take:
    until = step_end(channel, policy.lanes[lane].limits, deadline, now)
    return Take(channel, now if channel in SENDING_CHANNELS else until, until)


def _channel(standing: Standing) -> Channel:
    if standing.channel is None:
        raise ValueError("an attempt is made on a channel")
    return standing.channel
