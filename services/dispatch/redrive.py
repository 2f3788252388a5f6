"""Setting undeliverable letters going again: the ladder anew from its first open channel, bounded and written down."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import structlog

from services.dispatch import problems
from services.dispatch.delivery.decide import redriven
from services.dispatch.resources import Resources
from services.dispatch.store import repair, transitions
from services.dispatch.store.repair import RedriveOrder, Wanted
from services.dispatch.store.transitions import Locked, Move
from shared.postgres import Connection
from shared.problems import NOT_FOUND, ProblemError

# In one call, which is one transaction.
MOST_REDRIVEN: Final = 1000

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Redriven:
    """Where the delivery is now; `by_this_call` is false when it was under way again before."""

    delivery_id: UUID
    state: str
    redriven_at: datetime
    by_this_call: bool


async def redrive_one(dispatch: Resources, delivery_id: UUID, order: RedriveOrder) -> Redriven:
    """Set one delivery going again; whoever asks twice is told that it is under way. Raises ProblemError for any other."""
    async with dispatch.database.transaction() as connection:
        locked = await dispatch.deliveries.lock(connection, [delivery_id])
        if not locked:
            raise ProblemError(NOT_FOUND)
        (delivery,) = locked
        by_this_call = _can_be_redriven(delivery)
        if by_this_call:
            await _set_going(connection, dispatch, locked, order)
        redriven_at = await repair.last_redrive(connection, delivery_id)
        if redriven_at is None or (delivery.state == "undeliverable" and not by_this_call):
            raise ProblemError(problems.DELIVERY_NOT_UNDELIVERABLE, _why_not(delivery))
    if by_this_call:
        _note(1, order)
    return Redriven(delivery_id, "scheduled" if by_this_call else delivery.state, redriven_at, by_this_call)


async def redrive_many(dispatch: Resources, wanted: Wanted, limit: int, order: RedriveOrder) -> tuple[int, int]:
    """Set the first `limit` of the wanted going again; returns how many that were, and how many are left."""
    async with dispatch.database.transaction() as connection:
        delivery_ids = await repair.pick(connection, wanted, limit)
        locked = await dispatch.deliveries.lock(connection, delivery_ids)
        await _set_going(connection, dispatch, locked, order)
        remaining = await repair.count(connection, wanted)
    if locked:
        _note(len(locked), order)
    return len(locked), remaining


async def _set_going(connection: Connection, dispatch: Resources, failed: Sequence[Locked], order: RedriveOrder) -> None:
    now, policy = datetime.now(UTC), dispatch.settings.policy
    await repair.add_redrives(connection, [delivery.delivery_id for delivery in failed], order)
    await transitions.apply(connection, [Move(delivery, redriven(delivery.standing, policy, now)) for delivery in failed])


def _can_be_redriven(delivery: Locked) -> bool:
    return delivery.state == "undeliverable" and delivery.standing.acknowledged_at is None


def _why_not(delivery: Locked) -> str:
    if delivery.standing.acknowledged_at is not None:
        return "the recipient has acknowledged the letter"
    return f"the delivery is {delivery.state}"


def _note(count: int, order: RedriveOrder) -> None:
    log.info("deliveries redriven", count=count, client_id=order.client_id, by_operator=order.by_operator)
