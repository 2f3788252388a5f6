"""SQL of expected recipients and their summaries."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from services.ack.decide import LetterFacts
from services.ack.facts import Registration, Rejection
from services.ack.fold import NOT_KEPT, Entry, RecipientState, State
from services.ack.links import Replaced, opens
from shared.contracts.events import FrozenRecipient, Role
from shared.postgres import Connection, Row

INSERT_MANY: Final = """
INSERT INTO recipients (recipient_id, circular_id, position, agency_id, title, relay_duty, in_place_of, role, redirected_from,
    relay_target)
SELECT r.recipient_id, $1, r.position, r.agency_id, r.title, r.relay_duty, r.in_place_of, r.role, r.redirected_from,
    r.relay_target::jsonb
FROM unnest($2::uuid[], $3::bigint[], $4::uuid[], $5::text[], $6::boolean[], $7::uuid[], $8::text[], $9::uuid[], $10::text[])
    AS r (recipient_id, position, agency_id, title, relay_duty, in_place_of, role, redirected_from, relay_target)
ORDER BY r.recipient_id
ON CONFLICT DO NOTHING RETURNING recipient_id
"""

# Always in the same order, so that two batches with recipients in common wait for each other and do not deadlock.
LOCK_MANY: Final = """
SELECT recipient_id FROM recipients WHERE recipient_id = ANY($1::uuid[]) ORDER BY recipient_id FOR UPDATE
"""

# Whoever stores events for recipients that are not there yet (shared), and whoever has just stored recipients and looks
# for such events (exclusive), take this lock first: otherwise neither would see the other's uncommitted rows.
LOCK_EARLY_SHARED: Final = "SELECT pg_advisory_xact_lock_shared(x'61636b'::int)"
LOCK_EARLY: Final = "SELECT pg_advisory_xact_lock(x'61636b'::int)"

# The newest change of the recipient's links, where there is one.
_LINKS: Final = """LEFT JOIN LATERAL (
    SELECT true AS replaced, n.digest FROM link_changes n WHERE n.recipient_id = r.recipient_id
    ORDER BY n.generation DESC LIMIT 1
) l ON true"""

LOCK_TO_ANSWER: Final = f"""
SELECT r.recipient_id, r.circular_id, r.agency_id, r.state, r.answer_id, r.withdrawals, r.recalled_at, r.recall_reason,
    c.sender_agency_id, (c.letter ->> 'date')::date AS letter_date, (c.letter ->> 'letter_id')::uuid AS letter_id,
    c.letter ->> 'content_hash' AS content_hash, l.replaced AS links_replaced, l.digest AS link_digest
FROM recipients r JOIN circulars c ON c.circular_id = r.circular_id {_LINKS} WHERE r.recipient_id = ANY($1::uuid[])
ORDER BY r.recipient_id FOR UPDATE OF r
"""

WRITE_ANSWERS: Final = """
UPDATE recipients SET state = s.state, receive_number = s.receive_number,
    receive_number_normalised = s.receive_number_normalised, receive_date = s.receive_date, receive_time = s.receive_time,
    registrar_name = s.registrar_name, registrar_position = s.registrar_position, unit = s.unit,
    rejection_reason = s.rejection_reason, rejection_text = s.rejection_text,
    suggested_agency_code = s.suggested_agency_code, recorded_at = s.recorded_at, answer_id = s.answer_id, door = s.door,
    entries = s.entries, withdrawals = s.withdrawals, dispute_text = s.dispute_text
FROM jsonb_to_recordset($1) AS s (recipient_id uuid, state text, receive_number text, receive_number_normalised text,
    receive_date date, receive_time time, registrar_name text, registrar_position text, unit text, rejection_reason text,
    rejection_text text, suggested_agency_code text, recorded_at timestamptz, answer_id uuid, door text, entries jsonb,
    withdrawals bigint, dispute_text text)
