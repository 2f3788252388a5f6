"""SQL of the relay tree."""

from typing import Any, Final
from uuid import UUID

from services.ack.fold import State
from services.ack.tree import Bounds, Branch, Duty, OwnDeadline, Target
from shared.postgres import Connection, Row

# Level by level, so that what the bounds cut off is what lies deepest. The rows of the recursion are made as they are asked for:
# the LIMIT ends it. One row more than may be shown says that there are more. Recipients are counted from an index alone, and only
# of those circulars that together have no more of them than may be counted; the first is always counted.
BRANCHES: Final = """
WITH RECURSIVE tree AS (
    SELECT 1 AS level, c.circular_id, NULL::uuid AS top, NULL::uuid AS relayed_by, NULL::timestamptz AS handed_over_at,
        c.dispatched_at, c.deadline, c.recipient_count
    FROM circulars c WHERE c.circular_id = $1
    UNION ALL
    SELECT t.level + 1, child.circular_id, coalesce(t.top, r.recipient_id), r.recipient_id, r.handed_over_at,
        child.dispatched_at, child.deadline, child.recipient_count
    FROM tree t
    JOIN recipients r ON r.circular_id = t.circular_id AND r.relay_duty
    JOIN circulars child ON child.relay_of_recipient_id = r.recipient_id
    WHERE t.level <= $2
),
followed AS (SELECT * FROM tree LIMIT $3::bigint + 1),
ranked AS (
    SELECT f.*, row_number() OVER walk AS place, sum(f.recipient_count) OVER walk AS so_far
    FROM followed f WINDOW walk AS (ORDER BY f.level, f.circular_id ROWS UNBOUNDED PRECEDING)
)
SELECT t.level, t.top, t.relayed_by, t.handed_over_at, t.dispatched_at, t.deadline, t.recipient_count AS recipients,
    n.handed_over, n.registered, n.rejected, n.recalled, n.undeliverable, n.duties - gone.duties AS duties, n.relayed,
    n.duties_waiting - gone.waiting AS duties_waiting,
    (SELECT count(*) FROM ranked) AS found, o.own_due_at, o.own_outstanding, o.own_duties_waiting
FROM ranked t CROSS JOIN LATERAL (
    SELECT count(r.handed_over_at) AS handed_over, count(*) FILTER (WHERE r.state = 'registered') AS registered,
        count(*) FILTER (WHERE r.state = 'rejected') AS rejected, count(*) FILTER (WHERE r.state = 'recalled') AS recalled,
        count(*) FILTER (WHERE r.state = 'undeliverable') AS undeliverable, count(*) FILTER (WHERE r.relay_duty) AS duties,
        count(r.relayed_circular_id) AS relayed,
        count(*) FILTER (
            WHERE r.relay_duty AND r.relayed_circular_id IS NULL AND r.state NOT IN ('rejected', 'recalled')
        ) AS duties_waiting
    FROM recipients r WHERE r.circular_id = t.circular_id
) n CROSS JOIN LATERAL (
    SELECT array_agg(d.due_at) AS own_due_at, array_agg(d.outstanding) AS own_outstanding,
        array_agg(d.duties_waiting) AS own_duties_waiting
    FROM (
        SELECT r.due_at, count(*) FILTER (WHERE r.state NOT IN ('registered', 'rejected', 'recalled')) AS outstanding,
            count(*) FILTER (
                WHERE r.relay_duty AND r.relayed_circular_id IS NULL AND r.redirected_to IS NULL
                    AND r.state NOT IN ('rejected', 'recalled')
            ) AS duties_waiting
        FROM recipients r WHERE r.circular_id = t.circular_id AND r.due_at IS NOT NULL GROUP BY r.due_at
    ) d
) o CROSS JOIN LATERAL (
    -- Duties that went with the letter to another recipient of it count there.
    SELECT count(*) AS duties, count(*) FILTER (WHERE r.state NOT IN ('rejected', 'recalled')) AS waiting
    FROM recipients r
    WHERE r.circular_id = t.circular_id AND r.redirected_to IS NOT NULL AND r.relay_duty AND r.relayed_circular_id IS NULL
) gone
WHERE t.level = 1 OR (t.level <= $2 AND t.place <= $3 AND t.so_far <= $4::bigint) ORDER BY t.place
"""

DUTIES: Final = """
SELECT r.recipient_id, r.position, r.agency_id, a.name_th AS agency_name_th, r.title, r.relay_target, b.name_th AS below_name_th,
    r.state, r.redirected_to IS NOT NULL AS sent_on, r.handed_over_at, coalesce(r.due_at, f.deadline) AS due_at,
    (SELECT min(c.dispatched_at) FROM circulars c WHERE c.relay_of_recipient_id = r.recipient_id) AS relayed_at
FROM recipients r JOIN circulars f ON f.circular_id = r.circular_id
LEFT JOIN agencies a ON a.agency_id = r.agency_id LEFT JOIN agencies b ON b.code = r.relay_target ->> 'below'
WHERE r.circular_id = $1 AND r.relay_duty AND r.position > $2 ORDER BY r.position LIMIT $3
"""


async def branches(connection: Connection, circular_id: UUID, bounds: Bounds) -> tuple[list[Branch], bool]:
    """The circulars of the tree, counted, and whether these are all of them."""
    rows = await connection.fetch(BRANCHES, circular_id, bounds.levels, bounds.circulars, bounds.recipients)
    return [_branch(row) for row in rows], not rows or rows[0]["found"] == len(rows)


async def duties(connection: Connection, circular_id: UUID, *, after: int, limit: int) -> list[Duty]:
    """Recipients of the circular that must pass it on, in list order, behind position `after`."""
    return [_duty(row) for row in await connection.fetch(DUTIES, circular_id, after, limit)]


def _branch(row: Row) -> Branch:
    values: dict[str, Any] = {field: row[field] for field in Branch.__slots__ if field != "own"}
    columns = (row["own_due_at"] or (), row["own_outstanding"] or (), row["own_duties_waiting"] or ())
    return Branch(**values, own=tuple(map(OwnDeadline, *columns)))


def _duty(row: Row) -> Duty:
    told = row["relay_target"]
    target = None if told is None else Target(told["text"], told["below"], row["below_name_th"], told["kind"])
    values: dict[str, Any] = {field: row[field] for field in Duty.__slots__ if field not in ("target", "state")}
    return Duty(**values, target=target, state=State(row["state"]))
