"""One base URL for the three services: requests are routed by path, as the entry point of a deployment does."""

from collections.abc import Mapping, Sequence
from typing import Final

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from shared import problems
from shared.problems import ProblemError
from shared.runtime import Probe
from shared.web import add_health_routes, problem_response

# Path prefix to the service that answers; whole segments: "/a" is /a and /a/…, not /assets.
ROUTES: Final[Mapping[str, str]] = {
    "/oauth": "registry",
    "/.well-known/jwks.json": "registry",
    "/v1/clients": "registry",
    "/v1/agencies": "registry",
    "/v1/lists": "registry",
    "/v1/registers": "registry",
    "/v1/reservations": "registry",
    "/v1/templates": "registry",
    "/v1/letters": "registry",
    "/v1/books": "registry",
    "/v1/received": "registry",
    "/v1/attachments": "registry",
    "/f": "registry",
    "/v1/endpoints": "dispatch",
    "/v1/inbox": "dispatch",
    "/v1/deliveries": "dispatch",
    "/v1/repair": "dispatch",
    "/v1/events": "dispatch",
    "/v1/paper": "dispatch",
    "/v1/circulars": "ack",
    "/v1/recipients": "ack",
    "/v1/acknowledgments": "ack",
    "/v1/evidence": "ack",
    "/v1/calendars": "ack",
    "/a": "ack",
    "/t": "ack",
    "/assets": "ack",
}
HEALTH_PATHS: Final = ("/livez", "/readyz")


def service_of(path: str) -> str | None:
    """The service that answers `path`, or None."""
    segments = path.split("/")
    for length in range(len(segments), 1, -1):
        service = ROUTES.get("/".join(segments[:length]))
        if service is not None:
            return service
    return None


class Gateway:
    """An ASGI application that hands each request to the service of its path."""

    def __init__(self, apps: Mapping[str, ASGIApp], probes: Sequence[Probe]) -> None:
        self._apps = apps
        self._own = FastAPI(openapi_url=None)
        add_health_routes(self._own, probes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if scope["path"] in HEALTH_PATHS:
            await self._own(scope, receive, send)
            return
        service = service_of(scope["path"])
        if service is None:
            await problem_response(ProblemError(problems.NOT_FOUND))(scope, receive, send)
            return
        await self._apps[service](scope, receive, send)
