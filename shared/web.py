"""HTTP in: the application with its problem answers, request log and trace, and truthful health routes."""

import re
import time
from collections.abc import Mapping, Sequence
from typing import Final

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.telemetry import TelemetryConfig
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared import postgres, problems, telemetry
from shared.access import TokenVerifier
from shared.problems import FieldError, ProblemError, body_pointer
from shared.runtime import Probe

# Routes that need no token; a test holds every application to this list and its services' own.
PUBLIC_PATHS: Final = ("/livez", "/readyz")

# What agencies and clerks send is short; a service with more to take says so.
BODY_LIMIT: Final = 64 * 1024

log = structlog.stdlib.get_logger("wian.request")


def create_app(
    title: str,
    *,
    verifier: TokenVerifier,
    body_limit: int = BODY_LIMIT,
    larger: Mapping[str, int] | None = None,
    streamed: re.Pattern[str] | None = None,
) -> FastAPI:
    """An application with Wian's problem answers and middleware; the service adds its routers, the runner health routes.

    Request bodies have at most `body_limit` bytes, except on the paths of `larger`, which have limits of their own, and on those
    that match `streamed`.
    """
    # The framework's own spans would carry whole paths, and some paths are credentials.
    silent: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False}
    app = FastAPI(title=title, version="1", openapi_url=None, docs_url=None, redoc_url=None, telemetry=silent)
    app.state.token_verifier = verifier
    app.add_exception_handler(ProblemError, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(postgres.Unavailable, _on_unavailable)
    app.add_middleware(BodyLimit, most=body_limit, larger=larger or {}, streamed=streamed)
    # Added last, so that it stands around all others.
    app.add_middleware(RequestMiddleware)
    return app


def add_health_routes(app: FastAPI, probes: Sequence[Probe]) -> None:
    """`/livez`: the process answers. `/readyz`: 200 only when every probe finds no problem, else 503 with the reasons."""

    async def livez() -> dict[str, str]:
        return {"status": "live"}

    async def readyz() -> JSONResponse:
        found = [(probe.name, await probe.problem()) for probe in probes]
        ready = all(problem is None for _, problem in found)
        # Several probes may bear one name (a process with several publishers): a problem is never hidden by another's "ok".
        checks = {name: problem or "ok" for name, problem in sorted(found, key=lambda each: each[1] is not None)}
        return JSONResponse({"status": "ready" if ready else "not ready", "checks": checks}, 200 if ready else 503)

    app.add_api_route("/livez", livez, tags=["health"])
    app.add_api_route("/readyz", readyz, tags=["health"])


def problem_response(error: ProblemError) -> JSONResponse:
    """The problem+json answer of `error`."""
    headers: dict[str, str] = {}
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    if error.problem.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(error.body(), error.problem.status, headers, media_type=problems.MEDIA_TYPE)


async def _on_problem(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ProblemError)
    return problem_response(error)


async def _on_invalid_request(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    found = [
        FieldError(
            _place(item["loc"], error.body, missing=item["type"] == "missing"),
            str(item["type"]),
            # What a model of ours says of itself, without the library's words before it.
            str(item["msg"]).removeprefix("Value error, "),
        )
        for item in error.errors()
    ]
    return problem_response(ProblemError(problems.REQUEST_INVALID, f"{len(found)} field(s) are not valid", errors=found))


def _place(location: Sequence[str | int], body: object, *, missing: bool) -> str:
    where, *rest = location
    return body_pointer(rest, body, missing=missing) if where == "body" else " ".join(map(str, location))


async def _on_http_exception(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    by_status = {404: problems.NOT_FOUND, 405: problems.METHOD_NOT_ALLOWED, 401: problems.TOKEN_INVALID}
    known = by_status.get(error.status_code, problems.REQUEST_INVALID if error.status_code < 500 else problems.INTERNAL)
    return problem_response(ProblemError(known, str(error.detail)))


async def _on_unavailable(_request: Request, error: Exception) -> JSONResponse:
    log.warning("database unavailable", error=repr(error))
    return problem_response(ProblemError(problems.UNAVAILABLE, "the database cannot be reached", retry_after=2))


class DatabaseProbe:
    """Ready when the database answers."""

    def __init__(self, database: postgres.Database, name: str = "database") -> None:
        self._database = database
        self.name = name

    async def problem(self) -> str | None:
        try:
            await self._database.ping()
        except (postgres.Unavailable, TimeoutError) as error:
            return f"PostgreSQL cannot be reached: {type(error).__name__}"
        return None


class BodyLimit:
    """Answers 413 `body_too_large` to a request whose body is larger than `most` bytes, or than `larger` says of its path.

    Paths that match `streamed` are left to their routes, which bound what they stream.
    """

    def __init__(self, app: ASGIApp, *, most: int, larger: Mapping[str, int], streamed: re.Pattern[str] | None) -> None:
        self._app = app
        self._most = most
        self._larger = larger
        self._streamed = streamed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or (self._streamed is not None and self._streamed.match(scope["path"])):
            await self._app(scope, receive, send)
            return
        most = self._larger.get(scope["path"], self._most)
        refusal = ProblemError(problems.BODY_TOO_LARGE, f"at most {most} bytes")
        length = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        if length.isdigit() and int(length) > most:
            await problem_response(refusal)(scope, receive, send)
            return
        read, refused = 0, False

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > most:
                raise refusal
            return message

        async def answered(message: Message) -> None:
            # FastAPI calls whatever fails while it reads a body a malformed body: the true reason is told instead.
            nonlocal refused
            if read <= most:
                await send(message)
            elif not refused:
                refused = True
                await problem_response(refusal)(scope, receive, send)

        await self._app(scope, counted, answered)


class RequestMiddleware:
    """One server span and one wide log line per request; the caller's `traceparent` is continued.

    The route's template is logged, never the path: some paths are credentials.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500
        started = time.perf_counter()
        sent = False

        async def note_status(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status, sent = message["status"], True
            await send(message)

        parent = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"traceparent"), None)
        structlog.contextvars.clear_contextvars()
        with telemetry.span(f"{scope['method']}", kind=SpanKind.SERVER, parent=parent) as span:
            try:
                await self._app(scope, receive, note_status)
            except Exception:
                # The outermost edge of a request: logged with its trace, answered without its details.
                log.exception("request failed")
                if not sent:
                    trace_id = format(span.get_span_context().trace_id, "032x")
                    answer = problem_response(ProblemError(problems.INTERNAL, f"trace_id {trace_id}"))
                    await answer(scope, receive, note_status)
            route = getattr(scope.get("route"), "path", "unknown")
            span.update_name(f"{scope['method']} {route}")
            span.set_attributes(
                {"http.request.method": scope["method"], "http.route": route, "http.response.status_code": status}
            )
            if status >= 500:
                span.set_status(trace.Status(StatusCode.ERROR))
            log.info(
                "request",
                method=scope["method"],
                route=route,
                status=status,
                milliseconds=round((time.perf_counter() - started) * 1000, 1),
            )
