"""SQL of declared office hours."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from uuid import UUID

from services.ack.calendars import COUNTRY
from services.ack.office_hours import HoursFrom, in_force
from services.ack.store.calendars import DECLARERS, MOST_LEVELS
from shared.postgres import Connection
from shared.thai.working_time import Hours

LIST: Final = """
SELECT day, minutes, below, reason, declared_by, declared_at FROM calendar_hours WHERE agency_id = $1 ORDER BY day
"""

SAVE: Final = """
INSERT INTO calendar_hours (agency_id, day, minutes, below, reason, declared_by, declared_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (agency_id, day) DO UPDATE SET minutes = excluded.minutes, below = excluded.below, reason = excluded.reason,
    declared_by = excluded.declared_by, declared_at = excluded.declared_at
"""

REMOVE: Final = "DELETE FROM calendar_hours WHERE agency_id = $1 AND day = $2"

EFFECTIVE: Final = (
    "WITH RECURSIVE "
    + DECLARERS
    + """
SELECT e.of_agency_id, e.distance, h.day, h.minutes, h.reason
FROM everybody e JOIN calendar_hours h ON h.agency_id = e.agency_id AND (e.distance = 0 OR h.below)
"""
)


@dataclass(frozen=True, slots=True)
class DeclaredHours:
    """Hours that stand in an agency's calendar, from `day` on."""

    day: date
    hours: Hours
    below: bool
    reason: str
    declared_by: UUID
    declared_at: datetime


async def declared(connection: Connection, agency_id: UUID) -> list[DeclaredHours]:
    """The hours of the agency's own calendar, by day."""
    return [
        DeclaredHours(
            row["day"], Hours(tuple(row["minutes"])), row["below"], row["reason"], row["declared_by"], row["declared_at"]
        )
        for row in await connection.fetch(LIST, agency_id)
    ]


async def save(connection: Connection, agency_id: UUID, entry: DeclaredHours) -> None:
    """Let the hours stand."""
    minutes = list(entry.hours.minutes)
    await connection.execute(SAVE, agency_id, entry.day, minutes, entry.below, entry.reason, entry.declared_by, entry.declared_at)


async def remove(connection: Connection, agency_id: UUID, day: date) -> None:
    """Take the hours from that day on away."""
    await connection.execute(REMOVE, agency_id, day)


async def effective(connection: Connection, agency_ids: Sequence[UUID]) -> Mapping[UUID, tuple[HoursFrom, ...]]:
    """The hours that count for these agencies, with those of the agencies above and of the country; none: the office hours."""
    levels: dict[UUID, dict[int, list[HoursFrom]]] = defaultdict(lambda: defaultdict(list))
    for row in await connection.fetch(EFFECTIVE, sorted(set(agency_ids)), MOST_LEVELS, COUNTRY):
        found = HoursFrom(row["day"], Hours(tuple(row["minutes"])), row["reason"])
        levels[row["of_agency_id"]][row["distance"]].append(found)
    return {agency_id: in_force(own) for agency_id, own in levels.items()}
