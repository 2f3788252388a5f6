"""SQL of the counterparts in the book of sent letters: to whom each letter went, in the book's order."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from shared.postgres import Connection, Row

# A longer circular is noted once, for all of its recipients; whether somebody is among them, its recipients say.
MOST_NOTED: Final = 2000

# Whom the list names counts too, when it is closed and another got the letter. The counterpart 0 stands for all recipients.
ADD: Final = """
INSERT INTO sent_counterparts (agency_id, counterpart_id, year_be, register_id, series, running)
SELECT e.agency_id, named.counterpart_id, e.year_be, e.register_id, e.series, e.running
FROM sent_entries e CROSS JOIN (
    SELECT agency_id AS counterpart_id FROM recipients WHERE circular_id = $2 AND NOT $3::boolean
    UNION
    SELECT succeeded_agency_id FROM recipients WHERE circular_id = $2 AND succeeded_agency_id IS NOT NULL
    UNION
    SELECT '00000000-0000-0000-0000-000000000000' WHERE $3
) AS named
WHERE e.letter_id = $1 ORDER BY named.counterpart_id
"""

# Where the counterpart 0 stands for all recipients, this one is among them.
ADD_ONE: Final = """
INSERT INTO sent_counterparts (agency_id, counterpart_id, year_be, register_id, series, running)
SELECT e.agency_id, $2, e.year_be, e.register_id, e.series, e.running FROM sent_entries e
WHERE e.letter_id = $1 AND NOT EXISTS (
    SELECT FROM sent_counterparts c
    WHERE c.agency_id = e.agency_id AND c.counterpart_id = '00000000-0000-0000-0000-000000000000' AND c.year_be = e.year_be
        AND c.register_id = e.register_id AND c.series = e.series AND c.running = e.running
)
ON CONFLICT DO NOTHING
"""

HAS_MORE_THAN: Final = """
SELECT EXISTS (
    SELECT FROM sent_counterparts
    WHERE agency_id = $1 AND counterpart_id IN ($2, '00000000-0000-0000-0000-000000000000') AND year_be = $3 OFFSET $4
)
"""

# Of the $14 next letters to the counterpart $13, or of all of them ($14 null).
WALK_UP: Final = """
SELECT e.entry_id, e.register_id, e.year_be, e.series, e.running, e.number, e.letter_id, e.letter_date, e.sender, e.addressee,
    e.addressee_count, e.subject, e.speed, e.secrecy, e.state, e.state_reason, e.circular_id, e.dispatched_at, e.remark, e.version
FROM (
    (
        SELECT agency_id, year_be, register_id, series, running FROM sent_counterparts
        WHERE agency_id = $1 AND counterpart_id = $13 AND year_be = $2
            AND (register_id, series, running) > ($3::uuid, $4::text, $5::bigint)
        ORDER BY register_id, series, running LIMIT $14
    )
    UNION ALL
    SELECT m.agency_id, m.year_be, m.register_id, m.series, m.running
    FROM sent_counterparts c JOIN sent_entries m USING (agency_id, year_be, register_id, series, running)
    WHERE c.agency_id = $1 AND c.counterpart_id = '00000000-0000-0000-0000-000000000000' AND c.year_be = $2
        AND (c.register_id, c.series, c.running) > ($3::uuid, $4::text, $5::bigint)
        AND EXISTS (SELECT FROM recipients r WHERE r.circular_id = m.circular_id AND r.agency_id = $13)
    ORDER BY register_id, series, running LIMIT $14
) AS near JOIN sent_entries e USING (agency_id, year_be, register_id, series, running)
WHERE e.letter_date BETWEEN $6 AND $7 AND e.search_text LIKE $8 AND e.facets @> $9::text[] AND e.register_id BETWEEN $10 AND $11
ORDER BY near.register_id, near.series, near.running LIMIT $12
"""

WALK_DOWN: Final = """
SELECT e.entry_id, e.register_id, e.year_be, e.series, e.running, e.number, e.letter_id, e.letter_date, e.sender, e.addressee,
    e.addressee_count, e.subject, e.speed, e.secrecy, e.state, e.state_reason, e.circular_id, e.dispatched_at, e.remark, e.version
FROM (
    (
        SELECT agency_id, year_be, register_id, series, running FROM sent_counterparts
        WHERE agency_id = $1 AND counterpart_id = $13 AND year_be = $2
            AND (register_id, series, running) < ($3::uuid, $4::text, $5::bigint)
        ORDER BY register_id DESC, series DESC, running DESC LIMIT $14
    )
    UNION ALL
    SELECT m.agency_id, m.year_be, m.register_id, m.series, m.running
    FROM sent_counterparts c JOIN sent_entries m USING (agency_id, year_be, register_id, series, running)
    WHERE c.agency_id = $1 AND c.counterpart_id = '00000000-0000-0000-0000-000000000000' AND c.year_be = $2
        AND (c.register_id, c.series, c.running) < ($3::uuid, $4::text, $5::bigint)
        AND EXISTS (SELECT FROM recipients r WHERE r.circular_id = m.circular_id AND r.agency_id = $13)
    ORDER BY register_id DESC, series DESC, running DESC LIMIT $14
) AS near JOIN sent_entries e USING (agency_id, year_be, register_id, series, running)
WHERE e.letter_date BETWEEN $6 AND $7 AND e.search_text LIKE $8 AND e.facets @> $9::text[] AND e.register_id BETWEEN $10 AND $11
ORDER BY near.register_id DESC, near.series DESC, near.running DESC LIMIT $12
"""


async def add(connection: Connection, letter_id: UUID, circular_id: UUID, recipient_count: int) -> None:
    """Note to whom the letter has gone, when its recipients are frozen."""
    await connection.execute(ADD, letter_id, circular_id, recipient_count > MOST_NOTED)


async def add_one(connection: Connection, letter_id: UUID, agency_id: UUID) -> None:
    """Note that the letter has gone to this agency as well."""
    await connection.execute(ADD_ONE, letter_id, agency_id)


async def has_more_than(connection: Connection, agency_id: UUID, counterpart_id: UUID, year_be: int, most: int) -> bool:
    """Whether more than `most` letters of that year went to the counterpart."""
    return await connection.fetchval(HAS_MORE_THAN, agency_id, counterpart_id, year_be, most)


async def walk(
    connection: Connection, arguments: Sequence[object], counterpart_id: UUID, *, near: int | None, down: bool
) -> list[Row]:
    """Entries of letters to the counterpart in the book's order or, `down`, against it; of the next `near` of them, or of all."""
    return await connection.fetch(WALK_DOWN if down else WALK_UP, *arguments, counterpart_id, near)
