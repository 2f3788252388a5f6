"""SQL of the limits that an agency sets for its own endpoint, and of those that hold."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from shared.postgres import Connection, Row

GET: Final = """
SELECT e.most_in_flight, e.most_per_second, e.allowed_per_second, c.max_in_flight, c.max_per_second
FROM endpoints e LEFT JOIN circuits c ON c.agency_id = e.agency_id WHERE e.agency_id = $1
"""

SET_OWN: Final = """
UPDATE endpoints SET most_in_flight = $2, most_per_second = $3 WHERE agency_id = $1
"""

SET_ALLOWED: Final = "UPDATE endpoints SET allowed_per_second = $2 WHERE agency_id = $1 AND url = $3"


@dataclass(frozen=True, slots=True)
class StoredLimits:
    """The agency's own (`most_`), the endpoint's (`allowed_`), and the operator's for this agency (`max_`); None: no such limit."""

    most_in_flight: int | None
    most_per_second: float | None
    allowed_per_second: float | None
    max_in_flight: int | None
    max_per_second: float | None


def _stored(row: Row | None) -> StoredLimits | None:
    return None if row is None else StoredLimits(**dict(row))


async def get(connection: Connection, agency_id: UUID) -> StoredLimits | None:
    """None when the agency has no endpoint."""
    return _stored(await connection.fetchrow(GET, agency_id))


async def set_own(connection: Connection, agency_id: UUID, in_flight: int | None, per_second: float | None) -> None:
    await connection.execute(SET_OWN, agency_id, in_flight, per_second)


async def set_allowed(connection: Connection, agency_id: UUID, url: str, per_second: float | None) -> None:
    """Keep what the endpoint at `url` said of itself."""
    await connection.execute(SET_ALLOWED, agency_id, per_second, url)
