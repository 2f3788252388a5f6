"""The simulator as a process: how it runs, and how another process starts it."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from wian.simulator.server import simulator

SECRET_VARIABLE: Final = "WIAN_SIMULATOR_SECRET"  # noqa: S105 - its name
START_SECONDS: Final = 30.0
ROOT: Final = Path(__file__).resolve().parents[2]


def secrets_from_environment() -> list[str]:
    """The secrets, separated by commas."""
    return [secret.strip() for secret in os.environ.get(SECRET_VARIABLE, "").split(",") if secret.strip()]


async def serve(*, host: str, port: int, tls_port: int | None, secrets: Sequence[str]) -> int:
    """Run until cancelled; prints the addresses as one line of JSON when it is ready, or why it cannot be."""
    try:
        async with simulator(host=host, port=port, tls_port=tls_port, secrets=secrets) as running:
            print(json.dumps(running.addresses()), flush=True)
            await asyncio.Event().wait()
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
    return 2


@asynccontextmanager
async def simulator_process(*, secrets: Sequence[str] = (), tls: bool = False) -> AsyncGenerator[dict[str, str]]:
    """A simulator in a process of its own; yields its addresses (`url`, `tls_url`, `refused_url`)."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "wian.simulator", *([] if tls else ["--no-tls"]),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, SECRET_VARIABLE: ",".join(secrets)},
    )  # fmt: skip
    try:
        assert process.stdout is not None, "it is a pipe"  # noqa: S101
        line = await asyncio.wait_for(process.stdout.readline(), START_SECONDS)
        if not line:
            raise RuntimeError("the simulator ended before it was ready")
        yield json.loads(line)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.wait()
