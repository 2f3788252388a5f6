"""Removes files that nothing refers to: uploads that broke off, and those whose attachments were removed."""

import asyncio
from typing import Final

import structlog
from opentelemetry import metrics

from services.registry.storage import FileStorage
from services.registry.store import files
from shared.postgres import Database
from shared.turns import by_turns

INTERVAL: Final = 600.0
BATCH: Final = 200

log = structlog.stdlib.get_logger(__name__)
_collected = metrics.get_meter("wian.registry").create_counter(
    "wian.registry.files.collected", unit="{file}", description="Files removed because nothing refers to them."
)


class FileCollector:
    """Looks every ten minutes; several may run, for each file is judged under its lock and removing it twice does no harm."""

    name = "file collector"

    def __init__(self, database: Database, storage: FileStorage) -> None:
        self._database = database
        self._storage = storage

    async def run(self, stop: asyncio.Event) -> None:
        await by_turns(self.run_once, stop, every=INTERVAL, away="files are kept: the database is away")

    async def run_once(self) -> None:
        """Judge all files that are due, then remove those that are condemned."""
        while True:
            async with self._database.transaction() as connection:
                if await files.judge(connection, BATCH) < BATCH:
                    break
        while True:
            async with self._database.connection() as connection:
                condemned = await files.condemned(connection, BATCH)
            for file_id in condemned:
                # The object goes first: as long as its row is there, somebody knows of it.
                if not await self._storage.delete(file_id):
                    return
                async with self._database.connection() as connection:
                    await files.forget(connection, file_id)
                _collected.add(1)
            if len(condemned) < BATCH:
                return
