"""Records an acknowledgment: the one transaction behind every door."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, assert_never
from uuid import UUID

import structlog
from opentelemetry import metrics

from services.ack import problems
from services.ack.decide import Accepted, Conflict, Decision, Draft, Invalid, SameAgain, TakenBack, decide_acknowledgment
from services.ack.facts import Acknowledgment, Door, Registration, Rejection, new_event
from services.ack.fold import RecipientState, answered
from services.ack.store import events, recipients
from services.ack.store.recipients import Locked
from shared import outbox
from shared import problems as common
from shared.contracts.envelope import Event
from shared.contracts.events import RecipientRegistered, RecipientRejected
from shared.postgres import Connection, Database
from shared.problems import ProblemError
from shared.thai.dates import short_date

log = structlog.stdlib.get_logger(__name__)
_meter = metrics.get_meter("wian.ack")
_acknowledged = _meter.create_counter(
    "wian.ack.acknowledgments", unit="{acknowledgment}", description="Acknowledgments by door and by what was decided."
)

# A link was signed before the news of its recipient came to this service: the news is under way.
NEWS_RETRY_AFTER: Final = 2


@dataclass(frozen=True, slots=True)
class Caller:
    """By which door somebody comes, and as whom. A caller with a token may answer for its agency only."""

    door: Door
    actor: str
    agency_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """What is recorded of a recipient; of `state` only the rank and the answer are filled."""

    recipient_id: UUID
    circular_id: UUID
    state: RecipientState


def under_way() -> ProblemError:
    """The answer to a valid link whose recipient or circular is not known here yet."""
    return ProblemError(common.UNAVAILABLE, "the news of this letter is still under way", retry_after=NEWS_RETRY_AFTER)


async def acknowledge(database: Database, recipient_id: UUID, draft: Draft, caller: Caller, *, now: datetime) -> Recorded:
    """Record `draft` for the recipient and return what is recorded; the same draft again changes nothing.

    Raises ProblemError: of the first wrong field, `acknowledgment_conflict`, or that the recipient is not known.
    """
    async with database.transaction() as connection:
        target = await recipients.lock(connection, recipient_id)
        if target is None:
            # By link or by token: an acknowledgment may outrun the news of its letter, and must not be told that it is lost.
            raise under_way()
        if caller.agency_id not in (None, target.agency_id):
            raise ProblemError(common.NOT_FOUND)
        decision = decide_acknowledgment(target.current, draft, letter_date=target.letter_date, now=now)
        _acknowledged.add(1, {"door": caller.door, "decision": type(decision).__name__})
        state = await _apply(connection, target, decision, caller, now)
    log.info("acknowledged", recipient_id=str(recipient_id), door=caller.door, decision=type(decision).__name__)
    return Recorded(recipient_id, target.circular_id, state)


async def _apply(connection: Connection, target: Locked, decision: Decision, caller: Caller, now: datetime) -> RecipientState:
    match decision:
        case Accepted(fact=fact):
            state = answered(target.current, fact, now)
            event = new_event(target.recipient_id, fact, occurred_at=now, recorded_at=now, actor=caller.actor, door=caller.door)
            await events.append(connection, [event])
            await recipients.write_answer(connection, target.recipient_id, state)
            await outbox.add(connection, "ack", [_outgoing(target, fact, now)])
            return state
        case SameAgain():
            return target.current
        case Conflict(recorded=recorded):
            raise ProblemError(problems.ACKNOWLEDGMENT_CONFLICT, described(recorded))
        case TakenBack(reason=reason, recalled_at=at):
            raise ProblemError(problems.RECIPIENT_RECALLED, f"recalled at {at.isoformat(timespec='seconds')}: {reason}")
        case Invalid(errors=errors):
            raise ProblemError(problems.BY_CODE[errors[0].code], errors[0].detail, errors=errors)
        case _:
            assert_never(decision)


def described(recorded: Acknowledgment) -> str:
    """What is recorded, in words for the recipient."""
    match recorded:
        case Registration():
            return f"registered under {recorded.receive_number} on {recorded.receive_date} ({short_date(recorded.receive_date)})"
        case Rejection():
            return f"rejected: {recorded.reason}"


def _outgoing(target: Locked, fact: Acknowledgment, now: datetime) -> Event:
    match fact:
        case Registration():
            return RecipientRegistered(
                recipient_id=target.recipient_id,
                circular_id=target.circular_id,
                agency_id=target.agency_id,
                letter_id=target.letter_id,
                receive_number=fact.receive_number,
                receive_date=fact.receive_date,
                recorded_at=now,
                receive_time=fact.receive_time,
                unit=fact.unit,
            )
        case Rejection():
            return RecipientRejected(
                recipient_id=target.recipient_id,
                circular_id=target.circular_id,
                agency_id=target.agency_id,
                letter_id=target.letter_id,
                reason=fact.reason,
                text=fact.text,
                recorded_at=now,
            )
