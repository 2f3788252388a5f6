"""What a list resolves to: its members laid out in order, then sifted of duplicates and of agencies that are left out."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from types import MappingProxyType
from typing import Final
from uuid import UUID

import orjson

from services.registry.domain.succession import ClosedWithoutSuccessor, Resolution, SplitNeedsChoice, Successor
from services.registry.problems import lists as problems
from shared.contracts.events import Role
from shared.problems import ProblemError
from shared.thai.text import normalise

# A list in a list in a list is common; deeper nesting than this nobody can read any more.
DEEPEST: Final = 8
# Lists that nest others can reach the same list by many paths: this bounds the work, not the addressees.
MOST_SEGMENTS: Final = 10_000
SHOWN: Final = 100


@dataclass(frozen=True, slots=True)
class GroupQuery:
    """Agencies by their place in the tree and their kind; `below` None is the whole tree. `title` may hold ``{name_th}``.

    `at` is the day on which they stand; None is that of the dispatch.
    """

    below: UUID | None
    kind: str | None
    title: str
    at: date | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """A nested list or a group; it stands behind the first `after` of the list's own addressees."""

    after: int
    what: UUID | GroupQuery
    role: Role = Role.ACTION
    relay_duty: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """How one list is made up: `count` own addressees, members among them in order, and the agencies that it leaves out."""

    name: str
    count: int
    members: tuple[Member, ...] = ()
    excluded: frozenset[UUID] = frozenset()


@dataclass(frozen=True, slots=True)
class Run:
    """The own addressees of a list from position `first` to `last`, both included."""

    list_id: UUID
    first: int
    last: int
    excluded: frozenset[UUID]


@dataclass(frozen=True, slots=True)
class GroupRun:
    """The agencies of a group."""

    query: GroupQuery
    role: Role
    relay_duty: bool
    excluded: frozenset[UUID]


Segment = Run | GroupRun


@dataclass(frozen=True, slots=True)
class Resolved:
    """An addressee that a list resolves to, without its position. `relay_target` is JSON as it is stored.

    `in_place_of` is the closed agency that the list names, when the letter goes to who follows it.
    """

    agency_id: UUID
    title: str
    relay_duty: bool
    role: Role
    relay_target: str | None = None
    in_place_of: UUID | None = None


@dataclass(frozen=True, slots=True)
class Goes:
    """The letter goes to this agency, in place of the one that the list names."""

    agency_id: UUID


@dataclass(frozen=True, slots=True)
class Closed:
    """The agency is closed, and nobody follows it, or several of whom the sender must choose."""


Outcome = Goes | Closed

# Every agency takes its own letters.
AS_NAMED: Final[Mapping[UUID, Outcome]] = MappingProxyType({})


def outcome(resolution: Resolution) -> Outcome | None:
    """What becomes of letters to an agency; None: it takes them itself, also when it begins on a later day."""
    match resolution:
        case Successor():
            return Goes(resolution.agency_id)
        case ClosedWithoutSuccessor() | SplitNeedsChoice():
            return Closed()
        case _:
            return None


def lay_out(root: UUID, layouts: Mapping[UUID, Layout]) -> tuple[Segment, ...]:
    """The segments of `root` in order; `layouts` holds every list that it reaches.

    What a list leaves out, it leaves out of the lists in it too. Raises ProblemError `list_cycle` naming the path, or
    `list_too_deep`.
    """
    segments: list[Segment] = []
    _lay_out(root, layouts, (), frozenset(), segments)
    return tuple(segments)


def _lay_out(
    list_id: UUID, layouts: Mapping[UUID, Layout], path: tuple[UUID, ...], excluded: frozenset[UUID], segments: list[Segment]
) -> None:
    trail = (*path, list_id)
    names = " > ".join(layouts[one].name for one in trail)
    if list_id in path:
        raise ProblemError(problems.LIST_CYCLE, names)
    if len(trail) > DEEPEST or len(segments) > MOST_SEGMENTS:
        raise ProblemError(
            problems.LIST_TOO_DEEP, f"at most {DEEPEST} lists within each other and {MOST_SEGMENTS} parts: {names}"
        )
    layout = layouts[list_id]
    without = excluded | layout.excluded
    done = 0
    for member in layout.members:
        after = min(member.after, layout.count)
        if after > done:
            segments.append(Run(list_id, done + 1, after, without))
            done = after
        if isinstance(member.what, GroupQuery):
            segments.append(GroupRun(member.what, member.role, member.relay_duty, without))
        else:
            _lay_out(member.what, layouts, trail, without, segments)
    if layout.count > done:
        segments.append(Run(list_id, done + 1, layout.count, without))


def group_title(template: str, name_th: str) -> str:
    """The title of an agency of a group."""
    return template.replace("{name_th}", name_th)