WHERE recipients.recipient_id = s.recipient_id
"""

# What the fold says beside the answer. Whatever writes it has locked the rows.
WRITE_SUMMARIES: Final = """
UPDATE recipients SET delivery_id = s.delivery_id, handed_over_at = s.handed_over_at,
    hand_over_channel = s.hand_over_channel, hand_over_grade = s.hand_over_grade, failure_reason = s.failure_reason,
    failure_detail = s.failure_detail, relayed_circular_id = s.relayed_circular_id, onward_recipients = s.onward_recipients,
    recalled_at = s.recalled_at, recall_reason = s.recall_reason, stopped_at = s.stopped_at, redirected_to = s.redirected_to,
    state = s.state, receive_number = s.receive_number,
    receive_number_normalised = s.receive_number_normalised, receive_date = s.receive_date, receive_time = s.receive_time,
    registrar_name = s.registrar_name, registrar_position = s.registrar_position, unit = s.unit,
    rejection_reason = s.rejection_reason, rejection_text = s.rejection_text,
    suggested_agency_code = s.suggested_agency_code, recorded_at = s.recorded_at, answer_id = s.answer_id, door = s.door,
    entries = s.entries, withdrawals = s.withdrawals, dispute_text = s.dispute_text
FROM jsonb_to_recordset($1) AS s (recipient_id uuid, delivery_id uuid, handed_over_at timestamptz, hand_over_channel text,
    hand_over_grade text, failure_reason text, failure_detail text, relayed_circular_id uuid, onward_recipients bigint,
    recalled_at timestamptz, recall_reason text, stopped_at timestamptz, redirected_to uuid,
    state text, receive_number text, receive_number_normalised text, receive_date date, receive_time time,
    registrar_name text, registrar_position text, unit text, rejection_reason text, rejection_text text,
    suggested_agency_code text, recorded_at timestamptz, answer_id uuid, door text, entries jsonb, withdrawals bigint,
    dispute_text text)
