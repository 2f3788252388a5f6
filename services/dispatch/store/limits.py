"""SQL of the limits of an agency's endpoint: its own, the operator's with who changed them, and those that hold."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, LiteralString
from uuid import UUID

from services.dispatch.flow import Limits, lowest
from shared.ids import new_id
from shared.postgres import Connection, Row

GET: Final = """
SELECT e.most_in_flight, e.most_per_second, e.allowed_per_second, c.max_in_flight, c.max_per_second
FROM endpoints e LEFT JOIN circuits c ON c.agency_id = e.agency_id WHERE e.agency_id = $1
"""

SET_OWN: Final = """
UPDATE endpoints SET most_in_flight = $2, most_per_second = $3 WHERE agency_id = $1
"""

SET_ALLOWED: Final = "UPDATE endpoints SET allowed_per_second = $2 WHERE agency_id = $1 AND url = $3"

_OF_AGENCY: Final[LiteralString] = """
SELECT a.agency_id, a.code, e.most_in_flight, e.most_per_second, e.allowed_per_second, c.max_in_flight, c.max_per_second
FROM agencies a LEFT JOIN endpoints e ON e.agency_id = a.agency_id LEFT JOIN circuits c ON c.agency_id = a.agency_id
"""

OF_AGENCY: Final[LiteralString] = f"{_OF_AGENCY} WHERE a.agency_id = $1"

LIMITED: Final[LiteralString] = f"""{_OF_AGENCY}
WHERE (c.max_in_flight IS NOT NULL OR c.max_per_second IS NOT NULL) AND ($1::uuid IS NULL OR c.agency_id > $1)
ORDER BY c.agency_id LIMIT $2
"""

# So that there is a row to lock.
ADD_CIRCUIT: Final = "INSERT INTO circuits (agency_id) VALUES ($1) ON CONFLICT (agency_id) DO NOTHING"

LOCK: Final = "SELECT max_in_flight, max_per_second FROM circuits WHERE agency_id = $1 FOR UPDATE"

# What is parked is looked at anew, because there may be more room.
SET_OPERATORS: Final = """
UPDATE circuits SET max_in_flight = $2, max_per_second = $3, look_at = least(look_at, CASE WHEN look_at IS NOT NULL THEN now() END)
WHERE agency_id = $1
"""

ADD_CHANGE: Final = """
INSERT INTO limit_changes (limit_change_id, agency_id, max_in_flight, max_per_second, in_flight_before, per_second_before, changed_by, why)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""

CHANGES: Final = """
SELECT limit_change_id, max_in_flight, max_per_second, in_flight_before, per_second_before, changed_at, changed_by, why
FROM limit_changes WHERE agency_id = $1 AND ($2::uuid IS NULL OR limit_change_id < $2) ORDER BY limit_change_id DESC LIMIT $3
"""


@dataclass(frozen=True, slots=True)
class StoredLimits:
    """The agency's own (`most_`), the endpoint's (`allowed_`), and the operator's for this agency (`max_`); None: no such limit."""

    most_in_flight: int | None
    most_per_second: float | None
    allowed_per_second: float | None
    max_in_flight: int | None
    max_per_second: float | None

    def holding(self, exchange: Limits) -> Limits:
        """What holds: the operator's, for this agency or for all (`exchange`), unless the agency's own are lower."""
        in_flight = exchange.in_flight if self.max_in_flight is None else self.max_in_flight
        rate = exchange.per_second if self.max_per_second is None else self.max_per_second
        return Limits(
            in_flight if self.most_in_flight is None else min(in_flight, self.most_in_flight),
            lowest(rate, self.most_per_second, self.allowed_per_second),
        )


@dataclass(frozen=True, slots=True)
class AgencyLimits:
    """The limits of an agency, which need not have an endpoint."""

    agency_id: UUID
    code: str
    stored: StoredLimits


@dataclass(frozen=True, slots=True)
class LimitChange:
    """A change of the operator's limits; None: none of its own."""

    limit_change_id: UUID
    max_in_flight: int | None
    max_per_second: float | None
    in_flight_before: int | None
    per_second_before: float | None
    changed_at: datetime
    changed_by: str
    why: str


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


async def of_agency(connection: Connection, agency_id: UUID) -> AgencyLimits | None:
    """None when there is no such agency."""
    row = await connection.fetchrow(OF_AGENCY, agency_id)
    return None if row is None else _of_agency(row)


async def limited(connection: Connection, after: UUID | None, limit: int) -> list[AgencyLimits]:
    """Agencies for which the operator has set limits."""
    return [_of_agency(row) for row in await connection.fetch(LIMITED, after, limit)]


async def set_operators(
    connection: Connection, agency_id: UUID, in_flight: int | None, per_second: float | None, by: str, why: str
) -> bool:
    """Set the operator's limits and write that down, in one transaction; false when they were so before."""
    await connection.execute(ADD_CIRCUIT, agency_id)
    row = await connection.fetchrow(LOCK, agency_id)
    if row is None:
        raise RuntimeError("the row was added")
    before: tuple[int | None, float | None] = (row["max_in_flight"], row["max_per_second"])
    if before == (in_flight, per_second):
        return False
    await connection.execute(SET_OPERATORS, agency_id, in_flight, per_second)
    await connection.execute(ADD_CHANGE, new_id(), agency_id, in_flight, per_second, *before, by, why)
    return True


async def changes(connection: Connection, agency_id: UUID, after: UUID | None, limit: int) -> list[LimitChange]:
    """Changes of the operator's limits of one agency, the latest first."""
    return [LimitChange(**dict(row)) for row in await connection.fetch(CHANGES, agency_id, after, limit)]


def _of_agency(row: Row) -> AgencyLimits:
    given: dict[str, Any] = dict(row)
    return AgencyLimits(given.pop("agency_id"), given.pop("code"), StoredLimits(**given))
