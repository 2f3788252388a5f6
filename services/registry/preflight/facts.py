"""What the checks look at: everything about one letter, gathered before."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from services.registry.domain.letters import Attachment, Draft
from shared.contracts.events import Speed


@dataclass(frozen=True, slots=True)
class Rules:
    """The thresholds, which an office sets for itself."""

    date_window_days: int
    nearest_hours: Mapping[Speed, int]
    file_types: frozenset[str]
    file_max_bytes: int
    kinds_without_saraban: frozenset[str]


@dataclass(frozen=True, slots=True)
class Heading:
    """What the heading of a letter or of an annex says, where it says it; `pointer` is where it was found."""

    pointer: str
    number: str | None
    date: date | None
    subject: str | None


@dataclass(frozen=True, slots=True)
class Suspect:
    """One addressee that a check found, and what it found."""

    position: int
    title: str
    detail: str


@dataclass(frozen=True, slots=True)
class Suspects:
    """The first addressees that a check found, and how many it found."""

    count: int = 0
    first: tuple[Suspect, ...] = ()


@dataclass(frozen=True, slots=True)
class AddresseeFacts:
    """A list may be long: the database finds its suspects. `total` counts all addressees."""

    total: int
    repeated: Suspects = Suspects()
    without_channel: Suspects = Suspects()
    closed: Suspects = Suspects()
    succeeded: Suspects = Suspects()
    not_saraban: Suspects = Suspects()
    decomposed: Suspects = Suspects()
    unknown: Suspects = Suspects()


@dataclass(frozen=True, slots=True)
class LetterFacts:
    """One letter as it stands; `annexes` and `enclosed` are the headings that its papers bear."""

    draft: Draft
    number: str | None
    attachments: tuple[Attachment, ...]
    annexes: tuple[Heading, ...]
    enclosed: tuple[Heading, ...]
    addressees: AddresseeFacts
    now: datetime
    top_secret: bool = False
