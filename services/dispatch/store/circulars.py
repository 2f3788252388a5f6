"""SQL of circulars, of their new deliveries, and of acknowledgments."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from services.dispatch.delivery.jobs import CircularContent
from shared.contracts.events import Channel, CircularDispatched, FrozenRecipient, LetterSummary
from shared.contracts.topology import Lane
from shared.postgres import Connection, Row

# Far more than a letter takes, so that a sender who has sent many stands behind whoever comes while they are being sent.
TURN_SPACING: Final = timedelta(milliseconds=10)
# How far ahead a place may be. A claim passes over the retries that come due within this time, so it is not endless.
TURN_HORIZON: Final = timedelta(minutes=5)

# A chunk and an acknowledgment of one circular must see each other, in whichever order they come: a chunk takes the lock
# alone, acknowledgments share it among themselves.
LOCK_FOR_CHUNK: Final = "SELECT pg_advisory_xact_lock(hashtextextended($1::uuid::text, 0))"
LOCK_FOR_ACKNOWLEDGMENT: Final = "SELECT pg_advisory_xact_lock_shared(hashtextextended($1::uuid::text, 0))"

ADD_CIRCULAR: Final = """
INSERT INTO circulars (circular_id, sender_agency_id, sender_name_th, sender_name_en, letter, secrecy, lane, dispatched_at,
    deadline, recipient_count, traceparent)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT (circular_id) DO NOTHING
"""

GET_CIRCULARS: Final = """
SELECT circular_id, sender_agency_id, sender_name_th, sender_name_en, letter, dispatched_at, deadline, traceparent
FROM circulars WHERE circular_id = ANY($1::uuid[])
"""

GET_SENDER: Final = "SELECT sender_agency_id FROM circulars WHERE circular_id = $1"

# Start-time fair queueing: a sender's next letters stand behind its last ones, however fast they came, and not behind those
# of others who come meanwhile. A place only orders: alone, a sender is not slowed. A retry stands at its own time.
TAKE_TURNS: Final = """
INSERT INTO turns (sender_agency_id, lane, turn_at) VALUES ($1, $2, now() + $3::bigint * $4::interval)
ON CONFLICT (sender_agency_id, lane) DO UPDATE
SET turn_at = least(greatest(turns.turn_at, now()), now() + $5::interval) + $3::bigint * $4::interval
RETURNING turn_at - $3::bigint * $4::interval
"""

ADD_DELIVERIES: Final = """
INSERT INTO deliveries (delivery_id, recipient_id, circular_id, agency_id, title, position, relay_duty, role, acknowledgment_link,
    lane, channel, state, next_attempt_at, step_until, turn_at)
SELECT new.delivery_id, new.recipient_id, $1, new.agency_id, new.title, new.position, new.relay_duty, new.role,
    new.acknowledgment_link, $2, new.channel, 'scheduled', new.next_attempt_at, new.step_until, $14::timestamptz + new.nth * $15::interval
FROM unnest($3::uuid[], $4::uuid[], $5::uuid[], $6::text[], $7::bigint[], $8::boolean[], $9::text[], $10::text[],
        $11::text[], $12::timestamptz[], $13::timestamptz[]) WITH ORDINALITY
    AS new (delivery_id, recipient_id, agency_id, title, position, relay_duty, role, acknowledgment_link, channel,
        next_attempt_at, step_until, nth)
