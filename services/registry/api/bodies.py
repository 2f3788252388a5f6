"""Bodies that are tables."""

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path

from starlette.requests import Request

from services.registry.config import RegistrySettings
from services.registry.domain.file_types import XLSX
from services.registry.domain.tables import TableRow, read_table
from services.registry.sheets import read_workbook
from shared import problems
from shared.problems import ProblemError


async def read_csv_body(request: Request) -> bytes:
    """The body of a request that must be CSV."""
    media_type = _media_type(request)
    if media_type != "text/csv":
        raise ProblemError(problems.REQUEST_INVALID, f"send the table as text/csv, not as {media_type[:100]!r}")
    return await request.body()


async def read_table_body(
    request: Request, settings: RegistrySettings, *, required: Sequence[str], optional: Sequence[str] = ()
) -> list[TableRow]:
    """The rows of a request's table: CSV, or the first sheet of a workbook. Raises ProblemError with an error per line or row."""
    if _media_type(request) != XLSX:
        return await asyncio.to_thread(read_table, await read_csv_body(request), required=required, optional=optional)
    with tempfile.TemporaryDirectory(prefix="wian-table-") as folder:
        path = Path(folder) / "table"
        await asyncio.to_thread(path.write_bytes, await request.body())
        return await read_workbook(
            path,
            most_inflated=settings.registry_import_max_inflated_bytes,
            most_rows=settings.registry_import_max_rows,
            required=required,
            optional=optional,
        )


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()
