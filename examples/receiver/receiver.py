"""A small, correct receiver of Wian's webhooks, to start from. It verifies, stores once, answers at once, acknowledges later."""

import asyncio
import json
import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing, suppress
from datetime import datetime
from zoneinfo import ZoneInfo

import aiohttp
from aiohttp import web
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

# The receive number is the row's: the next after the highest, and one for each webhook-id, however often the letter comes.
SCHEMA = """
CREATE TABLE IF NOT EXISTS letters (
    receive_number INTEGER PRIMARY KEY,
    webhook_id TEXT NOT NULL UNIQUE,
    received_at TEXT NOT NULL,
    event TEXT NOT NULL,
    answer TEXT
)
"""
RETRY_SECONDS = 5.0


def create_app(secret: str, database: str, *, registrar: str = "สมหญิง รักงาน") -> web.Application:
    """The application; `secret` is the endpoint's, `database` a file."""
    webhook, waiting = Webhook(secret), asyncio.Event()

    def execute(statement: str, *values: object) -> list[tuple]:
        with closing(sqlite3.connect(database)) as connection, connection:
            return connection.execute(statement, values).fetchall()

    async def receive(request: web.Request) -> web.Response:
        body = await request.read()
        try:
            event = webhook.verify(body, dict(request.headers))  # signature, and a timestamp within 5 minutes
        except (WebhookVerificationError, ValueError):  # ValueError: a header that is not base64, a body that is not UTF-8
            return web.Response(status=401)
        if event["type"] == "wian.endpoint.challenge.v1":
            return web.json_response({"challenge": event["data"]["challenge"]})
        if event["type"] == "wian.letter.delivered.v1":  # other types may come one day; they are taken and left alone
            statement = "INSERT INTO letters (webhook_id, received_at, event) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
            now = datetime.now(ZoneInfo("Asia/Bangkok")).isoformat()
            execute(statement, request.headers["webhook-id"], now, body.decode())  # committed before the 204
            waiting.set()
        return web.Response(status=204)

    async def handshake(request: web.Request) -> web.Response:
        origin = request.headers.get("WebHook-Request-Origin", "")
        headers = {"Allow": "OPTIONS, POST", "WebHook-Allowed-Origin": origin, "WebHook-Allowed-Rate": "*"}
        return web.Response(headers=headers if origin else {"Allow": "OPTIONS, POST"})

    async def acknowledge(session: aiohttp.ClientSession, number: int, received_at: str, event: str) -> None:
        received = datetime.fromisoformat(received_at)
        answer = {
            "outcome": "registered",
            "receive_number": str(number),
            "receive_date": received.date().isoformat(),
            "receive_time": received.strftime("%H:%M"),
            "registrar_name": registrar,
        }
        with suppress(aiohttp.ClientError, TimeoutError):  # no answer: again later
            async with session.post(json.loads(event)["data"]["acknowledgment_url"], json=answer) as response:
                if response.status < 500 and response.status != 429:  # 503 means "not yet"; the rest is for the clerk to read
                    kept = f"{response.status} {await response.text()}"
                    execute("UPDATE letters SET answer = ? WHERE receive_number = ?", kept, number)

    async def keep_acknowledging() -> None:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session:
            while True:
                waiting.clear()
                for row in execute("SELECT receive_number, received_at, event FROM letters WHERE answer IS NULL"):
                    await acknowledge(session, *row)
                with suppress(TimeoutError):
                    await asyncio.wait_for(waiting.wait(), RETRY_SECONDS)

    async def background(_app: web.Application) -> AsyncIterator[None]:
        execute(SCHEMA)
        task = asyncio.create_task(keep_acknowledging())
        yield
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    app = web.Application()
    app.cleanup_ctx.append(background)
    app.add_routes([web.post("/wian", receive), web.options("/wian", handshake)])
    return app


if __name__ == "__main__":
    web.run_app(create_app(os.environ["WIAN_WEBHOOK_SECRET"], "letters.sqlite"), host="127.0.0.1", port=8089)
