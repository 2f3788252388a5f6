"""SQL of distribution lists."""

from collections.abc import AsyncGenerator, Sequence
from datetime import date
from typing import Final
from uuid import UUID

from services.registry.domain.lists import Addressee, ListHead
from services.registry.domain.resolution import GroupQuery, GroupRun, Layout, Member, Resolved, Run, Segment, group_title
from shared.contracts.events import Role
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

# All lists of an agency have one lock: a change takes it alone, and what reads several lists takes it with others. So no two
# wait for each other, however the lists are nested, and no two changes make a cycle together.
LOCK_FOR_CHANGE: Final = "SELECT pg_advisory_xact_lock(hashtextextended('registry.lists.' || $1::uuid, 0))"
LOCK_FOR_READING: Final = "SELECT pg_advisory_xact_lock_shared(hashtextextended('registry.lists.' || $1::uuid, 0))"

ADDRESSEES: Final = """
SELECT l.position, l.title, l.agency_id, a.code AS agency_code, l.relay_duty, l.role, l.relay_target
FROM list_addressees l JOIN agencies a ON a.agency_id = l.agency_id
WHERE l.list_id = $1 AND l.position > $2 ORDER BY l.position LIMIT $3
"""

RUN: Final = """
SELECT agency_id, title, relay_duty, role, relay_target FROM list_addressees
WHERE list_id = $1 AND position BETWEEN $2 AND $3 ORDER BY position
"""

# Those that stand on the day $3: who follows one that is closed by then stands in the tree itself.
GROUP: Final = """
WITH RECURSIVE below AS (
    SELECT agency_id FROM agencies WHERE parent_id = $1
    UNION
    SELECT a.agency_id FROM agencies a JOIN below b ON a.parent_id = b.agency_id
)
SELECT agency_id, name_th FROM agencies
WHERE ($1::uuid IS NULL OR agency_id IN (SELECT agency_id FROM below)) AND ($2::text IS NULL OR kind = $2)
    AND (valid_from IS NULL OR valid_from <= $3) AND (valid_until IS NULL OR valid_until > $3)
ORDER BY code
"""

MEMBERS: Final = """
SELECT m.after_position, m.nested_list_id, a.code AS group_below_code, m.group_below, m.group_kind, m.group_title, m.group_at,
    m.role, m.relay_duty
FROM list_members m LEFT JOIN agencies a ON a.agency_id = m.group_below WHERE m.list_id = $1 ORDER BY m.ordinal
"""

EXCEPTIONS: Final = """
SELECT e.agency_id, a.code FROM list_exceptions e JOIN agencies a ON a.agency_id = e.agency_id WHERE e.list_id = $1 ORDER BY a.code
"""

# UNION drops what was reached before, so a cycle ends.
REACHED: Final = """
WITH RECURSIVE reached AS (
    SELECT $1::uuid AS list_id
    UNION
    SELECT m.nested_list_id FROM list_members m JOIN reached r ON r.list_id = m.list_id WHERE m.nested_list_id IS NOT NULL
)
SELECT l.list_id, l.name, l.addressee_count FROM lists l JOIN reached USING (list_id)
"""

DELETE_MEMBERS: Final = "DELETE FROM list_members WHERE list_id = $1"
DELETE_EXCEPTIONS: Final = "DELETE FROM list_exceptions WHERE list_id = $1"
INSERT_EXCEPTIONS: Final = "INSERT INTO list_exceptions (list_id, agency_id) SELECT $1, unnest($2::uuid[])"
OWN_LISTS: Final = "SELECT list_id FROM lists WHERE agency_id = $1 AND list_id = ANY($2::uuid[])"

DELETE_ADDRESSEES: Final = "DELETE FROM list_addressees WHERE list_id = $1"

# A very long list is copied in pieces, so that none comes near the time limit of one command.
ROWS_PER_COPY: Final = 10_000
# Resolved addressees in memory at once; a multiple of the recipients of one message.
ROWS_PER_FETCH: Final = 5_000


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


async def lock_for_change(connection: Connection, agency_id: UUID) -> None:
    """Wait until nobody reads or changes the agency's lists as a whole."""
    await connection.execute(LOCK_FOR_CHANGE, agency_id)


async def lock_for_reading(connection: Connection, agency_id: UUID) -> None:
    """Keep all lists of the agency as they are until the transaction ends."""
    await connection.execute(LOCK_FOR_READING, agency_id)


