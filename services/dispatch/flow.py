"""Which due deliveries may go now: each agency has a limit in flight, a rate and a circuit, and what is over them is parked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from services.dispatch import breaker
from services.dispatch.breaker import Circuit
from shared.contracts.events import Channel
from shared.contracts.topology import Lane

# When an agency at its limit is looked at again; also what a paused one costs.
LOOK_PAUSE: Final = timedelta(seconds=0.2)
PAUSED_LOOK_PAUSE: Final = timedelta(seconds=10)
# What an agency with a rate may take at once, in seconds of that rate; a slow rate lets one through at a time.
BURST_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Most requests under way at an agency, and most a second (None: no such limit)."""

    in_flight: int
    per_second: float | None


@dataclass(frozen=True, slots=True)
class Flow:
    """An agency at one instant: what is under way, what it allows, and up to when its rate is spent."""

    circuit: Circuit
    paused: bool
    in_flight: int
    limits: Limits
    spent_until: datetime | None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A due delivery; candidates come in the order of their turns."""

    delivery_id: UUID
    agency_id: UUID
    lane: Lane
    channel: Channel


@dataclass(frozen=True, slots=True)
class Admission:
    """What a claim decides: who goes, who is parked, when to look at the parked agencies, and what of rates is spent."""

    granted: tuple[Candidate, ...]
    parked: tuple[Candidate, ...]
    look_at: Mapping[UUID, datetime]
    spent_until: Mapping[UUID, datetime]


def lowest(*rates: float | None) -> float | None:
    """The rate that holds of several; None when there is no limit."""
    return min((rate for rate in rates if rate is not None), default=None)


def room(flow: Flow, now: datetime) -> int:
    """How many more deliveries may go to the agency at `now`."""
    if flow.paused:
        return 0
    free = max(0, breaker.room(breaker.look(flow.circuit, now), flow.limits.in_flight) - flow.in_flight)
    rate = flow.limits.per_second
    if rate is None or free == 0:
        return free
    # The small excess pays for what floating-point seconds lose.
    return max(0, min(free, int((now - _spent(flow, rate, now)).total_seconds() * rate + 1e-6)))


def spend(flow: Flow, taken: int, now: datetime) -> datetime | None:
    """Up to when the rate is spent once `taken` more have gone; None without a rate."""
    rate = flow.limits.per_second
    if rate is None:
        return flow.spent_until
    return _spent(flow, rate, now) + timedelta(seconds=taken / rate)


def next_look(flow: Flow, now: datetime) -> datetime:
    """When an agency that has no room now is worth looking at again."""
    if flow.paused:
        return now + PAUSED_LOOK_PAUSE
    circuit = breaker.look(flow.circuit, now)
    if circuit.open_until is not None:
        return circuit.open_until
    soon = now + LOOK_PAUSE
    rate = flow.limits.per_second
    if rate is None or flow.spent_until is None:
        return soon
    return max(soon, flow.spent_until + timedelta(seconds=1 / rate))


def admit(candidates: Sequence[Candidate], flows: Mapping[UUID, Flow], now: datetime) -> Admission:
    """Grant in the order of turns what each agency has room for. Mail has no limits here: it goes to our own server."""
    rooms = {agency_id: room(flow, now) for agency_id, flow in flows.items()}
    taken = dict.fromkeys(flows, 0)
    granted: list[Candidate] = []
    parked: list[Candidate] = []
    for candidate in candidates:
        agency_id = candidate.agency_id
        if candidate.channel is not Channel.WEBHOOK:
            granted.append(candidate)
        elif taken[agency_id] < rooms[agency_id]:
            taken[agency_id] += 1
            granted.append(candidate)
        else:
            parked.append(candidate)
    spent = {
        agency_id: until
        for agency_id, count in taken.items()
        if count and flows[agency_id].limits.per_second is not None
        for until in (spend(flows[agency_id], count, now),)
        if until is not None
    }
    look_at = {candidate.agency_id: next_look(flows[candidate.agency_id], now) for candidate in parked}
    return Admission(tuple(granted), tuple(parked), look_at, spent)


def _spent(flow: Flow, rate: float, now: datetime) -> datetime:
    earliest = now - timedelta(seconds=max(BURST_SECONDS, 1 / rate))
    return earliest if flow.spent_until is None else max(flow.spent_until, earliest)
