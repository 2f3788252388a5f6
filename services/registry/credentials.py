"""Clients' credentials: made once, shown once, kept as a hash, compared in constant time."""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from services.registry.store import clients
from services.registry.store.clients import Client
from shared.ids import new_id
from shared.postgres import Connection

SECRET_BYTES: Final = 32
# What an unknown client's secret is compared with, so that the answer takes as long as for a known one.
_NO_SECRET: Final = bytes(32)


@dataclass(frozen=True, slots=True)
class NewClient:
    """A client that was just made, with the secret that is not kept."""

    client_id: str
    client_secret: str


async def create_client(connection: Connection, *, agency_id: UUID | None, name: str, scopes: Sequence[str]) -> NewClient:
    """Store a client with a fresh secret."""
    made = NewClient(client_id=str(new_id()), client_secret=secrets.token_urlsafe(SECRET_BYTES))
    await clients.insert(
        connection,
        client_id=made.client_id,
        agency_id=agency_id,
        name=name,
        scopes=scopes,
        secret_sha256=_sha256(made.client_secret),
    )
    return made


async def authenticate(connection: Connection, client_id: str, client_secret: str) -> Client | None:
    """The client, if these are its credentials and it is not revoked."""
    client = await clients.get_active(connection, client_id)
    kept = _NO_SECRET if client is None else client.secret_sha256
    matches = hmac.compare_digest(_sha256(client_secret), kept)
    return client if matches else None


def _sha256(secret: str) -> bytes:
    # A random secret of 256 bits cannot be guessed from its hash: no slow hash is needed.
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