async def addressees(connection: Connection, list_id: UUID, *, after: int, limit: int) -> list[Addressee]:
    """Up to `limit` of the list's own addressees in list order, from behind position `after`."""
    return [
        Addressee(
            row["position"],
            row["title"],
            row["agency_id"],
            row["agency_code"],
            row["relay_duty"],
            Role(row["role"]),
            row["relay_target"],
        )
        for row in await connection.fetch(ADDRESSEES, list_id, after, limit)
    ]


async def candidates(connection: Connection, segment: Segment, day: date) -> AsyncGenerator[list[Resolved]]:
    """The addressees of a segment in order, in pieces; of a group those that stand on its day or on `day`."""
    match segment:
        case Run():
            cursor = await connection.cursor(RUN, segment.list_id, segment.first, segment.last)
            while rows := await cursor.fetch(ROWS_PER_FETCH):
                yield [
                    Resolved(row["agency_id"], row["title"], row["relay_duty"], Role(row["role"]), row["relay_target"])
                    for row in rows
                ]
        case GroupRun(query):
            cursor = await connection.cursor(GROUP, query.below, query.kind, query.at or day)
            while rows := await cursor.fetch(ROWS_PER_FETCH):
                yield [
                    Resolved(row["agency_id"], group_title(query.title, row["name_th"]), segment.relay_duty, segment.role)
                    for row in rows
                ]


async def layouts(connection: Connection, list_id: UUID) -> dict[UUID, Layout]:
    """How the list and every list that it reaches are made up."""
    return {
        row["list_id"]: Layout(
            row["name"],
            row["addressee_count"],
            tuple(member for member, _ in await members(connection, row["list_id"])),
            frozenset(await exceptions(connection, row["list_id"])),
        )
        for row in await connection.fetch(REACHED, list_id)
    }


async def members(connection: Connection, list_id: UUID) -> list[tuple[Member, str | None]]:
    """The list's nested lists and groups in order, each with the code of the agency below which the group stands."""
    return [
        (
            Member(
                row["after_position"],
                row["nested_list_id"] or GroupQuery(row["group_below"], row["group_kind"], row["group_title"], row["group_at"]),
                Role(row["role"]),
                row["relay_duty"],
            ),
            row["group_below_code"],
        )
        for row in await connection.fetch(MEMBERS, list_id)
    ]


async def exceptions(connection: Connection, list_id: UUID) -> dict[UUID, str]:
    """The agencies that the list leaves out, with their codes."""
    return {row["agency_id"]: row["code"] for row in await connection.fetch(EXCEPTIONS, list_id)}


async def own_lists(connection: Connection, agency_id: UUID, list_ids: Sequence[UUID]) -> set[UUID]:
    """Those of `list_ids` that are the agency's."""
    return {row["list_id"] for row in await connection.fetch(OWN_LISTS, agency_id, list_ids)}


async def replace_members(connection: Connection, list_id: UUID, new: Sequence[Member], excluded: Sequence[UUID]) -> None:
    """Put `new` in place of the list's nested lists and groups, and `excluded` in place of the agencies left out."""
    await connection.execute(DELETE_MEMBERS, list_id)
    await connection.execute(DELETE_EXCEPTIONS, list_id)
    await connection.copy_records_to_table(
        "list_members",
        records=[(list_id, ordinal, *_member_columns(member)) for ordinal, member in enumerate(new, start=1)],
        columns=(
            "list_id",
            "ordinal",
            "after_position",
            "role",
            "relay_duty",
            "nested_list_id",
            "group_below",
            "group_kind",
            "group_title",
            "group_at",
        ),
    )
    await connection.execute(INSERT_EXCEPTIONS, list_id, excluded)


def _member_columns(member: Member) -> tuple[object, ...]:
    own = (member.after, member.role.value, member.relay_duty)
    if isinstance(member.what, GroupQuery):
        return (*own, None, member.what.below, member.what.kind, member.what.title, member.what.at)
    return (*own, member.what, None, None, None, None)


async def replace_addressees(connection: Connection, list_id: UUID, new: Sequence[Addressee]) -> None:
    """Put `new` in place of the list's addressees."""
    await connection.execute(DELETE_ADDRESSEES, list_id)
    for start in range(0, len(new), ROWS_PER_COPY):
        await connection.copy_records_to_table(
            "list_addressees",
            records=(
                (list_id, item.position, item.agency_id, item.title, item.relay_duty, item.role.value, item.relay_target)
                for item in new[start : start + ROWS_PER_COPY]
            ),
            columns=("list_id", "position", "agency_id", "title", "relay_duty", "role", "relay_target"),
        )


def _present(row: Row | None) -> Row:
    if row is None:
        raise LookupError("the statement returned no row")
    return row


def _head(row: Row) -> ListHead:
    return ListHead(row["list_id"], row["name"], row["version"], row["addressee_count"], row["updated_at"])
