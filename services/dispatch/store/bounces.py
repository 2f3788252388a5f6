"""SQL of bounces: what came back for mails, and what of it the sender sees."""

from datetime import datetime
from typing import Final
from uuid import UUID

from services.dispatch.bounces import Report
from shared.postgres import Connection

ADD: Final = """
INSERT INTO mail_bounces (delivery_id, attempt, kind, status, diagnostic, took_effect, received_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (delivery_id, attempt, kind) DO NOTHING RETURNING true
"""

HAND_OVER_CHANNEL: Final = "SELECT hand_over_channel FROM deliveries WHERE delivery_id = $1"

SHOW: Final = "UPDATE deliveries SET bounced_at = $2, bounce_reason = $3 WHERE delivery_id = $1"


async def add(
    connection: Connection, delivery_id: UUID, attempt: int, report: Report, *, took_effect: bool, received_at: datetime
) -> bool:
    """Whether it was new."""
    values = (report.kind, report.status, report.diagnostic)
    return bool(await connection.fetchval(ADD, delivery_id, attempt, *values, took_effect, received_at))


async def hand_over_channel(connection: Connection, delivery_id: UUID) -> str | None:
    """By which channel the delivery counts as handed over."""
    return await connection.fetchval(HAND_OVER_CHANNEL, delivery_id)


async def show(connection: Connection, delivery_id: UUID, at: datetime, reason: str) -> None:
    """Let the sender see that the mail came back."""
    await connection.execute(SHOW, delivery_id, at, reason)
