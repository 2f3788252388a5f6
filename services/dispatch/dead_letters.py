"""Dead letters: taken off the broker's last queue into a table that people read, and published again from there."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID, uuid4

import structlog
from pydantic import BaseModel, ValidationError

from services.dispatch.store import dead_letters
from services.dispatch.store.dead_letters import Dead, Ordered, WantedDead
from shared import broker, postgres
from shared.broker import Incoming, Outgoing, Publisher, Verdict
from shared.postgres import Database
from shared.thai.text import has_unsafe_characters

# While the database is away a message is kept in hand: handed back it would wear out its delivery limit.
DATABASE_PAUSE: Final = 0.5
# Travels with a message that is published again, so that its next death is told from a second copy of the one before.
ORDER_HEADER: Final = "wian-redrive"
# Bodies in memory at a time.
SLICE: Final = 25
LONGEST_NAME: Final = 255

log = structlog.stdlib.get_logger(__name__)


class _Typed(BaseModel):
    type: str


class Keeper:
    """Moves dead letters into the table; nothing that a message holds may stop it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def __call__(self, message: Incoming) -> Verdict:
        dead = dead_of(message, datetime.now(UTC))
        while True:
            try:
                async with self._database.connection() as connection:
                    kept = await dead_letters.keep(connection, dead)
                break
            except postgres.Unavailable as error:
                log.warning("dead letter waits for the database", error=repr(error))
                await asyncio.sleep(DATABASE_PAUSE)
        if kept is not None:
            log.error(
                "dead letter",
                dead_letter_id=str(kept),
                message_id=dead.message_id,
                type=dead.type,
                queue=dead.queue,
                reason=dead.reason,
                size=len(dead.body),
            )
        return Verdict.DONE


def dead_of(message: Incoming, now: datetime) -> Dead:
    """What is kept of a message. One without the broker's note on its death is taken for refused, at `now`."""
    death = message.death
    return Dead(
        message_id=_plain(message.message_id),
        type=_type_of(message.body),
        # The dead letters' routing key is the name of the queue that they died in.
        queue=_plain(message.routing_key if death is None else death.queue),
        exchange="" if death is None else _plain(death.exchange),
        routing_key="" if death is None else _plain(death.routing_key),
        reason="rejected" if death is None else _plain(death.reason),
        headers={_plain(name): _plain(value) for name, value in message.headers.items() if _is_ours(name)},
        body=message.body,
        died_at=now if death is None else death.at or now,
        died_of=_order_of(message.headers.get(ORDER_HEADER)),
    )


def _is_ours(header: str) -> bool:
    # What the broker adds begins with x-, and would be taken for the history of the next life.
    return header != ORDER_HEADER and not header.lower().startswith("x-")


def _plain(text: str) -> str:
    """As the database takes it: without NUL and lone surrogates, of bounded length."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()[:LONGEST_NAME]


def _type_of(body: bytes) -> str | None:
    try:
        found = _Typed.model_validate_json(body).type
    except ValidationError:
        return None
    return found if 0 < len(found) <= LONGEST_NAME and not has_unsafe_characters(found) else None


def _order_of(header: str | None) -> UUID | None:
    try:
        return None if header is None else UUID(header)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Published:
    """What became of an order: taken over by the broker, or not (`refused`: by its answer, such as no queue of that name)."""

    redriven: int = 0
    refused: int = 0


class Redriver:
    """Publishes dead letters back to the queues that they died in; consumers apply a message once, however often it comes."""

    def __init__(self, database: Database, publisher: Publisher) -> None:
        self._database = database
        self._publisher = publisher

    async def redrive(self, dead_letter_ids: Sequence[UUID], by: str, why: str) -> Published:
        """Publish those that are kept, and settle those that the broker confirms. Raises `broker.UNAVAILABLE` when it is away."""
        order, redriven, refused = uuid4(), 0, 0
        for start in range(0, len(dead_letter_ids), SLICE):
            async with self._database.connection() as connection:
                found = await dead_letters.order_redrive(connection, dead_letter_ids[start : start + SLICE], order)
            outcomes = await self._publisher.publish([_message(one, order) for one in found])
            taken = [one.dead_letter_id for one, error in zip(found, outcomes, strict=True) if error is None]
            async with self._database.connection() as connection:
                await dead_letters.set_redriven(connection, taken, order, by, why)
            lost = next((error for error in outcomes if error is not None and not isinstance(error, broker.NOT_TAKEN)), None)
            if lost is not None:
                raise lost
            redriven, refused = redriven + len(taken), refused + len(found) - len(taken)
        log.info("dead letters redriven", count=redriven, refused=refused, client_id=by)
        return Published(redriven, refused)

    async def redrive_many(self, asked: WantedDead, limit: int, by: str, why: str) -> tuple[Published, int]:
        """The same for the first `limit` of those asked for; also returns how many are kept still."""
        async with self._database.connection() as connection:
            found = await dead_letters.wanted(connection, asked, None, limit)
        published = await self.redrive([one.dead_letter_id for one in found], by, why)
        async with self._database.connection() as connection:
            return published, await dead_letters.count(connection, asked)


async def discard_many(database: Database, asked: WantedDead, limit: int, by: str, why: str) -> tuple[int, int]:
    """Settle the first `limit` of those asked for as needed by nobody; returns how many these were, and how many are kept still."""
    async with database.transaction() as connection:
        discarded = await dead_letters.discard_many(connection, asked, limit, by, why)
        remaining = await dead_letters.count(connection, asked)
    if discarded:
        log.warning("dead letters discarded", count=discarded, client_id=by, type=asked.type, queue=asked.queue)
    return discarded, remaining


def _message(one: Ordered, order: UUID) -> Outgoing:
    return Outgoing(None, one.queue, one.message_id, one.body, {**one.headers, ORDER_HEADER: str(order)})
