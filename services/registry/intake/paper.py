"""What a paper holds once it was read."""

from dataclasses import dataclass, field
from datetime import date

from services.registry.domain.letters import Draft
from services.registry.preflight.facts import Heading


@dataclass(frozen=True, slots=True)
class Understood:
    """A field, its text as it was read, and the line (from 1) where it stands."""

    field: str
    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Stray:
    """A line of which the reader makes nothing."""

    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Row:
    """A line of an annex: an addressee's title, as it is typed and as it is compared."""

    line: int
    title: str


@dataclass(frozen=True, slots=True)
class Annex:
    """One page of บัญชีรายชื่อแนบท้าย."""

    line: int
    number: str | None
    date: date | None
    subject: str | None
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Paper:
    """A letter with its annexes and the letters enclosed, as one text holds them."""

    number: str | None
    draft: Draft
    annexes: tuple[Annex, ...]
    enclosed: tuple["Paper", ...]
    understood: tuple[Understood, ...]
    not_understood: tuple[Stray, ...]
    top_secret: bool
    line: int

    def headings(self) -> tuple[tuple[Heading, ...], tuple[Heading, ...]]:
        """The headings of the annexes, and those of the enclosed letters."""
        annexes = tuple(Heading(f"/annexes/{i}", a.number, a.date, a.subject) for i, a in enumerate(self.annexes))
        enclosed = tuple(
            Heading(f"/enclosed/{i}", e.number, e.draft.date, e.draft.subject or None) for i, e in enumerate(self.enclosed)
        )
        return annexes, enclosed


@dataclass(slots=True)
class Lines:
    """The numbered lines of one part of the text, taken one after the other."""

    lines: list[tuple[int, str]]
    at: int = 0
    strays: list[Stray] = field(default_factory=list)

    def peek(self) -> str | None:
        """The next line, or None at the end."""
        return self.lines[self.at][1] if self.at < len(self.lines) else None

    def take(self) -> tuple[int, str]:
        """The next line with its number."""
        self.at += 1
        return self.lines[self.at - 1]

    def stray(self) -> None:
        """Put the next line among those that were not understood."""
        line, text = self.take()
        self.strays.append(Stray(line, text))
