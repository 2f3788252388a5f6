"""SQL of letters and attachments."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from services.registry.domain.letters import (
    Attachment,
    Draft,
    FrozenContent,
    Letter,
    LetterState,
    Reference,
    draft_from_json,
    draft_to_json,
)
from services.registry.domain.numbering import CircularSeries, IssuedNumber, Register, Series, SeriesKey
from shared.postgres import Connection, Row

INSERT: Final = """
INSERT INTO letters (letter_id, agency_id, register_id, content, list_id, relay_of_recipient_id)
VALUES ($1, $2, $3, $4, $5, $6)
"""

UPDATE_DRAFT: Final = """
UPDATE letters SET register_id = $2, content = $3, list_id = $4, relay_of_recipient_id = $5,
    version = version + 1, updated_at = now()
WHERE letter_id = $1 AND state = 'draft'
"""

GET: Final = """
SELECT letter_id, agency_id, register_id, state, version, content, list_id, relay_of_recipient_id,
    year_be, series, running, number, content_hash, updated_at
FROM letters WHERE letter_id = $1
"""

GET_FOR_UPDATE: Final = """
SELECT letter_id, agency_id, register_id, state, version, content, list_id, relay_of_recipient_id,
    year_be, series, running, number, content_hash, updated_at
FROM letters WHERE letter_id = $1 AND agency_id = $2 FOR UPDATE
"""

PAGE: Final = """
SELECT letter_id, agency_id, register_id, state, version, content, list_id, relay_of_recipient_id,
    year_be, series, running, number, content_hash, updated_at
FROM letters
WHERE agency_id = $1 AND ($2::uuid IS NULL OR letter_id < $2) AND ($3::text IS NULL OR state = $3)
ORDER BY letter_id DESC LIMIT $4
"""

BY_IDS: Final = """
SELECT letter_id, agency_id, register_id, state, version, content, list_id, relay_of_recipient_id,
    year_be, series, running, number, content_hash, updated_at
FROM letters WHERE letter_id = ANY($1::uuid[]) ORDER BY letter_id DESC
"""

CANONICAL: Final = "SELECT canonical FROM letters WHERE letter_id = $1"

# In the order of their identifiers, so that two groups with letters in common wait for each other and do not lock up.
FOR_REGISTRATION: Final = """
SELECT l.letter_id, l.agency_id, l.register_id, l.state, l.version, l.content, l.list_id, l.relay_of_recipient_id,
    l.year_be, l.series, l.running, l.number, l.content_hash, l.updated_at, r.circular_series,
    array(SELECT u.unit_code FROM register_units u WHERE u.register_id = l.register_id ORDER BY u.position) AS unit_codes,
    (
        SELECT jsonb_agg(jsonb_build_array(a.attachment_id, a.file_name, a.media_type, a.size, a.sha256) ORDER BY a.position)
        FROM attachments a WHERE a.letter_id = l.letter_id
    ) AS files
FROM letters l JOIN registers r ON r.register_id = l.register_id
WHERE l.letter_id = ANY($1::uuid[]) ORDER BY l.letter_id FOR UPDATE OF l
"""

REGISTER: Final = """
UPDATE letters l SET state = 'registered', year_be = new.year_be, series = new.series, running = new.running,
    number = new.number, canonical = new.canonical, content_hash = new.content_hash, registered_at = now(),
    version = l.version + 1, updated_at = now()
FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::bigint[], $5::text[], $6::bytea[], $7::text[])
    AS new (letter_id, year_be, series, running, number, canonical, content_hash)
