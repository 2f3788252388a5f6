"""Reads the first sheet of a workbook in a process of its own, with bounds on memory and time: one JSON list a row to stdout.

The reader keeps a sheet as a full rectangle, so one cell far away can ask for more memory than there is; whatever it then does,
the service does not die of it.
"""

import json
import resource
import sys
from datetime import date, datetime
from pathlib import Path
from typing import Final

from python_calamine import CalamineWorkbook

MOST_MEMORY: Final = 2 * 1024**3
MOST_SECONDS: Final = 60


def main(path: str) -> None:
    """Write the rows of the workbook at `path`; blank ones too, so that rows keep their numbers."""
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS))
    with Path(path).open("rb") as file, CalamineWorkbook.from_filelike(file) as workbook:
        sheet = workbook.get_sheet_by_index(0)
        first = 0 if sheet.start is None else sheet.start[0]
        sys.stdout.buffer.write(b"[]\n" * first)
        for row in sheet.iter_rows():
            sys.stdout.buffer.write(json.dumps([text(cell) for cell in row]).encode() + b"\n")


def text(cell: object) -> str:
    """A cell as a CSV file would have it: whole numbers without a point, days in ISO form."""
    match cell:
        case bool():
            return str(cell).lower()
        case float() if cell.is_integer():
            return str(int(cell))
        case datetime() if (cell.hour, cell.minute, cell.second) == (0, 0, 0):
            return cell.date().isoformat()
        case date():
            return cell.isoformat()
        case _:
            return str(cell)


if __name__ == "__main__":
    main(sys.argv[1])
