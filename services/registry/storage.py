"""Files in object storage: written and read as streams, so that memory does not grow with the file."""

import hashlib
import io
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

import obstore
import structlog
from obstore.exceptions import BaseError
from obstore.store import ObjectStore, from_url

from services.registry.domain.file_types import HEAD_BYTES
from services.registry.domain.ranges import Part
from services.registry.problems import attachments as problems
from shared import problems as shared_problems
from shared.problems import ProblemError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer
    from obstore import ReadableFile

# The smallest part that S3 takes.
PART_BYTES: Final = 5 * 1024 * 1024
READ_BYTES: Final = 256 * 1024

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class StoredObject:
    """What was written: its size in bytes, its SHA-256 in lower-case hex, and its first HEAD_BYTES bytes."""

    size: int
    sha256: str
    head: bytes


class FileStorage:
    """Objects by file id. An object that was not written to its end is not there."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    async def write(self, file_id: UUID, chunks: AsyncIterable[bytes], *, most: int) -> StoredObject:
        """Store what `chunks` yield, hashing on the way; nothing is stored when they fail or exceed `most` bytes.

        Raises ProblemError `attachment_too_large`, or 503 when the storage cannot be reached.
        """
        digest = hashlib.sha256()
        head = bytearray()
        size = 0
        try:
            # Leaving the block by an exception, a cancellation too, aborts the upload.
            async with obstore.open_writer_async(self._store, _key(file_id), buffer_size=PART_BYTES, max_concurrency=2) as writer:
                async for chunk in chunks:
                    size += len(chunk)
                    if size > most:
                        raise ProblemError(problems.ATTACHMENT_TOO_LARGE, f"at most {most} bytes")
                    if len(head) < HEAD_BYTES:
                        head += chunk[: HEAD_BYTES - len(head)]
                    digest.update(chunk)
                    await writer.write(chunk)
        except BaseError as error:
            raise unavailable(error) from error
        return StoredObject(size, digest.hexdigest(), bytes(head))

    async def read(self, file_id: UUID, part: Part | None = None) -> AsyncIterator[bytes]:
        """The object's bytes, or those of one part, in pieces.

        Raises ProblemError: 503 when the storage is away, 500 when the object is lost.
        """
        try:
            if part is None:
                found = await obstore.get_async(self._store, _key(file_id))
            else:
                found = await obstore.get_async(self._store, _key(file_id), options={"range": (part.start, part.end)})
        except FileNotFoundError as error:
            log.error("file is not in the storage", file_id=str(file_id))
            raise ProblemError(shared_problems.INTERNAL, "the file is not in the storage") from error
        except BaseError as error:
            raise unavailable(error) from error

        async def pieces() -> AsyncIterator[bytes]:
            async for piece in found.stream(min_chunk_size=READ_BYTES):
                yield bytes(piece)

        return pieces()

    async def restore(self, file_id: UUID, copy_of: UUID) -> bool:
        """Put the object `copy_of` where the lost one of `file_id` was; False when it was not lost.

        Raises ProblemError: 503 when the storage is away.
        """
        try:
            await obstore.head_async(self._store, _key(file_id))
        except FileNotFoundError:
            await self._copy(copy_of, file_id)
            return True
        except BaseError as error:
            raise unavailable(error) from error
        return False

    async def _copy(self, file_id: UUID, to: UUID) -> None:
        try:
            await obstore.copy_async(self._store, _key(file_id), _key(to))
        except BaseError as error:
            raise unavailable(error) from error

    def open(self, file_id: UUID, size: int) -> io.BufferedReader:
        """The object of `size` bytes as a file to read and seek in, for a thread of its own.

        Its calls raise obstore's BaseError when the storage is away: `unavailable` makes the answer of it.
        """
        return io.BufferedReader(_Readable(obstore.open_reader(self._store, _key(file_id), size=size)), READ_BYTES)

    async def delete(self, file_id: UUID) -> bool:
        """Remove the object; False when the storage is away, and then it is there still."""
        try:
            await obstore.delete_async(self._store, _key(file_id))
        except FileNotFoundError:
            return True
        except BaseError as error:
            log.warning("object was not removed", file_id=str(file_id), error=type(error).__name__)
            return False
        return True


class _Readable(io.RawIOBase):
    """The storage's reader as Python's own files are."""

    def __init__(self, reader: "ReadableFile") -> None:
        super().__init__()
        self._reader = reader

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        view = memoryview(buffer).cast("B")
        piece = memoryview(self._reader.read(len(view)))
        view[: len(piece)] = piece
        return len(piece)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return self._reader.seek(offset, whence)

    def tell(self) -> int:
        return self._reader.tell()


def open_storage(url: str) -> FileStorage:
    """The storage at ``file:///folder`` (made when it is not there) or ``s3://bucket/prefix``."""
    if url.startswith("file:"):
        return FileStorage(from_url(url, mkdir=True))
    return FileStorage(
        from_url(
            url,
            client_options={"connect_timeout": timedelta(seconds=5), "timeout": timedelta(minutes=10)},
            retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=20)},
        )
    )


def _key(file_id: UUID) -> str:
    return f"attachments/{file_id}"


def unavailable(error: BaseError) -> ProblemError:
    """The answer to a caller while the storage is away."""
    log.warning("storage unavailable", error=repr(error)[:500])
    return ProblemError(shared_problems.UNAVAILABLE, "the storage of attachments cannot be reached", retry_after=5)
