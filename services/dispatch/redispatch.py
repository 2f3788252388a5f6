"""Sending again to those who have the letter and do not answer: by the next channel of the ladder, bounded and written down."""

from datetime import UTC, datetime

import structlog

from services.dispatch.delivery.decide import sent_again
from services.dispatch.resources import Resources
from services.dispatch.store import redispatches, transitions
from services.dispatch.store.redispatches import Silent
from services.dispatch.store.transitions import Move

log = structlog.stdlib.get_logger(__name__)


async def redispatch(dispatch: Resources, silent: Silent, limit: int, client_id: str, why: str) -> tuple[int, int]:
    """Send to the first `limit` of them again; returns how many that were, and how many are left.

    It is the same delivery with the same acknowledgment link, so whichever copy is answered, it is answered once.
    """
    now, policy = datetime.now(UTC), dispatch.settings.policy
    async with dispatch.database.transaction() as connection:
        delivery_ids = await redispatches.pick(connection, silent, limit)
        locked = await dispatch.deliveries.lock(connection, delivery_ids)
        await redispatches.add(connection, delivery_ids, client_id, why)
        await transitions.apply(connection, [Move(delivery, sent_again(delivery.standing, policy, now)) for delivery in locked])
        remaining = await redispatches.count(connection, silent)
    if locked:
        log.info("deliveries sent again", count=len(locked), circular_id=str(silent.circular_id), client_id=client_id)
    return len(locked), remaining
