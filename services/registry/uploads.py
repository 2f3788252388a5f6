"""The way of a file in: noted, written while it is hashed, inspected, scanned, and only then part of a letter."""

import asyncio
from collections.abc import AsyncIterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

import structlog
from obstore.exceptions import BaseError

from services.registry.archives import (
    ZIP_START,
    ArchiveBrokenError,
    ArchiveEncryptedError,
    ArchiveTooLargeError,
    inspect_container,
)
from services.registry.config import RegistrySettings
from services.registry.domain.file_types import found_types, settle_type
from services.registry.problems import attachments as problems
from services.registry.scanning import Scanner
from services.registry.storage import FileStorage, StoredObject, unavailable
from services.registry.store import files
from shared.ids import new_id
from shared.postgres import Connection, Database, Unavailable
from shared.problems import ProblemError

ZIP: Final = "application/zip"

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Claim:
    """What the sender says of the file: its media type, and its SHA-256 where given."""

    media_type: str
    sha256: bytes | None


@dataclass(frozen=True, slots=True)
class Received:
    """A file that was written and found good; no letter has it yet."""

    file_id: UUID
    media_type: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Uploads:
    """Takes files in. What is refused leaves no object; what a crash leaves behind is collected after the grace."""

    database: Database
    storage: FileStorage
    scanner: Scanner | None
    settings: RegistrySettings

    async def receive(self, chunks: AsyncIterable[bytes], claim: Claim) -> Received:
        """Write and examine the file. Raises ProblemError for what is not taken."""
        file_id = new_id()
        async with self.database.connection() as connection:
            await files.begin(connection, file_id, self.grace)
        try:
            stored = await self.storage.write(file_id, chunks, most=self.settings.registry_attachment_max_bytes)
            media_type = await self._examine(file_id, stored, claim)
            await self._heal(file_id, stored.sha256)
        except BaseException:
            # A cancelled request too: nobody else knows the object.
            await self.discard(file_id)
            raise
        return Received(file_id, media_type, stored.size, stored.sha256)

    async def discard(self, file_id: UUID) -> None:
        """Let go of a file that no letter has got; what cannot be removed now is collected later."""
        try:
            async with self.database.connection() as connection:
                await files.condemn(connection, file_id)
            if await self.storage.delete(file_id):
                async with self.database.connection() as connection:
                    await files.forget(connection, file_id)
        except Unavailable as error:
            log.warning("file is left to the collector", file_id=str(file_id), error=repr(error))

    async def keep(self, connection: Connection, received: Received) -> UUID:
        """The file that has this content from now on; in the transaction that gives it to a letter.

        When the content was there before, what was written now is condemned.
        """
        kept = await files.complete(connection, received.file_id, received.sha256, received.size)
        if kept is None:
            raise Unavailable("the upload took longer than an unfinished file is kept")
        return kept

    @property
    def grace(self) -> timedelta:
        """How long a file that no letter has is left alone: longer than any upload takes."""
        return timedelta(hours=self.settings.registry_file_grace_hours)

    async def _heal(self, file_id: UUID, sha256: str) -> None:
        """Whoever brings a content again of which the storage has lost the object brings it back for every letter that has it."""
        async with self.database.connection() as connection:
            kept = await files.with_content(connection, sha256)
        if kept is not None and await self.storage.restore(kept, file_id):
            log.warning("lost object was brought back", file_id=str(kept))

    async def _examine(self, file_id: UUID, stored: StoredObject, claim: Claim) -> str:
        if stored.size == 0:
            raise ProblemError(problems.ATTACHMENT_EMPTY)
        if claim.sha256 is not None and claim.sha256.hex() != stored.sha256:
            raise ProblemError(problems.ATTACHMENT_HASH_DIFFERS, f"sha256 of what arrived: {stored.sha256}")
        media_type = self._settled(await self._found(file_id, stored), claim.media_type)
        if self.scanner is not None:
            try:
                with self.storage.open(file_id, stored.size) as file:
                    await self.scanner.check(file)
            except BaseError as error:
                raise unavailable(error) from error
        return media_type

    async def _found(self, file_id: UUID, stored: StoredObject) -> frozenset[str]:
        if not stored.head.startswith(ZIP_START):
            return found_types(stored.head)
        most = self.settings.registry_attachment_max_inflated_bytes
        try:
            with self.storage.open(file_id, stored.size) as file:
                container = await asyncio.to_thread(inspect_container, file, most)
        except BaseError as error:
            raise unavailable(error) from error
        except ArchiveBrokenError as error:
            raise ProblemError(problems.ATTACHMENT_DAMAGED, str(error)) from error
        except ArchiveEncryptedError as error:
            raise ProblemError(problems.ATTACHMENT_ENCRYPTED) from error
        except ArchiveTooLargeError as error:
            raise ProblemError(problems.ATTACHMENT_ZIP_BOMB, str(error)) from error
        if container.macros:
            raise ProblemError(problems.ATTACHMENT_MACROS)
        return frozenset({container.media_type or ZIP})

    def _settled(self, found: frozenset[str], claimed: str) -> str:
        allowed = self.settings.registry_attachment_types
        media_type = settle_type(claimed, found, allowed)
        if media_type is not None:
            return media_type
        seen = ", ".join(sorted(found)) or "of no known type"
        raise ProblemError(problems.ATTACHMENT_TYPE_DIFFERS, f"said to be {claimed}, found: {seen}; taken: {', '.join(allowed)}")
