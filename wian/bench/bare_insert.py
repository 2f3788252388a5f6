"""A bare FastAPI application that inserts what is posted with one asyncpg statement, on one worker; a process of its own."""

import asyncio
import json
import os
from datetime import date
from typing import Any
from uuid import uuid4

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from shared import postgres
from shared.runtime import run

TABLE = """
CREATE TABLE IF NOT EXISTS public.bare_inserts (
    id uuid PRIMARY KEY, number text NOT NULL, day date NOT NULL, name text NOT NULL, body jsonb NOT NULL, at timestamptz DEFAULT now()
)
"""
INSERT = "INSERT INTO public.bare_inserts (id, number, day, name, body) VALUES ($1, $2, $3, $4, $5)"
CONNECTIONS = 10


class Posted(BaseModel):
    """About what an acknowledgment holds."""

    number: str
    day: date
    name: str
    body: dict[str, Any] = {}


async def main() -> None:
    """Serve until the process is ended."""
    idle: asyncio.LifoQueue[Any] = asyncio.LifoQueue()
    for _ in range(CONNECTIONS):
        idle.put_nowait(await postgres.connect(os.environ["WIAN_POSTGRES_DSN"]))
    first = idle.get_nowait()
    await first.execute(TABLE)
    idle.put_nowait(first)
    app = FastAPI()

    async def insert(posted: Posted) -> dict[str, str]:
        made, connection = uuid4(), await idle.get()
        try:
            await connection.execute(INSERT, made, posted.number, posted.day, posted.name, json.dumps(posted.body))
        finally:
            idle.put_nowait(connection)
        return {"id": str(made)}

    async def ready() -> dict[str, str]:
        return {"status": "ready"}

    app.add_api_route("/insert", insert, methods=["POST"])
    app.add_api_route("/readyz", ready)
    port = int(os.environ["WIAN_HTTP_PORT"])
    await uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_config=None, access_log=False)).serve()


if __name__ == "__main__":
    run(main())
