"""What becomes of a letter that has its number: void, supersede, recall, erratum. Each is one transaction with its events."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import structlog
from opentelemetry import metrics

from services.registry import problems
from services.registry.domain import withdrawals as rules
from services.registry.domain.books import EntryState
from services.registry.domain.difference import ATTACHMENTS, differences
from services.registry.domain.letters import Draft, Letter
from services.registry.domain.withdrawals import Refusal, Ties, Why
from services.registry.idempotency import Answer, first_answer, keep_answer
from services.registry.problems import refuse
from services.registry.problems import withdrawals as own_problems
from services.registry.store import books, circulars, letters
from services.registry.store import withdrawals as store
from services.registry.store.withdrawals import Recall
from shared import outbox
from shared import problems as shared_problems
from shared.contracts.envelope import Event
from shared.contracts.events import (
    RECIPIENTS_PER_MESSAGE,
    CircularErratum,
    CircularRecalled,
    CircularSuperseded,
    FieldChange,
    RecipientRegistered,
    RecipientRejected,
    Secrecy,
    ToldRecipient,
)
from shared.idempotency import request_sha256
from shared.ids import new_id
from shared.inbox import Meta
from shared.postgres import Connection, Database
from shared.problems import FieldError, Problem, ProblemError

SERVICE: Final = "registry"

PROBLEMS: Final[dict[Why, Problem]] = {
    Why.NOT_REGISTERED: problems.LETTER_NOT_REGISTERED,
    Why.NOT_DISPATCHED: own_problems.LETTER_NOT_DISPATCHED,
    Why.DISPATCHED: own_problems.LETTER_DISPATCHED,
    Why.VOIDED: own_problems.LETTER_VOIDED,
    Why.SUPERSEDED: own_problems.LETTER_SUPERSEDED,
    Why.RECALLED: own_problems.LETTER_RECALLED,
    Why.TOO_LATE: own_problems.RECALL_TOO_LATE,
}

# The fields that a note may name.
CORRECTABLE: Final = (*(field.name for field in fields(Draft)), ATTACHMENTS)

log = structlog.stdlib.get_logger(__name__)
_meter = metrics.get_meter("wian.registry")
_withdrawals = _meter.create_counter(
    "wian.registry.letters.afterwards", unit="{act}", description="Voids, successions, recalls and errata."
)


@dataclass(frozen=True, slots=True)
class Act:
    """Who asks, and of which letter; `key` tells a repeated request from a second one."""

    agency_id: UUID
    letter_id: UUID
    client_id: str
    key: str = ""


async def void_letter(database: Database, act: Act, reason: str) -> Ties:
    """Cancel the number of a letter that has not gone round. Raises ProblemError."""
    async with database.transaction() as connection:
        check(rules.refusal_to_void((await held(connection, act))[1]))
        await store.void(connection, act.letter_id, at=datetime.now(UTC), reason=reason, by=act.client_id)
        await books.note_state(connection, act.letter_id, EntryState.VOID, reason)
        ties = await _ties(connection, act.letter_id)
    _note("void", act)
    return ties


async def recall_letter(database: Database, act: Act, reason: str, recipient_ids: Sequence[UUID] | None) -> Answer:
    """Take a circular back from these recipients, or from all (None), as far as they have not received it.

    The same request under the same key gets the first answer. Raises ProblemError; then the key is free.
    """
    asked = None if recipient_ids is None else list(dict.fromkeys(recipient_ids))
    request = {"recall": str(act.letter_id), "reason": reason, "of": None if asked is None else [str(one) for one in asked]}
    async with database.transaction() as connection:
        first = await first_answer(connection, act.agency_id, act.key, request_sha256(request))
        if first is not None:
            return first
        letter, ties = await held(connection, act)
        if ties.circular_id is None:
            raise _problem(Refusal(Why.NOT_DISPATCHED, "it has not gone round: void its number instead"))
        await _check_recipients(connection, ties.circular_id, recipient_ids)
        known = await store.asked(connection, ties.circular_id, asked)
        check(rules.refusal_to_recall(ties, known))
        order = Recall(new_id(), asked is None, reason, datetime.now(UTC))
        told = await store.recall(connection, ties.circular_id, asked, order, act.client_id)
        if order.whole:
            await books.note_state(connection, act.letter_id, EntryState.RECALLED, reason)
        given = {"recall_id": order.recall_id, "reason": reason if _is_open(letter) else "", "recalled_at": order.recalled_at}
        await outbox.add(connection, SERVICE, _chunked(CircularRecalled, _header(letter, ties) | given, told))
        answer: Answer = {
            "recall_id": str(order.recall_id),
            "circular_id": str(ties.circular_id),
            "letter_id": str(act.letter_id),
            "reason": reason,
            "recalled_at": order.recalled_at.isoformat(),
            "recipients": known.left,
            "received_before": known.received,
        }
        await keep_answer(connection, act.agency_id, act.key, answer)
    _note("recall", act)
    return answer


async def correct_letter(database: Database, act: Act, text: str, named: Sequence[str]) -> Answer:
    """Issue a note that corrects a circular. The same request under the same key gets the first answer. Raises ProblemError."""
    unknown = [
        FieldError(f"/fields/{n}", own_problems.ERRATUM_FIELD_UNKNOWN.code, f"one of: {', '.join(CORRECTABLE)}")
        for n, name in enumerate(named)
        if name not in CORRECTABLE
    ]
    if unknown:
        refuse(unknown)
    request = {"erratum": str(act.letter_id), "text": text, "fields": list(named)}
    async with database.transaction() as connection:
        first = await first_answer(connection, act.agency_id, act.key, request_sha256(request))
        if first is not None:
            return first
        letter, ties = await held(connection, act)
        check(rules.refusal_to_correct(ties))
        now = datetime.now(UTC)
        number = await store.add_erratum(connection, act.letter_id, text, named, by=act.client_id, at=now)
        given = {"erratum": number, "text": text if _is_open(letter) else "", "fields": tuple(named), "issued_at": now}
        header = _header(letter, ties)
        told = await store.recipients(connection, header["circular_id"])
        await outbox.add(connection, SERVICE, _chunked(CircularErratum, header | given, told))
        answer: Answer = {"number": number, "text": text, "fields": list(named), "issued_at": now.isoformat()}
        await keep_answer(connection, act.agency_id, act.key, answer)
    _note("erratum", act)
    return answer


async def tie_draft(
    connection: Connection, letter_id: UUID, agency_id: UUID, *, supersedes: UUID | None, follows: UUID | None
) -> None:
    """Let a draft take a letter's place and follow one up. Raises ProblemError when it may not.

    Only an own letter is superseded; the letter that is followed up may be one that the agency has received.
    """
    if supersedes is not None:
        # The lock orders drafts that want the same letter's place.
        if supersedes == letter_id or await letters.get_for_update(connection, supersedes, agency_id) is None:
            _refuse_unknown("/supersedes", supersedes)
        check(rules.refusal_to_supersede(await _ties(connection, supersedes), letter_id))
    if follows is not None and (follows == letter_id or not await _may_follow(connection, follows, agency_id)):
        _refuse_unknown("/follows", follows)
    await store.tie(connection, letter_id, supersedes=supersedes, follows=follows)


async def check_dispatchable(connection: Connection, letter_id: UUID) -> None:
    """Refuse to send round what was cancelled or has been superseded; raises ProblemError."""
    check(rules.refusal_to_dispatch(await _ties(connection, letter_id)))


async def announce_succession(connection: Connection, letter: Letter, circular_id: UUID) -> None:
    """Tell the recipients of the letter whose place the circular takes what has changed; nothing when nobody has it."""
    ties = await _ties(connection, letter.letter_id)
    if ties.supersedes is None:
        return
    old = await letters.get_for_update(connection, ties.supersedes, letter.agency_id)
    if old is None or letter.number is None:
        raise LookupError("a letter with a number cannot vanish")
    old_ties = await _ties(connection, old.letter_id)
    await books.note_state(connection, old.letter_id, EntryState.SUPERSEDED, letter.number.printed)
    if old_ties.circular_id is None:
        return
    old_files, new_files = [await letters.attachments(connection, one.letter_id) for one in (old, letter)]
    changes = tuple(FieldChange(**asdict(one)) for one in differences(old.draft, letter.draft, old_files, new_files))
    given = {
        "successor_circular_id": circular_id,
        "successor_letter_id": letter.letter_id,
        "successor_number": letter.number.printed,
        "changes": changes,
        "superseded_at": datetime.now(UTC),
    }
    told = await store.superseded_recipients(connection, old_ties.circular_id, circular_id)
    await outbox.add(connection, SERVICE, _chunked(CircularSuperseded, _header(old, old_ties) | given, told))
    _withdrawals.add(1, {"act": "supersede"})


async def note_receipt(connection: Connection, event: RecipientRegistered | RecipientRejected, _meta: Meta) -> None:
    """Keep that a recipient's registry has answered: what it has, no recall takes back."""
    await store.add_receipt(connection, event.recipient_id, event.recorded_at)


