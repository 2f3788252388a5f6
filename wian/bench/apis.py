"""The services' APIs as processes of their own, and calls to them."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import uuid4

import httpx

from wian.bench.system import POLL, System
from wian.embedded.processes import OwnedProcess, free_ports

UP_WITHIN: Final = 30
PATIENCE: Final = 300


@asynccontextmanager
async def api(system: System, module: str = "services.registry", *arguments: str) -> AsyncGenerator[httpx.AsyncClient]:
    """One process that serves `module`, ready; `arguments` are "api" unless others are named."""
    command = [module, *(arguments or ("api",))]
    async with served(system, command) as (base_url, _), httpx.AsyncClient(base_url=base_url, timeout=60) as http:
        yield http


@asynccontextmanager
async def served(system: System, command: Sequence[str]) -> AsyncGenerator[tuple[str, OwnedProcess]]:
    """The address of a module that serves HTTP on WIAN_HTTP_PORT, and its process."""
    (port,) = free_ports(1)
    process = OwnedProcess(
        [sys.executable, "-m", *command],
        environment={**system.variables, "WIAN_HTTP_PORT": str(port)},
        folder=system.run.path,
        log=system.run.logs / f"{command[0]}-{port}.log",
        held=[system.run.lock],
        death_signal=signal.SIGTERM,
    )
    base_url = f"http://127.0.0.1:{port}"
    try:
        async with httpx.AsyncClient(base_url=base_url) as http, asyncio.timeout(UP_WITHIN):
            while not await _ready(http):
                await asyncio.sleep(POLL)
        yield base_url, process
    finally:
        await process.end(signal.SIGTERM, 20)


async def _ready(http: httpx.AsyncClient) -> bool:
    try:
        return (await http.get("/readyz")).status_code == 200
    except httpx.TransportError:
        return False


async def token(http: httpx.AsyncClient, client_id: str, secret: str) -> dict[str, str]:
    """The headers of a client's calls."""
    answer = await http.post("/oauth/token", data={"grant_type": "client_credentials"}, auth=(client_id, secret))
    return {"Authorization": f"Bearer {answer.raise_for_status().json()['access_token']}"}


async def created(http: httpx.AsyncClient, path: str, body: object, headers: dict[str, str]) -> dict[str, Any]:
    """What a POST of `body` has made."""
    return (await http.post(path, json=body, headers=headers)).raise_for_status().json()


async def posted(
    system: System, url: str, posts: Sequence[tuple[str, object]], at_once: int, headers: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """What a process that posts each of these once, `at_once` of them at a time, has measured."""
    file, log = system.run.path / f"posts-{uuid4().hex}.json", system.run.logs / f"posting-{uuid4().hex}.log"
    file.write_text(json.dumps({"base_url": url, "headers": dict(headers or {}), "posts": posts}))
    process = OwnedProcess(
        [sys.executable, "-m", "wian.bench.posting", str(file), str(at_once)],
        environment=system.variables,
        folder=system.run.path,
        log=log,
        held=[system.run.lock],
        death_signal=signal.SIGKILL,
    )
    try:
        async with asyncio.timeout(PATIENCE):
            while process.running():
                await asyncio.sleep(POLL)
    finally:
        await process.kill()
        file.unlink()
    return json.loads(log.read_text())
