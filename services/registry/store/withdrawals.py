"""SQL of what becomes of letters afterwards: voids, successors, recalls, errata, receipts and threads."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from uuid import UUID

from services.registry.domain.letters import LetterState
from services.registry.domain.withdrawals import Asked, Successor, Ties, Void
from shared.contracts.events import SupersededRecipient, ToldRecipient
from shared.postgres import Connection

TIE: Final = "UPDATE letters SET supersedes = $2, follows = $3 WHERE letter_id = $1 AND state = 'draft'"

TIES: Final = """
SELECT l.letter_id, l.agency_id, l.state, l.number, l.voided_at, l.void_reason, l.supersedes, l.follows,
    s.letter_id AS successor_id, s.state AS successor_state, s.number AS successor_number, c.circular_id
FROM letters l
LEFT JOIN letters s ON s.supersedes = l.letter_id AND s.voided_at IS NULL
LEFT JOIN circulars c ON c.letter_id = l.letter_id
WHERE l.letter_id = $1
"""

VOID: Final = """
UPDATE letters SET voided_at = $2, void_reason = $3, voided_by = $4, version = version + 1, updated_at = $2
WHERE letter_id = $1 AND state = 'registered' AND voided_at IS NULL
"""

VOIDED: Final = "SELECT letter_id, voided_at FROM letters WHERE letter_id = ANY($1::uuid[]) AND voided_at IS NOT NULL"

UNKNOWN_RECIPIENTS: Final = """
SELECT asked.recipient_id FROM unnest($2::uuid[]) AS asked (recipient_id)
WHERE NOT EXISTS (SELECT FROM recipients r WHERE r.recipient_id = asked.recipient_id AND r.circular_id = $1)
"""

# An answer that its recipient has taken back since is none.
_RECEIPTS: Final = """LEFT JOIN receipts t ON t.recipient_id = r.recipient_id AND NOT EXISTS (
    SELECT FROM withdrawn_receipts w WHERE w.recipient_id = t.recipient_id AND w.withdrawn_at >= t.recorded_at
)"""

# Whoever acknowledges meanwhile is sorted out by the acknowledgment service; this is what is known here.
ASKED: Final = f"""
SELECT count(*) AS recipients, count(g.recipient_id) AS recalled,
    count(t.recipient_id) FILTER (WHERE g.recipient_id IS NULL) AS received
FROM recipients r
LEFT JOIN recalled_recipients g ON g.recipient_id = r.recipient_id
{_RECEIPTS}
WHERE r.circular_id = $1 AND ($2::uuid[] IS NULL OR r.recipient_id = ANY($2))
"""

ADD_RECALL: Final = """
INSERT INTO recalls (recall_id, circular_id, whole, reason, recalled_by, recalled_at) VALUES ($1, $2, $3, $4, $5, $6)
"""

# All that were not recalled before are told, also those that keep what they have received.
TO_RECALL: Final = """
SELECT r.recipient_id, r.agency_id FROM recipients r
WHERE r.circular_id = $1 AND ($2::uuid[] IS NULL OR r.recipient_id = ANY($2))
    AND NOT EXISTS (SELECT FROM recalled_recipients g WHERE g.recipient_id = r.recipient_id)
