"""SQL of agencies."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import date
from typing import Final
from uuid import UUID

from services.registry.domain.agencies import Agency, AgencyEntry, AgencyVersion
from services.registry.domain.succession import Life
from shared.postgres import Connection, Row

# Held by whoever changes the tree, so that two changes cannot make a cycle together.
LOCK_TREE: Final = "SELECT pg_advisory_xact_lock(hashtextextended('registry.agencies.tree', 0))"

_COLUMNS: Final = """
a.agency_id, a.code, a.name_th, a.name_en, a.kind, a.letter_code, p.code AS parent_code, a.email, a.contact_unit, a.telephone, a.version,
    a.valid_from, a.valid_until, CASE WHEN a.successor_ids = '{}' THEN '{}'::text[] ELSE ARRAY(
        SELECT s.code FROM unnest(a.successor_ids) WITH ORDINALITY AS named (id, n)
        JOIN agencies s ON s.agency_id = named.id ORDER BY named.n
    ) END AS successor_codes
"""

_WITH_PARENTS: Final = " FROM agencies a LEFT JOIN agencies p ON p.agency_id = a.parent_id "

_STANDS_AT_6: Final = """
  AND ($6::date IS NULL OR ((a.valid_from IS NULL OR a.valid_from <= $6) AND (a.valid_until IS NULL OR a.valid_until > $6)))
"""

# Of a table that was empty a minute ago the planner believes that it is small: the same file again then took five minutes.
NOTE_STATISTICS: Final = "ANALYZE agencies"

GET: Final = "SELECT" + _COLUMNS + _WITH_PARENTS + "WHERE a.agency_id = $1"

GET_BY_CODES: Final = "SELECT" + _COLUMNS + _WITH_PARENTS + "WHERE a.code = ANY($1::text[])"

PAGE: Final = (
    "SELECT"
    + _COLUMNS
    + _WITH_PARENTS
    + """
WHERE ($1::text IS NULL OR a.code > $1)
  AND ($2::text IS NULL OR position($2 IN a.search_text) > 0)
  AND ($3::text IS NULL OR a.kind = $3)
  AND ($4::text IS NULL OR a.code = $4)
"""
    + _STANDS_AT_6
    + "ORDER BY a.code LIMIT $5"
)

# The planner cannot know how small a subtree is, and would read the whole table to join it: OFFSET 0 keeps it to one look in an
# index for each agency.
PAGE_BELOW: Final = (
    """
WITH RECURSIVE below (agency_id) AS (
    SELECT agency_id FROM agencies WHERE parent_id = $7
    UNION ALL
    SELECT child.agency_id FROM below
    CROSS JOIN LATERAL (SELECT agency_id FROM agencies WHERE parent_id = below.agency_id OFFSET 0) AS child
)
SELECT"""
    + _COLUMNS
    + """
FROM below CROSS JOIN LATERAL (SELECT * FROM agencies WHERE agency_id = below.agency_id OFFSET 0) AS a
LEFT JOIN LATERAL (SELECT code FROM agencies WHERE agency_id = a.parent_id OFFSET 0) AS p ON true
WHERE ($1::text IS NULL OR a.code > $1)
  AND ($2::text IS NULL OR position($2 IN a.search_text) > 0)
  AND ($3::text IS NULL OR a.kind = $3)
  AND ($4::text IS NULL OR a.code = $4)
"""
    + _STANDS_AT_6
    + "ORDER BY a.code LIMIT $5"
)

EVERY: Final = "SELECT" + _COLUMNS + _WITH_PARENTS + "ORDER BY a.code"

# $2 null: every kind. $3 null: whatever day.
DESCENDANTS: Final = """
WITH RECURSIVE below (agency_id, kind, code, valid_from, valid_until) AS (
    SELECT agency_id, kind, code, valid_from, valid_until FROM agencies WHERE parent_id = $1
    UNION ALL
    SELECT child.agency_id, child.kind, child.code, child.valid_from, child.valid_until FROM below CROSS JOIN LATERAL (
        SELECT agency_id, kind, code, valid_from, valid_until FROM agencies WHERE parent_id = below.agency_id OFFSET 0
    ) AS child
)
SELECT agency_id FROM below
WHERE ($2::text IS NULL OR kind = $2)
  AND ($3::date IS NULL OR ((valid_from IS NULL OR valid_from <= $3) AND (valid_until IS NULL OR valid_until > $3)))
