"""Sends a registered letter round: the order, its frozen recipients and the outgoing events are one transaction."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final
from uuid import UUID

import orjson
import structlog
from opentelemetry import metrics

from services.registry import problems, withdrawing
from services.registry.copying import resolve_copies
from services.registry.domain.agencies import Agency
from services.registry.domain.letters import Attachment, Letter, LetterState
from services.registry.domain.lists import ListHead
from services.registry.domain.resolution import ListHash, Resolved, Sieve, lay_out
from services.registry.idempotency import Answer, first_answer, keep_answer
from services.registry.preflight.gate import Gate
from services.registry.problems import lists as list_problems
from services.registry.store import agencies, books, circulars, counterparts, letters, lists, succession
from services.registry.store.circulars import Circular
from shared import outbox
from shared import problems as shared_problems
from shared.contracts.events import (
    RECIPIENTS_PER_MESSAGE,
    AttachmentLink,
    CircularDispatched,
    CitedLetter,
    CopyTo,
    LetterSummary,
    ListedEnclosure,
    Secrecy,
)
from shared.idempotency import request_sha256
from shared.ids import new_id
from shared.links import LinkSigner, Purpose
from shared.postgres import Connection, Database, Row
from shared.problems import FieldError, ProblemError
from shared.thai.dates import bangkok_date

SERVICE: Final = "registry"

log = structlog.stdlib.get_logger(__name__)
_meter = metrics.get_meter("wian.registry")
_dispatched = _meter.create_counter("wian.registry.circulars.dispatched", unit="{circular}", description="Circulars sent round.")
_recipients = _meter.create_counter(
    "wian.registry.circulars.recipients", unit="{recipient}", description="Recipients of the circulars sent round."
)


@dataclass(frozen=True, slots=True)
class Order:
    """What the sender asks for; `list_id` None means the letter's own list."""

    agency_id: UUID
    letter_id: UUID
    list_id: UUID | None
    idempotency_key: str
    gate: Gate

    @property
    def sha256(self) -> bytes:
        """Hash by which a repeated request is told from another one under the same key."""
        list_id = None if self.list_id is None else str(self.list_id)
        asked: dict[str, Any] = {"dispatch": str(self.letter_id), "list_id": list_id}
        if self.gate.override is not None:
            asked["override"] = self.gate.override.to_json()
        return request_sha256(asked)


@dataclass(frozen=True, slots=True)
class FileLinks:
    """Makes the addresses under which recipients fetch attachments."""

    signer: LinkSigner
    public_url: str

    def link(self, attachment: Attachment) -> AttachmentLink:
        """The attachment by reference, under a signed address."""
        return AttachmentLink(
            attachment_id=attachment.attachment_id,
            file_name=attachment.file_name,
            media_type=attachment.media_type,
            size=attachment.size,
            sha256=attachment.sha256,
            url=f"{self.public_url}/f/{self.signer.sign(Purpose.FILE, attachment.attachment_id)}",
        )


async def dispatch_letter(database: Database, order: Order, links: FileLinks, most: int) -> Answer:
    """Carry out `order` and return the answer, or the first answer when the same order came before under its key.

    The recipients pass through in pieces, so memory does not grow with the list. `most` bounds their number. Raises ProblemError; then nothing was stored, and the key is free.
    """
    async with database.transaction() as connection:
        first = await first_answer(connection, order.agency_id, order.idempotency_key, order.sha256)
        if first is not None:
            return first
        letter = await _registered_letter(connection, order)
        await withdrawing.check_dispatchable(connection, letter.letter_id)
        await lists.lock_for_reading(connection, order.agency_id)
        list_head = await _list_of(connection, order, letter)
        # What must hold before anything is frozen is checked here: letter and lists stay as they are from now on.
        circular = _circular(order, letter, list_head)
        await circulars.insert(connection, circular)
        count, list_hash = await _freeze(connection, circular, most)
        copies = await _freeze_copies(connection, circular, letter, count)
        await circulars.freeze(connection, circular.circular_id, count + copies, list_hash, copies)
        count += copies
        await order.gate.check(connection, letter, circular.circular_id, circular.dispatched_at)
        await letters.mark_dispatched(connection, letter.letter_id)
        await books.note_dispatched(connection, letter.letter_id, circular.circular_id, count, circular.dispatched_at)
        await counterparts.add(connection, letter.letter_id, circular.circular_id, count)
        await _tell(connection, await header(connection, circular, letter, links, count))
        await withdrawing.announce_succession(connection, letter, circular.circular_id)
        answer = _answer(circular, letter, count, list_hash, copies)
        await keep_answer(connection, order.agency_id, order.idempotency_key, answer)
    _dispatched.add(1)
    _recipients.add(count)
    log.info("circular dispatched", circular_id=str(circular.circular_id), recipients=count)
    return answer


