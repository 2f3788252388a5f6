"""Routes of clients, for operators."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from services.registry import problems
from services.registry.api.dependencies import DEFAULT_PAGE, After, Limit, Operator, Registry
from services.registry.api.fields import Line, RequestModel
from services.registry.credentials import create_client
from services.registry.store import agencies, clients
from services.registry.store.clients import Client
from shared import problems as shared_problems
from shared.access import Scope
from shared.pages import Page, page_of, read_cursor
from shared.problems import FieldError, ProblemError

router = APIRouter(prefix="/v1/clients", tags=["clients"])


class ClientIn(RequestModel):
    """A client to be made."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "agency_id": "0190f3a0-0000-7000-8000-000000000000",
                    "name": "e-saraban of Samut Sakhon",
                    "scopes": ["lists:write", "letters:write", "letters:read", "circulars:read"],
                }
            ]
        }
    )

    agency_id: UUID | None = Field(default=None, description="The agency that the client acts for; null for an operator.")
    name: Annotated[Line, Field(min_length=1)]
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=len(Scope))]


class NewClientOut(BaseModel):
    """A client that was just made; the secret is shown this once."""

    client_id: str
    client_secret: str
    agency_id: UUID | None
    scopes: list[str]


class ClientOut(BaseModel):
    """A client."""

    client_id: str
    agency_id: UUID | None
    name: str
    scopes: list[str]
    created_at: datetime


def _shown(client: Client) -> ClientOut:
    return ClientOut(
        client_id=client.client_id,
        agency_id=client.agency_id,
        name=client.name,
        scopes=list(client.scopes),
        created_at=client.created_at,
    )


def _checked_scopes(body: ClientIn) -> list[str]:
    scopes = list(dict.fromkeys(scope.value for scope in body.scopes))
    operates = Scope.OPERATE in body.scopes
    if operates and (len(scopes) > 1 or body.agency_id is not None):
        raise ProblemError(problems.CLIENT_SCOPES_INVALID, "`operate` stands alone, and without an agency")
    if not operates and body.agency_id is None:
        raise ProblemError(problems.CLIENT_SCOPES_INVALID, "these scopes need the agency that the client acts for")
    return scopes


@router.post("", status_code=201, summary="Make a client")
async def make_client(body: ClientIn, caller: Operator, registry: Registry, response: Response) -> NewClientOut:
    """Makes credentials for the OAuth 2 client credentials grant. The secret is shown once and not kept."""
    del caller
    scopes = _checked_scopes(body)
    async with registry.database.transaction() as connection:
        if body.agency_id is not None and await agencies.get(connection, body.agency_id) is None:
            detail = f"there is no agency {body.agency_id}"
            raise ProblemError(
                problems.AGENCY_UNKNOWN, detail, errors=[FieldError("/agency_id", problems.AGENCY_UNKNOWN.code, detail)]
            )
        made = await create_client(connection, agency_id=body.agency_id, name=body.name, scopes=scopes)
    response.headers["Cache-Control"] = "no-store"
    return NewClientOut(client_id=made.client_id, client_secret=made.client_secret, agency_id=body.agency_id, scopes=scopes)


@router.get("", summary="List clients")
async def list_clients(
    caller: Operator, registry: Registry, request: Request, response: Response, after: After = None, limit: Limit = DEFAULT_PAGE
) -> Page[ClientOut]:
    """Clients that are not revoked."""
    del caller
    async with registry.database.connection() as connection:
        found = await clients.page(connection, after=read_cursor(after), limit=limit + 1)
    return page_of(found, limit, key=lambda client: client.client_id, show=_shown, request=request, response=response)


@router.delete("/{client_id}", status_code=204, summary="Revoke a client")
async def revoke_client(
    client_id: Annotated[str, Path(max_length=80, pattern=r"^[A-Za-z0-9-]+$")], caller: Operator, registry: Registry
) -> None:
    """The client gets no more tokens; those that it has run out by themselves, within their lifetime."""
    del caller
    async with registry.database.connection() as connection:
        if not await clients.revoke(connection, client_id):
            raise ProblemError(shared_problems.NOT_FOUND)
