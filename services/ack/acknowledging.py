"""Records what recipients answer: the one transaction behind every door, for one answer or for thousands."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, assert_never
from uuid import UUID

import structlog
from opentelemetry import metrics

from services.ack import problems
from services.ack.corrections import AsRecorded, Change, ChangeFact, Refused, ToRecord, decide_change
from services.ack.decide import Accepted, Conflict, Decision, Draft, Invalid, SameAgain, TakenBack, decide_acknowledgment
from services.ack.facts import (
    Acknowledgment,
    Corrected,
    DisputeAnswered,
    Disputed,
    Door,
    Fact,
    RecipientEvent,
    Registration,
    Rejection,
    Withdrawn,
    new_event,
)
from services.ack.fold import RecipientState, answered, fold
from services.ack.links import opens
from services.ack.store import events, recipients
from services.ack.store.recipients import Locked
from shared import outbox
from shared import problems as common
from shared.contracts.envelope import Event
from shared.contracts.events import (
    RecipientDisputeAnswered,
    RecipientDisputed,
    RecipientRegistered,
    RecipientRejected,
    RecipientWithdrawn,
)
from shared.postgres import Connection, Database
from shared.problems import ProblemError
from shared.telemetry import current_traceparent
from shared.thai.dates import short_date
from shared.together import Together

log = structlog.stdlib.get_logger(__name__)
_meter = metrics.get_meter("wian.ack")
_acknowledged = _meter.create_counter(
    "wian.ack.acknowledgments", unit="{acknowledgment}", description="Acknowledgments by door and by what was decided."
)

# A link was signed before the news of its recipient came to this service: the news is under way.
NEWS_RETRY_AFTER: Final = 2


class Side(StrEnum):
    """For whom a caller speaks."""

    RECIPIENT = "recipient"
    SENDER = "sender"


@dataclass(frozen=True, slots=True)
class Caller:
    """By which door somebody comes, and as whom. A caller with a token speaks for its agency only.

    `link_digest` is that of the link by which somebody comes without a token.
    """

    door: Door
    actor: str
    agency_id: UUID | None = None
    side: Side = Side.RECIPIENT
    link_digest: bytes | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked to be recorded of a recipient, by whom and when; `traceparent` is that of the request."""

    recipient_id: UUID
    draft: Draft
    caller: Caller
    now: datetime
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """What is recorded of a recipient; of `state` only the rank and the answer are filled. `new`: something was added."""

    recipient_id: UUID
    circular_id: UUID
    state: RecipientState
    new: bool


@dataclass(slots=True)
class _Change:
    """A recipient while its answers are taken: what it has come to, and what is to be added to its log."""

    target: Locked
    state: RecipientState
    log: list[RecipientEvent] | None
    added: list[RecipientEvent]
    traceparent: str | None = None

    def add(self, fact: Fact, caller: Caller, now: datetime) -> None:
        event = new_event(self.target.recipient_id, fact, occurred_at=now, recorded_at=now, actor=caller.actor, door=caller.door)
        self.added.append(event)
        if self.log is None and isinstance(fact, Registration | Rejection):
            # The first answer needs no log; what comes after it in the same call does.
            self.state = answered(self.state, event)
        else:
            self.state = fold([*(self.log or ()), *self.added])


def under_way() -> ProblemError:
    """The answer to a valid link whose recipient or circular is not known here yet."""
    return ProblemError(common.UNAVAILABLE, "the news of this letter is still under way", retry_after=NEWS_RETRY_AFTER)


