"""Reads papers beside the event loop, under a time limit: those that are sent, and those that are attached."""

import asyncio
from uuid import UUID

import structlog

from services.registry.intake import sources
from services.registry.intake.paper import Paper
from services.registry.intake.reader import read_paper
from services.registry.preflight.gather import headings_to_json
from services.registry.problems import preflight as problems
from services.registry.resources import Resources
from services.registry.store import preflight as store
from shared.problems import ProblemError

log = structlog.stdlib.get_logger(__name__)


def read(content: bytes, media_type: str) -> tuple[Paper, str]:
    """The paper and its text; raises ProblemError for a file that cannot be read."""
    text, wrapped = sources.text_of(content, media_type)
    return read_paper(text, wrapped=wrapped), text


async def read_in_time(content: bytes, media_type: str, seconds: float) -> tuple[Paper, str]:
    """As `read`, beside the event loop; raises ProblemError `paper_too_slow` after `seconds`."""
    try:
        async with asyncio.timeout(seconds):
            return await asyncio.to_thread(read, content, media_type)
    except TimeoutError as error:
        raise ProblemError(problems.PAPER_TOO_SLOW, f"more than {seconds:g} seconds") from error


async def read_attachments(registry: Resources, letter_id: UUID) -> None:
    """Keep the headings of the attachments whose text can be read; the others are as if they had none."""
    settings = registry.settings
    async with registry.database.connection() as connection:
        waiting = await store.unread(connection, letter_id, sources.TYPES, settings.registry_paper_max_bytes)
    for file in waiting:
        content = b"".join([piece async for piece in await registry.storage.read(file.file_id)])
        try:
            paper, _ = await read_in_time(content, file.media_type, settings.registry_paper_seconds)
            found = headings_to_json(*paper.headings())
        except ProblemError as problem:
            log.info("attachment not read", attachment_id=str(file.attachment_id), problem=problem.problem.code)
            found = headings_to_json((), ())
        async with registry.database.transaction() as connection:
            await store.keep_headings(connection, file.attachment_id, found)
