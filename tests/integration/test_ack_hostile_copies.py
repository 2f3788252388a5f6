"""No PDF harms the service that lays the receive stamp over it: an answer within bounds, and nothing left behind."""

import asyncio
import resource
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Final

import pytest

from services.ack import own_copy, stamping
from shared.pdfium import opened
from tests.support.ack import OpenAck, Sent, agency_of, circular, opened_ack
from tests.support.eventually import eventually
from tests.support.hostile_pdfs import Expected, Hostile, corpus
from tests.support.stamps import inked
from tests.support.tokens import TokenIssuer

TIMEOUT: Final = 4.0  # seconds that a file may take
# Beside that: drawing the stamp, starting two processes on a machine that is busy with other tests.
ROOM: Final = 10.0
AT_ONCE: Final = 4


@pytest.fixture
async def ack(settings_environment: dict[str, str], token_issuer: TokenIssuer) -> AsyncGenerator[OpenAck]:
    async with opened_ack(settings_environment, token_issuer, ack_copy_timeout=TIMEOUT) as opened:
        yield opened


async def test_every_hostile_pdf_is_stamped_or_refused_within_bounds_and_leaves_nothing_behind(
    ack: OpenAck, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = circular(1)
    await ack.apply(*sent.chunks(), agency_of(sent.recipients[0]))
    assert (await ack.acknowledge(sent.recipients[0])).status_code == 200
    files = corpus()
    assert await fault(ack, sent, files["plain"]) is None
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = standing()
    turns = asyncio.Semaphore(AT_ONCE)

    async def tried(hostile: Hostile) -> str | None:
        async with turns:
            return await fault(ack, sent, hostile)

    found = dict(zip(files, await asyncio.gather(*map(tried, files.values())), strict=True))
    assert {name: said for name, said in found.items() if said is not None} == {}
    assert left_in(tmp_path) == []
    assert standing() == before, "no process and no open file is left"
    # In kibibytes, of the largest process that has ended.
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 <= stamping.MEMORY
    assert await fault(ack, sent, files["plain"]) is None, "the service stamps as before"


async def fault(ack: OpenAck, sent: Sent, hostile: Hostile) -> str | None:
    """What is wrong with the answer to the file; None when nothing is."""
    (recipient,) = sent.recipients
    path = f"/v1/recipients/{recipient.recipient_id}/stamped-copy"
    began = time.monotonic()
    answer = await ack.http.post(path, content=hostile.data, headers=ack.headers(recipient.agency_id))
    took = time.monotonic() - began
    # Others have their turn before it.
    if took > AT_ONCE * (TIMEOUT + ROOM):
        return f"it took {took:.1f} seconds"
    match answer.status_code, hostile.expected:
        case 200, Expected.STAMPED | Expected.EITHER:
            return await asyncio.to_thread(fault_of_copy, hostile, answer.content)
        case 422, Expected.REFUSED | Expected.EITHER:
            said = answer.json()
            return None if said["code"] == "copy_not_stampable" and said["detail"] else answer.text
        case _:
            return f"{answer.status_code} {answer.text[:200]}"


def fault_of_copy(hostile: Hostile, copy: bytes) -> str | None:
    """What is wrong with a stamped copy."""
    if len(copy) > len(hostile.data) + stamping.MORE:
        return f"{len(copy)} bytes"
    with opened(copy) as after, opened(hostile.data) as before:
        pages, were = len(after), len(before)
    if pages != were:
        return f"{pages} pages, and there were {were}"
    place = inked(copy) if hostile.expected is Expected.STAMPED else (1.0, 0.0, 1.0, 0.0)
    if place is None or place[0] + place[2] < 1 or place[1] > 0.25:
        return f"the stamp lies at {place}"
    return None


def standing() -> tuple[int, list[str]]:
    """How many files and pipes this process holds open, and which processes it has started and not seen end."""
    own = Path("/proc/self")
    children = [child for task in (own / "task").iterdir() for child in (task / "children").read_text().split()]
    # Sockets are the database's.
    files = [fd for fd in (own / "fd").iterdir() if fd.is_symlink() and not str(fd.readlink()).startswith("socket:")]
    return len(files), sorted(children)


def left_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def test_a_file_that_is_given_up_by_its_sender_ends_its_process() -> None:
    slow = corpus()["many-object-streams"].data

    async def pieces() -> AsyncGenerator[bytes]:
        yield slow

    async def started() -> list[str]:
        return (await asyncio.to_thread(standing))[1]

    before = await started()
    with await own_copy.take_copy(pieces(), b"", len(slow)) as given:
        stamping_it = asyncio.create_task(own_copy.stamp_copy(given, timeout=60))
        await eventually(started, lambda now: now != before)
        stamping_it.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stamping_it
    assert await started() == before
