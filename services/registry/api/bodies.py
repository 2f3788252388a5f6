"""Request bodies are bounded before anything reads them; attachments are streamed and bounded by their own limit."""

import re
from typing import Final

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared import problems
from shared.problems import ProblemError
from shared.web import problem_response

STREAMED_PATH: Final = re.compile(r"^/v1/letters/[^/]+/attachments$")


class BodyLimit:
    """Answers 413 `body_too_large` to a request whose body is larger than `most` bytes."""

    def __init__(self, app: ASGIApp, *, most: int) -> None:
        self._app = app
        self._most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or STREAMED_PATH.match(scope["path"]):
            await self._app(scope, receive, send)
            return
        refusal = ProblemError(problems.BODY_TOO_LARGE, f"at most {self._most} bytes")
        length = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        if length.isdigit() and int(length) > self._most:
            await problem_response(refusal)(scope, receive, send)
            return
        read, refused = 0, False

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self._most:
                raise refusal
            return message

        async def answered(message: Message) -> None:
            # FastAPI calls whatever fails while it reads a body a malformed body: the true reason is told instead.
            nonlocal refused
            if read <= self._most:
                await send(message)
            elif not refused:
                refused = True
                await problem_response(refusal)(scope, receive, send)

        await self._app(scope, counted, answered)


async def read_csv_body(request: Request) -> bytes:
    """The body of a request that must be CSV."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "text/csv":
        raise ProblemError(problems.REQUEST_INVALID, f"send the table as text/csv, not as {media_type[:100]!r}")
    return await request.body()
