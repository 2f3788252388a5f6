"""The first client: an operator, who then makes all others through the API."""

from services.registry.credentials import create_client
from shared.access import Scope
from shared.postgres import Database


async def bootstrap_operator(database: Database, name: str = "operator") -> tuple[str, str]:
    """Make a client that may operate the exchange, and return its (client_id, client_secret); the secret is not kept."""
    async with database.transaction() as connection:
        made = await create_client(connection, agency_id=None, name=name, scopes=[Scope.OPERATE])
    return made.client_id, made.client_secret
