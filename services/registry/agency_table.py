"""The table of agencies as files hold it: its columns, and its rows as entries, with one error per faulty row."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from services.registry.api.agency_models import AgencyRow
from services.registry.api.imports import read_row
from services.registry.domain.agencies import AgencyEntry
from services.registry.domain.tables import TableRow, line_error
from shared.problems import FieldError, ProblemError

REQUIRED: Final = ("code", "name_th", "name_en", "kind", "letter_code", "parent_code", "email")
# What a file without these columns does not say stays as it is stored.
OPTIONAL: Final = ("valid_from", "valid_until", "successor_codes", "contact_unit", "telephone")
_NULLABLE: Final = ("letter_code", "parent_code", "email", "valid_from", "valid_until", "contact_unit", "telephone")


@dataclass(slots=True)
class AgencyTable:
    """What has been read of a table so far: its sound rows, the line of each code, and the errors."""

    entries: list[AgencyEntry] = field(default_factory=list[AgencyEntry])
    lines: dict[str, int] = field(default_factory=dict[str, int])
    errors: list[FieldError] = field(default_factory=list[FieldError])

    def add(self, rows: Sequence[TableRow]) -> None:
        """Read further rows."""
        for row in rows:
            made = self._entry(row)
            if isinstance(made, AgencyEntry):
                self.entries.append(made)
            else:
                self.errors.append(made)

    def _entry(self, row: TableRow) -> AgencyEntry | FieldError:
        made = read_row(row, AgencyRow, nullable=_NULLABLE)
        if isinstance(made, list):
            return line_error(row.line, made[0].code, "; ".join(fault.detail for fault in made))
        first = self.lines.setdefault(made.code, row.line)
        if first != row.line:
            return line_error(row.line, "code_twice", f"code {made.code!r} stands on line {first} too")
        try:
            return made.entry()
        except ProblemError as error:
            return line_error(row.line, error.problem.code, error.detail)

    def placed(self, faults: Sequence[tuple[str, FieldError]]) -> list[FieldError]:
        """Faults by agency code as errors of lines, one a line."""
        first = dict(reversed(faults))
        return [line_error(self.lines[code], fault.code, fault.detail) for code, fault in sorted(first.items(), key=self._line)]

    def _line(self, fault: tuple[str, FieldError]) -> int:
        return self.lines[fault[0]]


def kept_columns(rows: Sequence[TableRow]) -> frozenset[str]:
    """The optional columns that the table does not have."""
    return frozenset(OPTIONAL).difference(rows[0].values) if rows else frozenset()


def cells(entry: AgencyEntry) -> tuple[object, ...]:
    """A row of an export: the columns REQUIRED and OPTIONAL, such that reading it gives the entry again."""
    return (
        entry.code,
        entry.name_th,
        entry.name_en,
        entry.kind,
        entry.letter_code,
        entry.parent_code,
        entry.email,
        entry.valid_from,
        entry.valid_until,
        " ".join(entry.successor_codes),
        entry.contact_unit,
        entry.telephone,
    )


def slices(rows: Sequence[TableRow], size: int) -> Iterator[Sequence[TableRow]]:
    """The rows in portions, so that whoever reads them can do something else in between."""
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
