"""SQL of redirections: who refused a letter, and to whom it was sent on."""

from datetime import datetime
from typing import Final
from uuid import UUID

from services.registry.domain.redirections import Refused
from services.registry.domain.resolution import Resolved
from shared.contracts.events import Role
from shared.postgres import Connection

# The newest counts: a recipient may take its refusal back, and refuse again.
NOTE_REJECTION: Final = """
INSERT INTO rejections (recipient_id, reason, suggested_agency_code, recorded_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (recipient_id) DO UPDATE
SET reason = excluded.reason, suggested_agency_code = excluded.suggested_agency_code, recorded_at = excluded.recorded_at
WHERE rejections.recorded_at < excluded.recorded_at
"""

GET: Final = """
SELECT r.agency_id, r.title, r.relay_duty, r.role, r.relay_target, n.recipient_id AS redirected_to, j.suggested_agency_code,
    j.recipient_id IS NOT NULL AND NOT EXISTS (
        SELECT FROM withdrawn_receipts w WHERE w.recipient_id = r.recipient_id AND w.withdrawn_at >= j.recorded_at
    ) AS rejected, EXISTS (SELECT FROM recalled_recipients g WHERE g.recipient_id = r.recipient_id) AS taken_back
FROM recipients r
LEFT JOIN rejections j ON j.recipient_id = r.recipient_id
LEFT JOIN recipients n ON n.redirected_from = r.recipient_id
WHERE r.recipient_id = $2 AND r.circular_id = $1
"""

ADD: Final = """
INSERT INTO recipients (recipient_id, circular_id, position, agency_id, title, relay_duty, role, relay_target, succeeded_agency_id,
    redirected_from)
SELECT $2, $1, 1 + max(position), $4, $5, $6, $7, $8, $9, $3 FROM recipients WHERE circular_id = $1 RETURNING position
"""

COUNT: Final = """
UPDATE circulars SET recipient_count = recipient_count + 1, redirected_count = redirected_count + 1 WHERE circular_id = $1
RETURNING recipient_count, redirected_count
"""

IS_RECALLED: Final = "SELECT EXISTS (SELECT FROM recalls WHERE circular_id = $1 AND whole)"


async def note_rejection(
    connection: Connection, recipient_id: UUID, *, reason: str, suggested_agency_code: str | None, recorded_at: datetime
) -> None:
    """Keep that the recipient refused the letter; older news than what is kept changes nothing."""
    await connection.execute(NOTE_REJECTION, recipient_id, reason, suggested_agency_code, recorded_at)


async def get(connection: Connection, circular_id: UUID, recipient_id: UUID) -> Refused | None:
    """The recipient of the circular, with what is known of its refusal."""
    row = await connection.fetchrow(GET, circular_id, recipient_id)
    if row is None:
        return None
    one = Resolved(row["agency_id"], row["title"], row["relay_duty"], Role(row["role"]), row["relay_target"])
    return Refused(one, row["rejected"], row["suggested_agency_code"], row["redirected_to"], row["taken_back"])


async def is_recalled(connection: Connection, circular_id: UUID) -> bool:
    """Whether the circular was recalled from everybody."""
    return await connection.fetchval(IS_RECALLED, circular_id)


async def add(
    connection: Connection, circular_id: UUID, recipient_id: UUID, one: Resolved, *, redirected_from: UUID
) -> tuple[int, int, int]:
    """Store a recipient behind the others of a circular whose letter the transaction holds.

    Returns its position, how many recipients there are now, and how many of them came by a redirection.
    """
    position = await connection.fetchval(
        ADD,
        circular_id,
        recipient_id,
        redirected_from,
        one.agency_id,
        one.title,
        one.relay_duty,
        one.role.value,
        one.relay_target,
        one.in_place_of,
    )
    row = await connection.fetchrow(COUNT, circular_id)
    if row is None:
        raise LookupError("an order cannot vanish")
    return position, row["recipient_count"], row["redirected_count"]
