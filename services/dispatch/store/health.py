"""SQL of health: how an agency's endpoint has fared, from its attempts."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from shared.postgres import Connection

# Whoever gets more in a day is judged by the latest of them: the page costs no more than this.
MOST_COUNTED: Final = 50_000

CIRCUIT: Final = "SELECT state, open_until FROM circuits WHERE agency_id = $1"

SUMMARY: Final = """
WITH latest AS (
    (
        SELECT started_at, outcome, status, milliseconds FROM attempts
        WHERE agency_id = $1 AND started_at >= $2 AND channel = 'webhook' ORDER BY started_at DESC LIMIT $3
    ) UNION ALL (
        SELECT started_at, outcome, status, milliseconds FROM resend_attempts
        WHERE agency_id = $1 AND started_at >= $2 ORDER BY started_at DESC LIMIT $3
    )
    ORDER BY started_at DESC LIMIT $3
)
SELECT count(*) AS attempts, count(*) FILTER (WHERE outcome = 'delivered') AS delivered,
    CASE WHEN count(*) = $3 THEN min(started_at) END AS since,
    percentile_cont(ARRAY[0.5, 0.9, 0.99]) WITHIN GROUP (ORDER BY milliseconds) FILTER (WHERE status IS NOT NULL) AS milliseconds
FROM latest
"""

REASONS: Final = """
WITH latest AS (
    (
        SELECT started_at, outcome, reason, status FROM attempts
        WHERE agency_id = $1 AND started_at >= $2 AND channel = 'webhook' ORDER BY started_at DESC LIMIT $3
    ) UNION ALL (
        SELECT started_at, outcome, reason, status FROM resend_attempts
        WHERE agency_id = $1 AND started_at >= $2 ORDER BY started_at DESC LIMIT $3
    )
    ORDER BY started_at DESC LIMIT $3
)
SELECT coalesce(reason, 'http_' || status, outcome) AS reason, count(*) AS count, max(started_at) AS last_at
FROM latest WHERE outcome <> 'delivered' GROUP BY 1 ORDER BY 2 DESC, 1
"""

FAILURES: Final = """
WITH latest AS (
    (
        SELECT delivery_id, number, channel, outcome, reason, status, started_at, milliseconds, answer, NULL::uuid AS resend_id
        FROM attempts
        WHERE agency_id = $1 AND started_at >= $2 AND channel = 'webhook' ORDER BY started_at DESC LIMIT $3
    ) UNION ALL (
        SELECT delivery_id, number, 'webhook', outcome, reason, status, started_at, milliseconds, answer, resend_id
        FROM resend_attempts
        WHERE agency_id = $1 AND started_at >= $2 ORDER BY started_at DESC LIMIT $3
    )
    ORDER BY started_at DESC LIMIT $3
)
SELECT delivery_id, number, channel, outcome, reason, status, started_at, milliseconds, answer, resend_id
FROM latest WHERE outcome <> 'delivered' ORDER BY started_at DESC LIMIT $4
"""

# Both kinds of attempts, each read along an index of its own.
ATTEMPTS: Final = """
(
    SELECT delivery_id, number, channel, outcome, reason, status, started_at, milliseconds, answer, NULL::uuid AS resend_id
    FROM attempts WHERE agency_id = $1 AND ($2::timestamptz IS NULL OR (started_at, delivery_id) < ($2, $3::uuid))
    ORDER BY started_at DESC, delivery_id DESC LIMIT $4
) UNION ALL (
    SELECT delivery_id, number, 'webhook', outcome, reason, status, started_at, milliseconds, answer, resend_id
    FROM resend_attempts WHERE agency_id = $1 AND ($2::timestamptz IS NULL OR (started_at, delivery_id) < ($2, $3::uuid))
    ORDER BY started_at DESC, delivery_id DESC LIMIT $4
)
ORDER BY started_at DESC, delivery_id DESC LIMIT $4
"""


@dataclass(frozen=True, slots=True)
class CircuitSeen:
    """Whether letters go to the endpoint."""

    state: str
    open_until: datetime | None


@dataclass(frozen=True, slots=True)
class Summary:
    """Attempts in a span; `since` when not all of it was counted, `milliseconds` (p50, p90, p99) of those that got an answer."""

    attempts: int
    delivered: int
    since: datetime | None
    milliseconds: list[float] | None


@dataclass(frozen=True, slots=True)
class Reason:
    """Failures for one reason."""

    reason: str
    count: int
    last_at: datetime


@dataclass(frozen=True, slots=True)
class LoggedAttempt:
    """One attempt in the agency's own log; `resend_id` is the order by which a letter was sent once more."""

    delivery_id: UUID
    number: int
    channel: str
    outcome: str
    reason: str | None
    status: int | None
    started_at: datetime
    milliseconds: float
    answer: str
    resend_id: UUID | None


async def circuit(connection: Connection, agency_id: UUID) -> CircuitSeen:
    row = await connection.fetchrow(CIRCUIT, agency_id)
    return CircuitSeen("closed", None) if row is None else CircuitSeen(row["state"], row["open_until"])


async def summary(connection: Connection, agency_id: UUID, since: datetime) -> Summary:
    row = await connection.fetchrow(SUMMARY, agency_id, since, MOST_COUNTED)
    if row is None:
        raise RuntimeError("an aggregate returns its row")
    return Summary(**dict(row))


async def reasons(connection: Connection, agency_id: UUID, since: datetime) -> list[Reason]:
    """Why attempts failed, the most frequent reason first."""
    return [Reason(**dict(row)) for row in await connection.fetch(REASONS, agency_id, since, MOST_COUNTED)]


async def failures(connection: Connection, agency_id: UUID, since: datetime, limit: int) -> list[LoggedAttempt]:
    """The latest failures."""
    return [LoggedAttempt(**dict(row)) for row in await connection.fetch(FAILURES, agency_id, since, MOST_COUNTED, limit)]


async def attempts(
    connection: Connection, agency_id: UUID, behind: tuple[datetime, UUID] | None, limit: int
) -> list[LoggedAttempt]:
    """The agency's attempts by all channels, the latest first, from behind a place."""
    started_at, delivery_id = behind or (None, None)
    return [LoggedAttempt(**dict(row)) for row in await connection.fetch(ATTEMPTS, agency_id, started_at, delivery_id, limit)]
