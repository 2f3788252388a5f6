"""Attachments in object storage: written and read as streams, so that memory does not grow with the file."""

import hashlib
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

import obstore
import structlog
from obstore.exceptions import BaseError
from obstore.store import ObjectStore, from_url

from services.registry import problems
from shared import problems as shared_problems
from shared.problems import ProblemError

# The smallest part that S3 takes.
PART_BYTES: Final = 5 * 1024 * 1024
READ_BYTES: Final = 256 * 1024

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class StoredObject:
    """What was written: its size in bytes and its SHA-256 in lower-case hex."""

    size: int
    sha256: str


class AttachmentStorage:
    """Objects by attachment id. An object that was not written to its end is not there."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    async def write(self, attachment_id: UUID, chunks: AsyncIterable[bytes], *, most: int) -> StoredObject:
        """Store what `chunks` yield, hashing on the way; nothing is stored when they fail or exceed `most` bytes.

        Raises ProblemError `attachment_too_large`, or 503 when the storage cannot be reached.
        """
        digest = hashlib.sha256()
        size = 0
        try:
            # Leaving the block by an exception, a cancellation too, aborts the upload.
            async with obstore.open_writer_async(
                self._store, _key(attachment_id), buffer_size=PART_BYTES, max_concurrency=2
            ) as writer:
                async for chunk in chunks:
                    size += len(chunk)
                    if size > most:
                        raise ProblemError(problems.ATTACHMENT_TOO_LARGE, f"at most {most} bytes")
                    digest.update(chunk)
                    await writer.write(chunk)
        except BaseError as error:
            raise _unavailable(error) from error
        return StoredObject(size, digest.hexdigest())

    async def read(self, attachment_id: UUID) -> AsyncIterator[bytes]:
        """The object's bytes in pieces. Raises ProblemError: 503 when the storage is away, 500 when the object is lost."""
        try:
            found = await obstore.get_async(self._store, _key(attachment_id))
        except FileNotFoundError as error:
            log.error("attachment is not in the storage", attachment_id=str(attachment_id))
            raise ProblemError(shared_problems.INTERNAL, "the file is not in the storage") from error
        except BaseError as error:
            raise _unavailable(error) from error

        async def pieces() -> AsyncIterator[bytes]:
            async for piece in found.stream(min_chunk_size=READ_BYTES):
                yield bytes(piece)

        return pieces()

    async def delete(self, attachment_id: UUID) -> None:
        """Remove the object; one that cannot be removed now costs space and nothing else, so that is only logged."""
        try:
            await obstore.delete_async(self._store, _key(attachment_id))
        except FileNotFoundError:
            return
        except BaseError as error:
            log.warning("object was not removed", attachment_id=str(attachment_id), error=type(error).__name__)


def open_storage(url: str) -> AttachmentStorage:
    """The storage at ``file:///folder`` (made when it is not there) or ``s3://bucket/prefix``."""
    if url.startswith("file:"):
        return AttachmentStorage(from_url(url, mkdir=True))
    return AttachmentStorage(
        from_url(
            url,
            client_options={"connect_timeout": timedelta(seconds=5), "timeout": timedelta(minutes=10)},
            retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=20)},
        )
    )


def _key(attachment_id: UUID) -> str:
    return f"attachments/{attachment_id}"


def _unavailable(error: BaseError) -> ProblemError:
    log.warning("storage unavailable", error=repr(error)[:500])
    return ProblemError(shared_problems.UNAVAILABLE, "the storage of attachments cannot be reached", retry_after=5)
