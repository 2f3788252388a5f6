"""Sends a circular on from a recipient that refused it: a new recipient behind the others, told as a chunk of its own."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import orjson
import structlog

from services.registry import problems, withdrawing
from services.registry.dispatching import SERVICE, FileLinks, header
from services.registry.domain import redirections as rules
from services.registry.domain.redirections import Refused
from services.registry.domain.resolution import Closed, Goes, Resolved
from services.registry.idempotency import Answer, first_answer, keep_answer
from services.registry.problems import agencies as agency_problems
from services.registry.problems import redirections as own_problems
from services.registry.problems import refuse
from services.registry.problems import withdrawals as withdrawal_problems
from services.registry.store import agencies, circulars, counterparts, succession
from services.registry.store import redirections as store
from services.registry.withdrawing import Act
from shared import outbox
from shared.contracts.events import FrozenRecipient, RecipientRejected, RelayTarget
from shared.idempotency import request_sha256
from shared.ids import new_id
from shared.inbox import Meta
from shared.postgres import Connection, Database
from shared.problems import REQUEST_INVALID, FieldError, Problem, ProblemError
from shared.thai.dates import bangkok_date

PROBLEMS: Final[dict[rules.Why, Problem]] = {
    rules.Why.NOT_REJECTED: own_problems.RECIPIENT_NOT_REJECTED,
    rules.Why.REDIRECTED: own_problems.RECIPIENT_REDIRECTED,
    rules.Why.TAKEN_BACK: own_problems.RECIPIENT_TAKEN_BACK,
}

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Redirection:
    """From which recipient to which agency: None is the one that the refusal suggests. `title` None is the agency's name."""

    recipient_id: UUID
    agency_code: str | None
    title: str | None


async def redirect(database: Database, act: Act, asked: Redirection, links: FileLinks) -> Answer:
    """Send the letter on, and return the new recipient. The same request under the same key gets the first answer.

    Raises ProblemError; then nothing was stored, and the key is free.
    """
    request = {
        "redirect": str(act.letter_id),
        "recipient_id": str(asked.recipient_id),
        "agency_code": asked.agency_code,
        "title": asked.title,
    }
    async with database.transaction() as connection:
        first = await first_answer(connection, act.agency_id, act.key, request_sha256(request))
        if first is not None:
            return first
        letter, ties = await withdrawing.held(connection, act)
        circular = None if ties.circular_id is None else await circulars.get(connection, ties.circular_id)
        recalled = circular is not None and await store.is_recalled(connection, circular.circular_id)
        withdrawing.check(rules.refusal_of_letter(ties, recalled=recalled))
        if circular is None:
            raise LookupError("a letter that went round has its order")
        refused = await _refused(connection, circular.circular_id, asked.recipient_id)
        right = await _right_agency(connection, refused, asked)
        if await circulars.among(connection, circular.circular_id, [right.agency_id]):
            raise ProblemError(own_problems.ALREADY_RECIPIENT, f"agency_id {right.agency_id}")
        recipient_id = new_id()
        position, count, redirected = await store.add(
            connection, circular.circular_id, recipient_id, right, redirected_from=asked.recipient_id
        )
        await counterparts.add_one(connection, letter.letter_id, right.agency_id)
        told = await header(connection, circular, letter, links, count)
        recipient = _frozen(right, recipient_id, position, asked.recipient_id)
        # Behind the last chunk of the list, which a relay that is still at work may not have published.
        await outbox.add(
            connection, SERVICE, [told.model_copy(update={"chunk": told.chunks + redirected, "recipients": (recipient,)})]
        )
        answer: Answer = {
            "recipient_id": str(recipient_id),
            "redirected_from": str(asked.recipient_id),
            "circular_id": str(circular.circular_id),
            "agency_id": str(right.agency_id),
            "title": right.title,
            "position": position,
        }
        await keep_answer(connection, act.agency_id, act.key, answer)
    log.info("letter redirected", letter_id=str(act.letter_id), recipient_id=str(recipient_id), client_id=act.client_id)
    return answer


async def note_rejection(connection: Connection, event: RecipientRejected, meta: Meta) -> None:
    """Keep that a recipient refused the letter: from it the sender may send the letter on."""
    await withdrawing.note_receipt(connection, event, meta)
    await store.note_rejection(
        connection,
        event.recipient_id,
        reason=event.reason,
        suggested_agency_code=event.suggested_agency_code,
        recorded_at=event.recorded_at,
    )


async def _refused(connection: Connection, circular_id: UUID, recipient_id: UUID) -> Refused:
    found = await store.get(connection, circular_id, recipient_id)
    if found is None:
        detail = f"there is no recipient {recipient_id}"
        refuse([FieldError("/recipient_id", withdrawal_problems.RECIPIENT_UNKNOWN.code, detail)])
    standing = rules.refusal_of_recipient(found)
    if standing is not None:
        raise ProblemError(PROBLEMS[standing.why], standing.detail)
    return found


async def _right_agency(connection: Connection, refused: Refused, asked: Redirection) -> Resolved:
    """The new recipient: what the wrong one was to do falls to it. Who follows a closed agency stands in its place."""
    code = asked.agency_code or refused.suggested_agency_code
    if code is None:
        refuse([FieldError("/agency_code", "required", "the refusal suggests nobody: name the right agency")], REQUEST_INVALID)
    agency = (await agencies.get_by_codes(connection, [code])).get(code)
    if agency is None:
        refuse([FieldError("/agency_code", problems.AGENCY_UNKNOWN.code, f"there is no agency {code!r}")])
    right = replace(refused.recipient, agency_id=agency.agency_id, title=asked.title or agency.entry.name_th)
    found = (await succession.elsewhere(connection, [agency.agency_id], bangkok_date(datetime.now(UTC)))).get(agency.agency_id)
    if isinstance(found, Closed):
        refuse([FieldError("/agency_code", agency_problems.AGENCY_CLOSED.code, f"{code} is closed: name who follows it")])
    if isinstance(found, Goes):
        return replace(right, agency_id=found.agency_id, in_place_of=agency.agency_id)
    return right


def _frozen(one: Resolved, recipient_id: UUID, position: int, redirected_from: UUID) -> FrozenRecipient:
    return FrozenRecipient(
        recipient_id=recipient_id,
        position=position,
        agency_id=one.agency_id,
        title=one.title,
        relay_duty=one.relay_duty,
        role=one.role,
        relay_target=None if one.relay_target is None else RelayTarget.model_validate(orjson.loads(one.relay_target)),
        in_place_of=one.in_place_of,
        redirected_from=redirected_from,
    )