class Recorder:
    """Records answers; those that come at the same moment share a transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._groups = Together(self.acknowledge_many)

    async def acknowledge(self, recipient_id: UUID, draft: Draft, caller: Caller, *, now: datetime) -> Recorded:
        """Record `draft` for the recipient and return what is recorded; the same draft again changes nothing.

        Raises ProblemError: of the first wrong field, `acknowledgment_conflict`, or that the recipient is not known.
        """
        # On the request's own line in the log, whatever becomes of it.
        structlog.contextvars.bind_contextvars(recipient_id=str(recipient_id), door=caller.door)
        return await self._groups.ask(Asked(recipient_id, draft, caller, now, current_traceparent()))

    async def acknowledge_many(self, asked: Sequence[Asked]) -> list[Recorded | ProblemError]:
        """The same for many in one transaction: what is recorded of each, or why nothing was."""
        async with self._database.transaction() as connection:
            return await _acknowledge(connection, asked)


async def change_answer(database: Database, recipient_id: UUID, change: Change, caller: Caller, *, now: datetime) -> Recorded:
    """Correct, take back, doubt or defend an answer; what was recorded before is kept. Raises ProblemError."""
    async with database.transaction() as connection:
        target = spoken_for((await recipients.lock_to_answer(connection, [recipient_id])).get(recipient_id), caller)
        before = (await events.of_recipients(connection, [recipient_id])).get(recipient_id, [])
        found = _Change(target, fold(before), before, [])
        corrections = sum(isinstance(event.fact, Corrected) for event in before)
        match decide_change(found.state, corrections, change, letter=target.letter, now=now):
            case ToRecord(fact=fact):
                found.add(fact, caller, now)
                await events.append(connection, found.added)
                await recipients.write_answers(connection, {recipient_id: found.state})
                await outbox.add(connection, "ack", _told_afterwards(found, fact, caller.door, now))
            case AsRecorded():
                pass
            case Refused(problem=problem, detail=detail):
                raise ProblemError(problem, detail)
            case Invalid(errors=errors):
                raise ProblemError(problems.BY_CODE[errors[0].code], errors[0].detail, errors=errors)
    log.info("answer changed", recipient_id=str(recipient_id), door=caller.door, change=type(change).__name__)
    return Recorded(recipient_id, target.circular_id, found.state, bool(found.added))


async def _acknowledge(connection: Connection, asked: Sequence[Asked]) -> list[Recorded | ProblemError]:
    locked = await recipients.lock_to_answer(connection, sorted({one.recipient_id for one in asked}))
    changes = await _opened(connection, locked)
    decided = Counter[tuple[Door, str]]()
    results = [_decided(changes.get(one.recipient_id), one, decided) for one in asked]
    for (door, decision), count in decided.items():
        _acknowledged.add(count, {"door": door, "decision": decision})
    added = [event for change in changes.values() for event in change.added]
    if added:
        await events.append(connection, added)
        changed = {recipient_id: change.state for recipient_id, change in changes.items() if change.added}
        await recipients.write_answers(connection, changed)
        told = [(event, change.traceparent) for change in changes.values() for event in _told(change)]
        await outbox.add(connection, "ack", [event for event, _ in told], [trace for _, trace in told])
    return results


async def _opened(connection: Connection, locked: Mapping[UUID, Locked]) -> dict[UUID, _Change]:
    with_log = [recipient_id for recipient_id, target in locked.items() if target.fresh is None]
    logs: Mapping[UUID, list[RecipientEvent]] = {}
    if with_log:
        logs = await events.of_recipients(connection, with_log)
    changes: dict[UUID, _Change] = {}
    for recipient_id, target in locked.items():
        if target.fresh is not None:
            changes[recipient_id] = _Change(target, target.fresh, None, [])
        else:
            log = logs[recipient_id]
            changes[recipient_id] = _Change(target, fold(log), log, [])
    return changes


def _decided(change: _Change | None, asked: Asked, decided: Counter[tuple[Door, str]]) -> Recorded | ProblemError:
    caller, now = asked.caller, asked.now
    if change is None:
        return under_way()
    try:
        spoken_for(change.target, caller)
    except ProblemError as error:
        return error
    decision = decide_acknowledgment(change.state, asked.draft, letter=change.target.letter, now=now, door=caller.door)
    decided[caller.door, type(decision).__name__] += 1
    refusal = _refusal(decision)
    if refusal is not None:
        return refusal
    added = len(change.added)
    change.traceparent = asked.traceparent
    match decision:
        case Accepted(fact=fact):
            change.add(fact, caller, now)
        case SameAgain(evidence=evidence) if evidence is not None:
            change.add(evidence, caller, now)
        case _:
            pass
    return Recorded(asked.recipient_id, change.target.circular_id, change.state, len(change.added) > added)


def spoken_for(target: Locked | None, caller: Caller) -> Locked:
    """The recipient, if the caller may speak for it or, on the other side, for its sender."""
    if target is None:
        # By link or by token: an acknowledgment may outrun the news of its letter, and must not be told that it is lost.
        raise under_way()
    speaks_for = target.sender_agency_id if caller.side is Side.SENDER else target.agency_id
    if caller.agency_id not in (None, speaks_for):
        raise ProblemError(common.NOT_FOUND)
    if caller.link_digest is not None and not opens(target.links, caller.link_digest):
        raise ProblemError(problems.LINK_REVOKED)
    return target


def _refusal(decision: Decision) -> ProblemError | None:
    match decision:
        case Accepted() | SameAgain():
            return None
        case Conflict(recorded=recorded):
            return ProblemError(problems.ACKNOWLEDGMENT_CONFLICT, described(recorded))
        case TakenBack(reason=reason, recalled_at=at):
            return ProblemError(problems.RECIPIENT_RECALLED, f"recalled at {at.isoformat(timespec='seconds')}: {reason}")
        case Invalid(errors=errors):
            return ProblemError(problems.BY_CODE[errors[0].code], errors[0].detail, errors=errors)
        case _:
            assert_never(decision)


def described(recorded: Acknowledgment) -> str:
    """What is recorded, in words for the recipient."""
    match recorded:
        case Registration():
            return f"registered under {recorded.receive_number} on {recorded.receive_date} ({short_date(recorded.receive_date)})"
        case Rejection():
            return f"rejected: {recorded.reason}"


def _told(change: _Change) -> list[Event]:
    """What the other services are told of an answer: that of the highest level alone is the agency's."""
    target = change.target
    told: list[Event] = []
    for event in change.added:
        match event.fact:
            case Registration() as fact if event.event_id == change.state.answer_id:
                told.append(_registered(target, fact, event.recorded_at, event.door))
            case Rejection() as fact:
                told.append(
                    RecipientRejected(
                        **_about(target),
                        reason=fact.reason,
                        text=fact.text,
                        recorded_at=event.recorded_at,
                        suggested_agency_code=fact.suggested_agency_code,
                        registrar_name=fact.registrar_name,
                        door=event.door,
                        link_opens=target.links is None,
                    )
                )
            case _:
                pass
    return told


