"""The public keys as they are published: with the key set, and in what is exported."""

from typing import Any

from services.ack.evidence.form import moment
from services.ack.store import evidence
from shared.postgres import Connection


async def published_keys(connection: Connection) -> list[dict[str, Any]]:
    """All keys that ever signed, oldest first, each with the time in which it did."""
    return [
        {
            **key.jwk,
            "created_at": moment(key.created_at),
            "retired_at": None if key.retired_at is None else moment(key.retired_at),
        }
        for key in await evidence.keys(connection)
    ]