ORDER BY code
"""

ANCESTORS: Final = """
WITH RECURSIVE above (agency_id, parent_id, distance) AS (
    SELECT agency_id, parent_id, 0 FROM agencies WHERE agency_id = $1
    UNION ALL
    SELECT parent.agency_id, parent.parent_id, above.distance + 1
    FROM above JOIN agencies parent ON parent.agency_id = above.parent_id
)
SELECT agency_id FROM above WHERE distance > 0 ORDER BY distance
"""

OPEN_CHILDREN: Final = (
    "SELECT"
    + _COLUMNS
    + _WITH_PARENTS
    + "WHERE a.parent_id = $1 AND (a.valid_until IS NULL OR a.valid_until > $2::date) ORDER BY a.code"
)

# Only what stands above the codes: all that a change below them can close a circle with.
TREE_ABOVE: Final = """
WITH RECURSIVE above (agency_id, code, parent_id) AS (
    SELECT agency_id, code, parent_id FROM agencies WHERE code = ANY($1::text[])
    UNION
    SELECT parent.agency_id, parent.code, parent.parent_id
    FROM above JOIN agencies parent ON parent.agency_id = above.parent_id
)
SELECT above.code, parent.code AS parent_code FROM above LEFT JOIN agencies parent ON parent.agency_id = above.parent_id
"""

LIVES: Final = """
WITH succeeded AS (SELECT agency_id, successor_ids FROM agencies WHERE successor_ids <> '{}'),
concerned AS (
    SELECT agency_id FROM succeeded
    UNION
    SELECT named.agency_id FROM succeeded CROSS JOIN LATERAL unnest(succeeded.successor_ids) AS named (agency_id)
    UNION
    SELECT agency_id FROM agencies WHERE code = ANY($1::text[])
)
SELECT a.code, a.valid_from, a.valid_until, CASE WHEN a.successor_ids = '{}' THEN '{}'::text[] ELSE ARRAY(
    SELECT s.code FROM unnest(a.successor_ids) WITH ORDINALITY AS named (id, n)
    JOIN agencies s ON s.agency_id = named.id ORDER BY named.n
) END AS successor_codes
FROM concerned JOIN agencies a ON a.agency_id = concerned.agency_id
"""

INSERTED_COLUMNS: Final = (
    "agency_id", "code", "name_th", "name_en", "kind", "letter_code", "parent_id", "email", "search_text",
    "valid_from", "valid_until", "successor_ids", "reason", "contact_unit", "telephone",
)  # fmt: skip

# What an agency was is kept in the statement that changes it. The successors come as one text each, their ids with commas
# between: an array of arrays would have to be rectangular.
UPDATE: Final = """
WITH entry AS (
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::uuid[], $7::text[], $8::text[],
            $9::date[], $10::date[], $11::text[], $12::text[], $13::text[])
        AS entry (agency_id, name_th, name_en, kind, letter_code, parent_id, email, search_text, valid_from, valid_until,
            successor_ids, contact_unit, telephone)
), former AS (
    INSERT INTO agency_versions (agency_id, version, name_th, name_en, kind, letter_code, parent_id, email, valid_from,
        valid_until, successor_ids, saved_at, reason, contact_unit, telephone)
    SELECT agency_id, a.version, a.name_th, a.name_en, a.kind, a.letter_code, a.parent_id, a.email, a.valid_from,
        a.valid_until, a.successor_ids, a.updated_at, a.reason, a.contact_unit, a.telephone
    FROM entry JOIN agencies a USING (agency_id)
)
UPDATE agencies SET name_th = entry.name_th, name_en = entry.name_en, kind = entry.kind, letter_code = entry.letter_code,
    parent_id = entry.parent_id, email = entry.email, search_text = entry.search_text, valid_from = entry.valid_from,
    valid_until = entry.valid_until, successor_ids = string_to_array(entry.successor_ids, ',')::uuid[],
    contact_unit = entry.contact_unit, telephone = entry.telephone, reason = $14, version = agencies.version + 1, updated_at = now()
