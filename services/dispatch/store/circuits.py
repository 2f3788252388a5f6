"""SQL of circuits: how agencies' endpoints fare, what is under way at them, and what is parked."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from services.dispatch.breaker import Circuit, CircuitState
from services.dispatch.flow import Flow, Limits
from services.dispatch.store.limits import StoredLimits
from shared.postgres import Connection, Row

# Rows are locked in the order of the agency everywhere, so that recorders and schedulers do not wait in a ring.
LOCK_CIRCUITS: Final = """
SELECT agency_id, state, failures, openings, open_until FROM circuits WHERE agency_id = ANY($1::uuid[])
ORDER BY agency_id FOR UPDATE
"""

# What was parked while the circuit was open is looked at when the pause ends, or at once when it closes.
SAVE_CIRCUITS: Final = """
INSERT INTO circuits (agency_id, state, failures, openings, open_until)
SELECT saved.agency_id, saved.state, saved.failures, saved.openings, saved.open_until
FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[], $5::timestamptz[])
    AS saved (agency_id, state, failures, openings, open_until)
ORDER BY saved.agency_id
ON CONFLICT (agency_id) DO UPDATE SET state = EXCLUDED.state, failures = EXCLUDED.failures, openings = EXCLUDED.openings,
    open_until = EXCLUDED.open_until, updated_at = now(),
    look_at = CASE WHEN circuits.look_at IS NOT NULL THEN coalesce(EXCLUDED.open_until, now()) END
"""

# All that is under way is counted at once: no more than workers have in hand, whatever waits. Counted for each agency by itself,
# the planner, to whom a lease is a rarity, reads the whole of it once for each.
FLOWS: Final = """
WITH under_way AS (
    SELECT agency_id, count(*) AS deliveries FROM deliveries
    WHERE lease_token IS NOT NULL AND channel = 'webhook' GROUP BY agency_id
), sent_once_more AS (
    SELECT agency_id, count(*) AS deliveries FROM resend_deliveries
    WHERE lease_token IS NOT NULL AND next_attempt_at > now() GROUP BY agency_id
)
SELECT wanted.agency_id, coalesce(c.state, 'closed') AS state, coalesce(c.failures, 0) AS failures,
    coalesce(c.openings, 0) AS openings, c.open_until, c.max_in_flight, c.max_per_second, c.spent_until,
    coalesce(e.state = 'paused', false) AS paused, e.most_in_flight, e.most_per_second, e.allowed_per_second,
    coalesce(under_way.deliveries, 0) + coalesce(sent_once_more.deliveries, 0) AS in_flight
FROM unnest($1::uuid[]) AS wanted (agency_id)
LEFT JOIN under_way ON under_way.agency_id = wanted.agency_id
LEFT JOIN sent_once_more ON sent_once_more.agency_id = wanted.agency_id
LEFT JOIN circuits c ON c.agency_id = wanted.agency_id
LEFT JOIN endpoints e ON e.agency_id = wanted.agency_id
"""

WATCH: Final = """
INSERT INTO circuits (agency_id, look_at, spent_until)
SELECT watched.agency_id, watched.look_at, watched.spent_until
FROM unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[]) AS watched (agency_id, look_at, spent_until)
ORDER BY watched.agency_id
ON CONFLICT (agency_id) DO UPDATE SET look_at = least(circuits.look_at, EXCLUDED.look_at),
    spent_until = coalesce(EXCLUDED.spent_until, circuits.spent_until)
