"""SQL of what an agency sees across circulars: its own, and in figures those of the agencies below it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from shared.postgres import Connection

# Counting is what a page costs: it ends where the recipients of its circulars are more than may be counted, but never before the
# first. `found` tells that there are more.
OWN: Final = """
WITH found AS (
    SELECT c.circular_id, c.dispatched_at, c.recipient_count FROM circulars c
    WHERE c.sender_agency_id = $1 AND ($2::timestamptz IS NULL OR (c.dispatched_at, c.circular_id) < ($2, $3::uuid))
        AND ($4::timestamptz IS NULL OR c.dispatched_at >= $4) AND ($5::timestamptz IS NULL OR c.dispatched_at < $5)
        AND ($6::timestamptz IS NULL OR (c.deadline < $6 AND EXISTS (
            SELECT FROM recipients r WHERE r.circular_id = c.circular_id AND r.state NOT IN ('registered', 'rejected', 'recalled')
                AND coalesce(r.due_at, c.deadline) < $6
        )))
    ORDER BY c.dispatched_at DESC, c.circular_id DESC LIMIT $7::bigint + 1
), ranked AS (
    SELECT f.circular_id, f.dispatched_at,
        sum(f.recipient_count) OVER (ORDER BY f.dispatched_at DESC, f.circular_id DESC) - f.recipient_count AS before,
        count(*) OVER () AS found
    FROM found f
)
SELECT circular_id, found FROM ranked WHERE before < $8::bigint ORDER BY dispatched_at DESC, circular_id DESC LIMIT $7
"""

# In the order of their codes, so that the walk down the tree of agencies ends with the page. The circulars of the page alone are
# counted, from an index.
BELOW: Final = """
WITH RECURSIVE below AS (
    SELECT a.agency_id, a.code, a.name_th, a.name_en FROM agencies a WHERE a.parent_id = $1
    UNION
    SELECT a.agency_id, a.code, a.name_th, a.name_en FROM below b JOIN agencies a ON a.parent_id = b.agency_id
), sent AS (
    SELECT b.agency_id, b.code, b.name_th, b.name_en, s.circulars, s.recipients, s.last_dispatched_at, s.circular_ids
    FROM (SELECT * FROM below WHERE $4::text IS NULL OR code > $4 ORDER BY code) b CROSS JOIN LATERAL (
        SELECT count(*) AS circulars, sum(c.recipient_count)::bigint AS recipients, max(c.dispatched_at) AS last_dispatched_at,
            array_agg(c.circular_id) AS circular_ids
        FROM circulars c WHERE c.sender_agency_id = b.agency_id AND c.dispatched_at >= $2 AND c.dispatched_at < $3
    ) s
    WHERE s.circulars > 0 ORDER BY b.code LIMIT $5::bigint + 1
), ranked AS (
    SELECT s.*, sum(s.recipients) OVER (ORDER BY s.code) - s.recipients AS before, count(*) OVER () AS found FROM sent s
)
SELECT r.agency_id, r.code, r.name_th, r.name_en, r.circulars, r.recipients, r.last_dispatched_at, r.found,
    n.handed_over, n.registered, n.rejected, n.recalled, n.undeliverable, n.overdue - own.not_yet AS overdue
FROM ranked r CROSS JOIN LATERAL (
    SELECT count(o.handed_over_at) AS handed_over, count(*) FILTER (WHERE o.state = 'registered') AS registered,
        count(*) FILTER (WHERE o.state = 'rejected') AS rejected, count(*) FILTER (WHERE o.state = 'recalled') AS recalled,
        count(*) FILTER (WHERE o.state = 'undeliverable') AS undeliverable,
        count(*) FILTER (WHERE c.deadline < $7 AND o.state NOT IN ('registered', 'rejected', 'recalled')) AS overdue
    FROM circulars c JOIN recipients o ON o.circular_id = c.circular_id WHERE c.circular_id = ANY(r.circular_ids)
) n CROSS JOIN LATERAL (
    -- Their own deadlines are never earlier than the circular's.
    SELECT count(*) AS not_yet FROM circulars c JOIN recipients o ON o.circular_id = c.circular_id
    WHERE c.circular_id = ANY(r.circular_ids) AND c.deadline < $7 AND o.due_at IS NOT NULL AND o.due_at >= $7
        AND o.state NOT IN ('registered', 'rejected', 'recalled')
) own
WHERE r.before < $6::bigint ORDER BY r.code LIMIT $5
"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which of the sender's circulars: dispatched from `since` on and before `until`; only those overdue at `overdue_at`."""

    since: datetime | None
    until: datetime | None
    overdue_at: datetime | None


@dataclass(frozen=True, slots=True)
class Sender:
    """An agency below, and its circulars of a time added up. `recipients` counts those too whose chunk is still under way."""

    agency_id: UUID
    code: str
    name_th: str
    name_en: str
    circulars: int
    recipients: int
    last_dispatched_at: datetime
    handed_over: int
    registered: int
    rejected: int
    recalled: int
    undeliverable: int
    overdue: int

    @property
    def outstanding(self) -> int:
        """Neither registered, rejected nor recalled."""
        return self.recipients - self.registered - self.rejected - self.recalled


async def own(
    connection: Connection, agency_id: UUID, wanted: Wanted, *, after: tuple[datetime, UUID] | None, limit: int, most: int
) -> tuple[list[UUID], bool]:
    """Circulars that the agency sent, newest first, and whether there are more; at most about `most` recipients in all."""
    moment, circular_id = after or (None, None)
    rows = await connection.fetch(OWN, agency_id, moment, circular_id, wanted.since, wanted.until, wanted.overdue_at, limit, most)
    return [row["circular_id"] for row in rows], bool(rows) and rows[0]["found"] > len(rows)


async def below(
    connection: Connection,
    agency_id: UUID,
    *,
    since: datetime,
    until: datetime,
    now: datetime,
    after: str | None,
    limit: int,
    most: int,
) -> tuple[list[Sender], bool]:
    """Agencies below that sent circulars in that time, in the order of their codes, and whether there are more."""
    rows = await connection.fetch(BELOW, agency_id, since, until, after, limit, most, now)
    return [_sender(row) for row in rows], bool(rows) and rows[0]["found"] > len(rows)


def _sender(row: Any) -> Sender:
    values: dict[str, Any] = {field: row[field] for field in Sender.__slots__}
    return Sender(**values)
