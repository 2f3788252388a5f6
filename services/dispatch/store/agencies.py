"""SQL of agencies and their endpoints."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
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
FROM agencies a LEFT JOIN endpoints e ON e.agency_id = a.agency_id AND e.state = 'active'
WHERE a.agency_id = ANY($1::uuid[])
"""

SAVE_ENDPOINT: Final = """
INSERT INTO endpoints (agency_id, url, secret_encrypted) VALUES ($1, $2, $3)
ON CONFLICT (agency_id) DO UPDATE SET url = EXCLUDED.url, secret_encrypted = EXCLUDED.secret_encrypted,
    state = 'active', disabled_reason = NULL, updated_at = now()
RETURNING agency_id, url, state, disabled_reason, updated_at
"""

GET_ENDPOINT: Final = "SELECT agency_id, url, state, disabled_reason, updated_at FROM endpoints WHERE agency_id = $1"

DELETE_ENDPOINT: Final = "DELETE FROM endpoints WHERE agency_id = $1"

# Only the address that answered: the agency may have set another meanwhile.
DISABLE_ENDPOINTS: Final = """
UPDATE endpoints SET state = 'disabled', disabled_reason = $3, updated_at = now()
FROM (SELECT DISTINCT agency_id, url FROM unnest($1::uuid[], $2::text[]) AS tried (agency_id, url)) gone
WHERE endpoints.agency_id = gone.agency_id AND endpoints.url = gone.url AND endpoints.state = 'active'
"""


@dataclass(frozen=True, slots=True)
class Reachability:
    """What dispatch knows of an agency's ways in."""

    has_endpoint: bool
    email: str | None


@dataclass(frozen=True, slots=True)
class StoredEndpoint:
    """An endpoint without its secret."""

    agency_id: UUID
    url: str
    state: str
    disabled_reason: str | None
    updated_at: datetime


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


async def save_endpoint(connection: Connection, agency_id: UUID, url: str, secret_encrypted: bytes) -> StoredEndpoint:
    """Set the agency's endpoint; it is active again, whatever it was."""
    row = await connection.fetchrow(SAVE_ENDPOINT, agency_id, url, secret_encrypted)
    if row is None:
        raise RuntimeError("an upsert returns its row")
    return StoredEndpoint(**dict(row))


async def get_endpoint(connection: Connection, agency_id: UUID) -> StoredEndpoint | None:
    row = await connection.fetchrow(GET_ENDPOINT, agency_id)
    return None if row is None else StoredEndpoint(**dict(row))


async def delete_endpoint(connection: Connection, agency_id: UUID) -> None:
    await connection.execute(DELETE_ENDPOINT, agency_id)


async def disable_endpoints(connection: Connection, tried: Sequence[tuple[UUID, str]], reason: str) -> None:
    """Disable the endpoints of (agency, url)."""
    if tried:
        await connection.execute(DISABLE_ENDPOINTS, [agency for agency, _ in tried], [url for _, url in tried], reason)
