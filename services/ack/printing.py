"""Prints a long annex in parts, each by a process of its own, and joins them: memory does not grow with the list's length.

The typesetter remembers what it has set until its process ends; so no process sets more than a few parts.
"""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from tempfile import TemporaryFile
from typing import IO, Final

import pypdfium2

from services.ack import sheet
from services.ack.sheet import ROWS_PER_PAGE, Annex
from services.ack.store.recipients import Recipient
from shared.pdfium import opened, pdfium

PAGES_OF_A_PART: Final = 60
ROWS_OF_A_PART: Final = PAGES_OF_A_PART * ROWS_PER_PAGE
PARTS_OF_A_PROCESS: Final = 3


async def print_parts(annex: Annex, batches: AsyncIterator[Sequence[Recipient]], processes: int) -> IO[bytes]:
    """The annex as an open temporary file at its beginning; `annex` has no recipients, they come in `batches`."""
    loop = asyncio.get_running_loop()
    whole = await asyncio.to_thread(_new)
    under_way: deque[asyncio.Future[bytes]] = deque()
    # Spawned: a fork would take the event loop and the database's connections along.
    typeset = partial(sheet.typeset, tagged=False)  # tags do not outlive the joining
    pool = ProcessPoolExecutor(processes, get_context("spawn"), max_tasks_per_child=PARTS_OF_A_PROCESS)
    try:
        page = 1
        async for rows in _parts(batches):
            data = await asyncio.to_thread(_data, replace(annex, recipients=rows, first_page=page))
            under_way.append(loop.run_in_executor(pool, typeset, data, int(annex.printed_at.timestamp())))
            page += PAGES_OF_A_PART
            if len(under_way) > processes:
                await asyncio.to_thread(_append, whole, await under_way.popleft())
        while under_way:
            await asyncio.to_thread(_append, whole, await under_way.popleft())
        return await asyncio.to_thread(_saved, whole)
    finally:
        await asyncio.to_thread(pool.shutdown, cancel_futures=True)
        await asyncio.to_thread(_close, whole)


async def _parts(batches: AsyncIterator[Sequence[Recipient]]) -> AsyncIterator[list[Recipient]]:
    rows: list[Recipient] = []
    async for batch in batches:
        rows += batch
        while len(rows) >= ROWS_OF_A_PART:
            yield rows[:ROWS_OF_A_PART]
            rows = rows[ROWS_OF_A_PART:]
    if rows:
        yield rows


def _data(annex: Annex) -> str:
    return json.dumps(sheet.sheet_data(annex), ensure_ascii=False)


def _new() -> pypdfium2.PdfDocument:
    with pdfium():
        return pypdfium2.PdfDocument.new()


def _append(whole: pypdfium2.PdfDocument, part: bytes) -> None:
    with opened(part) as document:
        whole.import_pages(document)  # pyright: ignore[reportUnknownMemberType]


def _close(whole: pypdfium2.PdfDocument) -> None:
    # Whoever was given up while a part was being added: that ends first.
    with pdfium():
        whole.close()


def _saved(whole: pypdfium2.PdfDocument) -> IO[bytes]:
    file: IO[bytes] = TemporaryFile()  # noqa: SIM115 - closed when it has been sent
    try:
        with pdfium():
            whole.save(file)  # pyright: ignore[reportUnknownMemberType]
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file
