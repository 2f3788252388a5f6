"""Distribution lists: who stands on them, and who stands on them twice."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.registry import problems
from services.registry.problems import refuse
from shared.contracts.events import Role
from shared.problems import FieldError, ProblemError
from shared.thai.text import normalise


@dataclass(frozen=True, slots=True)
class AddresseeEntry:
    """An addressee as a clerk writes it: the position title that the letter is addressed to, and its agency's code."""

    title: str
    agency_code: str
    relay_duty: bool
    role: Role = Role.ACTION
    relay_target: str | None = None


@dataclass(frozen=True, slots=True)
class Addressee:
    """An addressee on a stored list; `position` counts from 1, `relay_target` is JSON."""

    position: int
    title: str
    agency_id: UUID
    agency_code: str
    relay_duty: bool
    role: Role = Role.ACTION
    relay_target: str | None = None


@dataclass(frozen=True, slots=True)
class ListHead:
    """A list without its addressees."""

    list_id: UUID
    name: str
    version: int
    addressee_count: int
    updated_at: datetime


def check_size(count: int, most: int, *, members: int = 0) -> None:
    """Refuse a list without addressees and members, or with more addressees than `most`."""
    if count == 0 and members == 0:
        detail = "the list has no addressees"
        raise ProblemError(problems.LIST_EMPTY, detail, errors=[FieldError("/addressees", problems.LIST_EMPTY.code, detail)])
    if count > most:
        raise ProblemError(problems.LIST_TOO_LONG, f"at most {most} addressees, got {count}")


def find_duplicates(addressees: Sequence[AddresseeEntry]) -> list[tuple[int, int]]:
    """Pairs (index, index of the first) of addressees with the same agency and the same title.

    Titles are compared in the normalised form: digits, spacing and a sara am typed in two characters make no difference.
    The same title at another agency is another addressee.
    """
    first: dict[tuple[str, str], int] = {}
    pairs: list[tuple[int, int]] = []
    for index, addressee in enumerate(addressees):
        earlier = first.setdefault((addressee.agency_code, normalise(addressee.title)), index)
        if earlier != index:
            pairs.append((index, earlier))
    return pairs


def refuse_duplicates(addressees: Sequence[AddresseeEntry]) -> None:
    """Raise ProblemError `list_duplicate` with a pointer to each repeated addressee."""
    errors = [
        FieldError(f"/addressees/{index}", problems.LIST_DUPLICATE.code, f"the same as /addressees/{first}")
        for index, first in find_duplicates(addressees)
    ]
    if errors:
        refuse(errors)
