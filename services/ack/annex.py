"""Gives the filled annex in its forms: PDF for the file, XLSX and CSV for a spreadsheet, JSON for a program."""

import io
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from typing import IO, Final
from uuid import UUID

from fastapi import Response
from fastapi.responses import StreamingResponse

from services.ack import printing, problems, sheet, wording, workbook
from services.ack.api.views import CircularOut, RecipientOut
from services.ack.resources import Resources
from services.ack.store import circulars, recipients
from services.ack.store.circulars import Circular, Counts
from services.ack.store.recipients import Recipient
from services.ack.view import matrix_of
from shared.problems import ProblemError
from shared.spreadsheets import BYTE_ORDER_MARK, csv_lines

BATCH: Final = 1000
CSV_COLUMNS: Final = (
    "position",
    "title",
    "role",
    "agency_code",
    "agency_name_th",
    "in_place_of_name_th",
    "state",
    "handed_over_at",
    "hand_over_channel",
    "hand_over_grade",
    "failure_reason",
    "receive_number",
    "receive_date",
    "receive_time",
    "registrar_name",
    "registrar_position",
    "unit",
    "rejection_reason",
    "rejection_text",
    "recorded_at",
    "relay_duty",
    "relayed_circular_id",
    "onward_recipients",
    "recalled_at",
    "recall_reason",
    "door",
    "dispute_text",
    "redirected_from",
    "redirected_to",
)
# What is told of a row beside its own columns: whether it is late, its numbers in further registers, and whether it keeps a
# letter that was sent on from it.
MORE_COLUMNS: Final = ("late", "registers", "crossed")


class Form(StrEnum):
    """The annex's forms."""

    PDF = "pdf"
    XLSX = "xlsx"
    CSV = "csv"
    JSON = "json"


MEDIA_TYPES: Final = {
    Form.PDF: "application/pdf",
    Form.XLSX: workbook.MEDIA_TYPE,
    Form.CSV: "text/csv; charset=utf-8",
    Form.JSON: "application/json",
}


async def annex_response(resources: Resources, circular: Circular, form: Form) -> Response:
    """The annex of a circular that the caller may see, as a download."""
    counts = await _counts(resources, circular)
    headers = {"Content-Disposition": f'attachment; filename="{file_name(circular, form)}"', "Cache-Control": "no-store"}
    match form:
        case Form.PDF | Form.XLSX:
            file = await (_pdf if form is Form.PDF else _xlsx)(resources, circular, counts)
            return StreamingResponse(workbook.pieces(file), 200, headers, media_type=MEDIA_TYPES[form])
        case Form.CSV | Form.JSON:
            lines = _csv(resources, circular) if form is Form.CSV else _json(resources, circular, counts)
            return StreamingResponse(lines, 200, headers, media_type=MEDIA_TYPES[form])


async def annex_pieces(resources: Resources, circular: Circular, form: Form) -> AsyncGenerator[bytes]:
    """The annex's bytes, for those who do more with them than send them; its turn lasts until the last is taken."""
    counts = await _counts(resources, circular)
    match form:
        case Form.PDF | Form.XLSX:
            file = await (_pdf if form is Form.PDF else _xlsx)(resources, circular, counts)
            for piece in workbook.pieces(file):
                yield piece
        case Form.CSV | Form.JSON:
            lines = _csv(resources, circular) if form is Form.CSV else _json(resources, circular, counts)
            # Kept whole on the way, unlike those that are sent as they are made and wait for their reader.
            async with resources.printing, aclosing(lines):
                async for text in lines:
                    yield text.encode()


def file_name(circular: Circular, form: Form) -> str:
    """What the annex's file is called."""
    return f"annex-{circular.circular_id}.{form}"


async def _counts(resources: Resources, circular: Circular) -> Counts:
    async with resources.database.connection() as connection:
        return await circulars.counts(connection, circular.circular_id)


async def _pdf(resources: Resources, circular: Circular, counts: Counts) -> IO[bytes]:
    limit = resources.settings.ack_annex_max_rows
    if circular.recipient_count > limit:
        raise ProblemError(problems.ANNEX_TOO_LONG, f"{circular.recipient_count} recipients; at most {limit} are printed")
    now = resources.now()
    annex = sheet.Annex(circular, matrix_of(circular, counts, now), (), now)
    async with resources.printing:
        file = await _printed(resources, annex)
        try:
            if resources.pdf_seal is not None:
                await resources.pdf_seal.seal(file)
        except BaseException:
            file.close()
            raise
        return file


async def _printed(resources: Resources, annex: sheet.Annex) -> IO[bytes]:
    batches = _batches(resources, annex.circular.circular_id)
    if annex.circular.recipient_count > printing.ROWS_OF_A_PART:
        return await printing.print_parts(annex, batches, resources.settings.ack_print_processes)
    rows = [row async for batch in batches for row in batch]
    return io.BytesIO(await sheet.print_annex(replace(annex, recipients=rows)))


async def _batches(resources: Resources, circular_id: UUID) -> AsyncGenerator[list[Recipient]]:
    """All recipients in list order; no connection is held between two batches, however slowly they are taken."""
    after = 0
    while True:
        async with resources.database.connection() as connection:
            batch = await recipients.page(connection, circular_id, after=after, limit=BATCH)
        if batch:
            yield batch
        if len(batch) < BATCH:
            return
        after = batch[-1].position


async def _xlsx(resources: Resources, circular: Circular, counts: Counts) -> IO[bytes]:
    now = resources.now()
    # The whole file is written before its first byte goes out, so that a slow reader does not keep the others waiting.
    async with resources.printing:
        return await workbook.write_annex(
            workbook.Heading(circular, matrix_of(circular, counts, now), now),
            (*CSV_COLUMNS, *MORE_COLUMNS),
            (
                [(row, _cells(row, circular.deadline, now)) for row in batch]
                async for batch in _batches(resources, circular.circular_id)
            ),
        )


async def _csv(resources: Resources, circular: Circular) -> AsyncGenerator[str]:
    now = resources.now()
    yield BYTE_ORDER_MARK + csv_lines([(*CSV_COLUMNS, *MORE_COLUMNS)])
    async for batch in _batches(resources, circular.circular_id):
        yield csv_lines(_cells(row, circular.deadline, now) for row in batch)


def _cells(row: Recipient, deadline: datetime | None, now: datetime) -> list[object]:
    own = [getattr(row, column) for column in CSV_COLUMNS]
    return [*own, row.is_late(deadline, now), "; ".join(wording.registers(row)), row.crossed]


async def _json(resources: Resources, circular: Circular, counts: Counts) -> AsyncGenerator[str]:
    now = resources.now()
    head = CircularOut.of(circular, counts, matrix_of(circular, counts, now)).model_dump(mode="json")
    yield f'{{"circular": {json.dumps(head, ensure_ascii=False)}, "recipients": [\n'
    separator = ""
    async for batch in _batches(resources, circular.circular_id):
        yield separator + ",\n".join(RecipientOut.of(row, circular.deadline, now).model_dump_json() for row in batch)
        separator = ",\n"
    yield "\n]}\n"
