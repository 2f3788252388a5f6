"""The limits of an agency's endpoint: its own, within those of the exchange."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from services.dispatch.api.dependencies import Dispatch, EndpointOwner
from services.dispatch.flow import Limits
from services.dispatch.resources import Resources
from services.dispatch.store import limits
from services.dispatch.store.limits import StoredLimits
from shared.problems import NOT_FOUND, ProblemError

router = APIRouter(prefix="/v1/endpoints/limits", tags=["endpoints"])

InFlight = Annotated[int, Field(ge=1, le=1000)]
# One a minute is the slowest that the CloudEvents handshake can name.
PerSecond = Annotated[float, Field(ge=1 / 60, le=10_000, allow_inf_nan=False)]


class LimitsSet(BaseModel):
    """What your endpoint bears; null: as the exchange is set."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"examples": [{"in_flight": 4, "per_second": 2.5}]})

    in_flight: InFlight | None = Field(default=None, description="Most letters under way to your endpoint at a time.")
    per_second: PerSecond | None = Field(default=None, description="Most requests a second.")


class LimitsOut(BaseModel):
    """Your own limits, what your endpoint allowed in the handshake, and what holds: the lowest of these and of the exchange's."""

    in_flight: int | None
    per_second: float | None
    allowed_per_second: float | None = Field(description="From `WebHook-Allowed-Rate`, when the endpoint proved its address.")
    holding_in_flight: int
    holding_per_second: float | None = Field(description="Null: there is no such limit.")


@router.get("", summary="Read the endpoint's limits")
async def get_limits(caller: EndpointOwner, dispatch: Dispatch) -> LimitsOut:
    """How many letters go to your endpoint at a time and a second, and whose limit that is."""
    async with dispatch.database.connection() as connection:
        stored = await limits.get(connection, caller.agency())
    if stored is None:
        raise ProblemError(NOT_FOUND, "your agency has no endpoint")
    return _show(stored, dispatch)


@router.put("", summary="Set the endpoint's limits")
async def put_limits(body: LimitsSet, caller: EndpointOwner, dispatch: Dispatch) -> LimitsOut:
    """Have us send more slowly than the exchange would; what is over the limits waits. A limit above the exchange's has no effect."""
    async with dispatch.database.transaction() as connection:
        await limits.set_own(connection, caller.agency(), body.in_flight, body.per_second)
    return await get_limits(caller, dispatch)


def exchange_limits(dispatch: Resources) -> Limits:
    """Those of an agency that has none of its own."""
    return Limits(dispatch.settings.dispatch_agency_in_flight, dispatch.settings.dispatch_agency_per_second)


def _show(stored: StoredLimits, dispatch: Resources) -> LimitsOut:
    holding = stored.holding(exchange_limits(dispatch))
    return LimitsOut(
        in_flight=stored.most_in_flight,
        per_second=stored.most_per_second,
        allowed_per_second=stored.allowed_per_second,
        holding_in_flight=holding.in_flight,
        holding_per_second=holding.per_second,
    )
