"""PDFium is called by one at a time in a process, whoever calls it."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Sequence
from typing import Any
from uuid import UUID

import pypdfium2
import pytest

from services.ack import printing
from services.ack.fold import State
from services.ack.sheet import Annex
from services.ack.store.circulars import Circular, Counts
from services.ack.store.recipients import Recipient
from services.ack.view import matrix_of
from shared.pdfium import opened
from tests.support.ack import NOW, SENT_AT, letter
from tests.unit.test_ack_wording import recipient

# Long enough for a second to come beside the first where nothing holds it back.
BESIDE = 0.5


class Together:
    """Whether two were ever inside at the same time: each waits for a second, and none must come."""

    def __init__(self) -> None:
        self.met = False
        self.entered = 0
        self._barrier = threading.Barrier(2)

    def enter(self) -> None:
        self.entered += 1
        try:
            self._barrier.wait(BESIDE)
            self.met = True
        except threading.BrokenBarrierError:
            self._barrier.reset()


def _pdf(pages: int) -> bytes:
    annex = _annex(pages * 33)
    rows = [recipient(position=n) for n in range(1, pages * 33 + 1)]
    return printing.sheet.typeset(printing._data(Annex(annex.circular, annex.matrix, rows, NOW)), 0)


def _annex(recipients: int) -> Annex:
    sent = Circular(UUID(int=1), UUID(int=2), "จังหวัด", "Province", letter(), SENT_AT, SENT_AT, recipients)
    return Annex(sent, matrix_of(sent, Counts({State.AWAITING: recipients}, 0, None, 0, 0, 0), NOW), (), NOW)


async def test_a_document_is_opened_when_the_one_before_is_closed() -> None:
    inside, pdf = Together(), _pdf(1)

    def read() -> int:
        with opened(pdf) as document:
            inside.enter()
            return len(document)

    assert await asyncio.gather(*(asyncio.to_thread(read) for _ in range(3))) == [1, 1, 1]
    assert (inside.entered, inside.met) == (3, False)


async def test_two_annexes_that_are_joined_at_the_same_moment_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    inside = Together()
    real = pypdfium2.PdfDocument.import_pages

    def import_pages(self: pypdfium2.PdfDocument, *arguments: Any) -> None:
        inside.enter()
        real(self, *arguments)

    monkeypatch.setattr(pypdfium2.PdfDocument, "import_pages", import_pages)
    monkeypatch.setattr(printing, "PAGES_OF_A_PART", 1)
    monkeypatch.setattr(printing, "ROWS_OF_A_PART", 33)

    async def batches() -> AsyncGenerator[Sequence[Recipient]]:
        yield [recipient(position=n) for n in range(1, 67)]

    whole = await asyncio.gather(*(printing.print_parts(_annex(66), batches(), 1) for _ in range(2)))
    for file in whole:
        with file, opened(file.read()) as document:
            assert len(document) == 2
    assert (inside.entered, inside.met) == (4, False)
