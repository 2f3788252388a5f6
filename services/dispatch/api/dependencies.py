"""Who may call, and what a route works with: the aliases that stand in the routes' signatures."""

import asyncio
from typing import Annotated, Final

from fastapi import Depends, Query, Request

from services.dispatch.arrivals import Arrivals
from services.dispatch.resources import Resources
from shared.access import Principal, Scope, needs

DEFAULT_PAGE: Final = 50
LARGEST_PAGE: Final = 500


async def _resources(request: Request) -> Resources:
    resources: Resources = request.app.state.resources
    return resources


async def _arrivals(request: Request) -> Arrivals:
    arrivals: Arrivals = request.app.state.arrivals
    return arrivals


async def _stopping(request: Request) -> asyncio.Event:
    """Set by the HTTP server (`shared.runtime`) when the process is asked to stop; never, where another server runs the app."""
    stopping: asyncio.Event = getattr(request.state, "stopping", asyncio.Event())
    return stopping


Dispatch = Annotated[Resources, Depends(_resources)]
Waiting = Annotated[Arrivals, Depends(_arrivals)]
Stopping = Annotated[asyncio.Event, Depends(_stopping)]

EndpointOwner = Annotated[Principal, Depends(needs(Scope.ENDPOINTS_WRITE))]
Recipient = Annotated[Principal, Depends(needs(Scope.DELIVERIES_READ))]
Sender = Annotated[Principal, Depends(needs(Scope.CIRCULARS_READ))]
SendersClerk = Annotated[Principal, Depends(needs(Scope.LETTERS_WRITE))]
Operator = Annotated[Principal, Depends(needs(Scope.OPERATE))]
SenderOrRecipient = Annotated[Principal, Depends(needs(Scope.DELIVERIES_READ, Scope.CIRCULARS_READ))]

Limit = Annotated[int, Query(ge=1, le=LARGEST_PAGE, description="Most items of the page.")]
After = Annotated[str | None, Query(max_length=400, description="`next` of the page before.")]
