"""Endpoints: where an agency takes webhooks."""

import asyncio
import socket
from datetime import datetime
from typing import Annotated, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field, SecretStr
from yarl import URL

from services.dispatch import problems, vault
from services.dispatch.api.dependencies import Dispatch, EndpointOwner
from services.dispatch.guard import MAX_URL_LENGTH, AddressRefused, UrlRefused, check_url
from services.dispatch.resources import Resources
from services.dispatch.store import agencies
from shared.problems import NOT_FOUND, FieldError, ProblemError

# A name that cannot be looked up now is taken all the same: every address is checked when it is dialled.
LOOK_UP_PATIENCE: Final = 2.0

router = APIRouter(prefix="/v1/endpoints", tags=["endpoints"])


class EndpointSet(BaseModel):
    """The agency's one endpoint."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={"examples": [{"url": "https://saraban.example.go.th/wian", "secret": None}]},
    )

    url: Annotated[str, Field(min_length=1, max_length=MAX_URL_LENGTH, description="https address that takes POST requests.")]
    secret: Annotated[SecretStr | None, Field(max_length=200)] = Field(
        default=None, description="Signing secret (`whsec_` and 24 to 64 bytes in base64); null has a new one made."
    )


class EndpointOut(BaseModel):
    """An endpoint; `secret` is shown once, in the answer to PUT."""

    agency_id: UUID
    url: str
    secret: str | None = None
    state: Literal["active", "disabled"]
    disabled_reason: str | None
    updated_at: datetime


@router.put("", summary="Set the endpoint")
async def put_endpoint(body: EndpointSet, caller: EndpointOwner, dispatch: Dispatch) -> EndpointOut:
    """Set where your agency takes webhooks; a disabled endpoint becomes active again.

    Keep the secret: it is needed to verify signatures (Standard Webhooks 1.0), and is not shown again.
    """
    agency_id = caller.agency()
    await _check(dispatch, body.url)
    secret = vault.new_secret() if body.secret is None else body.secret.get_secret_value()
    if not vault.is_usable(secret):
        raise ProblemError(
            problems.ENDPOINT_SECRET_INVALID,
            errors=[FieldError("/secret", "secret_invalid", "expected `whsec_` and 24 to 64 bytes in base64")],
        )
    async with dispatch.database.transaction() as connection:
        stored = await agencies.save_endpoint(connection, agency_id, body.url, dispatch.vault.seal(secret))
    return _show(stored, secret)


@router.get("", summary="Read the endpoint")
async def get_endpoint(caller: EndpointOwner, dispatch: Dispatch) -> EndpointOut:
    """Your agency's endpoint, without its secret; `disabled_reason` says why nothing is sent to it any more."""
    async with dispatch.database.connection() as connection:
        stored = await agencies.get_endpoint(connection, caller.agency())
    if stored is None:
        raise ProblemError(NOT_FOUND, "your agency has no endpoint")
    return _show(stored, None)


@router.delete("", status_code=204, summary="Remove the endpoint")
async def delete_endpoint(caller: EndpointOwner, dispatch: Dispatch) -> Response:
    """Remove your agency's endpoint; letters under way go by the next channel. Doing it again changes nothing."""
    async with dispatch.database.transaction() as connection:
        await agencies.delete_endpoint(connection, caller.agency())
    return Response(status_code=204)


def _show(stored: agencies.StoredEndpoint, secret: str | None) -> EndpointOut:
    return EndpointOut(
        agency_id=stored.agency_id,
        url=stored.url,
        secret=secret,
        state="active" if stored.state == "active" else "disabled",
        disabled_reason=stored.disabled_reason,
        updated_at=stored.updated_at,
    )


async def _check(dispatch: Resources, text: str) -> None:
    try:
        url = check_url(text, dispatch.settings.dispatch_allow_networks)
        await _look_up(dispatch, url)
    except UrlRefused as error:
        raise ProblemError(
            problems.ENDPOINT_URL_REFUSED, str(error), errors=[FieldError("/url", error.code, str(error))]
        ) from error


async def _look_up(dispatch: Resources, url: URL) -> None:
    try:
        async with asyncio.timeout(LOOK_UP_PATIENCE):
            await dispatch.resolvers[url.scheme].resolve(url.raw_host or "", url.port or 0, socket.AF_UNSPEC)
    except AddressRefused as error:
        raise UrlRefused("address_not_public", str(error)) from error
    except (OSError, TimeoutError, UnicodeError):
        return
