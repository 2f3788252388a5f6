"""SQL of circulars and their matrix."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from services.ack.deadlines import DeadlineBy
from services.ack.fold import State
from shared.contracts.events import CircularDispatched, LetterSummary
from shared.postgres import Connection, Row

INSERT: Final = """
INSERT INTO circulars (circular_id, sender_agency_id, sender_name_th, sender_name_en, letter, dispatched_at, deadline,
    recipient_count, relay_of_recipient_id, deadline_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (circular_id) DO NOTHING RETURNING circular_id
"""

# A letter that is redirected has one recipient more; news that comes late takes none away.
GROW: Final = "UPDATE circulars SET recipient_count = $2 WHERE circular_id = $1 AND recipient_count < $2"

GET: Final = """
SELECT c.circular_id, c.sender_agency_id, c.sender_name_th, c.sender_name_en, c.letter, c.dispatched_at, c.deadline,
    c.deadline_by, c.recipient_count, s.successor_circular_id, s.successor_letter_id, s.successor_number, s.fields AS successor_fields,
    s.superseded_at, (
        SELECT jsonb_agg(jsonb_build_object('number', e.number, 'text', e.text, 'fields', e.fields, 'issued_at', e.issued_at)
            ORDER BY e.number)
        FROM errata e WHERE e.circular_id = c.circular_id
    ) AS errata
FROM circulars c LEFT JOIN successions s ON s.circular_id = c.circular_id WHERE c.circular_id = ANY($1::uuid[])
"""

MATRIX: Final = """
SELECT circular_id, state, count(*) AS recipients, count(handed_over_at) AS handed_over, max(handed_over_at) AS last_hand_over_at
FROM recipients WHERE circular_id = ANY($1::uuid[]) GROUP BY circular_id, state
"""

# Each of the few from an index of its own. `crossed`: see `Recipient.crossed`. A duty that went with the letter counts where it went.
RELAYING: Final = """
SELECT asked.circular_id, passing.duties - gone.duties AS relay_duties, passing.relayed, passing.onward_recipients, gone.crossed
FROM unnest($1::uuid[]) AS asked (circular_id)
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE relay_duty) AS duties, count(relayed_circular_id) AS relayed,
        coalesce(sum(onward_recipients), 0)::bigint AS onward_recipients
    FROM recipients r WHERE r.circular_id = asked.circular_id AND (relay_duty OR relayed_circular_id IS NOT NULL)
) passing
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE relay_duty AND relayed_circular_id IS NULL) AS duties,
        count(*) FILTER (WHERE state NOT IN ('rejected', 'recalled')) AS crossed
    FROM recipients r WHERE r.circular_id = asked.circular_id AND redirected_to IS NOT NULL
) gone
"""

OWN_DEADLINES: Final = """
SELECT circular_id, due_at, count(*) AS recipients FROM recipients
WHERE circular_id = ANY($1::uuid[]) AND due_at IS NOT NULL AND state NOT IN ('registered', 'rejected', 'recalled')
GROUP BY circular_id, due_at
"""


@dataclass(frozen=True, slots=True)
class Successor:
    """The letter that took a circular's place, and the fields in which it differs."""

    circular_id: UUID
    letter_id: UUID
    number: str
    fields: tuple[str, ...]
    superseded_at: datetime


@dataclass(frozen=True, slots=True)
class Erratum:
    """A note that corrects a circular; its text is empty when the letter is secret."""

    number: int
    text: str
    fields: tuple[str, ...]
    issued_at: datetime


@dataclass(frozen=True, slots=True)
class Circular:
    """A dispatched circular, and what its sender has decided on it since."""

    circular_id: UUID
    sender_agency_id: UUID
    sender_name_th: str
    sender_name_en: str
    letter: LetterSummary
    dispatched_at: datetime
    deadline: datetime | None
    recipient_count: int
    deadline_by: DeadlineBy | None = None
    successor: Successor | None = None
    errata: tuple[Erratum, ...] = ()


