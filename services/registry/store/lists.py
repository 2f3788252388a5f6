"""SQL of distribution lists."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from services.registry.domain.lists import Addressee, ListHead
from shared.postgres import Connection, Row

INSERT: Final = """
INSERT INTO lists (list_id, agency_id, name, addressee_count) VALUES ($1, $2, $3, $4)
RETURNING list_id, name, version, addressee_count, updated_at
"""

GET: Final = """
SELECT list_id, name, version, addressee_count, updated_at FROM lists WHERE list_id = $1 AND agency_id = $2
"""

GET_FOR_UPDATE: Final = """
SELECT list_id, name, version, addressee_count, updated_at FROM lists WHERE list_id = $1 AND agency_id = $2 FOR UPDATE
"""

GET_FOR_SHARE: Final = """
SELECT list_id, name, version, addressee_count, updated_at FROM lists WHERE list_id = $1 AND agency_id = $2 FOR SHARE
"""

PAGE: Final = """
SELECT list_id, name, version, addressee_count, updated_at FROM lists
WHERE agency_id = $1 AND ($2::uuid IS NULL OR list_id > $2) ORDER BY list_id LIMIT $3
"""

UPDATE: Final = """
UPDATE lists SET name = $2, addressee_count = $3, version = version + 1, updated_at = now() WHERE list_id = $1
RETURNING list_id, name, version, addressee_count, updated_at
"""

ADDRESSEES: Final = """
SELECT l.position, l.title, l.agency_id, a.code AS agency_code, l.relay_duty
FROM list_addressees l JOIN agencies a ON a.agency_id = l.agency_id
WHERE l.list_id = $1 ORDER BY l.position
"""

DELETE_ADDRESSEES: Final = "DELETE FROM list_addressees WHERE list_id = $1"

# A very long list is copied in pieces, so that none comes near the time limit of one command.
ROWS_PER_COPY: Final = 10_000


async def insert(connection: Connection, *, list_id: UUID, agency_id: UUID, name: str, addressee_count: int) -> ListHead:
    """Store a list's head."""
    row = await connection.fetchrow(INSERT, list_id, agency_id, name, addressee_count)
    return _head(_present(row))


async def update(connection: Connection, *, list_id: UUID, name: str, addressee_count: int) -> ListHead:
    """Change a list's head and raise its version."""
    row = await connection.fetchrow(UPDATE, list_id, name, addressee_count)
    return _head(_present(row))


async def get(connection: Connection, list_id: UUID, agency_id: UUID) -> ListHead | None:
    """The list, if it is this agency's."""
    row = await connection.fetchrow(GET, list_id, agency_id)
    return None if row is None else _head(row)


async def get_for_update(connection: Connection, list_id: UUID, agency_id: UUID) -> ListHead | None:
    """The list, if it is this agency's; nobody else changes or freezes it until the transaction ends."""
    row = await connection.fetchrow(GET_FOR_UPDATE, list_id, agency_id)
    return None if row is None else _head(row)


async def get_for_freezing(connection: Connection, list_id: UUID, agency_id: UUID) -> ListHead | None:
    """The list, if it is this agency's; nobody changes it until the transaction ends."""
    row = await connection.fetchrow(GET_FOR_SHARE, list_id, agency_id)
    return None if row is None else _head(row)


async def page(connection: Connection, agency_id: UUID, *, after: UUID | None, limit: int) -> list[ListHead]:
    """Up to `limit` of the agency's lists, oldest first."""
    return [_head(row) for row in await connection.fetch(PAGE, agency_id, after, limit)]


async def addressees(connection: Connection, list_id: UUID) -> list[Addressee]:
    """The addressees in list order."""
    return [
        Addressee(row["position"], row["title"], row["agency_id"], row["agency_code"], row["relay_duty"])
        for row in await connection.fetch(ADDRESSEES, list_id)
    ]


async def replace_addressees(connection: Connection, list_id: UUID, new: Sequence[Addressee]) -> None:
    """Put `new` in place of the list's addressees."""
    await connection.execute(DELETE_ADDRESSEES, list_id)
    for start in range(0, len(new), ROWS_PER_COPY):
        await connection.copy_records_to_table(
            "list_addressees",
            records=(
                (list_id, item.position, item.agency_id, item.title, item.relay_duty)
                for item in new[start : start + ROWS_PER_COPY]
            ),
            columns=("list_id", "position", "agency_id", "title", "relay_duty"),
        )


def _present(row: Row | None) -> Row:
    if row is None:
        raise LookupError("the statement returned no row")
    return row


def _head(row: Row) -> ListHead:
    return ListHead(row["list_id"], row["name"], row["version"], row["addressee_count"], row["updated_at"])
