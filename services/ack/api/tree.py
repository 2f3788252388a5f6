"""The route by which a sender follows its circular down the relay tree."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from services.ack.api.circulars import After
from services.ack.api.dependencies import Ack, CircularReader, sent_by
from services.ack.fold import State
from services.ack.store import tree as store
from services.ack.tree import Level, Relay, RelayState, tree_of
from shared.pages import link_next

router = APIRouter(prefix="/v1/circulars", tags=["circulars"])


class _Out(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class HopsOut(_Out):
    """From the hand-over to those who passed the letter on to the dispatch of their circulars."""

    measured: int
    median_seconds: float | None
    longest_seconds: float | None


class LevelOut(_Out):
    """The circulars of one level, added up. Each is overdue by its own deadline."""

    level: int = Field(description="1: this circular; 2: those by which its recipients pass it on; and so on.")
    circulars: int
    recipients: int
    handed_over: int = Field(description="Ever handed over, with those that have answered since.")
    registered: int
    rejected: int
    recalled: int
    undeliverable: int
    outstanding: int = Field(description="Neither registered, rejected nor recalled.")
    overdue: int = Field(description="Outstanding, and the deadline of their circular has passed.")
    duties: int = Field(description="Recipients of this level that must pass the letter on.")
    relayed: int
    duties_waiting: int = Field(description="Duties that are still to be done.")
    duties_overdue: int = Field(description="Of those the ones whose deadline has passed.")
    hops: HopsOut = Field(description="The hops that led to this level.")


class TargetOut(_Out):
    """Whom the recipient must tell: in words, or the agencies of `kind` below the agency with the code `below`."""

    text: str | None
    below: str | None
    below_name_th: str | None
    kind: str | None


class RelayingRecipientOut(BaseModel):
    """A recipient that must pass the letter on, and the figures of what lies below it."""

    recipient_id: UUID
    position: int
    title: str
    agency_id: UUID
    agency_name_th: str | None
    target: TargetOut | None
    due_at: datetime | None = Field(description="The recipient's own deadline where it has one, else the circular's.")
    state: RelayState = Field(
        description="`waiting`, `overdue`, `relayed`, `late` (passed on after the deadline), or `released`: "
        "rejected or recalled before."
    )
    recipient_state: State
    handed_over_at: datetime | None
    relayed_at: datetime | None
    hop_seconds: float | None
    levels: list[LevelOut]

    @classmethod
    def of(cls, relay: Relay) -> Self:
        """The relay as the API shows it."""
        duty = relay.duty
        return cls(
            recipient_id=duty.recipient_id,
            position=duty.position,
            title=duty.title,
            agency_id=duty.agency_id,
            agency_name_th=duty.agency_name_th,
            target=None if duty.target is None else TargetOut.model_validate(duty.target),
            due_at=duty.due_at,
            state=relay.state,
            recipient_state=duty.state,
            handed_over_at=duty.handed_over_at,
            relayed_at=duty.relayed_at,
            hop_seconds=relay.hop_seconds,
            levels=_levels(relay.levels),
        )


class TreeOut(BaseModel):
    """A circular's relay tree; `next` is null on the last page of its relays."""

    circular_id: UUID
    deadline: datetime | None
    complete: bool = Field(
        description="Whether all circulars of the tree are in the figures; a very large one is counted in part."
    )
    levels: list[LevelOut]
    relays: list[RelayingRecipientOut]
    next: str | None = Field(description="Give it as `after` to read on.")


def _levels(levels: tuple[Level, ...]) -> list[LevelOut]:
    return [LevelOut.model_validate(level) for level in levels]


@router.get("/{circular_id}/tree", summary="Follow a circular down the relay tree")
async def read_tree(
    circular_id: UUID,
    caller: CircularReader,
    ack: Ack,
    request: Request,
    response: Response,
    after: After = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="Most relays of the page.")] = 100,
) -> TreeOut:
    """Who must pass the letter on, to whom and by when, and how far it has come on every level below.

    Of the circulars below there are figures alone: their letters and recipients are their senders' business.
    """
    async with ack.database.connection() as connection:
        circular = await sent_by(connection, circular_id, caller)
        branches, complete = await store.branches(connection, circular_id, ack.settings.tree_bounds)
        duties = await store.duties(connection, circular_id, after=int(after or 0), limit=limit + 1)
    following = str(duties[limit - 1].position) if len(duties) > limit else None
    if following is not None:
        link_next(request, response, following)
    tree = tree_of(branches, duties[:limit], ack.now(), complete=complete)
    return TreeOut(
        circular_id=circular_id,
        deadline=circular.deadline,
        complete=tree.complete,
        levels=_levels(tree.levels),
        relays=[RelayingRecipientOut.of(relay) for relay in tree.relays],
        next=following,
    )
