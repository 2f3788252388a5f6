"""Moves the deadlines of open recipients when days or office hours are declared: in batches, each whole or not at all."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

import structlog
from opentelemetry import metrics

from services.ack.calendars import Cause, Move, Own, moved
from services.ack.deadlines import Rules, ladder
from services.ack.facts import DeadlineMoved, new_event
from services.ack.store import calendars, events, office_hours, recipients, reminders
from services.ack.store.calendars import Due
from shared import outbox
from shared.contracts.events import DeadlinesMoved, MovedDeadline
from shared.postgres import Connection, Database
from shared.turns import by_turns

BATCH: Final = 500
ACTOR: Final = "ack"

_age = metrics.get_meter("wian.ack").create_gauge(
    "wian.ack.calendar_changes.age",
    unit="s",
    description="How long the oldest declared day or hours have waited until all open deadlines have been looked at.",
)

log = structlog.stdlib.get_logger(__name__)


class Rescheduler:
    """Looks at the open recipients of all days and hours that are declared.

    Several may run: a change is held by one, its progress kept with its work.
    """

    name = "deadline rescheduler"

    def __init__(
        self, database: Database, now: Callable[[], datetime], rules: Rules, poll_interval: float, batch: int = BATCH
    ) -> None:
        self._database = database
        self._now = now
        self._rules = rules
        self._poll_interval = poll_interval
        self._batch = batch

    async def run(self, stop: asyncio.Event) -> None:
        await by_turns(self.run_once, stop, every=self._poll_interval, away="deadlines wait for the database")

    async def run_once(self) -> bool:
        """Look at the next batch of the oldest change; False when there is none."""
        now = self._now()
        async with self._database.connection() as connection:
            since = await calendars.waiting_since(connection)
        _age.set(0.0 if since is None else (now - since).total_seconds())
        async with self._database.transaction() as connection:
            work = await calendars.claim(connection)
            if work is None:
                return False
            found = await calendars.next_open(connection, work, self._batch)
            cause = Cause(work.day, work.reason, work.onwards)
            count = await reschedule(connection, [one for _, one in found], self._rules, now, cause)
            done = len(found) < self._batch
            reached = found[-1] if found else (work.reached_agency_id, work.reached_recipient_id)
            await calendars.advance(connection, work.change_id, reached, count, done=done, now=now)
        log.info("deadlines looked at", change_id=str(work.change_id), recipients=len(found), moved=count, done=done)
        return True


async def reschedule(
    connection: Connection, recipient_ids: Sequence[UUID], rules: Rules, now: datetime, cause: Cause | None = None
) -> int:
    """Move the deadlines that declared days and hours move, and record it; returns how many. Without `cause` they have just been set."""
    await recipients.lock_many(connection, recipient_ids)
    due = await calendars.due(connection, recipient_ids)
    agencies = [one.agency_id for one in due]
    days = await calendars.effective(connection, agencies)
    hours = await office_hours.effective(connection, agencies)
    together: dict[tuple[UUID, datetime], list[tuple[Due, Move]]] = defaultdict(list)
    for one in due:
        own = Own(tuple(days.get(one.agency_id, ())), hours.get(one.agency_id, ()))
        move = moved(one.speed, one.dispatched_at, one.due_at, own, rules, cause)
        if move is not None:
            together[one.circular_id, move.due_at].append((one, move))
    for (circular_id, due_at), moves in sorted(together.items()):
        await _move(connection, circular_id, due_at, moves, rules, now)
    return sum(len(moves) for moves in together.values())


async def _move(
    connection: Connection,
    circular_id: UUID,
    due_at: datetime,
    moves: Sequence[tuple[Due, Move]],
    rules: Rules,
    now: datetime,
) -> None:
    number, taken = await calendars.start_ladder(connection, circular_id)
    rungs = ladder(due_at, moves[0][0].dispatched_at, rules)
    # Of the reminders before the old deadline some were told; those of the new one that lie behind us are not told now.
    further = [replace(rung, number=taken + rung.number) for rung in rungs if rung.due_at >= now]
    await reminders.add(connection, circular_id, further, number=number, deadline=due_at)
    await outbox.add(
        connection,
        ACTOR,
        [_told(circular_id, due_at, reason, moves, now) for reason in sorted({move.reason for _, move in moves})],
    )
    await calendars.move(connection, [one.recipient_id for one, _ in moves], due_at, number)
    await events.append(
        connection,
        [
            new_event(
                one.recipient_id,
                DeadlineMoved(one.due_at, move.due_at, move.reason),
                occurred_at=now,
                recorded_at=now,
                actor=ACTOR,
            )
            for one, move in moves
        ],
    )


def _told(circular_id: UUID, due_at: datetime, reason: str, moves: Sequence[tuple[Due, Move]], now: datetime) -> DeadlinesMoved:
    found = [one for one, move in moves if move.reason == reason]
    return DeadlinesMoved(
        circular_id=circular_id,
        sender_agency_id=found[0].sender_agency_id,
        deadline=due_at,
        reason=reason,
        moved_at=now,
        recipients=tuple(
            MovedDeadline(recipient_id=one.recipient_id, agency_id=one.agency_id, before=one.due_at) for one in found
        ),
    )
