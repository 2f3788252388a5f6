"""A few rounds of `make chaos`, as anybody runs it."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = 3
RECIPIENTS = 100


async def test_nothing_is_lost_stuck_or_there_twice_when_parts_are_killed() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "wian", "chaos", f"--rounds={ROUNDS}", f"--recipients={RECIPIENTS}", "--seed=7"),
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await asyncio.wait_for(process.communicate(), timeout=240)
    assert process.returncode == 0, (output + errors).decode()
    verdict: dict[str, Any] = json.loads(output.decode().splitlines()[-1])
    assert verdict["rounds"] == ROUNDS
    assert verdict["deliveries"] == ROUNDS * RECIPIENTS
    assert (verdict["lost"], verdict["acknowledged_twice"], verdict["stuck"]) == (0, 0, 0)
    assert verdict["duplicate_sends"] <= verdict["killed_in_flight"]
    # This seed kills each of them, and a worker with letters in its hands.
    assert verdict["killed_in_flight"] > 0
    assert all(verdict["kills"][role] >= 1 for role in ("worker", "scheduler", "relay", "broker", "database"))