WHERE recipients.recipient_id = s.recipient_id
"""

_COLUMNS: Final = """r.recipient_id, r.circular_id, r.position, r.agency_id, a.code AS agency_code, a.name_th AS agency_name_th,
    a.contact_unit, a.telephone, a.email,
    r.title, r.relay_duty, r.role, r.in_place_of, p.name_th AS in_place_of_name_th, r.state, r.handed_over_at, r.hand_over_channel, r.hand_over_grade, r.failure_reason,
    r.failure_detail, r.receive_number, r.receive_date, r.receive_time, r.registrar_name, r.registrar_position, r.unit,
    r.rejection_reason, r.rejection_text, r.recorded_at, r.relayed_circular_id, r.onward_recipients, r.recalled_at,
    r.recall_reason, r.stopped_at, r.answer_id, r.door, r.suggested_agency_code, r.entries, r.withdrawals, r.dispute_text,
    r.due_at, r.redirected_from, before.position AS redirected_from_position, r.redirected_to, after.position AS redirected_to_position"""

_FROM: Final = """FROM recipients r LEFT JOIN agencies a ON a.agency_id = r.agency_id
LEFT JOIN agencies p ON p.agency_id = r.in_place_of
LEFT JOIN recipients before ON before.recipient_id = r.redirected_from
LEFT JOIN recipients after ON after.recipient_id = r.redirected_to"""

GET: Final = f"""
SELECT {_COLUMNS} {_FROM} WHERE r.recipient_id = $1
"""

GET_BY_LINK: Final = f"""
SELECT {_COLUMNS}, l.replaced AS links_replaced, l.digest AS link_digest {_FROM} {_LINKS} WHERE r.recipient_id = $1
"""

PAGE: Final = f"""
SELECT {_COLUMNS} {_FROM}
WHERE r.circular_id = $1 AND r.position > $2 AND ($3::text IS NULL OR r.state = $3) ORDER BY r.position LIMIT $4
"""

MISSING: Final = f"""
SELECT {_COLUMNS} {_FROM}
WHERE r.circular_id = $1 AND r.position > $2 AND r.state NOT IN ('registered', 'rejected', 'recalled')
ORDER BY r.position LIMIT $3
"""

LATE: Final = f"""
SELECT {_COLUMNS} {_FROM}
WHERE r.circular_id = $1 AND r.position > $2 AND r.state <> 'recalled' AND coalesce(r.recorded_at, $5) > coalesce(r.due_at, $4)
ORDER BY r.position LIMIT $3
"""

DISPUTED: Final = f"""
SELECT {_COLUMNS} {_FROM}
WHERE r.circular_id = $1 AND r.position > $2 AND r.dispute_text IS NOT NULL ORDER BY r.position LIMIT $3
"""

UNANSWERED_BY: Final = f"""
SELECT {_COLUMNS} {_FROM}
WHERE r.agency_id = $1 AND r.recipient_id > $2 AND r.state NOT IN ('registered', 'rejected', 'recalled')
ORDER BY r.recipient_id LIMIT $3
"""


class Show(StrEnum):
    """Which recipients a sender wants to see."""

    MISSING = "missing"  # neither registered, rejected nor recalled
    LATE = "late"  # answered after the deadline, or still to answer after it
    DISPUTED = "disputed"  # whose number the sender doubts


@dataclass(frozen=True, slots=True)
class Locked:
    """A recipient whose row this transaction holds.

    `fresh` is its state while it has never answered, as far as an answer is decided by it; None when the log must be asked.
    """

    recipient_id: UUID
    circular_id: UUID
    agency_id: UUID
    sender_agency_id: UUID
    letter_id: UUID
    letter: LetterFacts
    fresh: RecipientState | None
    links: Replaced | None


@dataclass(frozen=True, slots=True)
class Recipient:
    """A recipient as views show it. Agency code and name are None until the agency's copy has come."""

    recipient_id: UUID
    circular_id: UUID
    position: int
    agency_id: UUID
    agency_code: str | None
    agency_name_th: str | None
    contact_unit: str | None
    telephone: str | None
    email: str | None
    title: str
    relay_duty: bool
    role: Role
    in_place_of: UUID | None
    in_place_of_name_th: str | None
    state: State
    handed_over_at: datetime | None
    hand_over_channel: str | None
    hand_over_grade: str | None
    failure_reason: str | None
    failure_detail: str | None
    receive_number: str | None
    receive_date: date | None
    receive_time: time | None
    registrar_name: str | None
    registrar_position: str | None
    unit: str | None
    rejection_reason: str | None
    rejection_text: str | None
    recorded_at: datetime | None
    relayed_circular_id: UUID | None
    onward_recipients: int
    recalled_at: datetime | None
    recall_reason: str | None
    stopped_at: datetime | None
    answer_id: UUID | None
    door: str | None
    suggested_agency_code: str | None
    entries: list[dict[str, Any]] | None
    withdrawals: int
    dispute_text: str | None
    due_at: datetime | None
    redirected_from: UUID | None
    redirected_from_position: int | None
    redirected_to: UUID | None
    redirected_to_position: int | None

    @property
    def is_missing(self) -> bool:
        """Whether an answer is still to come."""
        return self.state not in (State.REGISTERED, State.REJECTED, State.RECALLED)

    @property
    def crossed(self) -> bool:
        """Whether it took its refusal back, before or after the letter was sent on: it keeps the letter, and another has it too."""
        return self.redirected_to is not None and self.state not in NOT_KEPT

    @property
    def has_duty(self) -> bool:
        """Whether it must pass the letter on; a duty goes with the letter when that is sent on to another recipient."""
        return self.relay_duty and self.redirected_to is None

    def is_late(self, deadline: datetime | None, now: datetime) -> bool:
        """Whether the answer came, or is still to come, after the deadline; a tie is in time, and of a recall none is due."""
        own = self.due_at or deadline
        return own is not None and self.state is not State.RECALLED and (self.recorded_at or now) > own


