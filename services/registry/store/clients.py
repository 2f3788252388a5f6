"""SQL of clients."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from shared.postgres import Connection, Row

INSERT: Final = """
INSERT INTO clients (client_id, agency_id, name, scopes, secret_sha256) VALUES ($1, $2, $3, $4::text[], $5)
"""

GET_ACTIVE: Final = """
SELECT client_id, agency_id, name, scopes, secret_sha256, created_at FROM clients WHERE client_id = $1 AND revoked_at IS NULL
"""

PAGE: Final = """
SELECT client_id, agency_id, name, scopes, secret_sha256, created_at FROM clients
WHERE revoked_at IS NULL AND ($1::text IS NULL OR client_id > $1) ORDER BY client_id LIMIT $2
"""

REVOKE: Final = "UPDATE clients SET revoked_at = now() WHERE client_id = $1 AND revoked_at IS NULL RETURNING client_id"


@dataclass(frozen=True, slots=True)
class Client:
    """A client that may ask for tokens."""

    client_id: str
    agency_id: UUID | None
    name: str
    scopes: tuple[str, ...]
    secret_sha256: bytes
    created_at: datetime


async def insert(
    connection: Connection, *, client_id: str, agency_id: UUID | None, name: str, scopes: Sequence[str], secret_sha256: bytes
) -> None:
    """Store a client."""
    await connection.execute(INSERT, client_id, agency_id, name, scopes, secret_sha256)


async def get_active(connection: Connection, client_id: str) -> Client | None:
    """The client, unless it is unknown or revoked."""
    row = await connection.fetchrow(GET_ACTIVE, client_id)
    return None if row is None else _client(row)


async def page(connection: Connection, *, after: str | None, limit: int) -> list[Client]:
    """Up to `limit` clients that are not revoked."""
    return [_client(row) for row in await connection.fetch(PAGE, after, limit)]


async def revoke(connection: Connection, client_id: str) -> bool:
    """Revoke a client; False when there is none. Tokens that it has run out by themselves."""
    return await connection.fetchval(REVOKE, client_id) is not None


def _client(row: Row) -> Client:
    return Client(row["client_id"], row["agency_id"], row["name"], tuple(row["scopes"]), row["secret_sha256"], row["created_at"])
