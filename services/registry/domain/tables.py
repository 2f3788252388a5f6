"""Tables that clerks upload: read strictly, with the line of every fault."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from services.registry import problems
from services.registry.problems import refuse
from shared.problems import FieldError
from shared.spreadsheets import plain


@dataclass(frozen=True, slots=True)
class TableRow:
    """One record; `line` is the line of the file on which it begins, counted from 1."""

    line: int
    values: dict[str, str]


def line_error(line: int, code: str, detail: str) -> FieldError:
    """A fault in line `line` of an uploaded file."""
    return FieldError(f"line {line}", code, detail)


@dataclass(frozen=True, slots=True)
class TableText:
    """A CSV file as text; `encoding` is utf-8 or windows-874."""

    text: str
    encoding: str


def decode_table(raw: bytes) -> TableText:
    """The text of a CSV file: UTF-8, with or without a byte order mark, or else Thai in Windows-874 (TIS-620).

    Raises ProblemError `import_invalid` with the line that is neither.
    """
    try:
        return TableText(raw.decode("utf-8-sig"), "utf-8")
    except UnicodeDecodeError as error:
        text = _windows_874(raw)
        if text is None:
            line = raw.count(b"\n", 0, error.start) + 1
            refuse([line_error(line, "not_utf8", "the file must be UTF-8, or Thai in Windows-874")], problems.IMPORT_INVALID)
        return TableText(text, "windows-874")


def _windows_874(raw: bytes) -> str | None:
    try:
        text = raw.decode("cp874")
    except UnicodeDecodeError:
        return None
    thai = sum(text.count(chr(point)) for point in range(0x0E01, 0x0E5C))
    # UTF-8 with a spoilt byte can be read so too: then every third character is the lead byte, as เ before ธ or น.
    leads = text.count("เธ") + text.count("เน")
    return text if thai and leads * 5 < thai else None


def read_table(raw: bytes, *, required: Sequence[str], optional: Sequence[str] = ()) -> list[TableRow]:
    """The records of a CSV file under a header line that names each `required` column, any `optional` one, and no other.

    Empty lines are passed over. Raises ProblemError `import_invalid` with an error per line.
    """
    return read_csv(decode_table(raw).text, required=required, optional=optional)


def read_csv(text: str, *, required: Sequence[str], optional: Sequence[str] = ()) -> list[TableRow]:
    """The same of a file that is decoded."""
    errors: list[FieldError] = []
    return read_records(_records(text, errors), errors, required=required, optional=optional)


def read_records(
    records: Iterator[tuple[int, list[str]]], errors: list[FieldError], *, required: Sequence[str], optional: Sequence[str] = ()
) -> list[TableRow]:
    """The same of numbered records, the header first; `errors` gathers what their reader finds wrong on the way.

    A cell that an export has neutralised is read as what it was.
    """
    nothing: tuple[int, list[str]] = (1, [])
    line, header = next(records, nothing)
    columns = [name.strip() for name in header]
    errors += _header_errors(line, columns, required, optional)
    if errors:
        refuse(errors, problems.IMPORT_INVALID)
    rows: list[TableRow] = []
    for line, cells in records:
        if len(cells) == len(columns):
            rows.append(TableRow(line, dict(zip(columns, (plain(cell.strip()) for cell in cells), strict=True))))
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
