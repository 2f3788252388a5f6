"""CSV tables that clerks upload: read strictly, with the line of every fault."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from services.registry import problems
from services.registry.problems import refuse
from shared.problems import FieldError


@dataclass(frozen=True, slots=True)
class TableRow:
    """One record; `line` is the line of the file on which it begins, counted from 1."""

    line: int
    values: dict[str, str]


def line_error(line: int, code: str, detail: str) -> FieldError:
    """A fault in line `line` of an uploaded file."""
    return FieldError(f"line {line}", code, detail)


def read_table(raw: bytes, *, required: Sequence[str], optional: Sequence[str] = ()) -> list[TableRow]:
    """The records under a header line that names each `required` column, any `optional` one, and no other.

    UTF-8, with or without a byte order mark; empty lines are passed over. Raises ProblemError `import_invalid` with an
    error per line.
    """
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        refuse([line_error(line, "not_utf8", "the file must be UTF-8")], problems.IMPORT_INVALID)
    errors: list[FieldError] = []
    records = _records(text, errors)
    nothing: tuple[int, list[str]] = (1, [])
    line, header = next(records, nothing)
    columns = [name.strip() for name in header]
    errors += _header_errors(line, columns, required, optional)
    if errors:
        refuse(errors, problems.IMPORT_INVALID)
    rows: list[TableRow] = []
    for line, cells in records:
        if len(cells) == len(columns):
            rows.append(TableRow(line, dict(zip(columns, (cell.strip() for cell in cells), strict=True))))
        else:
            errors.append(line_error(line, "wrong_column_count", f"expected {len(columns)} columns, got {len(cells)}"))
    if errors:
        refuse(errors, problems.IMPORT_INVALID)
    return rows


def _records(text: str, errors: list[FieldError]) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            # What follows a spoilt record cannot be told apart any more.
            errors.append(line_error(line, "csv_malformed", str(error)))
            return
        if cells:
            yield line, cells


def _header_errors(line: int, columns: Sequence[str], required: Sequence[str], optional: Sequence[str]) -> list[FieldError]:
    errors = [line_error(line, "column_missing", f"column {name!r} is missing") for name in required if name not in columns]
    known = {*required, *optional}
    errors += [line_error(line, "column_unknown", f"column {name!r} is not known") for name in columns if name not in known]
    if len(set(columns)) < len(columns):
        errors.append(line_error(line, "column_twice", "a column stands twice in the header"))
    return errors
