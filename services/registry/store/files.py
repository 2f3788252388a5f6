"""SQL of files: what is kept once for all attachments that have it, and what nothing refers to any more."""

from datetime import timedelta
from typing import Final
from uuid import UUID

from shared.postgres import Connection

BEGIN: Final = "INSERT INTO files (file_id, review_at) VALUES ($1, now() + $2::interval)"

# Two that bring the same content at once take turns: whoever is second finds the first one's file.
LOCK_CONTENT: Final = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"

# Whoever condemns files waits for this lock to go, or is waited for and then seen.
OF_CONTENT: Final = "SELECT file_id FROM files WHERE sha256 = $1 AND condemned_at IS NULL FOR SHARE"

WITH_CONTENT: Final = "SELECT file_id FROM files WHERE sha256 = $1 AND condemned_at IS NULL"

COMPLETE: Final = """
UPDATE files SET sha256 = $2, size = $3 WHERE file_id = $1 AND condemned_at IS NULL RETURNING file_id
"""

CONDEMN: Final = """
UPDATE files f SET condemned_at = now(), review_at = NULL WHERE f.file_id = $1 AND f.condemned_at IS NULL
    AND NOT EXISTS (SELECT FROM attachments a WHERE a.file_id = f.file_id)
"""

TO_REVIEW: Final = """
SELECT file_id FROM files WHERE review_at <= now() AND condemned_at IS NULL
ORDER BY review_at LIMIT $1 FOR UPDATE SKIP LOCKED
"""

# A statement of its own, so that it sees what was committed before the files were locked.
JUDGE: Final = """
UPDATE files f SET review_at = NULL,
    condemned_at = CASE WHEN EXISTS (SELECT FROM attachments a WHERE a.file_id = f.file_id) THEN NULL ELSE now() END
WHERE f.file_id = ANY($1::uuid[])
"""

CONDEMNED: Final = "SELECT file_id FROM files WHERE condemned_at IS NOT NULL ORDER BY condemned_at LIMIT $1"

FORGET: Final = "DELETE FROM files WHERE file_id = $1 AND condemned_at IS NOT NULL"


async def begin(connection: Connection, file_id: UUID, grace: timedelta) -> None:
    """Note a file before its object is written; after `grace` somebody looks what has become of it."""
    await connection.execute(BEGIN, file_id, grace)


async def with_content(connection: Connection, sha256: str) -> UUID | None:
    """The file that keeps this content, if there is one."""
    return await connection.fetchval(WITH_CONTENT, sha256)


async def complete(connection: Connection, file_id: UUID, sha256: str, size: int) -> UUID | None:
    """The file that keeps this content from now on: one that is there already, and then `file_id` is condemned, or `file_id` itself.

    It stays until the transaction ends, so that an attachment can refer to it. None when `file_id` was condemned meanwhile.
    """
    await connection.execute(LOCK_CONTENT, sha256)
    present = await connection.fetchval(OF_CONTENT, sha256)
    if present is None:
        return await connection.fetchval(COMPLETE, file_id, sha256, size)
    await condemn(connection, file_id)
    return present


async def condemn(connection: Connection, file_id: UUID) -> None:
    """Note that nothing refers to the file and nothing will; a file that an attachment has stays."""
    await connection.execute(CONDEMN, file_id)


async def judge(connection: Connection, most: int) -> int:
    """Condemn the files that are due and that nothing refers to; returns how many were looked at, at most `most`."""
    due = [row["file_id"] for row in await connection.fetch(TO_REVIEW, most)]
    if due:
        await connection.execute(JUDGE, due)
    return len(due)


async def condemned(connection: Connection, most: int) -> list[UUID]:
    """Files whose objects may go, at most `most`."""
    return [row["file_id"] for row in await connection.fetch(CONDEMNED, most)]


async def forget(connection: Connection, file_id: UUID) -> None:
    """Remove the row of a condemned file whose object is gone."""
    await connection.execute(FORGET, file_id)
