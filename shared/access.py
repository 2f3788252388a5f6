"""Access: EdDSA tokens checked against the key set, and the scopes that routes ask for."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Final
from uuid import UUID

import httpx
import structlog
from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from shared import problems
from shared.problems import ProblemError

# A token that was found good is not checked again for so many seconds, nor beyond its end; so many are remembered.
REMEMBERED_FOR: Final = 60.0
REMEMBERED: Final = 10_000
# A spoilt token with an unknown key must not make us ask for the keys at every request.
KEY_REFRESH_PAUSE: Final = 5.0
CLOCK_LEEWAY: Final = 30

log = structlog.stdlib.get_logger(__name__)


class Scope(StrEnum):
    """What a client may do. `OPERATE` is for the operator of the exchange, the others act for one agency."""

    OPERATE = "operate"
    LISTS_WRITE = "lists:write"
    LETTERS_READ = "letters:read"
    LETTERS_WRITE = "letters:write"
    ENDPOINTS_WRITE = "endpoints:write"
    DELIVERIES_READ = "deliveries:read"
    CIRCULARS_READ = "circulars:read"
    ACKNOWLEDGE = "acknowledge"


AGENCY_SCOPES: Final = tuple(scope for scope in Scope if scope is not Scope.OPERATE)


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls: the client, the agency that it acts for (None for an operator), and its scopes."""

    client_id: str
    agency_id: UUID | None
    scopes: frozenset[str]

    @property
    def is_operator(self) -> bool:
        return Scope.OPERATE in self.scopes

    def agency(self) -> UUID:
        """The agency that the client acts for; a client without one is refused."""
        if self.agency_id is None:
            raise ProblemError(problems.SCOPE_MISSING, "this call is made by a client that acts for an agency")
        return self.agency_id


KeySource = Callable[[], Awaitable[KeySet]]


def keys_from_url(url: str) -> KeySource:
    """Reads a JWKS (RFC 7517) over HTTP."""

    async def fetch() -> KeySet:
        async with httpx.AsyncClient(timeout=5) as client:
            response = await client.get(url)
            response.raise_for_status()
            return KeySet.import_key_set(response.json())

    return fetch


class TokenVerifier:
    """Checks access tokens by itself; the keys are fetched once and again when a token names an unknown one."""

    def __init__(self, source: KeySource, *, issuer: str, audience: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._source = source
        self._clock = clock
        self._claims = jwt.JWTClaimsRegistry(
            leeway=CLOCK_LEEWAY,
            iss={"essential": True, "value": issuer},
            aud={"essential": True, "value": audience},
            exp={"essential": True},
            sub={"essential": True},
        )
        self._keys: KeySet | None = None
        self._fetched_at = float("-inf")
        self._lock = asyncio.Lock()
        self._good: dict[str, tuple[Principal, float, float]] = {}

    async def verify(self, token: str) -> Principal:
        """The caller that `token` proves; raises ProblemError `token_invalid`, or 503 when no keys can be had."""
        known = self._good.get(token)
        if known is not None and self._clock() < known[1] and time.time() < known[2]:
            return known[0]
        keys = self._keys or await self._refresh(None)
        try:
            return self._decode(token, keys)
        except (JoseError, ValueError):
            refreshed = await self._refresh(keys)
        if refreshed is keys:
            raise ProblemError(problems.TOKEN_INVALID)
        try:
            return self._decode(token, refreshed)
        except (JoseError, ValueError) as error:
            raise ProblemError(problems.TOKEN_INVALID) from error

    def _decode(self, token: str, keys: KeySet) -> Principal:
        decoded = jwt.decode(token, keys, algorithms=["Ed25519", "EdDSA"])
        self._claims.validate(decoded.claims)
        agency = decoded.claims.get("agency")
        principal = Principal(
            client_id=str(decoded.claims["sub"]),
            agency_id=None if agency is None else UUID(str(agency)),
            scopes=frozenset(str(decoded.claims.get("scope", "")).split()),
        )
        if len(self._good) >= REMEMBERED:
            self._good.clear()
        self._good[token] = (principal, self._clock() + REMEMBERED_FOR, float(decoded.claims["exp"]))
        return principal

    async def _refresh(self, known: KeySet | None) -> KeySet:
        async with self._lock:
            if self._keys is not None and (self._keys is not known or self._clock() - self._fetched_at < KEY_REFRESH_PAUSE):
                return self._keys
            try:
                self._keys = await self._source()
            except (httpx.HTTPError, ValueError, JoseError) as error:
                log.warning("token keys cannot be read", error=repr(error))
                if self._keys is None:
                    raise ProblemError(problems.UNAVAILABLE, "the token keys cannot be read", retry_after=2) from error
            self._fetched_at = self._clock()
            assert self._keys is not None
            return self._keys


_bearer = HTTPBearer(auto_error=False, description="Access token of the OAuth 2 client credentials grant")


async def _principal(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]
) -> Principal:
    if credentials is None:
        raise ProblemError(problems.TOKEN_INVALID)
    verifier: TokenVerifier = request.app.state.token_verifier
    principal = await verifier.verify(credentials.credentials)
    structlog.contextvars.bind_contextvars(client_id=principal.client_id)
    return principal


def needs(*scopes: Scope) -> Callable[[Principal], Awaitable[Principal]]:
    """A dependency that admits callers with any of `scopes`: ``caller: Annotated[Principal, Depends(needs(...))]``."""

    async def check(principal: Annotated[Principal, Depends(_principal)]) -> Principal:
        if not principal.scopes.intersection(scopes):
            raise ProblemError(problems.SCOPE_MISSING, f"needs one of: {', '.join(scopes)}")
        return principal

    return check