def _told_afterwards(change: _Change, fact: ChangeFact, door: Door, now: datetime) -> Sequence[Event]:
    target, answer = change.target, change.state.acknowledgment
    match fact:
        case Corrected():
            counts = fact.answer_id == change.state.answer_id
            return [_registered(target, fact.registration, now, door, fact.reason)] if counts else []
        case Withdrawn():
            if isinstance(answer, Registration):
                # Another register of the agency has the letter still.
                return [_registered(target, answer, now, door, fact.reason)]
            return [
                RecipientWithdrawn(
                    **_about(target), reason=fact.reason, recorded_at=now, door=door, link_opens=target.links is None
                )
            ]
        case Disputed():
            return [RecipientDisputed(**_about(target), dispute_id=fact.dispute_id, text=fact.text, recorded_at=now)]
        case DisputeAnswered():
            return [RecipientDisputeAnswered(**_about(target), dispute_id=fact.dispute_id, text=fact.text, recorded_at=now)]


def _registered(
    target: Locked, fact: Registration, now: datetime, door: Door | None, correction: str | None = None
) -> RecipientRegistered:
    return RecipientRegistered(
        **_about(target),
        receive_number=fact.receive_number,
        receive_date=fact.receive_date,
        recorded_at=now,
        receive_time=fact.receive_time,
        unit=fact.unit,
        correction=correction,
        registrar_name=fact.registrar_name,
        door=door,
        link_opens=target.links is None,
    )


def _about(target: Locked) -> dict[str, Any]:
    return {
        "recipient_id": target.recipient_id,
        "circular_id": target.circular_id,
        "agency_id": target.agency_id,
        "letter_id": target.letter_id,
    }