"""

LOOK: Final = """
SELECT agency_id FROM circuits WHERE look_at <= now() ORDER BY look_at LIMIT $1
"""

UNPARK: Final = """
WITH rooms AS (
    SELECT agency_id, room FROM unnest($1::uuid[], $2::bigint[]) AS given (agency_id, room)
), chosen AS (
    SELECT picked.delivery_id FROM rooms CROSS JOIN LATERAL (
        SELECT d.delivery_id FROM deliveries d WHERE d.parked AND d.agency_id = rooms.agency_id
        ORDER BY d.turn_at LIMIT rooms.room FOR UPDATE SKIP LOCKED
    ) picked
)
UPDATE deliveries SET parked = false FROM chosen WHERE deliveries.delivery_id = chosen.delivery_id
RETURNING deliveries.agency_id
"""

LOOKED: Final = """
UPDATE circuits SET look_at = looked.look_at FROM unnest($1::uuid[], $2::timestamptz[]) AS looked (agency_id, look_at)
WHERE circuits.agency_id = looked.agency_id
"""

# Nothing is parked without a look to come. Claims and looks see to that, one at a time; this mends whatever escaped them.
WATCH_FORGOTTEN: Final = """
WITH RECURSIVE agencies_parked AS (
    (SELECT agency_id FROM deliveries WHERE parked ORDER BY agency_id LIMIT 1)
    UNION ALL
    SELECT (SELECT d.agency_id FROM deliveries d WHERE d.parked AND d.agency_id > found.agency_id ORDER BY d.agency_id LIMIT 1)
    FROM agencies_parked found WHERE found.agency_id IS NOT NULL
)
INSERT INTO circuits (agency_id, look_at)
SELECT found.agency_id, now() FROM agencies_parked found LEFT JOIN circuits c ON c.agency_id = found.agency_id
WHERE found.agency_id IS NOT NULL AND c.look_at IS NULL
ORDER BY found.agency_id
ON CONFLICT (agency_id) DO UPDATE SET look_at = EXCLUDED.look_at
RETURNING agency_id
"""


def _circuit(row: Row) -> Circuit:
    return Circuit(CircuitState(row["state"]), row["failures"], row["openings"], row["open_until"])


async def lock(connection: Connection, agency_ids: Sequence[UUID]) -> dict[UUID, Circuit]:
    """The circuits of those agencies that have one, locked."""
    return {row["agency_id"]: _circuit(row) for row in await connection.fetch(LOCK_CIRCUITS, list(agency_ids))}


async def save(connection: Connection, circuits: Mapping[UUID, Circuit]) -> None:
    await connection.execute(
        SAVE_CIRCUITS,
        list(circuits),
        [circuit.state for circuit in circuits.values()],
        [circuit.failures for circuit in circuits.values()],
        [circuit.openings for circuit in circuits.values()],
        [circuit.open_until for circuit in circuits.values()],
    )


def _limits(row: Row, limits: Limits) -> Limits:
    stored = StoredLimits(
        row["most_in_flight"], row["most_per_second"], row["allowed_per_second"], row["max_in_flight"], row["max_per_second"]
    )
    return stored.holding(limits)


async def flows(connection: Connection, agency_ids: Sequence[UUID], limits: Limits) -> dict[UUID, Flow]:
    """What is under way at agencies, and what they allow; `limits` holds where they have none of their own."""
    return {
        row["agency_id"]: Flow(
            circuit=_circuit(row),
            paused=row["paused"],
            in_flight=row["in_flight"],
            limits=_limits(row, limits),
            spent_until=row["spent_until"],
        )
        for row in await connection.fetch(FLOWS, list(agency_ids))
    }


async def watch(connection: Connection, look_at: Mapping[UUID, datetime], spent_until: Mapping[UUID, datetime]) -> None:
    """Note when parked agencies are to be looked at, and what of rates is spent."""
    agencies = list({**look_at, **spent_until})
    if agencies:
        await connection.execute(
            WATCH, agencies, [look_at.get(agency) for agency in agencies], [spent_until.get(agency) for agency in agencies]
        )


async def to_look_at(connection: Connection, limit: int) -> list[UUID]:
    """Agencies for which something is parked and whose look is due."""
    return [row["agency_id"] for row in await connection.fetch(LOOK, limit)]


async def unpark(connection: Connection, rooms: Mapping[UUID, int]) -> list[UUID]:
    """Let the first of each agency's parked deliveries be claimed; returns the agency of each."""
    rows = await connection.fetch(UNPARK, list(rooms), list(rooms.values()))
    return [row["agency_id"] for row in rows]


async def looked(connection: Connection, look_at: Mapping[UUID, datetime | None]) -> None:
    """Note the next look at agencies; None where nothing is parked any more."""
    await connection.execute(LOOKED, list(look_at), list(look_at.values()))


async def watch_forgotten(connection: Connection) -> int:
    """Have parked deliveries looked at for which no look was to come; returns for how many agencies: 0."""
    return len(await connection.fetch(WATCH_FORGOTTEN))
