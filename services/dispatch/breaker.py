"""The circuit breaker of an agency's endpoint: pure transitions, from what came of attempts and from the passing of time."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from services.dispatch.outcomes import Outcome, RetryLater
from services.dispatch.reasons import Reason

JITTER: Final = 0.2
# Trouble of our own says nothing about the endpoint: an egress proxy that is away must not open every circuit.
OUR_OWN_TROUBLE: Final[frozenset[Reason]] = frozenset(
    {"internal_error", "proxy_refused", "proxy_unreachable", "secret_unreadable"}
)
# An endpoint that asks for a pause is given it, up to this long.
LONGEST_REQUESTED_PAUSE: Final = 3600.0


class CircuitState(StrEnum):
    """Closed: letters go. Open: they wait. Half-open: one goes, to find out."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class Circuit:
    """`failures` and `openings` count those in a row; `open_until` is set while the circuit is open."""

    state: CircuitState
    failures: int
    openings: int
    open_until: datetime | None


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """`threshold` failures in a row open the circuit, for `first_pause` seconds, doubling to `longest_pause`."""

    threshold: int
    first_pause: float
    longest_pause: float


HEALTHY: Final = Circuit(CircuitState.CLOSED, 0, 0, None)


def look(circuit: Circuit, now: datetime) -> Circuit:
    """What time alone makes of it: a pause that is over leaves it half-open."""
    if circuit.open_until is not None and circuit.open_until <= now:
        return Circuit(CircuitState.HALF_OPEN, circuit.failures, circuit.openings, None)
    return circuit


def after(circuit: Circuit, outcomes: Iterable[Outcome], policy: BreakerPolicy, now: datetime, dice: float) -> Circuit:
    """The circuit after attempts that ended, in this order; `dice` (0 to 1) spreads the pauses.

    Any answer but trouble closes it, a refusal too: the endpoint is there. Attempts that were under way when it opened and
    fail afterwards do not lengthen its pause.
    """
    current = look(circuit, now)
    for outcome in outcomes:
        if _is_ours(outcome):
            continue
        if not isinstance(outcome, RetryLater):
            current = HEALTHY
        elif current.state is not CircuitState.OPEN:
            failures = current.failures + 1
            if current.state is CircuitState.HALF_OPEN or failures >= policy.threshold:
                pause = _pause(current.openings, outcome, policy, dice)
                current = Circuit(CircuitState.OPEN, failures, current.openings + 1, now + timedelta(seconds=pause))
            else:
                current = Circuit(CircuitState.CLOSED, failures, current.openings, None)
    return current


def room(circuit: Circuit, limit: int) -> int:
    """How many attempts may be under way."""
    match circuit.state:
        case CircuitState.CLOSED:
            return limit
        case CircuitState.HALF_OPEN:
            return 1
        case CircuitState.OPEN:
            return 0


def _is_ours(outcome: Outcome) -> bool:
    return isinstance(outcome, RetryLater) and outcome.reason in OUR_OWN_TROUBLE


def _pause(openings: int, outcome: RetryLater, policy: BreakerPolicy, dice: float) -> float:
    planned = min(policy.first_pause * 2 ** min(openings, 30), policy.longest_pause) * (1 - JITTER + 2 * JITTER * dice)
    return planned if outcome.after is None else max(planned, min(outcome.after, LONGEST_REQUESTED_PAUSE))