ORDER BY r.position
"""

# Those too that keep what they have received: the recall counts once they take their answer back.
ADD_RECALLED: Final = """
INSERT INTO recalled_recipients (recipient_id, recall_id)
SELECT r.recipient_id, $3 FROM recipients r
WHERE r.circular_id = $1 AND ($2::uuid[] IS NULL OR r.recipient_id = ANY($2))
ON CONFLICT (recipient_id) DO NOTHING
"""

IS_TAKEN_BACK: Final = f"""
SELECT count(*) > 0 AND bool_and(g.recipient_id IS NOT NULL AND t.recipient_id IS NULL)
FROM circulars c JOIN recipients r ON r.circular_id = c.circular_id
LEFT JOIN recalled_recipients g ON g.recipient_id = r.recipient_id
{_RECEIPTS}
WHERE c.letter_id = $1 AND ($2::uuid IS NULL OR r.agency_id = $2)
"""

RECIPIENTS: Final = "SELECT recipient_id, agency_id FROM recipients WHERE circular_id = $1 ORDER BY position"

SUPERSEDED_RECIPIENTS: Final = """
SELECT r.recipient_id, r.agency_id, EXISTS (
    SELECT FROM recipients n WHERE n.circular_id = $2 AND n.agency_id = r.agency_id
) AS addressed_again
FROM recipients r WHERE r.circular_id = $1 ORDER BY r.position
"""

# The newest counts: a recipient may take its answer back, and answer again.
ADD_RECEIPT: Final = """
INSERT INTO receipts AS known (recipient_id, recorded_at) VALUES ($1, $2)
ON CONFLICT (recipient_id) DO UPDATE SET recorded_at = excluded.recorded_at WHERE known.recorded_at < excluded.recorded_at
"""

ADD_ERRATUM: Final = """
INSERT INTO errata (letter_id, number, text, fields, issued_by, issued_at)
SELECT $1, coalesce(max(number), 0) + 1, $2, $3, $4, $5 FROM errata WHERE letter_id = $1 RETURNING number
"""

ERRATA: Final = "SELECT number, text, fields, issued_at FROM errata WHERE letter_id = $1 ORDER BY number"

# A reader who is not the sender sees the recalls that name it.
RECALLS: Final = """
SELECT l.recall_id, l.whole, l.reason, l.recalled_at FROM recalls l JOIN circulars c ON c.circular_id = l.circular_id
WHERE c.letter_id = $1 AND (c.agency_id = $2 OR EXISTS (
    SELECT FROM recipients r JOIN recalled_recipients g ON g.recipient_id = r.recipient_id
    WHERE g.recall_id = l.recall_id AND r.circular_id = c.circular_id AND r.agency_id = $2
))
ORDER BY l.recalled_at
"""

# From letter to letter by all ties, through those alone that the agency has sent or received.
THREAD: Final = """
WITH RECURSIVE thread (letter_id) AS (
    SELECT $1::uuid
    UNION
    SELECT tied.letter_id FROM thread
    JOIN letters l ON l.letter_id = thread.letter_id
    CROSS JOIN LATERAL (
        SELECT n.letter_id, n.agency_id FROM letters n WHERE n.letter_id = l.follows OR n.letter_id = l.supersedes
        UNION ALL SELECT n.letter_id, n.agency_id FROM letters n WHERE n.follows = l.letter_id
        UNION ALL SELECT n.letter_id, n.agency_id FROM letters n WHERE n.supersedes = l.letter_id
    ) tied
    WHERE tied.agency_id = $2 OR EXISTS (
        SELECT FROM circulars c JOIN recipients r ON r.circular_id = c.circular_id
        WHERE c.letter_id = tied.letter_id AND r.agency_id = $2
    )
), bounded AS (SELECT letter_id FROM thread LIMIT $3)
SELECT l.letter_id, l.agency_id, a.name_th AS agency_name_th, l.state, l.number, (l.content ->> 'date')::date AS date,
    l.content ->> 'subject' AS subject, l.supersedes, l.follows, l.voided_at, c.dispatched_at
