"""The two statutory books: what stands in their columns, in which order, and by what an entry is found."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from enum import StrEnum
from typing import Final
from uuid import UUID

from services.registry.domain.letters import Draft
from services.registry.domain.numbering import Series
from shared.contracts.events import Secrecy, Speed
from shared.thai.numbers import MAX_RUNNING
from shared.thai.text import normalise

# The books are searched by two or three neighbouring characters; so many of them are enough to find a text by.
SHORTEST_SEARCH: Final = 2
WIDEST_PIECE: Final = 3
MOST_PIECES: Final = 6


class EntryState(StrEnum):
    """What became of a number of a sent register; `cancelled` numbers never became a letter."""

    REGISTERED = "registered"
    DISPATCHED = "dispatched"
    CANCELLED = "cancelled"
    VOID = "void"
    SUPERSEDED = "superseded"
    RECALLED = "recalled"


class ReceivedState(StrEnum):
    """A received letter's entry; it is never removed, only voided."""

    ENTERED = "entered"
    VOID = "void"


class Source(StrEnum):
    """How a received letter came into the book: by its acknowledgment, or by a clerk who has it on paper."""

    ACKNOWLEDGED = "acknowledged"
    BY_HAND = "by_hand"


@dataclass(frozen=True, slots=True)
class SentEntry:
    """A row of ทะเบียนหนังสือส่ง."""

    entry_id: UUID
    register_id: UUID
    year_be: int
    series: Series
    running: int
    number: str
    letter_id: UUID | None
    letter_date: date
    sender: str
    addressee: str
    addressee_count: int | None
    subject: str
    speed: Speed
    secrecy: Secrecy
    state: EntryState
    state_reason: str | None
    circular_id: UUID | None
    dispatched_at: datetime | None
    remark: str
    version: int

    @property
    def key(self) -> tuple[str, ...]:
        """Where the entry stands: year, register, series, running number."""
        return (str(self.year_be), str(self.register_id), self.series.value, str(self.running))


@dataclass(frozen=True, slots=True)
class Received:
    """What a row of ทะเบียนหนังสือรับ says; `unit` is empty when the agency has one receive register."""

    unit: str
    receive_number: str
    receive_date: date
    receive_time: time | None
    letter_number: str
    letter_date: date | None
    sender: str
    sender_agency_id: UUID | None
    addressee: str
    subject: str
    speed: Speed
    secrecy: Secrecy
    action: str
    remark: str

    @property
    def search_text(self) -> str:
        return search_text(self.receive_number, self.letter_number, self.subject, self.sender, self.addressee)


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The acknowledgment from which an entry was made."""

    recipient_id: UUID
    circular_id: UUID
    letter_id: UUID
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class ReceivedEntry:
    """A row of ทะเบียนหนังสือรับ as it is stored; `running` is 0 when the number is not numeric."""

    received_id: UUID
    year_be: int
    running: int
    number_issued: bool
    said: Received
    acknowledged: Acknowledged | None
    state: ReceivedState
    void_reason: str | None
    version: int

    @property
    def key(self) -> tuple[str, ...]:
        """Where the entry stands: year, day of receipt, running number."""
        return (str(self.year_be), self.said.receive_date.isoformat(), str(self.running), str(self.received_id))

    @property
    def source(self) -> Source:
        return Source.BY_HAND if self.acknowledged is None else Source.ACKNOWLEDGED


@dataclass(frozen=True, slots=True)
class Filter:
    """What a page of a book is asked for; `facets` by name, `text` made comparable, the days inclusive.

    `counterpart_id` is the agency to which letters of the sent book went.
    """

    agency_id: UUID
    year_be: int | None
    first_day: date
    last_day: date
    text: str
    facets: Mapping[str, str | None]
    register_id: UUID | None = None
    counterpart_id: UUID | None = None

    @property
    def words(self) -> list[str]:
        """The facets as the database holds them."""
        return [name if value is None else f"{name} {value}" for name, value in sorted(self.facets.items())]

    @property
    def pieces(self) -> list[str]:
        """What the index finds the rows by: parts of the text from its beginning to its end, and the facets."""
        width = min(WIDEST_PIECE, len(self.text))
        last = len(self.text) - width
        step = max(1, -(-last // (MOST_PIECES - 1)))
        starts = [*range(0, last, step), last] if self.text else []
        return [*(self.text[start : start + width] for start in starts), *self.words]

    @property
    def pattern(self) -> str:
        """The text as a LIKE pattern that finds it anywhere."""
        return "%" + re.sub(r"([\\%_])", r"\\\1", self.text) + "%"

    @property
    def selective(self) -> bool:
        """Whether the index can find the rows, and not only their order."""
        return bool(self.text or self.facets)


def search_text(*parts: str) -> str:
    """The parts in the form in which they are searched: as titles are compared, and in small letters."""
    return normalise(" ".join(part for part in parts if part)).lower()


def running_of(receive_number: str, year_be: int) -> int:
    """The running number in a receive number such as ๓๓๓ or ๓๓๓/๒๕๖๐, 0 if there is none."""
    match = re.fullmatch(r"([0-9]{1,9})(?:\s*/\s*([0-9]{4}|[0-9]{2}))?", normalise(receive_number))
    if match is None or (match[2] and not str(year_be).endswith(match[2])):
        return 0
    return min(int(match[1]), MAX_RUNNING)


def book_subject(subject: str, secrecy: Secrecy) -> str:
    """What stands under เรื่อง: letters of a class of secrecy have books of their own, so here only their class is told."""
    match secrecy:
        case Secrecy.NORMAL:
            return subject
        case Secrecy.CONFIDENTIAL:
            return "(ลับ)"
        case Secrecy.SECRET:
            return "(ลับมาก)"


def sender_of(draft: Draft) -> str:
    """จาก in the sender's own book: the unit that is responsible, or the first line of the letterhead."""
    return draft.contact_unit.strip() or draft.owner.strip().partition("\n")[0]


def addressee_of(draft: Draft) -> str:
    """ถึง: the salutation without its first word."""
    return re.sub(r"^\s*เรียน\s*", "", draft.salutation).strip()
