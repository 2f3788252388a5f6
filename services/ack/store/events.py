"""SQL of the append-only log of what happened to recipients."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any, Final, assert_never
from uuid import UUID

from services.ack.facts import (
    EVIDENCE,
    Attestation,
    Bounced,
    Confirmed,
    Corrected,
    DeadlineMoved,
    DisputeAnswered,
    Disputed,
    Door,
    Fact,
    HandedOver,
    Level,
    Medium,
    Opened,
    Recalled,
    Received,
    RecipientEvent,
    Redirected,
    Registration,
    Rejection,
    RejectionReason,
    Relayed,
    Stopped,
    Undeliverable,
    Withdrawn,
)
from shared.contracts.events import Channel, HandOverGrade
from shared.postgres import Connection, Row

APPEND: Final = """
INSERT INTO recipient_events (event_id, recipient_id, type, occurred_at, recorded_at, actor, channel, grade, data, dedupe_key)
SELECT event_id, recipient_id, type, occurred_at, recorded_at, actor, channel, grade, data, dedupe_key
FROM jsonb_to_recordset($1) AS e (event_id uuid, recipient_id uuid, type text, occurred_at timestamptz,
    recorded_at timestamptz, actor text, channel text, grade text, data jsonb, dedupe_key text)
ORDER BY recipient_id, dedupe_key
ON CONFLICT ON CONSTRAINT recipient_events_once DO NOTHING RETURNING recipient_id
"""

OF_RECIPIENTS: Final = """
SELECT event_id, recipient_id, type, occurred_at, recorded_at, actor, channel, grade, data
FROM recipient_events WHERE recipient_id = ANY($1::uuid[])
"""


# What a recipient's server answered is its own business: of a failure the reason is told, and no more.
TIMELINE: Final = """
SELECT event_id, type, occurred_at, recorded_at, channel, grade, data - 'detail' AS data
FROM recipient_events WHERE recipient_id = $1 ORDER BY recorded_at, event_id
"""

# Events that people and their systems bring in; the channel of the others is the delivery's.
_BY_DOOR: Final = frozenset(
    {"opened", "received", "registered", "rejected", "confirmed", "corrected", "withdrawn", "disputed", "dispute_answered"}
)


async def append(connection: Connection, events: Sequence[RecipientEvent]) -> set[UUID]:
    """Add events that are not there yet; returns the recipients that have something new."""
    rows = await connection.fetch(APPEND, [_to_row(event) for event in events])
    return {row["recipient_id"] for row in rows}


async def of_recipients(connection: Connection, recipient_ids: Sequence[UUID]) -> Mapping[UUID, list[RecipientEvent]]:
    """All events of these recipients; a recipient without any is not in the mapping."""
    found: dict[UUID, list[RecipientEvent]] = defaultdict(list)
    for row in await connection.fetch(OF_RECIPIENTS, recipient_ids):
        found[row["recipient_id"]].append(_from_row(row))
    return found


@dataclass(frozen=True, slots=True)
class Told:
    """An event as sender and recipient may read it."""

    event_id: UUID
    type: str
    occurred_at: datetime
    recorded_at: datetime
    channel: str | None
    grade: str | None
    data: dict[str, Any]


async def timeline(connection: Connection, recipient_id: UUID) -> list[Told]:
    """All events of the recipient in the order in which they were recorded."""
    return [Told(**dict(row)) for row in await connection.fetch(TIMELINE, recipient_id)]


def _to_row(event: RecipientEvent) -> dict[str, object]:
    kind, channel, grade, data = _written(event.fact)
    return {
        "event_id": str(event.event_id),
        "recipient_id": str(event.recipient_id),
        "type": kind,
        "occurred_at": event.occurred_at.isoformat(),
        "recorded_at": event.recorded_at.isoformat(),
        "actor": event.actor,
        "channel": channel or event.door,
        "grade": EVIDENCE[event.door] if event.door else grade,
        "data": data,
        "dedupe_key": event.dedupe_key,
    }


def _written(fact: Fact) -> tuple[str, str | None, str | None, Mapping[str, object]]:
    """Type, channel, grade and the rest as JSON."""
    match fact:
        case HandedOver():
            return "handed_over", fact.channel, fact.grade, {"delivery_id": str(fact.delivery_id), "attempts": fact.attempts}
        case Bounced():
            data = {"delivery_id": str(fact.delivery_id), "status": fact.status, "reason": fact.reason, "attempts": fact.attempts}
            return "bounced", Channel.EMAIL, None, data
        case Undeliverable():
            data = {"delivery_id": str(fact.delivery_id), "reason": fact.reason, "detail": fact.detail, "attempts": fact.attempts}
            return "undeliverable", None, None, data
        case Opened():
            return "opened", None, None, {}
        case Received():
            return "received", None, None, {}
        case Registration():
            return "registered", None, None, _registration_data(fact)
        case Rejection():
            return "rejected", None, None, _rejection_data(fact)
        case Confirmed():
            return "confirmed", None, None, {"answer_id": str(fact.answer_id)} | _attestation_data(fact.attestation)
        case Corrected():
            data = {"answer_id": str(fact.answer_id), "reason": fact.reason, "earlier": fact.earlier}
            return "corrected", None, None, data | {"registration": _registration_data(fact.registration)}
        case Withdrawn():
            return "withdrawn", None, None, {"answer_id": str(fact.answer_id), "reason": fact.reason}
        case Disputed():
            data = {"dispute_id": str(fact.dispute_id), "answer_id": str(fact.answer_id), "text": fact.text}
            return "disputed", None, None, data
        case DisputeAnswered():
            return "dispute_answered", None, None, {"dispute_id": str(fact.dispute_id), "text": fact.text}
        case Relayed():
            return "relayed", None, None, {"circular_id": str(fact.circular_id), "recipients": fact.recipients}
        case Recalled():
            return "recalled", None, None, {"recall_id": str(fact.recall_id), "reason": fact.reason}
        case Stopped():
            return "stopped", None, None, {"delivery_id": str(fact.delivery_id), "attempts": fact.attempts}
        case Redirected():
            return "redirected", None, None, {"recipient_id": str(fact.recipient_id)}
        case DeadlineMoved():
            data = {"before": fact.before.isoformat(), "due_at": fact.due_at.isoformat(), "reason": fact.reason}
            return "deadline_moved", None, None, data
        case _:
            assert_never(fact)


def _registration_data(fact: Registration) -> dict[str, object]:
    return {
        "receive_number": fact.receive_number,
        "receive_date": fact.receive_date.isoformat(),
        "receive_time": None if fact.receive_time is None else fact.receive_time.isoformat("minutes"),
        "registrar_name": fact.registrar_name,
        "registrar_position": fact.registrar_position,
        "unit": fact.unit,
        "level": fact.level.value,
        "turn": fact.turn,
    } | _attestation_data(fact.attestation)


def _rejection_data(fact: Rejection) -> dict[str, object]:
    return {
        "reason": fact.reason.value,
        "text": fact.text,
        "registrar_name": fact.registrar_name,
        "registrar_position": fact.registrar_position,
        "suggested_agency_code": fact.suggested_agency_code,
        "turn": fact.turn,
    } | _attestation_data(fact.attestation)


def _attestation_data(attestation: Attestation | None) -> dict[str, object]:
    if attestation is None:
        return {}
    return {"attestation": {"medium": attestation.medium.value, "informant": attestation.informant}}


def _from_row(row: Row) -> RecipientEvent:
    fact = _read(row["type"], row["channel"], row["grade"], row["data"])
    door = Door(row["channel"]) if row["type"] in _BY_DOOR and row["channel"] else None
    return RecipientEvent(row["event_id"], row["recipient_id"], row["occurred_at"], row["recorded_at"], row["actor"], fact, door)


def _read(kind: str, channel: str | None, grade: str | None, data: dict[str, Any]) -> Fact:
    match kind:
        case "handed_over":
            return HandedOver(UUID(data["delivery_id"]), Channel(channel), HandOverGrade(grade), data["attempts"])
        case "bounced":
            return Bounced(UUID(data["delivery_id"]), data["status"], data["reason"], data["attempts"])
        case "undeliverable":
            return Undeliverable(UUID(data["delivery_id"]), data["reason"], data["detail"], data["attempts"])
        case "opened":
            return Opened()
        case "received":
            return Received()
        case "registered":
            return _registration(data)
        case "rejected":
            return Rejection(
                RejectionReason(data["reason"]),
                data["text"],
                data["registrar_name"],
                data["registrar_position"],
                data.get("suggested_agency_code"),
                _attestation(data),
                data.get("turn", 0),
            )
        case "confirmed":
            return Confirmed(UUID(data["answer_id"]), _attestation(data))
        case "corrected":
            return Corrected(UUID(data["answer_id"]), _registration(data["registration"]), data["reason"], data["earlier"])
        case "withdrawn":
            return Withdrawn(UUID(data["answer_id"]), data["reason"])
        case "disputed":
            return Disputed(UUID(data["dispute_id"]), UUID(data["answer_id"]), data["text"])
        case "dispute_answered":
            return DisputeAnswered(UUID(data["dispute_id"]), data["text"])
        case "relayed":
            return Relayed(UUID(data["circular_id"]), data["recipients"])
        case "recalled":
            return Recalled(UUID(data["recall_id"]), data["reason"])
        case "stopped":
            return Stopped(UUID(data["delivery_id"]), data["attempts"])
        case "redirected":
            return Redirected(UUID(data["recipient_id"]))
        case "deadline_moved":
            return DeadlineMoved(datetime.fromisoformat(data["before"]), datetime.fromisoformat(data["due_at"]), data["reason"])
        case _:
            raise ValueError(f"unknown type of event: {kind}")


def _registration(data: dict[str, Any]) -> Registration:
    clock = data["receive_time"]
    return Registration(
        data["receive_number"],
        date.fromisoformat(data["receive_date"]),
        None if clock is None else time.fromisoformat(clock),
        data["registrar_name"],
        data["registrar_position"],
        data["unit"],
        # Rows from before there were levels, clerks and withdrawals have none of them.
        Level(data.get("level", Level.CENTRAL)),
        _attestation(data),
        data.get("turn", 0),
    )


def _attestation(data: dict[str, Any]) -> Attestation | None:
    said = data.get("attestation")
    return None if said is None else Attestation(Medium(said["medium"]), said["informant"])