FROM bounded JOIN letters l ON l.letter_id = bounded.letter_id
JOIN agencies a ON a.agency_id = l.agency_id
LEFT JOIN circulars c ON c.letter_id = l.letter_id
ORDER BY l.letter_id
"""


@dataclass(frozen=True, slots=True)
class Erratum:
    """A note that corrects a letter; numbers count from 1."""

    number: int
    text: str
    fields: tuple[str, ...]
    issued_at: datetime


@dataclass(frozen=True, slots=True)
class Recall:
    """An order to take a circular back."""

    recall_id: UUID
    whole: bool
    reason: str
    recalled_at: datetime


@dataclass(frozen=True, slots=True)
class ThreadLetter:
    """A letter of a thread, with the letters that it points at."""

    letter_id: UUID
    agency_id: UUID
    agency_name_th: str
    state: str
    number: str | None
    date: date | None
    subject: str
    supersedes: UUID | None
    follows: UUID | None
    voided_at: datetime | None
    dispatched_at: datetime | None


async def tie(connection: Connection, letter_id: UUID, *, supersedes: UUID | None, follows: UUID | None) -> None:
    """Let a draft point at the letters whose place it takes and that it follows up."""
    await connection.execute(TIE, letter_id, supersedes, follows)


async def ties(connection: Connection, letter_id: UUID) -> Ties | None:
    """The letter with what was decided on it, whosever it is."""
    row = await connection.fetchrow(TIES, letter_id)
    if row is None:
        return None
    successor_id: UUID | None = row["successor_id"]
    return Ties(
        letter_id=row["letter_id"],
        agency_id=row["agency_id"],
        state=LetterState(row["state"]),
        number=row["number"],
        void=None if row["voided_at"] is None else Void(row["void_reason"], row["voided_at"]),
        supersedes=row["supersedes"],
        follows=row["follows"],
        successor=None
        if successor_id is None
        else Successor(successor_id, LetterState(row["successor_state"]), row["successor_number"]),
        circular_id=row["circular_id"],
    )


async def void(connection: Connection, letter_id: UUID, *, at: datetime, reason: str, by: str) -> None:
    """Cancel the number of a letter that the transaction holds."""
    await connection.execute(VOID, letter_id, at, reason, by)


async def voided(connection: Connection, letter_ids: Sequence[UUID]) -> dict[UUID, datetime]:
    """When the numbers of those letters were cancelled; the others are not in the mapping."""
    return {row["letter_id"]: row["voided_at"] for row in await connection.fetch(VOIDED, list(letter_ids))}


async def unknown_recipients(connection: Connection, circular_id: UUID, recipient_ids: Sequence[UUID]) -> set[UUID]:
    """Those that the circular does not have."""
    rows = await connection.fetch(UNKNOWN_RECIPIENTS, circular_id, list(recipient_ids))
    return {row["recipient_id"] for row in rows}


async def asked(connection: Connection, circular_id: UUID, recipient_ids: Sequence[UUID] | None) -> Asked:
    """What is known of the recipients that a recall names; None names them all."""
    row = await connection.fetchrow(ASKED, circular_id, recipient_ids)
    if row is None:
        raise LookupError("a count has a row")
    return Asked(row["recipients"], row["recalled"], row["received"])


async def recall(
    connection: Connection, circular_id: UUID, recipient_ids: Sequence[UUID] | None, order: Recall, by: str
) -> list[ToldRecipient]:
    """Store the order and return all who are to be told of it, in list order."""
    rows = await connection.fetch(TO_RECALL, circular_id, recipient_ids)
    await connection.execute(ADD_RECALL, order.recall_id, circular_id, order.whole, order.reason, by, order.recalled_at)
    await connection.execute(ADD_RECALLED, circular_id, recipient_ids, order.recall_id)
    return [ToldRecipient(recipient_id=row["recipient_id"], agency_id=row["agency_id"]) for row in rows]


async def is_taken_back(connection: Connection, letter_id: UUID, agency_id: UUID | None) -> bool:
    """Whether the letter was recalled from the agency before it had received it, under each of its titles; None: from everybody."""
    return await connection.fetchval(IS_TAKEN_BACK, letter_id, agency_id)


async def recipients(connection: Connection, circular_id: UUID) -> list[ToldRecipient]:
    """The circular's recipients in list order."""
    rows = await connection.fetch(RECIPIENTS, circular_id)
    return [ToldRecipient(recipient_id=row["recipient_id"], agency_id=row["agency_id"]) for row in rows]


async def superseded_recipients(connection: Connection, circular_id: UUID, successor: UUID) -> list[SupersededRecipient]:
    """The circular's recipients in list order, and whether the circular `successor` goes to them as well."""
    rows = await connection.fetch(SUPERSEDED_RECIPIENTS, circular_id, successor)
    return [
        SupersededRecipient(recipient_id=row["recipient_id"], agency_id=row["agency_id"], addressed_again=row["addressed_again"])
        for row in rows
    ]


async def add_receipt(connection: Connection, recipient_id: UUID, recorded_at: datetime) -> None:
    """Note that the recipient's registry has answered."""
    await connection.execute(ADD_RECEIPT, recipient_id, recorded_at)


async def add_erratum(connection: Connection, letter_id: UUID, text: str, fields: Sequence[str], *, by: str, at: datetime) -> int:
    """Store a note on a letter that the transaction holds; returns its number."""
    return await connection.fetchval(ADD_ERRATUM, letter_id, text, list(fields), by, at)


async def errata(connection: Connection, letter_id: UUID) -> list[Erratum]:
    """The letter's notes in the order in which they were issued."""
    rows = await connection.fetch(ERRATA, letter_id)
    return [Erratum(row["number"], row["text"], tuple(row["fields"]), row["issued_at"]) for row in rows]


async def recalls(connection: Connection, letter_id: UUID, reader: UUID) -> list[Recall]:
    """The recalls of the letter that concern the reader: all for its sender."""
    return [Recall(**dict(row)) for row in await connection.fetch(RECALLS, letter_id, reader)]


async def thread(connection: Connection, letter_id: UUID, reader: UUID, most: int) -> list[ThreadLetter]:
    """Up to `most` letters tied to this one that the reader has sent or received, with itself, oldest first."""
    return [ThreadLetter(**dict(row)) for row in await connection.fetch(THREAD, letter_id, reader, most)]
