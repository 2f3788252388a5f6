"""What becomes of a delivery: pure decisions, from an outcome or from the passing of time to a transition."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, assert_never

from services.dispatch import ladder
from services.dispatch.ladder import Routes
from services.dispatch.outcomes import Delivered, Gone, NoRoute, Outcome, Refused, RetryLater
from services.dispatch.retry import Policy, wait_before_retry
from shared.contracts.events import Channel, HandOverGrade

UNKNOWN_AGENCY_PAUSE: Final = timedelta(seconds=2)
LOST_LEASES: Final = 8
# Waits of 0, 5, 15, 35, 75, 155 and 315 seconds.
LOST_LEASE_PAUSE: Final = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a delivery stands. `channel` is None while its agency is not known; attempts are those already recorded."""

    channel: Channel | None
    channel_attempts: int
    attempts: int
    routes: Routes
    acknowledged_at: datetime | None
    lost_leases: int = 0


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
    """Begin on `channel`, the first or the next of the ladder, at `at`; for the inbox that is when patience ends."""

    channel: Channel
    at: datetime


@dataclass(frozen=True, slots=True)
class Undeliverable:
    """An end: no channel is left."""

    reason: str
    detail: str
    at: datetime


Transition = HandedOver | Again | LostLease | Take | Undeliverable


def decide(outcome: Outcome, standing: Standing, policy: Policy, now: datetime, dice: float) -> Transition:
    """What follows from an attempt that ended at `now`; `dice` (0 to 1) spreads the retries."""
    channel = _channel(standing)
    if isinstance(outcome, Delivered):
        return HandedOver(channel, ladder.grade_of(channel), now)
    if standing.acknowledged_at is not None:
        return reached(standing, standing.acknowledged_at)
    match outcome:
        case RetryLater():
            wait = wait_before_retry(policy.schedule, standing.channel_attempts + 1, outcome.after, dice)
            if wait is not None:
                return Again(now + timedelta(seconds=wait))
            return _descend(standing, policy, now, f"gave up after {standing.channel_attempts + 1} attempts: {outcome.reason}")
        case Refused() | NoRoute():
            return _descend(standing, policy, now, outcome.reason)
        case Gone():
            return _descend(standing, policy, now, "the endpoint answered 410 Gone")
        case _:
            assert_never(outcome)


def reached(standing: Standing, acknowledged_at: datetime) -> HandedOver:
    """What follows from an acknowledgment of a delivery that has not ended.

    The receive number proves that the letter is with the agency, so there is nothing left to send and "handed over" is
    true; which channel carried it is not known (an answer was lost, or somebody passed the link on). So the hand-over
    is put down to the channel that was being tried, with the weaker grade `blind`, and never `transport`.
    """
    return HandedOver(standing.channel or Channel.INBOX, HandOverGrade.BLIND, acknowledged_at)


def pulled(now: datetime) -> HandedOver:
    """What follows when the agency fetches the letter from its inbox, whatever else is being tried."""
    return HandedOver(Channel.INBOX, HandOverGrade.TRANSPORT, now)


def without_sending(standing: Standing, *, agency_known: bool, created_at: datetime, policy: Policy, now: datetime) -> Transition:
    """What follows when a delivery that nobody sends is due: its agency was awaited, or its time in the inbox is over."""
    if standing.acknowledged_at is not None:
        return reached(standing, standing.acknowledged_at)
    if standing.channel is not None:
        days = policy.inbox_patience / timedelta(days=1)
        return Undeliverable("not_pulled", f"nobody fetched the letter from the inbox within {days:g} days", now)
    if agency_known or now >= created_at + policy.agency_patience:
        return _begin(ladder.first_channel(standing.routes), policy, now)
    return Again(now + UNKNOWN_AGENCY_PAUSE)


def lease_lost(standing: Standing, policy: Policy, now: datetime) -> Transition:
    """What follows when a worker's lease ran out: it died, so whether it sent is not known, and it is sent (again).

    The first time at once, then after longer and longer waits: a delivery that ends every worker that sends it must not end
    them all. After `LOST_LEASES` it is taken off its channel.
    """
    if standing.acknowledged_at is not None:
        return reached(standing, standing.acknowledged_at)
    if standing.lost_leases + 1 >= LOST_LEASES:
        return _descend(standing, policy, now, f"workers_lost: {LOST_LEASES} workers were lost while they sent it")
    return LostLease(now + LOST_LEASE_PAUSE * (2**standing.lost_leases - 1))


def first_step(routes: Routes | None, policy: Policy, now: datetime) -> tuple[Channel | None, datetime]:
    """Channel and time of the first action for a new delivery; `routes` is None while the agency is not known."""
    if routes is None:
        return None, now + UNKNOWN_AGENCY_PAUSE
    begin = _begin(ladder.first_channel(routes), policy, now)
    return begin.channel, begin.at


def _descend(standing: Standing, policy: Policy, now: datetime, why: str) -> Transition:
    channel = ladder.next_channel(_channel(standing), standing.routes)
    return Undeliverable("no_channel", why, now) if channel is None else _begin(channel, policy, now)


def _begin(channel: Channel, policy: Policy, now: datetime) -> Take:
    return Take(channel, now + policy.inbox_patience if channel is Channel.INBOX else now)


def _channel(standing: Standing) -> Channel:
    if standing.channel is None:
        raise ValueError("an attempt is made on a channel")
    return standing.channel