ON CONFLICT (recipient_id) DO NOTHING
"""

# Of answers and of withdrawals the newest counts, in whichever order they come.
ADD_ACKNOWLEDGMENT: Final = """
INSERT INTO acknowledgments AS known (recipient_id, acknowledged_at) VALUES ($1, $2)
ON CONFLICT (recipient_id) DO UPDATE SET acknowledged_at = greatest(known.acknowledged_at, excluded.acknowledged_at)
RETURNING acknowledged_at, withdrawn_at
"""

ADD_WITHDRAWAL: Final = """
INSERT INTO acknowledgments AS known (recipient_id, withdrawn_at) VALUES ($1, $2)
ON CONFLICT (recipient_id) DO UPDATE SET withdrawn_at = greatest(known.withdrawn_at, excluded.withdrawn_at)
RETURNING acknowledged_at, withdrawn_at
"""

EARLY_ACKNOWLEDGMENTS: Final = """
SELECT a.recipient_id, a.acknowledged_at, a.withdrawn_at FROM acknowledgments a
JOIN deliveries d ON d.recipient_id = a.recipient_id
WHERE a.recipient_id = ANY($1::uuid[]) AND a.acknowledged_at IS NOT NULL AND d.acknowledged_at IS NULL
"""


KNOWN_RECIPIENTS: Final = "SELECT recipient_id FROM deliveries WHERE recipient_id = ANY($1::uuid[])"


@dataclass(frozen=True, slots=True)
class Acknowledgment:
    """The newest answer of a recipient, and when it last took one back; either may be unknown here yet."""

    answered_at: datetime | None
    withdrawn_at: datetime | None

    @property
    def standing_at(self) -> datetime | None:
        """When the answer that stands was recorded; None when none does."""
        if self.withdrawn_at is not None and self.answered_at is not None and self.answered_at <= self.withdrawn_at:
            return None
        return self.answered_at


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """A recipient that is to get the letter; `step_until` is the end of the step on `channel`."""

    delivery_id: UUID
    recipient: FrozenRecipient
    acknowledgment_link: str
    channel: Channel | None
    next_attempt_at: datetime
    step_until: datetime | None


async def add_circular(connection: Connection, event: CircularDispatched, lane: Lane, traceparent: str | None) -> None:
    """Keep the header of a chunk; the first chunk to come wins, they all carry the same."""
    await connection.execute(LOCK_FOR_CHUNK, event.circular_id)
    await connection.execute(
        ADD_CIRCULAR,
        event.circular_id,
        event.sender_agency_id,
        event.sender_name_th,
        event.sender_name_en,
        event.letter.model_dump(mode="json"),
        event.letter.secrecy,
        lane,
        event.dispatched_at,
        event.deadline,
        event.recipient_count,
        traceparent,
    )


async def add_deliveries(
    connection: Connection, circular_id: UUID, sender_agency_id: UUID, lane: Lane, new: Sequence[NewDelivery]
) -> None:
    """Add one delivery for each recipient that has none yet, each at its sender's next turn in the lane."""
    turn_at = await connection.fetchval(TAKE_TURNS, sender_agency_id, lane, len(new), TURN_SPACING, TURN_HORIZON)
    await connection.execute(
        ADD_DELIVERIES,
        circular_id,
        lane,
        [delivery.delivery_id for delivery in new],
        [delivery.recipient.recipient_id for delivery in new],
        [delivery.recipient.agency_id for delivery in new],
        [delivery.recipient.title for delivery in new],
        [delivery.recipient.position for delivery in new],
        [delivery.recipient.relay_duty for delivery in new],
        [delivery.recipient.role.value for delivery in new],
        [delivery.acknowledgment_link for delivery in new],
        [delivery.channel for delivery in new],
        [delivery.next_attempt_at for delivery in new],
        [delivery.step_until for delivery in new],
        turn_at,
        TURN_SPACING,
    )


async def add_acknowledgment(connection: Connection, circular_id: UUID, recipient_id: UUID, at: datetime) -> Acknowledgment:
    """Remember an acknowledgment, whether or not its delivery has come here yet; returns what is known with it."""
    await connection.execute(LOCK_FOR_ACKNOWLEDGMENT, circular_id)
    return _acknowledgment(await connection.fetchrow(ADD_ACKNOWLEDGMENT, recipient_id, at))


async def add_withdrawal(connection: Connection, circular_id: UUID, recipient_id: UUID, at: datetime) -> Acknowledgment:
    """Remember that a recipient took its answer back, likewise."""
    await connection.execute(LOCK_FOR_ACKNOWLEDGMENT, circular_id)
    return _acknowledgment(await connection.fetchrow(ADD_WITHDRAWAL, recipient_id, at))


def _acknowledgment(row: Row | None) -> Acknowledgment:
    if row is None:
        raise LookupError("what was stored is returned")
    return Acknowledgment(row["acknowledged_at"], row["withdrawn_at"])


async def wait_for_chunk(connection: Connection, circular_id: UUID) -> None:
    """Wait for a chunk of the circular that is being stored; the next one waits for this transaction."""
    await connection.execute(LOCK_FOR_ACKNOWLEDGMENT, circular_id)


async def known_recipients(connection: Connection, recipient_ids: Sequence[UUID]) -> set[UUID]:
    """Those of the recipients that have a delivery."""
    return {row["recipient_id"] for row in await connection.fetch(KNOWN_RECIPIENTS, list(recipient_ids))}


async def early_acknowledgments(connection: Connection, recipient_ids: Sequence[UUID]) -> dict[UUID, Acknowledgment]:
    """Answers that are not on their deliveries: they came before, or were taken back."""
    rows = await connection.fetch(EARLY_ACKNOWLEDGMENTS, list(recipient_ids))
    return {row["recipient_id"]: _acknowledgment(row) for row in rows}


async def get_circulars(connection: Connection, circular_ids: Sequence[UUID]) -> dict[UUID, CircularContent]:
    rows = await connection.fetch(GET_CIRCULARS, list(circular_ids))
    return {
        row["circular_id"]: CircularContent(
            circular_id=row["circular_id"],
            sender_agency_id=row["sender_agency_id"],
            sender_name_th=row["sender_name_th"],
            sender_name_en=row["sender_name_en"],
            letter=LetterSummary.model_validate(row["letter"]),
            dispatched_at=row["dispatched_at"],
            deadline=row["deadline"],
            traceparent=row["traceparent"],
        )
        for row in rows
    }


async def get_sender(connection: Connection, circular_id: UUID) -> UUID | None:
    """The agency that sent the circular."""
    return await connection.fetchval(GET_SENDER, circular_id)
