"""SQL of imports of agencies: files on their way in, each held by one worker under a lease."""

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from shared.postgres import Connection, Row

ADD: Final = "INSERT INTO agency_imports (import_id, client_id, format, size, dry_run) VALUES ($1, $2, $3, $4, $5)"

CLAIM: Final = """
WITH next AS (
    SELECT import_id FROM agency_imports WHERE finished_at IS NULL AND (leased_until IS NULL OR leased_until <= now())
    ORDER BY created_at LIMIT 1 FOR UPDATE SKIP LOCKED
)
UPDATE agency_imports SET state = 'reading', lease_token = $1, leased_until = now() + $2, attempts = attempts + 1,
    rows_read = 0, rows_valid = 0
FROM next WHERE agency_imports.import_id = next.import_id
RETURNING agency_imports.import_id, agency_imports.format, agency_imports.dry_run, agency_imports.attempts
"""

RENEW: Final = "UPDATE agency_imports SET leased_until = now() + $3 WHERE import_id = $1 AND lease_token = $2"

PROGRESS: Final = """
UPDATE agency_imports SET state = $3, encoding = $4, rows_read = $5, rows_valid = $6, error_count = $7
WHERE import_id = $1 AND lease_token = $2
"""

FINISH: Final = """
UPDATE agency_imports SET state = 'done', created = $3, updated = $4, unchanged = $5, finished_at = now(), lease_token = NULL,
    leased_until = NULL
WHERE import_id = $1 AND lease_token = $2 RETURNING import_id
"""

FAIL: Final = """
UPDATE agency_imports SET state = 'failed', problem = $3, error_count = $4, errors = $5, finished_at = now(), lease_token = NULL,
    leased_until = NULL
WHERE import_id = $1 AND lease_token = $2 RETURNING import_id
"""

PRUNE: Final = "DELETE FROM agency_imports WHERE finished_at < now() - $1::interval"

DELETE_PARTS: Final = "DELETE FROM agency_import_parts WHERE import_id = $1"

PART: Final = "SELECT content FROM agency_import_parts WHERE import_id = $1 AND part = $2"

GET: Final = """
SELECT import_id, state, format, size, dry_run, encoding, rows_read, rows_valid, created, updated, unchanged, error_count, errors,
    problem, created_at, finished_at
FROM agency_imports WHERE import_id = $1
"""


class LeaseLostError(Exception):
    """Another worker has taken the import up; what this one did must not be committed."""


@dataclass(frozen=True, slots=True)
class ClaimedImport:
    """An import in the hands of this worker."""

    import_id: UUID
    token: UUID
    format: str
    dry_run: bool
    attempts: int


@dataclass(frozen=True, slots=True)
class Import:
    """How far an import is."""

    import_id: UUID
    state: str
    format: str
    size: int
    dry_run: bool
    encoding: str | None
    rows_read: int
    rows_valid: int
    created: int
    updated: int
    unchanged: int
    error_count: int
    errors: list[dict[str, Any]]
    problem: str | None
    created_at: datetime
    finished_at: datetime | None


async def add(
    connection: Connection, import_id: UUID, *, client_id: str, kind: str, size: int, dry_run: bool, parts: Iterable[bytes]
) -> None:
    """Store a file to import, in the caller's transaction; `kind` is csv or xlsx."""
    await connection.execute(ADD, import_id, client_id, kind, size, dry_run)
    for number, content in enumerate(parts, 1):
        await connection.copy_records_to_table(
            "agency_import_parts", records=[(import_id, number, content)], columns=("import_id", "part", "content")
        )


async def claim(connection: Connection, token: UUID, lease: timedelta) -> ClaimedImport | None:
    """Take up the oldest import that nobody works at."""
    row = await connection.fetchrow(CLAIM, token, lease)
    return None if row is None else ClaimedImport(row["import_id"], token, row["format"], row["dry_run"], row["attempts"])


async def renew(connection: Connection, job: ClaimedImport, lease: timedelta) -> None:
    """Hold the import for another lease."""
    await connection.execute(RENEW, job.import_id, job.token, lease)


async def content(connection: Connection, import_id: UUID) -> AsyncIterator[bytes]:
    """The file in parts, in order."""
    number = 1
    while (part := await connection.fetchval(PART, import_id, number)) is not None:
        yield part
        number += 1


async def progress(
    connection: Connection, job: ClaimedImport, *, state: str, encoding: str | None, read: int, valid: int, errors: int
) -> None:
    """Tell how many rows were read, and how many of them are sound and faulty."""
    await connection.execute(PROGRESS, job.import_id, job.token, state, encoding, read, valid, errors)


async def finish(connection: Connection, job: ClaimedImport, *, created: int, updated: int, unchanged: int) -> None:
    """The import is done, in the transaction that saved its agencies. Raises LeaseLostError."""
    if await connection.fetchval(FINISH, job.import_id, job.token, created, updated, unchanged) is None:
        raise LeaseLostError
    await connection.execute(DELETE_PARTS, job.import_id)


async def fail(connection: Connection, job: ClaimedImport, *, problem: str, count: int, errors: list[dict[str, str]]) -> None:
    """The import has ended and changed nothing; `errors` are the first of `count`. Raises LeaseLostError."""
    if await connection.fetchval(FAIL, job.import_id, job.token, problem, count, errors) is None:
        raise LeaseLostError
    await connection.execute(DELETE_PARTS, job.import_id)


async def get(connection: Connection, import_id: UUID) -> Import | None:
    """The import `import_id`."""
    row = await connection.fetchrow(GET, import_id)
    return None if row is None else _import(row)


async def prune(connection: Connection, kept: timedelta) -> None:
    """Forget imports that ended longer ago than `kept`."""
    await connection.execute(PRUNE, kept)


def _import(row: Row) -> Import:
    return Import(**dict(row))
