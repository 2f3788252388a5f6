"""SQL of agencies."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from services.registry.domain.agencies import Agency, AgencyEntry
from shared.postgres import Connection, Row

# Held by whoever changes the tree, so that two changes cannot make a cycle together.
LOCK_TREE: Final = "SELECT pg_advisory_xact_lock(hashtextextended('registry.agencies.tree', 0))"

GET: Final = """
SELECT a.agency_id, a.code, a.name_th, a.name_en, a.kind, a.letter_code, p.code AS parent_code, a.email, a.version
FROM agencies a LEFT JOIN agencies p ON p.agency_id = a.parent_id
WHERE a.agency_id = $1
"""

GET_BY_CODES: Final = """
SELECT a.agency_id, a.code, a.name_th, a.name_en, a.kind, a.letter_code, p.code AS parent_code, a.email, a.version
FROM agencies a LEFT JOIN agencies p ON p.agency_id = a.parent_id
WHERE a.code = ANY($1::text[])
"""

PAGE: Final = """
SELECT a.agency_id, a.code, a.name_th, a.name_en, a.kind, a.letter_code, p.code AS parent_code, a.email, a.version
FROM agencies a LEFT JOIN agencies p ON p.agency_id = a.parent_id
WHERE ($1::text IS NULL OR a.code > $1)
  AND ($2::text IS NULL OR position($2 IN a.search_text) > 0)
  AND ($3::text IS NULL OR a.kind = $3)
  AND ($4::text IS NULL OR a.code = $4)
ORDER BY a.code LIMIT $5
"""

TREE: Final = "SELECT a.code, p.code AS parent_code FROM agencies a LEFT JOIN agencies p ON p.agency_id = a.parent_id"

# Parents may be among the new rows: their foreign key is checked when the statement ends.
INSERT: Final = """
WITH entry AS (
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::uuid[], $8::text[], $9::text[])
        AS entry (agency_id, code, name_th, name_en, kind, letter_code, parent_id, email, search_text)
)
INSERT INTO agencies (agency_id, code, name_th, name_en, kind, letter_code, parent_id, email, search_text)
SELECT agency_id, code, name_th, name_en, kind, letter_code, parent_id, email, search_text FROM entry
"""

UPDATE: Final = """
WITH entry AS (
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::uuid[], $7::text[], $8::text[])
        AS entry (agency_id, name_th, name_en, kind, letter_code, parent_id, email, search_text)
)
UPDATE agencies SET name_th = entry.name_th, name_en = entry.name_en, kind = entry.kind, letter_code = entry.letter_code,
    parent_id = entry.parent_id, email = entry.email, search_text = entry.search_text,
    version = agencies.version + 1, updated_at = now()
FROM entry WHERE agencies.agency_id = entry.agency_id
"""

IDS_BY_CODES: Final = "SELECT code, agency_id FROM agencies WHERE code = ANY($1::text[])"


async def lock_tree(connection: Connection) -> None:
    """Wait until nobody else changes the tree of agencies."""
    await connection.execute(LOCK_TREE)


async def get(connection: Connection, agency_id: UUID) -> Agency | None:
    """The agency `agency_id`."""
    row = await connection.fetchrow(GET, agency_id)
    return None if row is None else _agency(row)


async def get_by_codes(connection: Connection, codes: Sequence[str]) -> dict[str, Agency]:
    """The agencies of these codes, by code; unknown codes are left out."""
    return {row["code"]: _agency(row) for row in await connection.fetch(GET_BY_CODES, codes)}


async def page(
    connection: Connection, *, after: str | None, search: str | None, kind: str | None, code: str | None, limit: int
) -> list[Agency]:
    """Up to `limit` agencies in the order of their codes, from behind `after`; `search` is in its comparable form."""
    return [_agency(row) for row in await connection.fetch(PAGE, after, search, kind, code, limit)]


async def tree(connection: Connection) -> dict[str, str | None]:
    """Every agency's code with its parent's code."""
    return {row["code"]: row["parent_code"] for row in await connection.fetch(TREE)}


async def insert(connection: Connection, agencies: Sequence[Agency], parent_ids: Sequence[UUID | None]) -> None:
    """Store new agencies; `parent_ids` in the same order."""
    entries = [agency.entry for agency in agencies]
    await connection.execute(
        INSERT,
        [agency.agency_id for agency in agencies],
        [entry.code for entry in entries],
        [entry.name_th for entry in entries],
        [entry.name_en for entry in entries],
        [entry.kind for entry in entries],
        [entry.letter_code for entry in entries],
        parent_ids,
        [entry.email for entry in entries],
        [entry.search_text for entry in entries],
    )


async def update(connection: Connection, agencies: Sequence[Agency], parent_ids: Sequence[UUID | None]) -> None:
    """Store the new entries of known agencies and raise their versions by one; `parent_ids` in the same order."""
    entries = [agency.entry for agency in agencies]
    await connection.execute(
        UPDATE,
        [agency.agency_id for agency in agencies],
        [entry.name_th for entry in entries],
        [entry.name_en for entry in entries],
        [entry.kind for entry in entries],
        [entry.letter_code for entry in entries],
        parent_ids,
        [entry.email for entry in entries],
        [entry.search_text for entry in entries],
    )


async def ids_by_codes(connection: Connection, codes: Sequence[str]) -> dict[str, UUID]:
    """The identifiers of the agencies of these codes; unknown codes are left out."""
    return {row["code"]: row["agency_id"] for row in await connection.fetch(IDS_BY_CODES, codes)}


def _agency(row: Row) -> Agency:
    entry = AgencyEntry(
        code=row["code"],
        name_th=row["name_th"],
        name_en=row["name_en"],
        kind=row["kind"],
        letter_code=row["letter_code"],
        parent_code=row["parent_code"],
        email=row["email"],
    )
    return Agency(row["agency_id"], entry, row["version"])
