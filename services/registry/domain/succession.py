"""When an agency stands, and who takes its letters when it no longer does.

A letter goes to the agency that it names while that one stands, and to its successor afterwards, along the whole chain. After a
split nobody but the sender can say which successor a letter concerns, and a letter to all of them would show each what may be
another's alone: so a split needs a choice, unless all its branches have come together again in one agency.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Generic, TypeVar
from uuid import UUID

from services.registry import problems
from services.registry.problems import agencies as agency_problems
from shared.problems import FieldError, Problem

Key = TypeVar("Key")


class AgencyStatus(StrEnum):
    """Whether an agency stands on a day."""

    NOT_YET = "not_yet"
    ACTIVE = "active"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Life(Generic[Key]):
    """Bangkok days from `valid_from`, up to and without `valid_until` (None: without end), and who came afterwards."""

    valid_from: date | None = None
    valid_until: date | None = None
    successors: tuple[Key, ...] = ()

    def status(self, day: date) -> AgencyStatus:
        if self.valid_until is not None and self.valid_until <= day:
            return AgencyStatus.CLOSED
        if self.valid_from is not None and self.valid_from > day:
            return AgencyStatus.NOT_YET
        return AgencyStatus.ACTIVE


@dataclass(frozen=True, slots=True)
class Active:
    """The agency itself takes its letters."""

    agency_id: UUID


@dataclass(frozen=True, slots=True)
class NotYet:
    """The agency begins on a later day."""

    agency_id: UUID
    valid_from: date


@dataclass(frozen=True, slots=True)
class Successor:
    """The last of `chain` takes the letters of the first; the chain begins with the agency that was asked for."""

    chain: tuple[UUID, ...]

    @property
    def agency_id(self) -> UUID:
        return self.chain[-1]


@dataclass(frozen=True, slots=True)
class SplitNeedsChoice:
    """Several agencies have come after the last of `chain`; `choices` are those that stand on the day."""

    chain: tuple[UUID, ...]
    choices: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class ClosedWithoutSuccessor:
    """The way ends at the last of `chain`: nobody takes the letters."""

    chain: tuple[UUID, ...]


Resolution = Active | NotYet | Successor | SplitNeedsChoice | ClosedWithoutSuccessor


def resolve(agency_id: UUID, day: date, lives: Mapping[UUID, Life[UUID]]) -> Resolution:
    """Who takes a letter to `agency_id` on `day`; `lives` holds it and all that came after it."""
    life = lives[agency_id]
    match life.status(day):
        case AgencyStatus.ACTIVE:
            return Active(agency_id)
        case AgencyStatus.NOT_YET if life.valid_from is not None:
            return NotYet(agency_id, life.valid_from)
        case _:
            pass
    chain = [agency_id]
    while len(after := lives[chain[-1]].successors) == 1 and after[0] not in chain:
        chain.append(after[0])
        if lives[after[0]].status(day) is AgencyStatus.ACTIVE:
            return Successor(tuple(chain))
    ways = list(_ways(chain[-1], day, lives))
    ends = tuple(dict.fromkeys(way[-1] for way in ways))
    standing = tuple(end for end in ends if lives[end].status(day) is AgencyStatus.ACTIVE)
    if not standing:
        return ClosedWithoutSuccessor(tuple(chain))
    if len(ends) == 1:
        return Successor((*chain, *ways[0]))
    return SplitNeedsChoice(tuple(chain), standing)


def _ways(start: UUID, day: date, lives: Mapping[UUID, Life[UUID]]) -> Iterator[tuple[UUID, ...]]:
    """A way from `start` (without it) to each agency at which the branches end; nobody is visited twice."""
    seen = {start}
    open_ways: list[tuple[UUID, ...]] = [(after,) for after in reversed(lives[start].successors)]
    while open_ways:
        way = open_ways.pop()
        at = way[-1]
        if at in seen:
            continue
        seen.add(at)
        after = () if lives[at].status(day) is AgencyStatus.ACTIVE else lives[at].successors
        if after:
            open_ways += [(*way, following) for following in reversed(after)]
        else:
            yield way


def check_succession(changed: Mapping[str, Life[str]], stored: Mapping[str, Life[str]]) -> list[tuple[str, FieldError]]:
    """The faults of the lives that result from saving `changed` over `stored`, by agency code.

    `stored` holds every closed agency with its successors, and the successors that `changed` names. A successor must stand on
    the day on which it takes over: there is no day without an answer, and because each is closed later than the one before
    it, no succession comes back to where it began.
    """
    lives = {**stored, **changed}
    faults = [(code, fault) for code, life in changed.items() for fault in _faults(code, life, lives)]
    faulty = {code for code, _ in faults}
    for code, life in stored.items():
        for after in life.successors:
            # A successor that changes must still stand on the day on which it took over.
            if code not in changed and after in changed and after not in faulty and not _takes_over(life, lives[after]):
                detail = f"{after!r} takes over from {code!r} on {life.valid_until}, and must stand on that day"
                faults.append((after, _fault("/valid_until", agency_problems.AGENCY_SUCCESSOR_ABSENT, detail)))
    return faults


def _faults(code: str, life: Life[str], lives: Mapping[str, Life[str]]) -> Iterator[FieldError]:
    if life.valid_from is not None and life.valid_until is not None and life.valid_until <= life.valid_from:
        detail = f"{code!r} would end on {life.valid_until}, and begins on {life.valid_from}"
        yield _fault("/valid_until", agency_problems.AGENCY_VALIDITY_BACKWARD, detail)
    if not life.successors:
        return
    if life.valid_until is None:
        yield _fault("/successor_codes", agency_problems.AGENCY_SUCCESSOR_OF_OPEN, f"{code!r} is not closed")
        return
    if len(set(life.successors)) < len(life.successors):
        yield _fault("/successor_codes", agency_problems.AGENCY_SUCCESSOR_TWICE, f"{code!r} names a successor twice")
    for after in life.successors:
        if after not in lives:
            yield _fault("/successor_codes", problems.AGENCY_UNKNOWN, f"there is no agency {after!r}")
        elif _comes_back(code, after, lives):
            detail = f"the succession of {code!r} would come back to it through {after!r}"
            yield _fault("/successor_codes", agency_problems.AGENCY_SUCCESSION_CYCLE, detail)
        elif not _takes_over(life, lives[after]):
            detail = f"{after!r} does not stand on {life.valid_until}, the day on which {code!r} is closed"
            yield _fault("/successor_codes", agency_problems.AGENCY_SUCCESSOR_ABSENT, detail)


def _takes_over(life: Life[str], after: Life[str]) -> bool:
    return life.valid_until is not None and after.status(life.valid_until) is AgencyStatus.ACTIVE


def _comes_back(code: str, start: str, lives: Mapping[str, Life[str]]) -> bool:
    seen: set[str] = set()
    to_visit = [start]
    while to_visit:
        at = to_visit.pop()
        if at == code:
            return True
        if at not in seen and at in lives:
            seen.add(at)
            to_visit += lives[at].successors
    return False


def _fault(pointer: str, problem: Problem, detail: str) -> FieldError:
    return FieldError(pointer, problem.code, detail)
