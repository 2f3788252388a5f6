"""Has an agency's own PDF stamped by a process that may take so long and so much, and no more; nothing of it is kept."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from tempfile import TemporaryFile
from typing import IO

from services.ack import problems, stamping
from shared import problems as common
from shared.problems import ProblemError

LONGEST_REASON = 500


async def take_copy(pieces: AsyncIterator[bytes], stamp: bytes, most: int) -> IO[bytes]:
    """The stamp and the PDF behind it as `stamping` reads them, in an open temporary file at its beginning.

    Raises ProblemError `body_too_large`, `copy_not_stampable`.
    """
    file: IO[bytes] = TemporaryFile()  # noqa: SIM115 - closed by whoever has it stamped
    try:
        file.write(len(stamp).to_bytes(stamping.LENGTH_BYTES, "big") + stamp)
        size, beginning = 0, b""
        async for piece in pieces:
            size += len(piece)
            if size > most:
                raise ProblemError(common.BODY_TOO_LARGE, f"at most {most} bytes")
            if len(beginning) < stamping.BEGINNING:
                beginning += piece[: stamping.BEGINNING]
            file.write(piece)
        if b"%PDF-" not in beginning:
            raise ProblemError(problems.COPY_NOT_STAMPABLE, "it is not a PDF")
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file


async def stamp_copy(given: IO[bytes], *, timeout: float) -> IO[bytes]:
    """The stamped PDF as an open temporary file at its beginning; raises ProblemError `copy_not_stampable`."""
    file: IO[bytes] = TemporaryFile()  # noqa: SIM115 - closed when it has been sent
    try:
        status = await _stamped(given, file, timeout)
        file.seek(0)
        if status == 0:
            return file
        told = file.read(LONGEST_REASON).decode() if status == stamping.REFUSED else "it takes more memory or room than it may"
        raise ProblemError(problems.COPY_NOT_STAMPABLE, told)
    except BaseException:
        file.close()
        raise


async def _stamped(given: IO[bytes], file: IO[bytes], timeout: float) -> int:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", stamping.__name__),
        # Nothing else of the environment: no secret of the service is in the process that reads a stranger's file.
        env={"PYTHONPATH": ":".join(path for path in sys.path if path)},
        stdin=given,
        stdout=file,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(timeout):
            return await process.wait()
    except TimeoutError as error:
        raise ProblemError(problems.COPY_NOT_STAMPABLE, f"it was not read within {timeout:g} seconds") from error
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