def identity(agency_id: UUID, title: str) -> bytes:
    """What makes two addressees one: the agency and the normalised title. Short, since one is kept of every addressee."""
    return hashlib.blake2b(agency_id.bytes + normalise(title).encode(), digest_size=16).digest()


@dataclass(slots=True)
class Sieve:
    """Lets each addressee through once, the first time that it comes, and no agency that is left out.

    Who follows a closed agency stands in its place, under the title that the list prints. A closed agency without one stays: it is
    counted, and the check before dispatch refuses it.
    """

    kept: int = 0
    duplicate_count: int = 0
    duplicates: list[Resolved] = field(default_factory=list[Resolved])
    succeeded_count: int = 0
    closed_count: int = 0
    closed: list[Resolved] = field(default_factory=list[Resolved])
    _seen: set[bytes] = field(default_factory=set[bytes])

    def sift(
        self, candidates: Iterable[Resolved], excluded: frozenset[UUID], elsewhere: Mapping[UUID, Outcome] = AS_NAMED
    ) -> list[Resolved]:
        """Those of `candidates` that are addressees, in order; `elsewhere` says what becomes of letters to closed agencies."""
        let_through: list[Resolved] = []
        for candidate in candidates:
            if candidate.agency_id in excluded:
                continue
            found = elsewhere.get(candidate.agency_id)
            one = candidate
            if isinstance(found, Goes):
                if found.agency_id in excluded:
                    continue
                one = replace(candidate, agency_id=found.agency_id, in_place_of=candidate.agency_id)
            key = identity(one.agency_id, one.title)
            if key in self._seen:
                self.duplicate_count += 1
                if len(self.duplicates) < SHOWN:
                    self.duplicates.append(one)
                continue
            self._seen.add(key)
            self._count(one, found)
            let_through.append(one)
        self.kept += len(let_through)
        return let_through

    def _count(self, one: Resolved, found: Outcome | None) -> None:
        match found:
            case Goes():
                self.succeeded_count += 1
            case Closed():
                self.closed_count += 1
                if len(self.closed) < SHOWN:
                    self.closed.append(one)
            case None:
                pass


class ListHash:
    """SHA-256 over the RFC 8785 form of the array of addressees in order, taken in piece by piece.

    Each is an object of `agency_id`, `relay_duty`, `relay_target` (an object or null), `role` and `title`. With ASCII keys and
    neither fractions nor large numbers, sorted compact JSON is the RFC's form.
    """

    def __init__(self) -> None:
        self._hash = hashlib.sha256(b"[")
        self._separator = b""

    def add(self, addressees: Sequence[Resolved]) -> None:
        """Take in the next addressees."""
        if addressees:
            text = orjson.dumps([hashed(one) for one in addressees], option=orjson.OPT_SORT_KEYS)
            self._hash.update(self._separator + text[1:-1])
            self._separator = b","

    def hexdigest(self) -> str:
        """The hash in lower-case hex."""
        whole = self._hash.copy()
        whole.update(b"]")
        return whole.hexdigest()


def hashed(one: Resolved) -> dict[str, object]:
    """What of an addressee goes into the hash."""
    return {
        "agency_id": str(one.agency_id),
        "relay_duty": one.relay_duty,
        "relay_target": None if one.relay_target is None else orjson.loads(one.relay_target),
        "role": one.role.value,
        "title": one.title,
    }


@dataclass(frozen=True, slots=True)
class Changed:
    """An addressee before and now."""

    before: Resolved
    now: Resolved


@dataclass(frozen=True, slots=True)
class Difference:
    """What changed between two resolutions of a list."""

    added: tuple[Resolved, ...]
    removed: tuple[Resolved, ...]
    title_changed: tuple[Changed, ...]
    role_changed: tuple[Changed, ...]


def difference(before: Sequence[Resolved], now: Sequence[Resolved]) -> Difference:
    """Compare by agency and normalised title; what is left of one agency on both sides has a new title, in order."""
    known = {identity(one.agency_id, one.title): one for one in before}
    role_changed: list[Changed] = []
    fresh: list[Resolved] = []
    for one in now:
        earlier = known.pop(identity(one.agency_id, one.title), None)
        if earlier is None:
            fresh.append(one)
        elif earlier.role is not one.role:
            role_changed.append(Changed(earlier, one))
    left: dict[UUID, list[Resolved]] = {}
    for one in known.values():
        left.setdefault(one.agency_id, []).append(one)
    added: list[Resolved] = []
    title_changed: list[Changed] = []
    for one in fresh:
        if same_agency := left.get(one.agency_id):
            title_changed.append(Changed(same_agency.pop(0), one))
        else:
            added.append(one)
    removed = tuple(one for rest in left.values() for one in rest)
    return Difference(tuple(added), removed, tuple(title_changed), tuple(role_changed))
