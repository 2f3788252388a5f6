"""Imports files of agencies in the background: read in steps with progress, saved all at once or not at all."""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final
from uuid import uuid4

import structlog

from services.registry import problems
from services.registry.agency_table import OPTIONAL, REQUIRED, AgencyTable, kept_columns, slices
from services.registry.config import RegistrySettings
from services.registry.domain.tables import TableRow, decode_table, line_error, read_csv
from services.registry.problems import agencies as agency_problems
from services.registry.problems import refuse
from services.registry.saving import save_agencies
from services.registry.sheets import read_workbook
from services.registry.store import agencies, imports
from services.registry.store.imports import ClaimedImport, LeaseLostError
from shared import postgres
from shared.inbox import PRUNE_INTERVAL
from shared.postgres import Database
from shared.problems import FieldError, ProblemError
from shared.runtime import pause
from shared.turns import by_turns

ROWS_THAT_CHANGE_PLANS: Final = 5_000
MOST_ATTEMPTS: Final = 5
STEP_ROWS: Final = 2000

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Read:
    rows: list[TableRow]
    encoding: str | None


class RowErrors(Exception):  # noqa: N818 - a result, carried to the one place that records it
    """Every faulty row of a file; nothing was saved."""

    def __init__(self, errors: list[FieldError]) -> None:
        super().__init__(f"{len(errors)} faulty rows")
        self.errors = errors


class ImportPruner:
    """Forgets, once an hour, the imports that ended longer ago than the setting says; what they saved stays."""

    name = "registry import pruner"

    def __init__(self, database: Database, kept_days: int) -> None:
        self._database = database
        self._kept = timedelta(days=kept_days)

    async def run(self, stop: asyncio.Event) -> None:
        await by_turns(self.run_once, stop, every=PRUNE_INTERVAL, away="imports are kept: the database is away")

    async def run_once(self) -> None:
        """Delete what is old enough."""
        async with self._database.connection() as connection:
            await imports.prune(connection, self._kept)


class AgencyImporter:
    """Works off the files of agencies. Several may run: a file is leased to one of them, and taken up again when that one is lost."""

    name = "registry agency importer"

    def __init__(self, database: Database, settings: RegistrySettings) -> None:
        self._database = database
        self._settings = settings
        self._lease = timedelta(seconds=settings.registry_import_lease)

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                if not await self.run_once():
                    await pause(self._settings.registry_import_poll_interval, stop)
            except postgres.Unavailable as error:
                # The file is taken up again when its lease ends.
                log.warning("agency importer waits", error=repr(error))
                await pause(1.0, stop)

    async def run_once(self) -> bool:
        """Import one file if there is one; returns whether there was."""
        async with self._database.connection() as connection:
            job = await imports.claim(connection, uuid4(), self._lease)
        if job is None:
            return False
        try:
            async with self._held(job):
                await self._import(job)
        except LeaseLostError:
            log.warning("import was taken up by another worker", import_id=str(job.import_id))
        return True

    @asynccontextmanager
    async def _held(self, job: ClaimedImport) -> AsyncGenerator[None]:
        async def renew() -> None:
            while True:
                await asyncio.sleep(self._lease.total_seconds() / 3)
                with contextlib.suppress(postgres.Unavailable):
                    async with self._database.connection() as connection:
                        await imports.renew(connection, job, self._lease)

        renewing = asyncio.create_task(renew())
        try:
            yield
        finally:
            renewing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await renewing

    async def _import(self, job: ClaimedImport) -> None:
        try:
            if job.attempts > MOST_ATTEMPTS:
                raise ProblemError(agency_problems.IMPORT_ABANDONED)
            read = await self._read(job)
            table = await self._checked(job, read)
            async with self._database.transaction() as connection:
                plan, faults = await save_agencies(connection, table.entries, keeps=kept_columns(read.rows), dry_run=job.dry_run)
                if faults:
                    raise RowErrors(table.placed(faults))
                if len(plan.saved) >= ROWS_THAT_CHANGE_PLANS and not job.dry_run:
                    await agencies.note_statistics(connection)
                await imports.finish(
                    connection, job, created=len(plan.created), updated=len(plan.updated), unchanged=plan.unchanged
                )
            log.info("agencies imported", import_id=str(job.import_id), rows=len(read.rows), saved=len(plan.saved))
        except RowErrors as error:
            await self._fail(job, problems.IMPORT_INVALID.code, len(error.errors), error.errors)
        except ProblemError as error:
            # A file that cannot be read as a table has at least the one fault.
            errors = list(error.errors) or [FieldError("", error.problem.code, error.detail)]
            await self._fail(job, error.problem.code, len(errors), errors)

    async def _read(self, job: ClaimedImport) -> _Read:
        with tempfile.TemporaryDirectory(prefix="wian-import-") as folder:
            path = Path(folder) / "agencies"
            async with self._database.connection() as connection:
                with path.open("wb") as file:
                    async for part in imports.content(connection, job.import_id):
                        file.write(part)
            if job.format == "csv":
                return await asyncio.to_thread(self._read_csv, path)
            rows = await read_workbook(
                path,
                most_inflated=self._settings.registry_import_max_inflated_bytes,
                most_rows=self._settings.registry_import_max_rows,
                required=REQUIRED,
                optional=OPTIONAL,
            )
            return _Read(rows, None)

    def _read_csv(self, path: Path) -> _Read:
        decoded = decode_table(path.read_bytes())
        rows = read_csv(decoded.text, required=REQUIRED, optional=OPTIONAL)
        most = self._settings.registry_import_max_rows
        if len(rows) >= most:
            refuse([line_error(rows[most - 1].line, "too_many_rows", f"at most {most} rows")], problems.IMPORT_INVALID)
        return _Read(rows, decoded.encoding)

    async def _checked(self, job: ClaimedImport, read: _Read) -> AgencyTable:
        table = AgencyTable()
        for portion in slices(read.rows, STEP_ROWS):
            await asyncio.to_thread(table.add, portion)
            await self._tell(job, read, table, "reading")
        if table.errors:
            raise RowErrors(table.errors)
        await self._tell(job, read, table, "saving")
        return table

    async def _tell(self, job: ClaimedImport, read: _Read, table: AgencyTable, state: str) -> None:
        valid, faulty = len(table.entries), len(table.errors)
        async with self._database.connection() as connection:
            await imports.progress(
                connection, job, state=state, encoding=read.encoding, read=valid + faulty, valid=valid, errors=faulty
            )

    async def _fail(self, job: ClaimedImport, problem: str, count: int, errors: list[FieldError]) -> None:
        shown = [
            {"pointer": error.pointer, "code": error.code, "detail": error.detail}
            for error in errors[: problems.MOST_ERRORS_SHOWN]
        ]
        async with self._database.transaction() as connection:
            await imports.fail(connection, job, problem=problem, count=count, errors=shown)
        log.info("agencies not imported", import_id=str(job.import_id), problem=problem, errors=count)
