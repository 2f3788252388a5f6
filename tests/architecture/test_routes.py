"""Every route is authenticated or on a service's public list, and every route is where the gateway looks for it."""

import re
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack

import httpx
import pytest
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import RouteContext, iter_route_contexts

from shared import access
from shared.contracts.topology import QUEUES
from shared.service import Parts
from tests.support.system import open_all
from wian.all_in_one import SERVICES
from wian.gateway import ROUTES, service_of


@pytest.fixture
async def opened(settings_environment: dict[str, str]) -> AsyncGenerator[dict[str, Parts]]:
    async with AsyncExitStack() as stack:
        yield await open_all(stack, settings_environment)


def _routes(app: FastAPI) -> list[RouteContext]:
    return list(iter_route_contexts(app.routes))


def _asks_for_a_token(dependant: Dependant) -> bool:
    return any(d.call is access._principal or _asks_for_a_token(d) for d in dependant.dependencies)


def _public(name: str) -> frozenset[str]:
    module = __import__(f"services.{name}.app", fromlist=["PUBLIC_ROUTES"])
    return frozenset(module.PUBLIC_ROUTES)


async def test_a_route_is_public_exactly_when_it_is_on_the_list(opened: dict[str, Parts]) -> None:
    for name, parts in opened.items():
        assert len(_routes(parts.app)) > 5, name
        open_routes = {route.path for route in _routes(parts.app) if not _asks_for_a_token(route.dependant)}
        assert open_routes == _public(name), name


async def test_a_call_without_a_token_is_refused_on_every_other_route(opened: dict[str, Parts]) -> None:
    tried = 0
    for name, parts in opened.items():
        transport = httpx.ASGITransport(parts.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://wian.test") as http:
            for route in _routes(parts.app):
                if route.path in _public(name):
                    continue
                path = re.sub(r"{\w+}", "0190f3a0-0000-7000-8000-000000000000", route.path or "")
                for method in route.methods or ():
                    answer = await http.request(method, path)
                    assert answer.status_code == 401, (method, route.path, answer.text)
                    # An answer to HEAD has no body.
                    assert method == "HEAD" or answer.json()["code"] == "token_invalid"
                    tried += 1
    assert tried > 20


async def test_the_gateway_routes_every_path_to_the_service_that_has_it(opened: dict[str, Parts]) -> None:
    used: set[str] = set()
    for name, parts in opened.items():
        for route in _routes(parts.app):
            path = route.path or ""
            assert service_of(path) == name, path
            used |= {prefix for prefix in ROUTES if path == prefix or path.startswith(f"{prefix}/")}
    assert used == set(ROUTES), "a prefix leads nowhere"


async def test_every_queue_has_a_consumer(opened: dict[str, Parts]) -> None:
    names = {worker.name for parts in opened.values() for worker in parts.workers}
    for queue in QUEUES:
        assert f"consumer {queue.name}" in names, queue.name


def test_the_three_services_are_named_as_their_folders() -> None:
    assert [service.name for service in SERVICES] == ["registry", "dispatch", "ack"]
    assert all(service.migrations.parent.name == service.name for service in SERVICES)
