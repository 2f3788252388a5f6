"""XLSX workbooks as tables: checked before anything reads them, read where they can do no harm."""

import asyncio
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import structlog

from services.registry import problems
from services.registry.archives import ArchiveBrokenError, ArchiveEncryptedError, ArchiveTooLargeError, inspect_container
from services.registry.domain.file_types import XLSX
from services.registry.domain.tables import TableRow, line_error, read_records
from services.registry.problems import agencies as agency_problems
from services.registry.problems import refuse
from shared.problems import FieldError, ProblemError

READER: Final = str(Path(__file__).with_name("sheet_process.py"))
READING_PATIENCE: Final = 120.0

log = structlog.stdlib.get_logger(__name__)


async def read_workbook(
    path: Path, *, most_inflated: int, most_rows: int, required: Sequence[str], optional: Sequence[str] = ()
) -> list[TableRow]:
    """The table on the first sheet of the workbook at `path`, as `read_table` reads it from CSV; `line` is the row's number.

    Raises ProblemError: `import_macros`, `import_zip_bomb`, `import_unreadable`, or `import_invalid` with an error per row.
    """
    await asyncio.to_thread(check_workbook, path, most_inflated)
    with tempfile.TemporaryFile() as written:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", READER, str(path), stdout=written, stderr=asyncio.subprocess.PIPE
        )
        try:
            async with asyncio.timeout(READING_PATIENCE):
                _, complaint = await process.communicate()
        except TimeoutError:
            complaint = b"out of time"
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode != 0:
            log.info("workbook not read", status=process.returncode, complaint=complaint.decode(errors="replace")[-300:])
            raise ProblemError(
                agency_problems.IMPORT_UNREADABLE, "the first sheet cannot be read within the bounds of memory and time"
            )
        written.seek(0)
        return await asyncio.to_thread(_table, written, most_rows, required, optional)


def check_workbook(path: Path, most_inflated: int) -> None:
    """Refuse what is no workbook, holds macros, or unpacks to more than `most_inflated` bytes; the parts are really unpacked."""
    try:
        container = inspect_container(path, most_inflated)
    except ArchiveTooLargeError as error:
        raise ProblemError(agency_problems.IMPORT_ZIP_BOMB, str(error)) from error
    except (ArchiveBrokenError, ArchiveEncryptedError) as error:
        raise ProblemError(agency_problems.IMPORT_UNREADABLE, str(error)) from error
    if container.macros:
        raise ProblemError(agency_problems.IMPORT_MACROS)
    if container.media_type != XLSX:
        raise ProblemError(agency_problems.IMPORT_UNREADABLE, "it is no XLSX workbook")


def _table(written: Iterator[bytes], most_rows: int, required: Sequence[str], optional: Sequence[str]) -> list[TableRow]:
    errors: list[FieldError] = []
    return read_records(_rows(written, most_rows), errors, required=required, optional=optional)


def _rows(written: Iterator[bytes], most_rows: int) -> Iterator[tuple[int, list[str]]]:
    width = 0
    for number, line in enumerate(written, 1):
        if number > most_rows:
            refuse([line_error(number, "too_many_rows", f"at most {most_rows} rows")], problems.IMPORT_INVALID)
        cells: list[str] = json.loads(line)
        if not any(cells):
            continue
        # Blank columns beside the table are part of the sheet's rectangle, not of the table.
        if not width:
            width = max(place for place, cell in enumerate(cells, 1) if cell)
        while len(cells) > width and not cells[-1]:
            cells.pop()
        yield number, cells