async def _registered_letter(connection: Connection, order: Order) -> Letter:
    letter = await letters.get_for_update(connection, order.letter_id, order.agency_id)
    if letter is None:
        raise ProblemError(shared_problems.NOT_FOUND)
    if letter.state is LetterState.DRAFT:
        raise ProblemError(problems.LETTER_NOT_REGISTERED)
    if letter.state is LetterState.DISPATCHED:
        circular_id = await circulars.circular_of_letter(connection, letter.letter_id)
        raise ProblemError(problems.LETTER_ALREADY_DISPATCHED, f"circular_id {circular_id}")
    return letter


async def _list_of(connection: Connection, order: Order, letter: Letter) -> ListHead:
    list_id = order.list_id or letter.list_id
    if list_id is None:
        raise ProblemError(problems.LIST_MISSING)
    head = await lists.get_for_freezing(connection, list_id, order.agency_id)
    if head is None:
        detail = f"there is no list {list_id}"
        raise ProblemError(problems.LIST_UNKNOWN, detail, errors=[FieldError("/list_id", problems.LIST_UNKNOWN.code, detail)])
    return head


async def _freeze(connection: Connection, circular: Circular, most: int) -> tuple[int, str]:
    """Store what the list resolves to as the order's recipients; returns their number and hash, in which no copies are."""
    list_hash = ListHash()
    count = 0
    async for piece in resolve(connection, circular.list_id, Sieve(), most, bangkok_date(circular.dispatched_at)):
        await circulars.add_recipients(connection, circular.circular_id, count + 1, [(new_id(), one) for one in piece])
        list_hash.add(piece)
        count += len(piece)
    if count == 0:
        raise ProblemError(list_problems.LIST_RESOLVES_TO_NOBODY)
    return count, list_hash.hexdigest()


async def _freeze_copies(connection: Connection, circular: Circular, letter: Letter, count: int) -> int:
    """Store whom the letter names for a copy behind the `count` recipients of the list, unless they are among them."""
    named = await resolve_copies(connection, letter.draft, bangkok_date(circular.dispatched_at))
    already = await circulars.among(connection, circular.circular_id, [one.agency_id for one in named])
    copies = [(new_id(), one) for one in named if one.agency_id not in already]
    await circulars.add_recipients(connection, circular.circular_id, count + 1, copies)
    return len(copies)


async def resolve(connection: Connection, list_id: UUID, sieve: Sieve, most: int, day: date) -> AsyncGenerator[list[Resolved]]:
    """What the list resolves to on `day`, in order and in pieces, through `sieve`; refuses more than `most` addressees."""
    for segment in lay_out(list_id, await lists.layouts(connection, list_id)):
        async for candidates in lists.candidates(connection, segment, day):
            elsewhere = await succession.elsewhere(connection, [one.agency_id for one in candidates], day)
            piece = sieve.sift(candidates, segment.excluded, elsewhere)
            if sieve.kept > most:
                raise ProblemError(problems.LIST_TOO_LONG, f"the list resolves to more than {most} addressees")
            if piece:
                yield piece


async def _tell(connection: Connection, header: CircularDispatched) -> None:
    """Write the event for every recipient to the outbox, in chunks that each carry the whole header."""
    common = header.model_dump(mode="json")
    chunk = 1
    async for rows in circulars.frozen(connection, header.circular_id, lists.ROWS_PER_FETCH):
        payloads = chunked(common, [_told(row) for row in rows], chunk)
        await outbox.add_payloads(connection, SERVICE, CircularDispatched, payloads)
        chunk += len(payloads)


