"""Agencies and their tree: what may be saved, and what a save changes."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

from services.registry import problems
from services.registry.domain.succession import Life
from shared.problems import FieldError, ProblemError
from shared.thai.numbers import LetterNumberError, UnitCode
from shared.thai.text import normalise


@dataclass(frozen=True, slots=True)
class AgencyEntry:
    """An agency as an operator writes it; `letter_code` as printed ('สค ๐๐๑๗.๑'), `parent_code` another agency's code.

    It stands from the Bangkok day `valid_from`, up to and without `valid_until`; None is without end.
    """

    code: str
    name_th: str
    name_en: str
    kind: str
    letter_code: str | None
    parent_code: str | None
    email: str | None
    valid_from: date | None = None
    valid_until: date | None = None
    successor_codes: tuple[str, ...] = ()
    contact_unit: str | None = None
    telephone: str | None = None

    @property
    def life(self) -> Life[str]:
        """When it stands, and who comes afterwards."""
        return Life(self.valid_from, self.valid_until, self.successor_codes)

    @property
    def search_text(self) -> str:
        """What a search looks in: the names and codes in their comparable form, in lower case."""
        return normalise(" ".join((self.code, self.name_th, self.name_en, self.letter_code or ""))).lower()


@dataclass(frozen=True, slots=True)
class Agency:
    """A stored agency."""

    agency_id: UUID
    entry: AgencyEntry
    version: int


@dataclass(frozen=True, slots=True)
class AgencyVersion:
    """An agency as it was from `saved_at` on; `changed` names the fields that the version before had otherwise."""

    version: int
    entry: AgencyEntry
    saved_at: datetime
    reason: str | None
    changed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SavePlan:
    """What a save of several agencies does; agencies that stay as they are stand only in the count."""

    created: tuple[Agency, ...]
    updated: tuple[Agency, ...]
    unchanged: int

    @property
    def saved(self) -> tuple[Agency, ...]:
        return self.created + self.updated


def printed_unit_code(text: str, pointer: str | None = None) -> str:
    """The printed form of a unit code; raises ProblemError `unit_code_malformed`, which names the field at `pointer`."""
    try:
        return UnitCode.parse(text).printed
    except LetterNumberError as error:
        problem, detail = problems.UNIT_CODE_MALFORMED, str(error)
        errors = [] if pointer is None else [FieldError(pointer, problem.code, detail)]
        raise ProblemError(problem, detail, errors=errors) from error


def check_tree(entries: Mapping[str, AgencyEntry], stored: Mapping[str, str | None]) -> list[tuple[str, FieldError]]:
    """The faults of the tree that results from saving `entries` over `stored` (code → parent's code), by agency code.

    A parent may be stored or among the entries; nobody may stand above itself.
    """
    parents = {**stored, **{code: entry.parent_code for code, entry in entries.items()}}
    faults: list[tuple[str, FieldError]] = []
    sound: set[str] = set()
    for code, entry in entries.items():
        if entry.parent_code is not None and entry.parent_code not in parents:
            detail = f"there is no agency {entry.parent_code!r}"
            faults.append((code, FieldError("/parent_code", problems.AGENCY_UNKNOWN.code, detail)))
        elif _stands_above_itself(code, parents, sound):
            detail = f"{code!r} would stand above itself"
            faults.append((code, FieldError("/parent_code", problems.AGENCY_TREE_CYCLE.code, detail)))
    return faults


def _stands_above_itself(code: str, parents: Mapping[str, str | None], sound: set[str]) -> bool:
    seen: set[str] = set()
    at: str | None = code
    while at is not None and at not in sound:
        if at in seen:
            return True
        seen.add(at)
        at = parents.get(at)
    sound.update(seen)
    return False


def plan_save(
    entries: Sequence[tuple[UUID, AgencyEntry]], stored: Mapping[str, Agency], *, keeps: Collection[str] = ()
) -> SavePlan:
    """Compare `entries` (each with the identifier that it gets if it is new) with the agencies `stored` under their codes.

    Fields named in `keeps` stay as they are stored: the file or form did not have them.
    """
    created: list[Agency] = []
    updated: list[Agency] = []
    unchanged = 0
    for new_id, entry in entries:
        known = stored.get(entry.code)
        if known is None:
            created.append(Agency(new_id, entry, 1))
            continue
        kept: dict[str, Any] = {name: getattr(known.entry, name) for name in keeps}
        resulting = replace(entry, **kept) if kept else entry
        if known.entry != resulting:
            updated.append(Agency(known.agency_id, resulting, known.version + 1))
        else:
            unchanged += 1
    return SavePlan(tuple(created), tuple(updated), unchanged)


def with_changes(versions: Sequence[AgencyVersion]) -> list[AgencyVersion]:
    """The versions, oldest first, each with what it changed; the first of them changed nothing."""
    names = [field.name for field in fields(AgencyEntry)]
    return [
        replace(
            version,
            changed=()
            if before is None
            else tuple(name for name in names if getattr(version.entry, name) != getattr(before.entry, name)),
        )
        for before, version in zip([None, *versions], versions, strict=False)
    ]
