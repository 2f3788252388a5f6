"""Bounds the requests: everything that this service is sent is short."""

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared import problems
from shared.problems import ProblemError
from shared.web import problem_response

MAX_BODY: Final = 64 * 1024


class BodyLimit:
    """Reads a request's body before the application does, and refuses one longer than `MAX_BODY` bytes."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return
        body = b""
        more = True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                return
            body += message.get("body", b"")
            more = bool(message.get("more_body"))
            if len(body) > MAX_BODY:
                refusal = ProblemError(problems.BODY_TOO_LARGE, f"at most {MAX_BODY} bytes")
                await problem_response(refusal)(scope, receive, send)
                return
        given = False

        async def replay() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, replay, send)
