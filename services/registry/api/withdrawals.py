"""Routes of what happens to a letter afterwards: void, recall, erratum, and the thread that it stands in."""

from datetime import date, datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from services.registry.api.afterwards import ErratumOut, VoidOut, shown_errata, shown_void
from services.registry.api.dependencies import LetterRecipient, LetterWriter, Registry
from services.registry.api.fields import Block, RequestModel, ShortLine
from services.registry.domain.letters import LetterState
from services.registry.reading import readable_letter
from services.registry.store import withdrawals as store
from services.registry.withdrawing import Act, correct_letter, recall_letter, void_letter
from shared.idempotency import IdempotencyKey

router = APIRouter(prefix="/v1/letters", tags=["letters"])

# A thread is for a person to read; a longer one is cut.
LONGEST_THREAD: Final = 200
MOST_RECIPIENTS: Final = 1000

Reason = Annotated[Block, StringConstraints(min_length=1)]


class VoidIn(RequestModel):
    """Why a number is cancelled; it stands in the register."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "ออกเลขที่ซ้ำกับฉบับที่ส่งด้วยกระดาษ"}]})

    reason: Reason


class VoidedOut(BaseModel):
    """A letter whose number is cancelled."""

    letter_id: UUID
    number: str
    voided: VoidOut


class RecallIn(RequestModel):
    """Why a circular is taken back, and from whom."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "ส่งผิดหน่วยงาน", "recipient_ids": None}]})

    reason: Reason
    recipient_ids: Annotated[tuple[UUID, ...], Field(min_length=1, max_length=MOST_RECIPIENTS)] | None = Field(
        default=None, description="Recipients of the circular; default: all of them."
    )


class RecalledOut(BaseModel):
    """A recall that was ordered. Whoever registers before the order reaches him keeps his record: see the circular."""

    recall_id: UUID
    circular_id: UUID
    letter_id: UUID
    reason: str
    recalled_at: datetime
    recipients: int = Field(description="From how many recipients it is taken back, as far as is known.")
    received_before: int = Field(description="How many of those named had received it: they keep it, and are told.")


class ErratumIn(RequestModel):
    """A note that corrects a circular."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"text": "ย่อหน้าที่ ๒ คำว่า “๑๕๑๖๓” ให้แก้เป็น “๑๕๑๒๓”", "fields": ["body"]}]}
    )

    text: Annotated[Block, StringConstraints(min_length=1)]
    fields: Annotated[tuple[ShortLine, ...], Field(max_length=30)] = Field(
        default=(), description="Fields of the letter that the note is about: `subject`, `body`, `attachments`…"
    )


class ThreadLetterOut(BaseModel):
    """A letter of a thread; `supersedes` and `follows` point at letters of the same thread."""

    letter_id: UUID
    agency_id: UUID
    agency_name_th: str
    state: LetterState
    number: str | None
    date: date | None
    subject: str
    supersedes: UUID | None
    follows: UUID | None
    voided_at: datetime | None
    dispatched_at: datetime | None


class ThreadOut(BaseModel):
    """The letters that a letter is tied to, with itself, oldest first; those alone that your agency has sent or received."""

    items: list[ThreadLetterOut]
    more: bool = Field(description="Whether the thread is longer than what is shown.")


@router.post("/{letter_id}/void", summary="Cancel the number of a letter")
async def void(letter_id: UUID, body: VoidIn, caller: LetterWriter, registry: Registry) -> VoidedOut:
    """For a letter that has not gone round. The number is never issued again, and stays in the register with the reason."""
    ties = await void_letter(registry.database, Act(caller.agency(), letter_id, caller.client_id), body.reason)
    voided = shown_void(ties)
    if voided is None or ties.number is None:
        raise LookupError("a voided letter has a number and a reason")
    return VoidedOut(letter_id=letter_id, number=ties.number, voided=voided)


@router.post("/{letter_id}/recall", status_code=202, summary="Take a circular back", response_model=RecalledOut)
async def recall(
    letter_id: UUID, body: RecallIn, caller: LetterWriter, registry: Registry, key: IdempotencyKey
) -> dict[str, Any]:
    """Before receipt: whoever has registered the letter keeps it, and is told; from all others it is taken back.

    The same Idempotency-Key with the same body gets the first answer again.
    """
    act = Act(caller.agency(), letter_id, caller.client_id, key)
    return await recall_letter(registry.database, act, body.reason, body.recipient_ids)


@router.post("/{letter_id}/erratum", status_code=201, summary="Correct a circular by a note", response_model=ErratumOut)
async def issue_erratum(
    letter_id: UUID, body: ErratumIn, caller: LetterWriter, registry: Registry, key: IdempotencyKey
) -> dict[str, Any]:
    """A numbered note that stands beside the letter for sender and recipients. The frozen content does not change.

    The same Idempotency-Key with the same body gets the first answer again.
    """
    act = Act(caller.agency(), letter_id, caller.client_id, key)
    return await correct_letter(registry.database, act, body.text, body.fields)


@router.get("/{letter_id}/errata", summary="Read the notes that correct a letter")
async def list_errata(letter_id: UUID, caller: LetterRecipient, registry: Registry) -> list[ErratumOut]:
    """In the order in which they were issued."""
    async with registry.database.connection() as connection:
        await readable_letter(connection, letter_id, caller.agency())
        return await shown_errata(connection, letter_id)


@router.get("/{letter_id}/thread", summary="Read the thread that a letter stands in")
async def read_thread(letter_id: UUID, caller: LetterRecipient, registry: Registry) -> ThreadOut:
    """What the letter answers and supersedes, and what answers and supersedes it, from letter to letter."""
    agency_id = caller.agency()
    async with registry.database.connection() as connection:
        await readable_letter(connection, letter_id, agency_id)
        found = await store.thread(connection, letter_id, agency_id, LONGEST_THREAD + 1)
    shown = [ThreadLetterOut.model_validate(one, from_attributes=True) for one in found[:LONGEST_THREAD]]
    readable = {one.letter_id for one in shown}
    for one in shown:
        one.supersedes = one.supersedes if one.supersedes in readable else None
        one.follows = one.follows if one.follows in readable else None
    return ThreadOut(items=shown, more=len(found) > LONGEST_THREAD)
