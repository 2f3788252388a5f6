"""The token endpoint (RFC 6749 §4.4) and the public keys (RFC 7517)."""

import base64
import binascii
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs, unquote_plus

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from services.registry.api.dependencies import Registry
from services.registry.credentials import authenticate

MAX_BODY_BYTES: Final = 16 * 1024
NO_STORE: Final = {"Cache-Control": "no-store", "Pragma": "no-cache"}

log = structlog.stdlib.get_logger(__name__)
router = APIRouter(tags=["access"])


class TokenError(Exception):
    """An error of RFC 6749 §5.2, whose form the RFC fixes."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(error)
        self.error = error
        self.description = description
        self.status = status


@dataclass(frozen=True, slots=True)
class _TokenRequest:
    client_id: str
    client_secret: str
    scopes: tuple[str, ...] | None


_TOKEN_OPENAPI: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/x-www-form-urlencoded": {
                "schema": {
                    "type": "object",
                    "required": ["grant_type"],
                    "properties": {
                        "grant_type": {"type": "string", "enum": ["client_credentials"]},
                        "scope": {"type": "string"},
                        "client_id": {"type": "string"},
                        "client_secret": {"type": "string"},
                    },
                },
                "example": {"grant_type": "client_credentials", "scope": "letters:write lists:write"},
            }
        },
    }
}


@router.post("/oauth/token", summary="Get an access token", openapi_extra=_TOKEN_OPENAPI)
async def issue_token(request: Request, registry: Registry) -> JSONResponse:
    """Client credentials, by HTTP Basic or in the form; `scope` may ask for fewer scopes than the client has."""
    try:
        asked = _read(request.headers.get("authorization"), await _form(request))
        async with registry.database.connection() as connection:
            client = await authenticate(connection, asked.client_id, asked.client_secret)
        if client is None:
            raise TokenError("invalid_client", "unknown client or wrong secret", 401)
        scopes = asked.scopes or client.scopes
        if not set(scopes) <= set(client.scopes):
            raise TokenError("invalid_scope", "the client does not have all of these scopes")
    except TokenError as refusal:
        log.info("token refused", error=refusal.error)
        return _refused(refusal)
    token = await registry.tokens.issue(client.client_id, client.agency_id, scopes)
    granted = {"access_token": token, "token_type": "Bearer", "expires_in": registry.tokens.lifetime, "scope": " ".join(scopes)}
    return JSONResponse(granted, headers=NO_STORE)


@router.get("/.well-known/jwks.json", summary="Read the keys that check access tokens")
async def read_jwks(registry: Registry) -> JSONResponse:
    """The JWK set with which anyone can check an access token."""
    return JSONResponse(await registry.tokens.public_jwks(), headers={"Cache-Control": "public, max-age=300"})


def _refused(refusal: TokenError) -> JSONResponse:
    headers = dict(NO_STORE)
    if refusal.status == 401:
        headers["WWW-Authenticate"] = 'Basic realm="wian"'
    return JSONResponse({"error": refusal.error, "error_description": refusal.description}, refusal.status, headers)


async def _form(request: Request) -> dict[str, str]:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/x-www-form-urlencoded":
        raise TokenError("invalid_request", "send application/x-www-form-urlencoded")
    body = await request.body()
    if len(body) > MAX_BODY_BYTES:
        raise TokenError("invalid_request", f"the form may have {MAX_BODY_BYTES} bytes")
    try:
        fields = parse_qs(
            body.decode("ascii"), keep_blank_values=True, strict_parsing=bool(body), max_num_fields=20, errors="strict"
        )
    except ValueError as error:
        raise TokenError("invalid_request", "the form cannot be read") from error
    if any(len(values) > 1 for values in fields.values()):
        raise TokenError("invalid_request", "a parameter stands twice")
    return {name: values[0] for name, values in fields.items()}


def _read(authorization: str | None, form: dict[str, str]) -> _TokenRequest:
    grant_type = form.get("grant_type")
    if grant_type is None:
        raise TokenError("invalid_request", "grant_type is missing")
    if grant_type != "client_credentials":
        raise TokenError("unsupported_grant_type", "only client_credentials is supported")
    client_id, client_secret = _credentials(authorization, form)
    if "\0" in client_id:
        raise TokenError("invalid_client", "unknown client or wrong secret", 401)
    asked = form.get("scope", "").split()
    return _TokenRequest(client_id, client_secret, tuple(dict.fromkeys(asked)) or None)


def _credentials(authorization: str | None, form: dict[str, str]) -> tuple[str, str]:
    if authorization is None:
        if "client_id" not in form or "client_secret" not in form:
            raise TokenError("invalid_client", "client credentials are missing", 401)
        return form["client_id"], form["client_secret"]
    if "client_secret" in form:
        raise TokenError("invalid_request", "client credentials came in two ways")
    scheme, _, encoded = authorization.partition(" ")
    try:
        if scheme.lower() != "basic":
            raise TokenError("invalid_client", "use HTTP Basic", 401)
        client_id, colon, client_secret = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise TokenError("invalid_client", "the Authorization header cannot be read", 401) from error
    if not colon:
        raise TokenError("invalid_client", "the Authorization header cannot be read", 401)
    # RFC 6749 §2.3.1: both are form-encoded before they are joined.
    return unquote_plus(client_id), unquote_plus(client_secret)
