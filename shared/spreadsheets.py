"""CSV for spreadsheets: cells that no program takes for a formula."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Final

BYTE_ORDER_MARK: Final = "\ufeff"  # without it a spreadsheet reads Thai in another encoding
# A spreadsheet would run a cell that begins with one of these as a formula.
FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


def csv_lines(rows: Iterable[Sequence[object]]) -> str:
    """The rows as lines of CSV, every cell neutral."""
    text = io.StringIO()
    csv.writer(text).writerows([neutral(value) for value in row] for row in rows)
    return text.getvalue()


def neutral(value: object) -> str:
    """The cell's text, which no spreadsheet takes for a formula; empty for None. `plain` is the way back."""
    text = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    # What only looks neutralised already gets a mark of its own, or the way back would take its own away.
    return f"'{text}" if text.lstrip("'").startswith(FORMULA_STARTS) else text


def plain(cell: str) -> str:
    """The text of which `neutral` made this cell."""
    return cell[1:] if cell.startswith("'") and cell.lstrip("'").startswith(FORMULA_STARTS) else cell