async def insert_many(connection: Connection, circular_id: UUID, recipients: Sequence[FrozenRecipient]) -> list[UUID]:
    """Store recipients that are not there yet; returns those that were new."""
    rows = await connection.fetch(
        INSERT_MANY,
        circular_id,
        [recipient.recipient_id for recipient in recipients],
        [recipient.position for recipient in recipients],
        [recipient.agency_id for recipient in recipients],
        [recipient.title for recipient in recipients],
        [recipient.relay_duty for recipient in recipients],
        [recipient.in_place_of for recipient in recipients],
        [recipient.role.value for recipient in recipients],
        [recipient.redirected_from for recipient in recipients],
        [None if (target := recipient.relay_target) is None else target.model_dump_json() for recipient in recipients],
    )
    return [row["recipient_id"] for row in rows]


async def lock_many(connection: Connection, recipient_ids: Sequence[UUID]) -> set[UUID]:
    """Lock the recipients that are there until the transaction ends; returns which they are."""
    return {row["recipient_id"] for row in await connection.fetch(LOCK_MANY, recipient_ids)}


async def wait_for_new_recipients(connection: Connection) -> None:
    """Before storing events of unknown recipients: wait until whoever stores recipients now has committed."""
    await connection.execute(LOCK_EARLY_SHARED)


async def wait_for_early_events(connection: Connection) -> None:
    """After storing recipients: wait until whoever stores events of unknown recipients now has committed."""
    await connection.execute(LOCK_EARLY)


async def lock_to_answer(connection: Connection, recipient_ids: Sequence[UUID]) -> dict[UUID, Locked]:
    """Lock the recipients that are there until the transaction ends, with what an answer is decided by."""
    return {row["recipient_id"]: _locked(row) for row in await connection.fetch(LOCK_TO_ANSWER, list(recipient_ids))}


def _locked(row: Row) -> Locked:
    fresh = None
    if row["answer_id"] is None and row["withdrawals"] == 0:
        fresh = RecipientState(State(row["state"]), recalled_at=row["recalled_at"], recall_reason=row["recall_reason"])
    letter = LetterFacts(row["letter_date"], row["content_hash"])
    return Locked(
        row["recipient_id"],
        row["circular_id"],
        row["agency_id"],
        row["sender_agency_id"],
        row["letter_id"],
        letter,
        fresh,
        _replaced(row),
    )


async def write_answers(connection: Connection, states: Mapping[UUID, RecipientState]) -> None:
    """Write what these recipients, whose rows the transaction holds, have answered; the other columns stay."""
    rows = [{"recipient_id": str(recipient_id), **_answer(state)} for recipient_id, state in states.items()]
    await connection.execute(WRITE_ANSWERS, rows)


async def write_summaries(connection: Connection, states: Mapping[UUID, RecipientState]) -> None:
    """Write what the fold says of these recipients, whose rows the transaction holds."""
    await connection.execute(WRITE_SUMMARIES, [_summary(recipient_id, state) for recipient_id, state in states.items()])


async def get(connection: Connection, recipient_id: UUID) -> Recipient | None:
    """One recipient."""
    row = await connection.fetchrow(GET, recipient_id)
    return None if row is None else _recipient(row)


async def get_by_link(connection: Connection, recipient_id: UUID, digest: bytes) -> tuple[Recipient, bool] | None:
    """One recipient, and whether the link with this digest, signed for it, opens its letter."""
    row = await connection.fetchrow(GET_BY_LINK, recipient_id)
    return None if row is None else (_recipient(row), opens(_replaced(row), digest))


async def page(
    connection: Connection, circular_id: UUID, *, after: int = 0, limit: int, state: State | None = None
) -> list[Recipient]:
    """Recipients of a circular in list order, behind position `after`."""
    rows = await connection.fetch(PAGE, circular_id, after, None if state is None else state.value, limit)
    return [_recipient(row) for row in rows]


