"""Gives the filled annex in its three forms: PDF for the file, CSV for a spreadsheet, JSON for a program."""

import json
from collections.abc import AsyncGenerator
from enum import StrEnum
from typing import Final
from uuid import UUID

from fastapi import Response
from fastapi.responses import StreamingResponse

from services.ack import problems, sheet
from services.ack.api.bodies import CircularOut, RecipientOut
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
)


class Form(StrEnum):
    """The annex's forms."""

    PDF = "pdf"
    CSV = "csv"
    JSON = "json"


async def annex_response(resources: Resources, circular: Circular, form: Form) -> Response:
    """The annex of a circular that the caller may see, as a download."""
    async with resources.database.connection() as connection:
        counts = await circulars.counts(connection, circular.circular_id)
    headers = {"Content-Disposition": f'attachment; filename="annex-{circular.circular_id}.{form}"', "Cache-Control": "no-store"}
    match form:
        case Form.PDF:
            return Response(await _pdf(resources, circular, counts), 200, headers, media_type="application/pdf")
        case Form.CSV:
            return StreamingResponse(_csv(resources, circular.circular_id), 200, headers, media_type="text/csv; charset=utf-8")
        case Form.JSON:
            return StreamingResponse(_json(resources, circular, counts), 200, headers, media_type="application/json")


async def _pdf(resources: Resources, circular: Circular, counts: Counts) -> bytes:
    limit = resources.settings.ack_annex_max_rows
    if circular.recipient_count > limit:
        raise ProblemError(problems.ANNEX_TOO_LONG, f"{circular.recipient_count} recipients; at most {limit} are printed")
    rows = [row async for batch in _batches(resources, circular.circular_id) for row in batch]
    now = resources.now()
    async with resources.printing:
        return await sheet.print_annex(sheet.Annex(circular, matrix_of(circular, counts, now), rows, now))


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


async def _csv(resources: Resources, circular_id: UUID) -> AsyncGenerator[str]:
    yield BYTE_ORDER_MARK + csv_lines([CSV_COLUMNS])
    async for batch in _batches(resources, circular_id):
        yield csv_lines([getattr(row, column) for column in CSV_COLUMNS] for row in batch)


async def _json(resources: Resources, circular: Circular, counts: Counts) -> AsyncGenerator[str]:
    now = resources.now()
    head = CircularOut.of(circular, counts, matrix_of(circular, counts, now)).model_dump(mode="json")
    yield f'{{"circular": {json.dumps(head, ensure_ascii=False)}, "recipients": [\n'
    separator = ""
    async for batch in _batches(resources, circular.circular_id):
        yield separator + ",\n".join(RecipientOut.of(row, circular.deadline, now).model_dump_json() for row in batch)
        separator = ",\n"
    yield "\n]}\n"
