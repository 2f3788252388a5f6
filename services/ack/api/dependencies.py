"""Who may call, and what a route works with: the aliases that stand in the routes' signatures."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request

from services.ack import problems
from services.ack.acknowledging import Caller
from services.ack.facts import Door
from services.ack.links import link_digest
from services.ack.resources import Resources
from services.ack.store import circulars
from services.ack.store.circulars import Circular
from shared import problems as common
from shared.access import Principal, Scope, needs
from shared.links import LinkError, Purpose
from shared.postgres import Connection
from shared.problems import ProblemError


async def _resources(request: Request) -> Resources:
    resources: Resources = request.app.state.resources
    return resources


Ack = Annotated[Resources, Depends(_resources)]

Acknowledger = Annotated[Principal, Depends(needs(Scope.ACKNOWLEDGE))]
CircularReader = Annotated[Principal, Depends(needs(Scope.CIRCULARS_READ))]
LinkKeeper = Annotated[Principal, Depends(needs(Scope.CIRCULARS_READ, Scope.OPERATE))]
RecipientReader = Annotated[Principal, Depends(needs(Scope.ACKNOWLEDGE, Scope.DELIVERIES_READ, Scope.CIRCULARS_READ))]


async def sent_by(connection: Connection, circular_id: UUID, caller: Principal) -> Circular:
    """The circular, if the caller's agency sent it; raises ProblemError `not_found` otherwise."""
    agency_id = caller.agency()
    circular = await circulars.get(connection, circular_id)
    if circular is None or circular.sender_agency_id != agency_id:
        raise ProblemError(common.NOT_FOUND)
    return circular


def by_link(resources: Resources, link: str, door: Door) -> tuple[UUID, Caller]:
    """The recipient that an acknowledgment link names, and whoever holds it; raises ProblemError `link_invalid`.

    Whether the link was revoked is decided with the recipient's row, where that is read.
    """
    recipient_id = read_link(resources, Purpose.ACKNOWLEDGE, link)
    return recipient_id, Caller(door, "holder of the link", link_digest=link_digest(link))


def read_link(resources: Resources, purpose: Purpose, link: str) -> UUID:
    """What the link names; raises ProblemError `link_invalid`."""
    max_age = resources.settings.ack_tracking_link_days * 86_400 if purpose is Purpose.TRACK else None
    try:
        return resources.links.read(purpose, link, max_age=max_age)
    except LinkError as error:
        raise ProblemError(problems.LINK_INVALID, str(error)) from error
