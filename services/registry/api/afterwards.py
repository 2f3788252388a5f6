"""What was decided on a letter after it had its number, as answers show it to a reader."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field

from services.registry.domain.letters import LetterState
from services.registry.domain.withdrawals import Ties
from services.registry.store import withdrawals as store
from shared.postgres import Connection


class VoidOut(BaseModel):
    """A cancelled number."""

    reason: str
    voided_at: datetime


class SuccessorOut(BaseModel):
    """The letter that takes this one's place; its number is null while it is a draft, which the sender alone is shown."""

    letter_id: UUID
    state: LetterState
    number: str | None


class RecallOut(BaseModel):
    """A recall that concerns you; `whole`: from all recipients."""

    recall_id: UUID
    whole: bool
    reason: str
    recalled_at: datetime


class ErratumOut(BaseModel):
    """A note that corrects the letter, whose content stays as it was frozen."""

    number: int
    text: str
    fields: list[str]
    issued_at: datetime


class AfterwardsOut(BaseModel):
    """What has become of a letter."""

    voided: VoidOut | None
    superseded_by: SuccessorOut | None
    supersedes: UUID | None = Field(description="Shown to the sender; others see it in the thread.")
    follows: UUID | None = Field(description="Shown to the sender; others see it in the thread.")
    recalls: list[RecallOut]
    errata: list[ErratumOut]


def shown_void(ties: Ties) -> VoidOut | None:
    """The void in an answer."""
    return None if ties.void is None else VoidOut(reason=ties.void.reason, voided_at=ties.void.voided_at)


async def afterwards(connection: Connection, letter_id: UUID, reader: UUID) -> AfterwardsOut:
    """What has become of a letter that the reader may read."""
    ties = await store.ties(connection, letter_id)
    if ties is None:
        raise LookupError("a letter cannot vanish")
    to_sender, successor, went_round = ties.agency_id == reader, ties.successor, ties.circular_id is not None
    recalls = await store.recalls(connection, letter_id, reader) if went_round else []
    if successor is not None and not to_sender and successor.state is not LetterState.DISPATCHED:
        successor = None
    return AfterwardsOut(
        voided=shown_void(ties),
        superseded_by=None
        if successor is None
        else SuccessorOut(letter_id=successor.letter_id, state=successor.state, number=successor.number),
        supersedes=ties.supersedes if to_sender else None,
        follows=ties.follows if to_sender else None,
        recalls=[RecallOut.model_validate(one, from_attributes=True) for one in recalls],
        errata=await shown_errata(connection, letter_id) if went_round else [],
    )


async def shown_errata(connection: Connection, letter_id: UUID) -> list[ErratumOut]:
    """The letter's notes in an answer."""
    return [
        ErratumOut(number=one.number, text=one.text, fields=list(one.fields), issued_at=one.issued_at)
        for one in await store.errata(connection, letter_id)
    ]