WHERE l.letter_id = new.letter_id AND l.state = 'draft'
RETURNING l.letter_id, l.updated_at
"""

# Whether anything else refers to the files is seen by the collector.
DELETE_DRAFT_FILES: Final = """
WITH removed AS (DELETE FROM attachments WHERE letter_id = $1 RETURNING file_id)
UPDATE files f SET review_at = now() FROM removed r WHERE f.file_id = r.file_id
"""

DELETE_DRAFT: Final = "DELETE FROM letters WHERE letter_id = $1 AND state = 'draft'"

# Registered letters that the agency may refer to: those that it sent, and those that it received.
LINKABLE: Final = """
SELECT l.letter_id, l.number, l.content ->> 'date' AS date, a.name_th AS issuer
FROM letters l JOIN agencies a ON a.agency_id = l.agency_id
WHERE l.letter_id = ANY($1::uuid[]) AND l.state <> 'draft' AND (
    l.agency_id = $2 OR EXISTS (
        SELECT FROM circulars c JOIN recipients r ON r.circular_id = c.circular_id
        WHERE c.letter_id = l.letter_id AND r.agency_id = $2
    )
)
"""

MARK_DISPATCHED: Final = """
UPDATE letters SET state = 'dispatched', version = version + 1, updated_at = now() WHERE letter_id = $1 AND state = 'registered'
"""

INSERT_ATTACHMENT: Final = """
INSERT INTO attachments (attachment_id, letter_id, position, file_name, media_type, size, sha256, file_id)
SELECT $1, $2, coalesce(max(position), 0) + 1, $3, $4, $5, $6, $7 FROM attachments WHERE letter_id = $2
"""

ATTACHMENTS: Final = """
SELECT attachment_id, file_name, media_type, size, sha256 FROM attachments WHERE letter_id = $1 ORDER BY position
"""

GET_ATTACHMENT: Final = """
SELECT attachment_id, file_name, media_type, size, sha256, letter_id, file_id FROM attachments WHERE attachment_id = $1
"""

DELETE_ATTACHMENT: Final = """
WITH removed AS (DELETE FROM attachments WHERE attachment_id = $1 RETURNING file_id)
UPDATE files f SET review_at = now() FROM removed r WHERE f.file_id = r.file_id
"""


@dataclass(frozen=True, slots=True)
class StoredAttachment:
    """An attachment, the letter that it goes with, and the file that it is."""

    attachment: Attachment
    letter_id: UUID
    file_id: UUID


@dataclass(frozen=True, slots=True)
class Registrable:
    """A letter with its register and its files."""

    letter: Letter
    register: Register
    files: list[Attachment]


async def insert(
    connection: Connection,
    *,
    letter_id: UUID,
    agency_id: UUID,
    register_id: UUID,
    draft: Draft,
    list_id: UUID | None,
    relay_of_recipient_id: UUID | None,
) -> None:
    """Store a draft."""
    await connection.execute(INSERT, letter_id, agency_id, register_id, draft_to_json(draft), list_id, relay_of_recipient_id)


async def update_draft(
    connection: Connection,
    *,
    letter_id: UUID,
    register_id: UUID,
    draft: Draft,
    list_id: UUID | None,
    relay_of_recipient_id: UUID | None,
) -> None:
    """Store a draft's new content; a letter that is no draft stays as it is."""
    await connection.execute(UPDATE_DRAFT, letter_id, register_id, draft_to_json(draft), list_id, relay_of_recipient_id)


async def get(connection: Connection, letter_id: UUID) -> Letter | None:
    """The letter, whosever it is: the caller checks who may read it."""
    row = await connection.fetchrow(GET, letter_id)
    return None if row is None else _letter(row)


async def get_for_update(connection: Connection, letter_id: UUID, agency_id: UUID) -> Letter | None:
    """The letter, if it is this agency's; nobody else changes it until the transaction ends."""
    row = await connection.fetchrow(GET_FOR_UPDATE, letter_id, agency_id)
    return None if row is None else _letter(row)


async def page(
    connection: Connection, agency_id: UUID, *, after: UUID | None, state: LetterState | None, limit: int
) -> list[Letter]:
    """Up to `limit` of the agency's letters, newest first."""
    return [_letter(row) for row in await connection.fetch(PAGE, agency_id, after, state, limit)]


async def by_ids(connection: Connection, letter_ids: Sequence[UUID]) -> list[Letter]:
    """These letters, newest first."""
    return [_letter(row) for row in await connection.fetch(BY_IDS, letter_ids)]


async def canonical(connection: Connection, letter_id: UUID) -> bytes | None:
    """The frozen bytes of a registered letter."""
    return await connection.fetchval(CANONICAL, letter_id)