FROM entry WHERE agencies.agency_id = entry.agency_id
"""

IDS_BY_CODES: Final = "SELECT code, agency_id FROM agencies WHERE code = ANY($1::text[])"

HISTORY: Final = """
WITH versions AS (
    SELECT version, name_th, name_en, kind, letter_code, parent_id, email, valid_from, valid_until, successor_ids, saved_at, reason,
        contact_unit, telephone
    FROM agency_versions WHERE agency_id = $1
    UNION ALL
    SELECT version, name_th, name_en, kind, letter_code, parent_id, email, valid_from, valid_until, successor_ids, updated_at, reason,
        contact_unit, telephone
    FROM agencies WHERE agency_id = $1
)
SELECT own.code, a.version, a.name_th, a.name_en, a.kind, a.letter_code, p.code AS parent_code, a.email, a.valid_from,
    a.valid_until, ARRAY(
        SELECT s.code FROM unnest(a.successor_ids) WITH ORDINALITY AS named (id, n)
        JOIN agencies s ON s.agency_id = named.id ORDER BY named.n
    ) AS successor_codes, a.saved_at, a.reason, a.contact_unit, a.telephone
FROM versions a JOIN agencies own ON own.agency_id = $1 LEFT JOIN agencies p ON p.agency_id = a.parent_id
WHERE a.version > $2 ORDER BY a.version LIMIT $3
"""


async def lock_tree(connection: Connection) -> None:
    """Wait until nobody else changes the tree of agencies."""
    await connection.execute(LOCK_TREE)


async def note_statistics(connection: Connection) -> None:
    """Tell the planner what the table holds, when very many rows have changed at once."""
    await connection.execute(NOTE_STATISTICS)


async def get(connection: Connection, agency_id: UUID) -> Agency | None:
    """The agency `agency_id`."""
    row = await connection.fetchrow(GET, agency_id)
    return None if row is None else _agency(row)


async def get_by_codes(connection: Connection, codes: Sequence[str]) -> dict[str, Agency]:
    """The agencies of these codes, by code; unknown codes are left out."""
    return {row["code"]: _agency(row) for row in await connection.fetch(GET_BY_CODES, codes)}


async def page(
    connection: Connection,
    *,
    after: str | None,
    search: str | None,
    kind: str | None,
    code: str | None,
    limit: int,
    at: date | None = None,
    below: UUID | None = None,
) -> list[Agency]:
    """Up to `limit` agencies in the order of their codes, from behind `after`; `search` is in its comparable form.

    With `at`, those that stand on that day; with `below`, those of that agency's subtree, without itself.
    """
    if below is None:
        return [_agency(row) for row in await connection.fetch(PAGE, after, search, kind, code, limit, at)]
    return [_agency(row) for row in await connection.fetch(PAGE_BELOW, after, search, kind, code, limit, at, below)]


async def every(connection: Connection) -> AsyncIterator[Agency]:
    """All agencies in the order of their codes, by a cursor of the caller's transaction."""
    async for row in connection.cursor(EVERY, prefetch=2000):
        yield _agency(row)


async def descendants(connection: Connection, agency_id: UUID, *, kind: str | None = None, at: date | None = None) -> list[UUID]:
    """The agencies below `agency_id`, however deep, in the order of their codes; of one kind, or standing on the day `at`."""
    return [row["agency_id"] for row in await connection.fetch(DESCENDANTS, agency_id, kind, at)]


async def ancestors(connection: Connection, agency_id: UUID) -> list[UUID]:
    """The agencies above `agency_id`, its parent first."""
    return [row["agency_id"] for row in await connection.fetch(ANCESTORS, agency_id)]