def _chunked(event: type[Event], header: dict[str, Any], told: Sequence[ToldRecipient]) -> list[Event]:
    """The event in chunks of at most RECIPIENTS_PER_MESSAGE recipients, each with the whole header."""
    parts = [tuple(told[start : start + RECIPIENTS_PER_MESSAGE]) for start in range(0, len(told), RECIPIENTS_PER_MESSAGE)]
    return [
        event.model_validate(header | {"chunk": number, "chunks": len(parts), "recipients": part})
        for number, part in enumerate(parts, 1)
    ]


def _header(letter: Letter, ties: Ties) -> dict[str, Any]:
    """What every event of a circular carries."""
    if ties.circular_id is None or letter.number is None:
        raise LookupError("a letter that went round has a number and a circular")
    return {
        "circular_id": ties.circular_id,
        "letter_id": letter.letter_id,
        "sender_agency_id": letter.agency_id,
        "number": letter.number.printed,
    }


def _is_open(letter: Letter) -> bool:
    """Whether what a clerk writes about the letter may travel in an event: of a secret letter nothing does."""
    return letter.draft.secrecy is Secrecy.NORMAL


async def held(connection: Connection, act: Act) -> tuple[Letter, Ties]:
    """The agency's letter and its ties; nobody else decides on it until the transaction ends. Raises ProblemError `not_found`."""
    letter = await letters.get_for_update(connection, act.letter_id, act.agency_id)
    if letter is None:
        raise ProblemError(shared_problems.NOT_FOUND)
    return letter, await _ties(connection, act.letter_id)


