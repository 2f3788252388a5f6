"""Sending one job: measured, logged, and never raising."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import structlog
from opentelemetry import metrics

from services.dispatch.delivery.decide import Standing
from services.dispatch.delivery.jobs import Job, Sent
from services.dispatch.outcomes import Deferred, Delivered, Gone, NoRoute, Outcome, Refused, RetryLater
from shared import telemetry

log = structlog.stdlib.get_logger("wian.attempt")
_meter = metrics.get_meter("wian.dispatch")
_durations = _meter.create_histogram(
    "wian.dispatch.attempt.duration",
    unit="s",
    description="How long an attempt took, and so how many there were, by channel and outcome.",
    explicit_bucket_boundaries_advisory=[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30],
)


@dataclass(frozen=True, slots=True)
class Session:
    """How the jobs of one batch are sent: a slot is held for one attempt at one job."""

    send: Callable[[Job], Awaitable[Outcome]]
    slot: Callable[[Job], AbstractAsyncContextManager[object]]


class Sender(Protocol):
    """One channel's way of sending."""

    def session(self) -> AbstractAsyncContextManager[Session]: ...


def outcome_name(outcome: Outcome) -> str:
    """The outcome as attempts, logs and metrics name it."""
    match outcome:
        case Delivered():
            return "delivered"
        case RetryLater():
            return "retry_later"
        case Refused():
            return "refused"
        case Gone():
            return "gone"
        case NoRoute():
            return "no_route"
        case Deferred():
            return "deferred"


def dice() -> float:
    """A number from 0 to 1, to spread what would come at once."""
    return random.random()  # noqa: S311 - no secret


async def attempt(job: Job, session: Session, *, when_begun: Callable[[], None], stopping: asyncio.Event) -> Sent | None:
    """Send `job` when there is a slot for it; whatever happens is an outcome. None: not sent, this worker is to stop."""
    async with session.slot(job):
        when_begun()
        if stopping.is_set():
            return None
        started_at, begun = datetime.now(UTC), time.perf_counter()
        try:
            outcome = await session.send(job)
        except Exception:
            # The edge of one delivery: a mistake of ours with this letter must not stop the others, nor be tried for ever.
            log.exception("sending failed", delivery_id=str(job.address.delivery_id))
            outcome = RetryLater("internal_error")
        sent = Sent(job, outcome, started_at, datetime.now(UTC), round((time.perf_counter() - begun) * 1000, 1))
    _note(sent, job.standing)
    return sent


def _note(sent: Sent, standing: Standing) -> None:
    name = outcome_name(sent.outcome)
    if telemetry.is_exported():
        _durations.record(sent.milliseconds / 1000, {"channel": str(standing.channel), "outcome": name})
    # A success is in the table of attempts and counted in its batch's line: a line of its own would cost more than its signature.
    note = log.debug if isinstance(sent.outcome, Delivered) else log.info
    note(
        "attempt",
        delivery_id=sent.job.address.delivery_id,
        circular_id=sent.job.circular.circular_id,
        agency_id=sent.job.address.agency_id,
        channel=standing.channel,
        number=standing.attempts + 1,
        outcome=name,
        reason=getattr(sent.outcome, "reason", None),
        status=getattr(sent.outcome, "status", None),
        milliseconds=sent.milliseconds,
    )