def _told(row: Row) -> dict[str, object]:
    target = row["relay_target"]
    return {**row, "relay_target": None if target is None else orjson.Fragment(target)}


def _circular(order: Order, letter: Letter, list_head: ListHead) -> Circular:
    return Circular(
        circular_id=new_id(),
        letter_id=letter.letter_id,
        agency_id=order.agency_id,
        list_id=list_head.list_id,
        list_version=list_head.version,
        deadline=letter.draft.due_at,
        relay_of_recipient_id=letter.relay_of_recipient_id,
        dispatched_at=datetime.now(UTC),
    )


async def header(
    connection: Connection, circular: Circular, letter: Letter, links: FileLinks, recipient_count: int
) -> CircularDispatched:
    """What every chunk of the circular carries, without recipients."""
    sender = await agencies.get(connection, circular.agency_id)
    if sender is None:
        raise LookupError("an agency cannot vanish")
    files = await letters.attachments(connection, letter.letter_id)
    return _event(circular, sender, summary(letter, [links.link(file) for file in files]), recipient_count)


def _event(circular: Circular, sender: Agency, letter: LetterSummary, recipient_count: int) -> CircularDispatched:
    return CircularDispatched(
        circular_id=circular.circular_id,
        sender_agency_id=sender.agency_id,
        sender_name_th=sender.entry.name_th,
        sender_name_en=sender.entry.name_en,
        letter=letter,
        dispatched_at=circular.dispatched_at,
        deadline=circular.deadline,
        relay_of_recipient_id=circular.relay_of_recipient_id,
        recipient_count=recipient_count,
        chunk=1,
        chunks=-(-recipient_count // RECIPIENTS_PER_MESSAGE),
        recipients=(),
    )


def summary(letter: Letter, attachments: Sequence[AttachmentLink]) -> LetterSummary:
    """What the other services and the recipients' systems are told; of a secret letter neither subject, text, files nor what it cites."""
    draft, number = letter.draft, letter.number
    if number is None or letter.content_hash is None or draft.date is None:
        raise ValueError("a draft is not dispatched")
    told = draft.secrecy is Secrecy.NORMAL
    return LetterSummary(
        letter_id=letter.letter_id,
        number=number.printed,
        date=draft.date,
        owner=draft.owner,
        subject=draft.subject if told else "",
        salutation=draft.salutation,
        body=draft.body if told else (),
        closing=draft.closing,
        signatory_name=draft.signatory_name,
        signatory_position=draft.signatory_position,
        contact_unit=draft.contact_unit,
        telephone=draft.telephone,
        speed=draft.speed,
        secrecy=draft.secrecy,
        content_hash=letter.content_hash,
        attachments=tuple(attachments) if told else (),
        kind=draft.kind.value,
        form=None if draft.form is None else draft.form.value,
        urgent_within=draft.urgent_within,
        references=tuple(CitedLetter.model_validate(one, from_attributes=True) for one in draft.references) if told else (),
        enclosures=tuple(ListedEnclosure.model_validate(one, from_attributes=True) for one in draft.enclosures) if told else (),
        copy_to=tuple(CopyTo.model_validate(one, from_attributes=True) for one in draft.copy_to) if told else (),
    )


def chunked(header: Mapping[str, object], recipients: Sequence[Mapping[str, object]], first: int) -> list[dict[str, object]]:
    """The payloads for `recipients`, numbered from `first`: at most RECIPIENTS_PER_MESSAGE in each, with the whole header."""
    return [
        {
            **header,
            "chunk": first + start // RECIPIENTS_PER_MESSAGE,
            "recipients": recipients[start : start + RECIPIENTS_PER_MESSAGE],
        }
        for start in range(0, len(recipients), RECIPIENTS_PER_MESSAGE)
    ]


def _answer(circular: Circular, letter: Letter, recipient_count: int, list_hash: str, copies: int) -> Answer:
    return {
        "circular_id": str(circular.circular_id),
        "letter_id": str(letter.letter_id),
        "recipients": recipient_count,
        "copies": copies,
        "state": LetterState.DISPATCHED.value,
        "content_hash": letter.content_hash,
        "list_version": circular.list_version,
        "list_hash": list_hash,
    }
