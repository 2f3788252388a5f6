"""XLSX workbooks as tables: checked before anything reads them, read where they can do no harm."""

import asyncio
import json
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import structlog

from services.registry import problems
from services.registry.domain.tables import TableRow, line_error, read_records
from services.registry.problems import agencies as agency_problems
from services.registry.problems import refuse
from shared.problems import FieldError, ProblemError

XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
ZIP_START: Final = b"PK\x03\x04"
PIECE: Final = 1024 * 1024
READER: Final = str(Path(__file__).with_name("sheet_process.py"))
MOST_PARTS: Final = 2_000
READING_PATIENCE: Final = 120.0
_BROKEN: Final = (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, OSError, RuntimeError, ValueError)

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
        with zipfile.ZipFile(path) as workbook:
            parts = workbook.infolist()
            names = {part.filename.lower() for part in parts}
            if any(name.endswith("vbaproject.bin") or "/macrosheets/" in name for name in names):
                raise ProblemError(agency_problems.IMPORT_MACROS)
            if "[content_types].xml" not in names or "xl/workbook.xml" not in names:
                raise ProblemError(agency_problems.IMPORT_UNREADABLE, "it is no XLSX workbook")
            if len(parts) > MOST_PARTS or sum(part.file_size for part in parts) > most_inflated:
                raise _bomb(most_inflated)
            inflated = 0
            for part in parts:
                with workbook.open(part) as content:
                    while piece := content.read(PIECE):
                        inflated += len(piece)
                        if inflated > most_inflated:
                            raise _bomb(most_inflated)
            if b"macroenabled" in workbook.read("[Content_Types].xml").lower():
                raise ProblemError(agency_problems.IMPORT_MACROS)
    except (*_BROKEN, KeyError) as error:
        raise ProblemError(agency_problems.IMPORT_UNREADABLE, f"its archive is broken: {type(error).__name__}") from error


def _bomb(most: int) -> ProblemError:
    return ProblemError(agency_problems.IMPORT_ZIP_BOMB, f"at most {most} bytes and {MOST_PARTS} parts")


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
