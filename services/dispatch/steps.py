"""The steps of the ladder in time: how long each channel is tried, by urgency, and how a deadline shortens it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from shared.contracts.events import Channel

# The part of the time that is left until the circular's deadline which one step may take. Each step asks anew, so what a
# quick failure saves goes to those below; paper is the last, and may take all of it.
DEADLINE_SHARES: Final = {Channel.WEBHOOK: 0.25, Channel.EMAIL: 0.25, Channel.INBOX: 0.5, Channel.PAPER: 1.0}
# A deadline that is near or past shortens a step to no less than this: a late letter is still owed, and people need hours.
SHORTEST_STEPS: Final = {
    Channel.WEBHOOK: timedelta(minutes=1),
    Channel.EMAIL: timedelta(minutes=1),
    Channel.INBOX: timedelta(hours=1),
    Channel.PAPER: timedelta(days=1),
}


@dataclass(frozen=True, slots=True)
class StepLimits:
    """How long each channel is tried at most."""

    webhook: timedelta
    email: timedelta
    inbox: timedelta
    paper: timedelta

    @classmethod
    def of_seconds(cls, seconds: tuple[float, ...]) -> "StepLimits":
        """From a plain list in the order of the ladder."""
        webhook, email, inbox, paper = (timedelta(seconds=value) for value in seconds)
        return cls(webhook, email, inbox, paper)

    def of(self, channel: Channel) -> timedelta:
        match channel:
            case Channel.WEBHOOK:
                return self.webhook
            case Channel.EMAIL:
                return self.email
            case Channel.INBOX:
                return self.inbox
            case Channel.PAPER:
                return self.paper


def step_length(channel: Channel, limit: timedelta, left: timedelta | None) -> timedelta:
    """How long a step on `channel` lasts when `left` is the time until the deadline; never longer than `limit`."""
    if left is None:
        return limit
    return min(limit, max(SHORTEST_STEPS[channel], left * DEADLINE_SHARES[channel]))


def step_end(channel: Channel, limits: StepLimits, deadline: datetime | None, now: datetime) -> datetime:
    """When a step on `channel` that begins at `now` is over, whatever is left of its retries."""
    return now + step_length(channel, limits.of(channel), None if deadline is None else deadline - now)
