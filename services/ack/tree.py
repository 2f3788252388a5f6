"""The relay tree: who must pass a circular on, whether in time, and how far the letter has come level by level.

Of the circulars below, the first sender sees figures alone: neither their letters nor whom they are addressed to.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import groupby
from statistics import median
from uuid import UUID

from services.ack.fold import NOT_KEPT, State


class RelayState(StrEnum):
    """What has become of a duty to pass the letter on."""

    WAITING = "waiting"  # not passed on, and there is time
    OVERDUE = "overdue"  # not passed on, and the deadline has passed
    RELAYED = "relayed"
    LATE = "late"  # passed on after the deadline
    # Rejected, recalled or sent on to another agency before it was passed on: there is no duty any more.
    RELEASED = "released"


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far a tree is followed: at most so many levels, circulars and counted recipients."""

    levels: int
    circulars: int
    recipients: int


@dataclass(frozen=True, slots=True)
class OwnDeadline:
    """How many recipients of a circular have a deadline of their own, and have not answered or not passed the letter on."""

    due_at: datetime
    outstanding: int
    duties_waiting: int


@dataclass(frozen=True, slots=True)
class Branch:
    """One circular of the tree, counted. `top` and `relayed_by` are the recipients whose duty it fulfils: of the first circular,
    and of the one right above; both None for the first circular itself. `handed_over_at` is when the latter had the letter.
    """

    level: int
    top: UUID | None
    relayed_by: UUID | None
    handed_over_at: datetime | None
    dispatched_at: datetime
    deadline: datetime | None
    recipients: int
    handed_over: int
    registered: int
    rejected: int
    recalled: int
    undeliverable: int
    duties: int
    relayed: int
    duties_waiting: int
    own: tuple[OwnDeadline, ...] = field(default=(), kw_only=True)


@dataclass(frozen=True, slots=True)
class Hops:
    """How long the letter lay with those who have passed it on: from its hand-over to the dispatch of their circular, in seconds."""

    measured: int
    median_seconds: float | None
    longest_seconds: float | None


@dataclass(frozen=True, slots=True)
class Level:
    """All circulars of one level, added up; a recipient is overdue by its own deadline, else the circular's. `hops` led to this level."""

    level: int
    circulars: int
    recipients: int
    handed_over: int
    registered: int
    rejected: int
    recalled: int
    undeliverable: int
    outstanding: int
    overdue: int
    duties: int
    relayed: int
    duties_waiting: int
    duties_overdue: int
    hops: Hops


@dataclass(frozen=True, slots=True)
class Target:
    """Whom an addressee must tell: in words, or the agencies of a kind below one."""

    text: str | None
    below: str | None
    below_name_th: str | None
    kind: str | None


@dataclass(frozen=True, slots=True)
class Duty:
    """A recipient of the first circular that must pass it on; `relayed_at` is when it first did."""

    recipient_id: UUID
    position: int
    agency_id: UUID
    agency_name_th: str | None
    title: str
    target: Target | None
    state: State
    handed_over_at: datetime | None
    relayed_at: datetime | None
    due_at: datetime | None = None  # the recipient's own deadline, else the circular's
    sent_on: bool = False  # to another recipient of the circular: the duty went with the letter


@dataclass(frozen=True, slots=True)
class Relay:
    """A duty, judged, with the levels below it."""

    duty: Duty
    state: RelayState
    hop_seconds: float | None
    levels: tuple[Level, ...]


@dataclass(frozen=True, slots=True)
class Tree:
    """The levels of the whole tree, and some of the relays of its first circular. Not `complete`: it was too large to be counted."""

    levels: tuple[Level, ...]
    relays: tuple[Relay, ...]
    complete: bool


def relay_state(duty: Duty, now: datetime) -> RelayState:
    """A tie with the deadline is in time."""
    deadline = duty.due_at
    if duty.relayed_at is not None:
        return RelayState.LATE if deadline is not None and duty.relayed_at > deadline else RelayState.RELAYED
    if duty.sent_on or duty.state in NOT_KEPT:
        return RelayState.RELEASED
    return RelayState.OVERDUE if deadline is not None and now > deadline else RelayState.WAITING


def tree_of(branches: Sequence[Branch], duties: Iterable[Duty], now: datetime, *, complete: bool) -> Tree:
    """The branches rolled up by level, and below each of these duties."""
    below: defaultdict[UUID, list[Branch]] = defaultdict(list)
    for branch in branches:
        if branch.top is not None:
            below[branch.top].append(branch)
    relays = tuple(
        Relay(
            duty,
            relay_state(duty, now),
            _seconds(duty.handed_over_at, duty.relayed_at),
            levels_of(below.get(duty.recipient_id, ()), now),
        )
        for duty in duties
    )
    return Tree(levels_of(branches, now), relays, complete)


def levels_of(branches: Iterable[Branch], now: datetime) -> tuple[Level, ...]:
    """The branches added up by level, from the top."""
    ordered = sorted(branches, key=lambda branch: branch.level)
    return tuple(_level(level, list(found), now) for level, found in groupby(ordered, key=lambda branch: branch.level))


def _level(level: int, found: Sequence[Branch], now: datetime) -> Level:
    return Level(
        level=level,
        circulars=len(found),
        recipients=sum(branch.recipients for branch in found),
        handed_over=sum(branch.handed_over for branch in found),
        registered=sum(branch.registered for branch in found),
        rejected=sum(branch.rejected for branch in found),
        recalled=sum(branch.recalled for branch in found),
        undeliverable=sum(branch.undeliverable for branch in found),
        outstanding=sum(map(_outstanding, found)),
        overdue=sum(
            _overdue(branch, _outstanding(branch), [(own.due_at, own.outstanding) for own in branch.own], now) for branch in found
        ),
        duties=sum(branch.duties for branch in found),
        relayed=sum(branch.relayed for branch in found),
        duties_waiting=sum(branch.duties_waiting for branch in found),
        duties_overdue=sum(
            _overdue(branch, branch.duties_waiting, [(own.due_at, own.duties_waiting) for own in branch.own], now)
            for branch in found
        ),
        hops=_hops(found),
    )


def _outstanding(branch: Branch) -> int:
    # Recipients whose chunk is still under way are outstanding too.
    return branch.recipients - branch.registered - branch.rejected - branch.recalled


def _overdue(branch: Branch, waiting: int, own: Sequence[tuple[datetime, int]], now: datetime) -> int:
    """Of those that are waited for, `own` of them with deadlines of their own, how many have let the deadline pass."""
    passed = branch.deadline is not None and now > branch.deadline
    by_circular = waiting - sum(many for _, many in own) if passed else 0
    return by_circular + sum(many for due_at, many in own if now > due_at)


def _hops(found: Iterable[Branch]) -> Hops:
    # Who passes a letter on in several circulars has passed it on with the first.
    first: dict[UUID, Branch] = {}
    for branch in sorted(found, key=lambda branch: branch.dispatched_at):
        if branch.relayed_by is not None:
            first.setdefault(branch.relayed_by, branch)
    spans = [span for branch in first.values() if (span := _seconds(branch.handed_over_at, branch.dispatched_at)) is not None]
    return Hops(len(spans), median(spans) if spans else None, max(spans, default=None))


def _seconds(handed_over_at: datetime | None, relayed_at: datetime | None) -> float | None:
    """The span of a hop; 0 when the letter was passed on before its hand-over was recorded."""
    if handed_over_at is None or relayed_at is None:
        return None
    return max(round((relayed_at - handed_over_at).total_seconds(), 3), 0.0)
