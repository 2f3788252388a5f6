"""Posts what a file names, many at once, and prints how fast and how evenly it was answered; a process of its own."""

import asyncio
import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp

from shared.runtime import run


async def main(file: Path, at_once: int) -> None:
    """Read {"base_url", "headers", "posts": [[path, body], …]} and post each once; times are seconds."""
    asked: dict[str, Any] = json.loads(file.read_text())
    left = iter([(path, json.dumps(body).encode()) for path, body in asked["posts"]])
    headers = {"content-type": "application/json", **asked["headers"]}
    times: list[float] = []
    statuses: Counter[int] = Counter()

    async def post(session: aiohttp.ClientSession) -> None:
        for path, body in left:
            begun = time.perf_counter()
            async with session.post(asked["base_url"] + path, data=body, headers=headers) as response:
                await response.read()
            times.append(time.perf_counter() - begun)
            statuses[response.status] += 1

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), cookie_jar=aiohttp.DummyCookieJar()) as session:
        begun = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(post(session))
        spent = time.perf_counter() - begun
    times.sort()
    measured = {"per_s": len(times) / spent, "p50": times[len(times) // 2], "p99": times[len(times) * 99 // 100]}
    print(json.dumps({**measured, "statuses": dict(statuses)}))


if __name__ == "__main__":
    run(main(Path(sys.argv[1]), int(sys.argv[2])))
