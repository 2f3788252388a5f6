"""SQL of agencies, and of the ways to reach them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from shared.contracts.events import AgencySaved
from shared.postgres import Connection

SAVE_AGENCY: Final = """
INSERT INTO agencies (agency_id, version, code, name_th, name_en, kind, email) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (agency_id) DO UPDATE SET version = EXCLUDED.version, code = EXCLUDED.code, name_th = EXCLUDED.name_th,
    name_en = EXCLUDED.name_en, kind = EXCLUDED.kind, email = EXCLUDED.email
WHERE agencies.version < EXCLUDED.version
"""

# Letters that came before news of their agency wait no longer.
WAKE_DELIVERIES: Final = """
WITH waiting AS (
    SELECT delivery_id FROM deliveries WHERE agency_id = $1 AND state = 'scheduled' AND channel IS NULL FOR UPDATE SKIP LOCKED
)
UPDATE deliveries SET next_attempt_at = now() FROM waiting WHERE deliveries.delivery_id = waiting.delivery_id
"""

REACHABILITY: Final = """
SELECT a.agency_id, a.email, e.agency_id IS NOT NULL AS has_endpoint
FROM agencies a LEFT JOIN endpoints e ON e.agency_id = a.agency_id AND e.state IN ('active', 'paused')
WHERE a.agency_id = ANY($1::uuid[])
"""


@dataclass(frozen=True, slots=True)
class Reachability:
    """What dispatch knows of an agency's ways in."""

    has_endpoint: bool
    email: str | None


async def save_agency(connection: Connection, agency: AgencySaved) -> None:
    """Keep the agency unless a later version is known, and look again at letters that waited for it."""
    await connection.execute(
        SAVE_AGENCY,
        agency.agency_id,
        agency.version,
        agency.code,
        agency.name_th,
        agency.name_en,
        agency.kind,
        agency.email,
    )
    await connection.execute(WAKE_DELIVERIES, agency.agency_id)


async def reachability(connection: Connection, agency_ids: Sequence[UUID]) -> dict[UUID, Reachability]:
    """The ways in of those agencies that are known."""
    rows = await connection.fetch(REACHABILITY, list(agency_ids))
    return {row["agency_id"]: Reachability(row["has_endpoint"], row["email"]) for row in rows}
