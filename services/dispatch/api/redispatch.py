"""The route by which a sender has a circular sent again to those who do not answer."""

from datetime import timedelta
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from services.dispatch.api.dependencies import Dispatch, SendersClerk
from services.dispatch.api.failures import Limit, Said, Why
from services.dispatch.redispatch import redispatch
from services.dispatch.redrive import MOST_REDRIVEN
from services.dispatch.store import circulars
from services.dispatch.store.redispatches import Silent
from shared.problems import NOT_FOUND, ProblemError

router = APIRouter(prefix="/v1/deliveries", tags=["deliveries"])


class RedispatchIn(Said):
    """An order to send a circular again to those who do not answer."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"circular_id": "0190f3a0-0000-7000-8000-000000000000", "why": "ใกล้ครบกำหนดตอบรับ"}]}
    )

    circular_id: UUID
    recipient_ids: tuple[UUID, ...] | None = Field(
        default=None,
        min_length=1,
        max_length=MOST_REDRIVEN,
        description="These recipients alone; without them, all that are silent.",
    )
    limit: Limit = MOST_REDRIVEN
    why: Why = ""


class RedispatchOut(BaseModel):
    """How many letters are sent again, and how many are left."""

    redispatched: int
    remaining: int


@router.post("/redispatch", summary="Send a circular again to those who do not answer")
async def redispatch_silent(body: RedispatchIn, caller: SendersClerk, dispatch: Dispatch) -> RedispatchOut:
    """By the next channel of each one's ladder: from the webhook to e-mail, the inbox and at last paper, which may be sent again.

    Whoever has answered, or had the letter less than `WIAN_DISPATCH_REDISPATCH_PAUSE` seconds ago, is passed over, so the call can
    be repeated. Call again while `remaining` is above 0.
    """
    async with dispatch.database.connection() as connection:
        if await circulars.get_sender(connection, body.circular_id) != caller.agency():
            raise ProblemError(NOT_FOUND)
    silent = Silent(body.circular_id, timedelta(seconds=dispatch.settings.dispatch_redispatch_pause), body.recipient_ids)
    done, remaining = await redispatch(dispatch, silent, body.limit, caller.client_id, body.why)
    return RedispatchOut(redispatched=done, remaining=remaining)
