"""The sweeper of reminders: what was due while every process was down is told when one is up again, and nothing twice."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Final

import structlog
from opentelemetry import metrics

from services.ack.store import reminders
from shared import outbox
from shared.contracts.events import RECIPIENTS_PER_MESSAGE, RecipientsReminded
from shared.postgres import Database
from shared.turns import by_turns

SOURCE: Final = "ack"

log = structlog.stdlib.get_logger(__name__)
_reminded = metrics.get_meter("wian.ack").create_counter(
    "wian.ack.reminders", unit="{recipient}", description="Recipients that were reminded because they had not answered."
)


class Sweeper:
    """Tells of the rungs that are due. Several may run: a rung is held by one of them, and its progress is kept with what it told."""

    name = "reminder sweeper"

    def __init__(self, database: Database, now: Callable[[], datetime], poll_interval: float) -> None:
        self._database = database
        self._now = now
        self._poll_interval = poll_interval

    async def run(self, stop: asyncio.Event) -> None:
        await by_turns(self.run_once, stop, every=self._poll_interval, away="reminders wait for the database")

    async def run_once(self) -> bool:
        """Tell the next chunk of the rung that has been due for longest; False when nothing is due."""
        now = self._now()
        async with self._database.transaction() as connection:
            rung = await reminders.claim(connection, now)
            if rung is None:
                return False
            found, reached = await reminders.unanswered(connection, rung, RECIPIENTS_PER_MESSAGE)
            if found:
                event = RecipientsReminded(
                    circular_id=rung.circular_id,
                    letter_id=rung.letter_id,
                    sender_agency_id=rung.sender_agency_id,
                    number=rung.number,
                    deadline=rung.deadline,
                    rung=rung.rung,
                    overdue=rung.overdue,
                    escalation=rung.escalation,
                    due_at=rung.due_at,
                    recipients=tuple(found),
                )
                await outbox.add(connection, SOURCE, [event])
            done = len(found) < RECIPIENTS_PER_MESSAGE
            await reminders.advance(connection, rung, reached, len(found), done=done, now=now)
        _reminded.add(len(found), {"overdue": rung.overdue, "escalation": rung.escalation})
        log.info("reminded", circular_id=str(rung.circular_id), rung=rung.rung, recipients=len(found), done=done)
        return True