@dataclass(frozen=True, slots=True)
class Counts:
    """How many recipients are in each state, and what else the matrix tells."""

    by_state: dict[State, int]
    handed_over: int
    last_hand_over_at: datetime | None
    relay_duties: int
    relayed: int
    onward_recipients: int
    crossed: int = 0  # that keep a letter which was sent on from them
    own_deadlines: tuple[tuple[datetime, int], ...] = ()  # of those that have not answered, with how many have each


async def insert(connection: Connection, event: CircularDispatched, deadline: tuple[datetime, DeadlineBy] | None) -> bool:
    """Store the circular that a chunk tells of; False when another chunk has."""
    stored = await connection.fetchval(
        INSERT,
        event.circular_id,
        event.sender_agency_id,
        event.sender_name_th,
        event.sender_name_en,
        event.letter.model_dump(mode="json"),
        event.dispatched_at,
        None if deadline is None else deadline[0],
        event.recipient_count,
        event.relay_of_recipient_id,
        None if deadline is None else deadline[1].value,
    )
    if stored is None:
        await connection.execute(GROW, event.circular_id, event.recipient_count)
    return stored is not None


async def get(connection: Connection, circular_id: UUID) -> Circular | None:
    """The circular."""
    return (await get_many(connection, [circular_id])).get(circular_id)


async def get_many(connection: Connection, circular_ids: Sequence[UUID]) -> dict[UUID, Circular]:
    """Those of the circulars that are there."""
    return {row["circular_id"]: _circular(row) for row in await connection.fetch(GET, list(circular_ids))}


def _circular(row: Row) -> Circular:
    return Circular(
        row["circular_id"],
        row["sender_agency_id"],
        row["sender_name_th"],
        row["sender_name_en"],
        LetterSummary.model_validate(row["letter"]),
        row["dispatched_at"],
        row["deadline"],
        row["recipient_count"],
        None if row["deadline_by"] is None else DeadlineBy(row["deadline_by"]),
        _successor(row),
        tuple(
            Erratum(one["number"], one["text"], tuple(one["fields"]), datetime.fromisoformat(one["issued_at"]))
            for one in row["errata"] or ()
        ),
    )


def _successor(row: Row) -> Successor | None:
    if row["successor_circular_id"] is None:
        return None
    return Successor(
        row["successor_circular_id"],
        row["successor_letter_id"],
        row["successor_number"],
        tuple(row["successor_fields"]),
        row["superseded_at"],
    )


async def counts(connection: Connection, circular_id: UUID) -> Counts:
    """The circular's recipients, counted."""
    return (await counts_of_many(connection, [circular_id]))[circular_id]


async def counts_of_many(connection: Connection, circular_ids: Sequence[UUID]) -> dict[UUID, Counts]:
    """The recipients of each of the circulars, counted."""
    states: dict[UUID, list[Row]] = {circular_id: [] for circular_id in circular_ids}
    own: dict[UUID, list[Row]] = {circular_id: [] for circular_id in circular_ids}
    for row in await connection.fetch(MATRIX, list(circular_ids)):
        states[row["circular_id"]].append(row)
    for row in await connection.fetch(OWN_DEADLINES, list(circular_ids)):
        own[row["circular_id"]].append(row)
    relaying = {row["circular_id"]: row for row in await connection.fetch(RELAYING, list(circular_ids))}
    return {circular_id: _counts(states[circular_id], own[circular_id], relaying[circular_id]) for circular_id in circular_ids}


def _counts(rows: Sequence[Row], own: Sequence[Row], relaying: Row) -> Counts:
    return Counts(
        by_state={State(row["state"]): row["recipients"] for row in rows},
        handed_over=sum(row["handed_over"] for row in rows),
        last_hand_over_at=max((row["last_hand_over_at"] for row in rows if row["last_hand_over_at"]), default=None),
        relay_duties=relaying["relay_duties"],
        relayed=relaying["relayed"],
        onward_recipients=relaying["onward_recipients"],
        crossed=relaying["crossed"],
        own_deadlines=tuple((row["due_at"], row["recipients"]) for row in own),
    )