async def for_registration(connection: Connection, letter_ids: Sequence[UUID]) -> dict[UUID, Registrable]:
    """These letters with what their numbers depend on; nobody else changes them until the transaction ends."""
    rows = await connection.fetch(FOR_REGISTRATION, list(letter_ids))
    return {
        row["letter_id"]: Registrable(
            _letter(row),
            Register(row["register_id"], row["agency_id"], tuple(row["unit_codes"]), CircularSeries(row["circular_series"])),
            [Attachment(UUID(file[0]), *file[1:]) for file in row["files"] or ()],
        )
        for row in rows
    }


async def register(connection: Connection, numbered: Sequence[tuple[UUID, IssuedNumber, FrozenContent]]) -> dict[UUID, datetime]:
    """Give drafts their numbers and their frozen contents; returns when each changed."""
    rows = await connection.fetch(
        REGISTER,
        [letter_id for letter_id, _, _ in numbered],
        [number.key.year_be for _, number, _ in numbered],
        [number.key.series.value for _, number, _ in numbered],
        [number.running for _, number, _ in numbered],
        [number.printed for _, number, _ in numbered],
        [content.canonical for _, _, content in numbered],
        [content.sha256 for _, _, content in numbered],
    )
    return {row["letter_id"]: row["updated_at"] for row in rows}


async def delete_draft(connection: Connection, letter_id: UUID) -> None:
    """Forget a draft and which files it had."""
    await connection.execute(DELETE_DRAFT_FILES, letter_id)
    await connection.execute(DELETE_DRAFT, letter_id)


async def linkable(connection: Connection, letter_ids: Sequence[UUID], agency_id: UUID) -> dict[UUID, Reference]:
    """Of these letters, the registered ones that the agency sent or received, as references to them."""
    rows = await connection.fetch(LINKABLE, list(letter_ids), agency_id)
    return {
        row["letter_id"]: Reference(row["issuer"], row["number"], date.fromisoformat(row["date"]), row["letter_id"])
        for row in rows
    }


async def mark_dispatched(connection: Connection, letter_id: UUID) -> None:
    """Note that a registered letter has gone round."""
    await connection.execute(MARK_DISPATCHED, letter_id)


async def insert_attachment(connection: Connection, letter_id: UUID, attachment: Attachment, file_id: UUID) -> None:
    """Store an attachment behind those that the letter has; the letter is locked by the caller."""
    await connection.execute(
        INSERT_ATTACHMENT,
        attachment.attachment_id,
        letter_id,
        attachment.file_name,
        attachment.media_type,
        attachment.size,
        attachment.sha256,
        file_id,
    )


async def attachments(connection: Connection, letter_id: UUID) -> list[Attachment]:
    """The letter's attachments in the order in which they came."""
    return [_attachment(row) for row in await connection.fetch(ATTACHMENTS, letter_id)]


async def get_attachment(connection: Connection, attachment_id: UUID) -> StoredAttachment | None:
    """The attachment, whosever it is: the caller checks who may read it."""
    row = await connection.fetchrow(GET_ATTACHMENT, attachment_id)
    return None if row is None else StoredAttachment(_attachment(row), row["letter_id"], row["file_id"])


async def delete_attachment(connection: Connection, attachment_id: UUID) -> None:
    """Take an attachment from its letter."""
    await connection.execute(DELETE_ATTACHMENT, attachment_id)


def _attachment(row: Row) -> Attachment:
    return Attachment(row["attachment_id"], row["file_name"], row["media_type"], row["size"], row["sha256"])


def _letter(row: Row) -> Letter:
    content: dict[str, Any] = row["content"]
    number: IssuedNumber | None = None
    if row["number"] is not None:
        key = SeriesKey(row["register_id"], row["year_be"], Series(row["series"]))
        number = IssuedNumber(key, row["running"], row["number"])
    return Letter(
        letter_id=row["letter_id"],
        agency_id=row["agency_id"],
        register_id=row["register_id"],
        state=LetterState(row["state"]),
        version=row["version"],
        draft=draft_from_json(content),
        list_id=row["list_id"],
        relay_of_recipient_id=row["relay_of_recipient_id"],
        number=number,
        content_hash=row["content_hash"],
        updated_at=row["updated_at"],
    )