async def open_children(connection: Connection, agency_id: UUID, day: date) -> list[Agency]:
    """The agencies directly below that are not closed on `day` or before."""
    return [_agency(row) for row in await connection.fetch(OPEN_CHILDREN, agency_id, day)]


async def tree_above(connection: Connection, codes: Sequence[str]) -> dict[str, str | None]:
    """The agencies of these codes and all above them: each code with its parent's code."""
    return {row["code"]: row["parent_code"] for row in await connection.fetch(TREE_ABOVE, codes)}


async def lives(connection: Connection, codes: Sequence[str]) -> dict[str, Life[str]]:
    """The lives of these agencies, of all that have successors, and of those successors, by code."""
    return {
        row["code"]: Life(row["valid_from"], row["valid_until"], tuple(row["successor_codes"]))
        for row in await connection.fetch(LIVES, codes)
    }


async def insert(connection: Connection, agencies: Sequence[Agency], ids: Mapping[str, UUID], *, reason: str | None) -> None:
    """Store new agencies; `ids` holds the identifiers of their parents and successors by code."""
    # Parents may be among the new rows: their foreign key is checked when the copy ends.
    await connection.copy_records_to_table(
        "agencies",
        columns=INSERTED_COLUMNS,
        records=(
            (
                agency.agency_id,
                (entry := agency.entry).code,
                entry.name_th,
                entry.name_en,
                entry.kind,
                entry.letter_code,
                ids[entry.parent_code] if entry.parent_code else None,
                entry.email,
                entry.search_text,
                entry.valid_from,
                entry.valid_until,
                [ids[code] for code in entry.successor_codes],
                reason,
                entry.contact_unit,
                entry.telephone,
            )
            for agency in agencies
        ),
    )


async def update(connection: Connection, agencies: Sequence[Agency], ids: Mapping[str, UUID], *, reason: str | None) -> None:
    """Store the new entries of known agencies, raise their versions by one, and keep what they were; `ids` as in `insert`."""
    entries = [agency.entry for agency in agencies]
    await connection.execute(
        UPDATE,
        [agency.agency_id for agency in agencies],
        [entry.name_th for entry in entries],
        [entry.name_en for entry in entries],
        [entry.kind for entry in entries],
        [entry.letter_code for entry in entries],
        [ids[entry.parent_code] if entry.parent_code else None for entry in entries],
        [entry.email for entry in entries],
        [entry.search_text for entry in entries],
        [entry.valid_from for entry in entries],
        [entry.valid_until for entry in entries],
        [",".join(str(ids[code]) for code in entry.successor_codes) for entry in entries],
        [entry.contact_unit for entry in entries],
        [entry.telephone for entry in entries],
        reason,
    )


async def ids_by_codes(connection: Connection, codes: Sequence[str]) -> dict[str, UUID]:
    """The identifiers of the agencies of these codes; unknown codes are left out."""
    return {row["code"]: row["agency_id"] for row in await connection.fetch(IDS_BY_CODES, codes)}


async def history(connection: Connection, agency_id: UUID, *, after: int, limit: int) -> list[AgencyVersion]:
    """Up to `limit` versions of the agency from behind version `after`, oldest first, without what they changed."""
    return [
        AgencyVersion(row["version"], _entry(row), row["saved_at"], row["reason"])
        for row in await connection.fetch(HISTORY, agency_id, after, limit)
    ]


def _agency(row: Row) -> Agency:
    return Agency(row["agency_id"], _entry(row), row["version"])


def _entry(row: Row) -> AgencyEntry:
    return AgencyEntry(
        code=row["code"],
        name_th=row["name_th"],
        name_en=row["name_en"],
        kind=row["kind"],
        letter_code=row["letter_code"],
        parent_code=row["parent_code"],
        email=row["email"],
        valid_from=row["valid_from"],
        valid_until=row["valid_until"],
        successor_codes=tuple(row["successor_codes"]),
        contact_unit=row["contact_unit"],
        telephone=row["telephone"],
    )
