"""SQL of succession: who takes the letters of many agencies on a day."""

from collections.abc import Collection
from datetime import date
from typing import Final
from uuid import UUID

from services.registry.domain.resolution import Outcome, outcome
from services.registry.domain.succession import Active, Life, Resolution, resolve
from shared.postgres import Connection

# Nearly all stand: only the others come back, with all who came after them.
NOT_STANDING: Final = """
WITH RECURSIVE reached (asked_id, agency_id, valid_from, valid_until, successor_ids) AS (
    SELECT asked.agency_id, a.agency_id, a.valid_from, a.valid_until, a.successor_ids
    FROM unnest($1::uuid[]) AS asked (agency_id) LEFT JOIN agencies a ON a.agency_id = asked.agency_id
    WHERE a.agency_id IS NULL OR a.valid_from > $2 OR a.valid_until <= $2
    UNION
    SELECT a.agency_id, a.agency_id, a.valid_from, a.valid_until, a.successor_ids
    FROM reached CROSS JOIN LATERAL unnest(reached.successor_ids) AS named (agency_id)
    JOIN agencies a ON a.agency_id = named.agency_id
)
SELECT asked_id, agency_id, valid_from, valid_until, successor_ids FROM reached
"""

CLOSED: Final = "SELECT agency_id FROM agencies WHERE agency_id = ANY($1::uuid[]) AND valid_until <= $2"


async def resolve_all(connection: Connection, agency_ids: Collection[UUID], day: date) -> dict[UUID, Resolution]:
    """Who takes letters to each of these agencies on `day`, in one statement. Raises LookupError for an unknown agency."""
    wanted = list(dict.fromkeys(agency_ids))
    lives: dict[UUID, Life[UUID]] = {}
    for row in await connection.fetch(NOT_STANDING, wanted, day):
        if row["agency_id"] is None:
            raise LookupError(f"there is no agency {row['asked_id']}")
        lives[row["agency_id"]] = Life(row["valid_from"], row["valid_until"], tuple(row["successor_ids"]))
    # A successor that is asked for too is in `lives` as well, and stands or not by its own days.
    return {agency_id: resolve(agency_id, day, lives) if agency_id in lives else Active(agency_id) for agency_id in wanted}


async def elsewhere(connection: Connection, agency_ids: Collection[UUID], day: date) -> dict[UUID, Outcome]:
    """What becomes of letters to those of these agencies that are closed on `day`; the others take their own."""
    closed = [row["agency_id"] for row in await connection.fetch(CLOSED, agency_ids, day)]
    if not closed:
        return {}
    resolutions = await resolve_all(connection, closed, day)
    return {agency_id: found for agency_id, one in resolutions.items() if (found := outcome(one)) is not None}