async def shown(
    connection: Connection, circular_id: UUID, show: Show, *, after: int, limit: int, deadline: datetime | None, now: datetime
) -> list[Recipient]:
    """Of the circular's recipients those that the sender wants to see, in list order, behind position `after`."""
    match show:
        case Show.MISSING:
            rows = await connection.fetch(MISSING, circular_id, after, limit)
        case Show.DISPUTED:
            rows = await connection.fetch(DISPUTED, circular_id, after, limit)
        case Show.LATE if deadline is None:
            rows = []
        case Show.LATE:
            rows = await connection.fetch(LATE, circular_id, after, limit, deadline, now)
    return [_recipient(row) for row in rows]


async def unanswered_by(connection: Connection, agency_id: UUID, *, after: UUID, limit: int) -> list[Recipient]:
    """Letters that the agency has not answered, in the order of their identifiers."""
    return [_recipient(row) for row in await connection.fetch(UNANSWERED_BY, agency_id, after, limit)]


def _summary(recipient_id: UUID, state: RecipientState) -> dict[str, Any]:
    best, failure = state.hand_over, state.failure
    delivery_id = best.delivery_id if best else failure.delivery_id if failure else None
    summary: dict[str, Any] = {
        "recipient_id": str(recipient_id),
        "delivery_id": _text(delivery_id),
        "handed_over_at": _moment(state.handed_over_at),
        "hand_over_channel": best.channel.value if best else None,
        "hand_over_grade": best.grade.value if best else None,
        "failure_reason": failure.reason if failure else None,
        "failure_detail": failure.detail if failure else None,
        "relayed_circular_id": _text(state.relayed_circular_id),
        "onward_recipients": state.onward_recipients,
        "recalled_at": _moment(state.recalled_at),
        "recall_reason": state.recall_reason,
        "stopped_at": _moment(state.stopped_at),
        "redirected_to": _text(state.redirected_to),
    }
    return summary | _answer(state)


def _answer(state: RecipientState) -> dict[str, Any]:
    common: dict[str, Any] = {
        "state": state.state.value,
        "recorded_at": _moment(state.recorded_at),
        "answer_id": _text(state.answer_id),
        "door": state.door,
        "withdrawals": state.withdrawals,
        "dispute_text": None if state.dispute is None else state.dispute.text,
    }
    match state.acknowledgment:
        case None:
            return common
        case Registration() as given:
            told = len(state.entries) > 1 or any(entry.corrected_at for entry in state.entries)
            entries = [_entry(entry) for entry in state.entries] if told else None
            return common | _registration(given) | {"receive_number_normalised": given.normalised_number, "entries": entries}
        case Rejection() as given:
            return common | {
                "registrar_name": given.registrar_name,
                "registrar_position": given.registrar_position,
                "rejection_reason": given.reason.value,
                "rejection_text": given.text,
                "suggested_agency_code": given.suggested_agency_code,
            }


def _registration(given: Registration) -> dict[str, Any]:
    return {
        "receive_number": given.receive_number,
        "receive_date": given.receive_date.isoformat(),
        "receive_time": None if given.receive_time is None else given.receive_time.isoformat("minutes"),
        "registrar_name": given.registrar_name,
        "registrar_position": given.registrar_position,
        "unit": given.unit,
    }


def _entry(entry: Entry) -> dict[str, Any]:
    return _registration(entry.registration) | {
        "answer_id": str(entry.answer_id),
        "level": entry.registration.level.value,
        "recorded_at": _moment(entry.recorded_at),
        "corrected_at": _moment(entry.corrected_at),
        "written_number": entry.written.receive_number,
        "door": entry.door,
    }


def _text(identifier: UUID | None) -> str | None:
    return None if identifier is None else str(identifier)


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _replaced(row: Row) -> Replaced | None:
    return Replaced(row["link_digest"]) if row["links_replaced"] else None


def _recipient(row: Row) -> Recipient:
    values: dict[str, Any] = {field: row[field] for field in Recipient.__slots__}
    values["state"] = State(row["state"])
    values["role"] = Role(row["role"])
    return Recipient(**values)
