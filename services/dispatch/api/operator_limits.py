"""The operator's limits of single agencies: how fast letters go to them, whatever they ask for, and who changed that, when and why."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import structlog
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from services.dispatch.api.dependencies import DEFAULT_PAGE, After, Dispatch, Limit, Operator
from services.dispatch.api.endpoint_limits import InFlight, PerSecond, exchange_limits
from services.dispatch.api.failures import Said, Why
from services.dispatch.resources import Resources
from services.dispatch.store import limits
from services.dispatch.store.limits import AgencyLimits, LimitChange
from shared.pages import Page, page_of, read_id_cursor
from shared.problems import NOT_FOUND, ProblemError

router = APIRouter(prefix="/v1/repair/limits", tags=["repair"])
log = structlog.stdlib.get_logger(__name__)


class OperatorsLimits(Said):
    """The limits of one agency in place of those for all; null: those for all."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"in_flight": 4, "per_second": 2.5, "why": "ระบบปลายทางรับได้ช้า"}]})

    in_flight: InFlight | None = Field(description="Most letters under way to the agency's endpoint at a time.")
    per_second: PerSecond | None = Field(description="Most requests a second.")
    why: Annotated[Why, StringConstraints(min_length=1)]


class AgencyLimitsOut(BaseModel):
    """The operator's limits, the agency's own, and what holds: the operator's (for this agency, else for all) or what is lower."""

    agency_id: UUID
    code: str
    in_flight: int | None
    per_second: float | None
    own_in_flight: int | None
    own_per_second: float | None
    allowed_per_second: float | None = Field(description="From `WebHook-Allowed-Rate`, when the endpoint proved its address.")
    holding_in_flight: int
    holding_per_second: float | None = Field(description="Null: there is no such limit.")


class LimitChangeOut(BaseModel):
    """Who changed the operator's limits of an agency, from what to what, and why."""

    limit_change_id: UUID
    in_flight: int | None
    per_second: float | None
    in_flight_before: int | None
    per_second_before: float | None
    changed_at: datetime
    changed_by: str
    why: str


@router.get("", summary="Agencies with limits of the operator")
async def list_limits(
    request: Request,
    response: Response,
    caller: Operator,  # noqa: ARG001 - the right to call
    dispatch: Dispatch,
    after: After = None,
    limit: Limit = DEFAULT_PAGE,
) -> Page[AgencyLimitsOut]:
    """Those for which other limits are set than for all."""
    cursor = read_id_cursor(after)
    async with dispatch.database.connection() as connection:
        found = await limits.limited(connection, cursor, limit + 1)
    return page_of(
        found,
        limit,
        key=lambda one: str(one.agency_id),
        show=lambda one: _show(one, dispatch),
        request=request,
        response=response,
    )


@router.get("/{agency_id}", summary="The limits of an agency")
async def get_agency_limits(
    agency_id: UUID,
    caller: Operator,  # noqa: ARG001 - the right to call
    dispatch: Dispatch,
) -> AgencyLimitsOut:
    """How fast letters go to the agency's endpoint, and whose limit that is."""
    return _show(await _get(dispatch, agency_id), dispatch)


@router.put("/{agency_id}", summary="Set the limits of an agency")
async def put_agency_limits(agency_id: UUID, body: OperatorsLimits, caller: Operator, dispatch: Dispatch) -> AgencyLimitsOut:
    """Set both limits; they hold from the next claim on, for what waits already as well. The agency may go below them, never above.

    Repeated with the same limits, the call changes and writes down nothing.
    """
    await _get(dispatch, agency_id)
    async with dispatch.database.transaction() as connection:
        is_new = await limits.set_operators(connection, agency_id, body.in_flight, body.per_second, caller.client_id, body.why)
    if is_new:
        log.info(
            "limits changed",
            agency_id=str(agency_id),
            client_id=caller.client_id,
            in_flight=body.in_flight,
            per_second=body.per_second,
        )
    return _show(await _get(dispatch, agency_id), dispatch)


@router.get("/{agency_id}/changes", summary="Who changed the limits of an agency")
async def list_limit_changes(
    agency_id: UUID,
    request: Request,
    response: Response,
    caller: Operator,  # noqa: ARG001 - the right to call
    dispatch: Dispatch,
    after: After = None,
    limit: Limit = DEFAULT_PAGE,
) -> Page[LimitChangeOut]:
    """Every change, the latest first."""
    cursor = read_id_cursor(after)
    await _get(dispatch, agency_id)
    async with dispatch.database.connection() as connection:
        found = await limits.changes(connection, agency_id, cursor, limit + 1)
    return page_of(found, limit, key=lambda one: str(one.limit_change_id), show=_show_change, request=request, response=response)


async def _get(dispatch: Resources, agency_id: UUID) -> AgencyLimits:
    async with dispatch.database.connection() as connection:
        found = await limits.of_agency(connection, agency_id)
    if found is None:
        raise ProblemError(NOT_FOUND, "there is no such agency")
    return found


def _show(found: AgencyLimits, dispatch: Resources) -> AgencyLimitsOut:
    stored, holding = found.stored, found.stored.holding(exchange_limits(dispatch))
    return AgencyLimitsOut(
        agency_id=found.agency_id,
        code=found.code,
        in_flight=stored.max_in_flight,
        per_second=stored.max_per_second,
        own_in_flight=stored.most_in_flight,
        own_per_second=stored.most_per_second,
        allowed_per_second=stored.allowed_per_second,
        holding_in_flight=holding.in_flight,
        holding_per_second=holding.per_second,
    )


def _show_change(change: LimitChange) -> LimitChangeOut:
    return LimitChangeOut(
        limit_change_id=change.limit_change_id,
        in_flight=change.max_in_flight,
        per_second=change.max_per_second,
        in_flight_before=change.in_flight_before,
        per_second_before=change.per_second_before,
        changed_at=change.changed_at,
        changed_by=change.changed_by,
        why=change.why,
    )
