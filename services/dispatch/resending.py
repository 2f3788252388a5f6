"""An agency orders letters sent to its own endpoint once more: one, or those of a range of time; bounded, once, and written down."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog

from services.dispatch import problems
from services.dispatch.resends import MOST_RUNNING, RUNS_FOR, One, Range, ResendState, left_out
from services.dispatch.resources import Resources
from services.dispatch.store import endpoints, reading, resends
from services.dispatch.store.resends import Found, Order, Resend
from shared.ids import new_id
from shared.postgres import Connection
from shared.problems import IDEMPOTENCY_KEY_REUSED, NOT_FOUND, ProblemError

log = structlog.stdlib.get_logger(__name__)


async def order(dispatch: Resources, asked: One | Range, given: Order) -> Resend:
    """The order, made now, or before under the same Idempotency-Key or for the same letter. Raises ProblemError."""
    async with dispatch.database.transaction() as connection:
        await resends.lock_agency(connection, given.agency_id)
        if given.key is not None:
            before = await resends.of_key(connection, given.agency_id, given.key)
            if before is not None:
                if before.request_sha256 != given.request_sha256:
                    raise ProblemError(IDEMPOTENCY_KEY_REUSED, f"it was used for the order {before.resend_id}")
                return before
        if await endpoints.get(connection, given.agency_id) is None:
            raise ProblemError(NOT_FOUND, "your agency has no endpoint")
        if isinstance(asked, One):
            running = await _running_of(connection, asked, given.agency_id)
            if running is not None:
                return running
        pause = timedelta(seconds=dispatch.settings.dispatch_resend_pause)
        await _refuse_what_is_too_much(connection, asked, given.agency_id, pause)
        made = await _add(connection, asked, given)
    log.info("resend ordered", resend_id=str(made.resend_id), agency_id=str(given.agency_id), client_id=given.ordered_by)
    return made


async def cancel(dispatch: Resources, agency_id: UUID, resend_id: UUID) -> Resend:
    """End an order; what has ended stays as it is. Raises ProblemError for one that is not the agency's."""
    async with dispatch.database.transaction() as connection:
        await own(connection, agency_id, resend_id)
        await resends.end(connection, resend_id, ResendState.CANCELLED)
        return await own(connection, agency_id, resend_id)


async def own(connection: Connection, agency_id: UUID, resend_id: UUID) -> Resend:
    """The agency's order; raises ProblemError `not_found` for any other."""
    found = await resends.get(connection, resend_id)
    if found is None or found.agency_id != agency_id:
        raise ProblemError(NOT_FOUND)
    return found


async def _running_of(connection: Connection, asked: One, agency_id: UUID) -> Resend | None:
    """The order by which the letter is being sent already; raises ProblemError when it is not the agency's, or not to be sent."""
    delivery = await reading.get(connection, asked.delivery_id)
    if delivery is None or delivery.address.agency_id != agency_id:
        raise ProblemError(NOT_FOUND)
    why_not = left_out(delivery.state, delivery.recalled_at)
    if why_not is not None:
        raise ProblemError(problems.RESEND_NOT_POSSIBLE, why_not)
    last = await resends.last_of_letter(connection, asked.delivery_id)
    return last if last is not None and last.state is ResendState.RUNNING else None


async def _refuse_what_is_too_much(connection: Connection, asked: One | Range, agency_id: UUID, pause: timedelta) -> None:
    last = await (
        resends.last_of_letter(connection, asked.delivery_id)
        if isinstance(asked, One)
        else resends.last_range(connection, agency_id)
    )
    if last is not None and last.ended_at is None:
        raise ProblemError(problems.RESEND_RUNNING, str(last.resend_id))
    if await resends.count_running(connection, agency_id) >= MOST_RUNNING:
        raise ProblemError(problems.RESEND_RUNNING, f"{MOST_RUNNING} orders run")
    left = timedelta() if last is None or last.ended_at is None else last.ended_at + pause - datetime.now(UTC)
    if left > timedelta():
        raise ProblemError(problems.RESEND_TOO_SOON, retry_after=int(left.total_seconds()) + 1)


async def _add(connection: Connection, asked: One | Range, given: Order) -> Resend:
    resend_id = new_id()
    if isinstance(asked, One):
        letters: dict[UUID, str | None] = {asked.delivery_id: None}
        following = None
    else:
        found = await resends.in_range(connection, given.agency_id, asked, asked.limit + 1)
        letters = {one.delivery_id: left_out(one.state, one.recalled_at) for one in found[: asked.limit]}
        following = _following(found, asked.limit)
    made = await resends.add(connection, resend_id, asked, given, following, RUNS_FOR)
    await resends.add_items(connection, resend_id, given.agency_id, letters)
    return made


def _following(found: list[Found], limit: int) -> Found | None:
    return found[limit - 1] if len(found) > limit else None