async def _ties(connection: Connection, letter_id: UUID) -> Ties:
    ties = await store.ties(connection, letter_id)
    if ties is None:
        raise LookupError("a letter cannot vanish")
    return ties


async def _may_follow(connection: Connection, letter_id: UUID, agency_id: UUID) -> bool:
    letter = await letters.get(connection, letter_id)
    return letter is not None and (
        letter.agency_id == agency_id or await circulars.is_recipient(connection, letter_id, agency_id)
    )


async def _check_recipients(connection: Connection, circular_id: UUID, recipient_ids: Sequence[UUID] | None) -> None:
    if recipient_ids is None:
        return
    unknown = await store.unknown_recipients(connection, circular_id, recipient_ids)
    errors = [
        FieldError(f"/recipient_ids/{n}", own_problems.RECIPIENT_UNKNOWN.code, f"there is no recipient {recipient_id}")
        for n, recipient_id in enumerate(recipient_ids)
        if recipient_id in unknown
    ]
    if errors:
        refuse(errors)


def check(refusal: Refusal | None) -> None:
    """Raise the problem of a refusal."""
    if refusal is not None:
        raise _problem(refusal)


def _problem(refusal: Refusal) -> ProblemError:
    return ProblemError(PROBLEMS[refusal.why], refusal.detail)


def _refuse_unknown(pointer: str, letter_id: UUID) -> None:
    refuse([FieldError(pointer, own_problems.LETTER_UNKNOWN.code, f"there is no letter {letter_id}")])


def _note(act_name: str, act: Act) -> None:
    _withdrawals.add(1, {"act": act_name})
    log.info("letter afterwards", act=act_name, letter_id=str(act.letter_id), client_id=act.client_id)
