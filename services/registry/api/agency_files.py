"""Routes of files of agencies: a nation in, a nation out."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from typing import IO, Annotated, Any, Final, Literal
from uuid import UUID

import xlsxwriter
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from services.registry import problems
from services.registry.agency_table import OPTIONAL, REQUIRED, AgencyTable, cells, kept_columns
from services.registry.api.bodies import read_csv_body
from services.registry.api.dependencies import Anyone, Operator, Registry
from services.registry.domain.tables import TableRow, decode_table, read_csv
from services.registry.problems import agencies as agency_problems
from services.registry.problems import refuse
from services.registry.saving import save_agencies
from services.registry.sheets import XLSX, ZIP_START
from services.registry.store import agencies, imports
from shared import problems as shared_problems
from shared.ids import new_id
from shared.problems import ProblemError
from shared.spreadsheets import BYTE_ORDER_MARK, csv_lines, neutral

MACRO_TYPE: Final = "macroenabled"
PART_BYTES: Final = 1024 * 1024
EXPORT_BATCH: Final = 2000

EXAMPLE: Final = ",".join(REQUIRED) + "\nmoi,กระทรวงมหาดไทย,Ministry of Interior,ministry,มท ๐๒๑๘,,saraban@moi.example\n"
CSV_CONTENT: Final[dict[str, Any]] = {"text/csv": {"schema": {"type": "string"}, "example": EXAMPLE}}
XLSX_CONTENT: Final[dict[str, Any]] = {XLSX: {"schema": {"type": "string", "format": "binary"}}}

router = APIRouter(prefix="/v1/agencies", tags=["agencies"])


class ImportOut(BaseModel):
    """What an import did."""

    created: int
    updated: int
    unchanged: int
    encoding: str = Field(description="How the file was read: utf-8 or windows-874.")


class RowErrorOut(BaseModel):
    """A faulty row."""

    pointer: str
    code: str
    detail: str


class ImportJobOut(BaseModel):
    """How far an import is."""

    import_id: UUID
    state: Literal["waiting", "reading", "saving", "done", "failed"]
    format: Literal["csv", "xlsx"]
    size: int
    dry_run: bool
    encoding: str | None = Field(description="How a CSV file was read: utf-8 or windows-874.")
    rows_read: int
    rows_valid: int
    created: int
    updated: int
    unchanged: int
    error_count: int
    errors: list[RowErrorOut] = Field(description="The first 100, one a row.")
    problem: str | None = Field(description="The code of the problem for which it failed; nothing was imported then.")
    created_at: datetime
    finished_at: datetime | None


@router.post(
    "/import",
    summary="Register or change many agencies",
    openapi_extra={"requestBody": {"required": True, "content": CSV_CONTENT}},
)
async def import_agencies(caller: Operator, registry: Registry, request: Request) -> ImportOut:
    """Reads a CSV table with the columns code, name_th, name_en, kind, letter_code, parent_code, email.

    It may have valid_from, valid_until and successor_codes (with spaces between) too; without them, these stay as they are.
    All or nothing: with one faulty line nothing is imported and every faulty line is named. The same file again changes
    nothing. A parent may come later in the file. For a nation use `POST /v1/agencies/imports`.
    """
    del caller
    raw = await read_csv_body(request)
    rows, table, encoding = await asyncio.to_thread(_read, raw)
    async with registry.database.transaction() as connection:
        plan, faults = await save_agencies(connection, table.entries, keeps=kept_columns(rows))
    if faults:
        refuse(table.placed(faults), problems.IMPORT_INVALID)
    return ImportOut(created=len(plan.created), updated=len(plan.updated), unchanged=plan.unchanged, encoding=encoding)


def _read(raw: bytes) -> tuple[list[TableRow], AgencyTable, str]:
    decoded = decode_table(raw)
    rows = read_csv(decoded.text, required=REQUIRED, optional=OPTIONAL)
    table = AgencyTable()
    table.add(rows)
    if table.errors:
        refuse(table.errors, problems.IMPORT_INVALID)
    return rows, table, decoded.encoding


@router.post(
    "/imports",
    status_code=202,
    summary="Hand in a file of agencies",
    openapi_extra={"requestBody": {"required": True, "content": {**CSV_CONTENT, **XLSX_CONTENT}}},
)
async def hand_in(
    caller: Operator,
    registry: Registry,
    request: Request,
    response: Response,
    dry_run: Annotated[bool, Query(description="Only say what the file would do.")] = False,
) -> ImportJobOut:
    """Takes a CSV file or an XLSX workbook (its first sheet) of up to a nation's agencies, and imports it in the background.

    The columns are those of `/v1/agencies/import`. CSV is UTF-8, or Thai in Windows-874. Follow `Location` for the progress.
    """
    declared = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if MACRO_TYPE in declared:
        raise ProblemError(agency_problems.IMPORT_MACROS)
    most = registry.settings.registry_import_max_bytes
    with tempfile.SpooledTemporaryFile(max_size=PART_BYTES) as file:
        size = 0
        async for chunk in request.stream():
            size += len(chunk)
            if size > most:
                raise ProblemError(shared_problems.BODY_TOO_LARGE, f"at most {most} bytes")
            file.write(chunk)
        file.seek(0)
        is_workbook = file.read(len(ZIP_START)) == ZIP_START
        if declared not in {"text/csv", XLSX} or is_workbook != (declared == XLSX):
            raise ProblemError(agency_problems.IMPORT_FORMAT_UNKNOWN, f"the media type is {declared[:100]!r}")
        file.seek(0)
        import_id = new_id()
        async with registry.database.transaction() as connection:
            await imports.add(
                connection,
                import_id,
                client_id=caller.client_id,
                kind="xlsx" if is_workbook else "csv",
                size=size,
                dry_run=dry_run,
                parts=_pieces(file),
            )
            made = await imports.get(connection, import_id)
    if made is None:
        raise LookupError("the import was just added")
    response.headers["Location"] = f"/v1/agencies/imports/{import_id}"
    return _shown(made)


@router.get("/imports/{import_id}", summary="Follow an import")
async def follow(import_id: UUID, caller: Operator, registry: Registry) -> ImportJobOut:
    """How many rows were read, how many are sound, what was done; or every faulty row up to a hundred, and their number."""
    del caller
    async with registry.database.connection() as connection:
        found = await imports.get(connection, import_id)
    if found is None:
        raise ProblemError(shared_problems.NOT_FOUND)
    return _shown(found)


@router.get(
    "/export",
    summary="Read all agencies as a file",
    response_class=StreamingResponse,
    responses={200: {"content": {**CSV_CONTENT, **XLSX_CONTENT}, "description": "The table."}},
)
async def export(
    caller: Anyone,
    registry: Registry,
    format: Annotated[Literal["csv", "xlsx"], Query()] = "csv",  # noqa: A002 - the query's name
) -> StreamingResponse:
    """All agencies as they stood at one moment, in the order of their codes; the file imports again without a change.

    Cells that a spreadsheet would take for a formula have an apostrophe in front, which an import takes away again.
    """
    del caller
    # Written to its end before the first byte goes out: a slow reader holds no transaction open.
    file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the answer has been sent
    try:
        async with registry.database.transaction() as connection:
            rows = agencies.every(connection)
            await (_write_csv(file, rows) if format == "csv" else _write_xlsx(file, rows))
    except BaseException:
        file.close()
        raise
    file.seek(0)
    headers = {"Content-Disposition": f'attachment; filename="agencies.{format}"'}
    return StreamingResponse(_sent(file), 200, headers, media_type="text/csv; charset=utf-8" if format == "csv" else XLSX)


async def _write_csv(file: IO[bytes], rows: AsyncIterator[Any]) -> None:
    file.write((BYTE_ORDER_MARK + csv_lines([(*REQUIRED, *OPTIONAL)])).encode())
    async for batch in _batches(rows):
        text = await asyncio.to_thread(csv_lines, batch)
        await asyncio.to_thread(file.write, text.encode())


async def _write_xlsx(file: IO[bytes], rows: AsyncIterator[Any]) -> None:
    # The library has no types.
    workbook: Any = xlsxwriter.Workbook(
        file, {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    )
    sheet = workbook.add_worksheet("agencies")
    number = 0

    def write(batch: list[tuple[object, ...]]) -> None:
        nonlocal number
        for values in batch:
            for column, value in enumerate(values):
                if value is not None and value != "":
                    sheet.write_string(number, column, neutral(value))
            number += 1

    write([(*REQUIRED, *OPTIONAL)])
    async for batch in _batches(rows):
        await asyncio.to_thread(write, batch)
    await asyncio.to_thread(workbook.close)


async def _batches(rows: AsyncIterator[Any]) -> AsyncIterator[list[tuple[object, ...]]]:
    batch: list[tuple[object, ...]] = []
    async for agency in rows:
        batch.append(cells(agency.entry))
        if len(batch) == EXPORT_BATCH:
            yield batch
            batch = []
    yield batch


def _sent(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        yield from _pieces(file)


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    while piece := file.read(PART_BYTES):
        yield piece


def _shown(found: imports.Import) -> ImportJobOut:
    return ImportJobOut.model_validate(found, from_attributes=True)
