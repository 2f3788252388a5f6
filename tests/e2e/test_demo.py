"""The demo as a newcomer runs it, and with servers stopped and the dispatch worker killed in the middle."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from pypdf import PdfReader

from shared.runtime import pause
from wian.demo.agencies import Agencies
from wian.demo.run import Ended, Fault, play, stage
from wian.local import LocalSystem

ROOT = Path(__file__).resolve().parents[2]
OUTAGE_SECONDS = 20
# What the story leads to, whatever happens on the way.
FIGURES = {
    "number": "สค ๐๐๑๗.๑/ว ๑๕๑๒๓",
    "recipients": 99,
    "handed_over": 99,
    "registered": 97,
    "rejected": 1,
    "outstanding": 1,
    "relayed": 3,
    "relayed_recipients": 37,
    "provinces": {"recipients": 76, "registered": 76},
}


async def _play_with(fault: Fault, output: Path) -> Ended:
    async with stage(patience=150) as (system, story):
        return await play(system, story, output, patience=150, fault=fault)


def _check(ended: Ended) -> None:
    measured = {name: ended.figures[name] for name in FIGURES}
    assert measured == FIGURES
    assert ended.spoilt_signatures == 0
    assert len(ended.webhook_ids) > 55
    assert all(len(ids) == 1 for ids in ended.webhook_ids), "a recipient saw two webhook ids"


async def test_demo_prints_the_figures_last_and_leaves_a_filled_annex(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "wian", "demo",
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, errors = await asyncio.wait_for(process.communicate(), timeout=120)
    assert process.returncode == 0, errors.decode()
    figures: dict[str, Any] = json.loads(output.decode().splitlines()[-1])
    assert {name: figures[name] for name in FIGURES} == FIGURES
    assert 0 < figures["seconds_to_last_hand_over"] < 60
    annex = PdfReader(tmp_path / figures["annex_pdf"])
    assert len(annex.pages) == 3
    rows = json.loads((tmp_path / "build/demo/annex.json").read_text(encoding="utf-8"))
    assert len(rows["recipients"]) == 99


async def test_figures_are_the_same_when_rabbitmq_and_then_postgresql_are_away(tmp_path: Path) -> None:
    async def outage(system: LocalSystem, agencies: Agencies) -> None:
        rabbitmq, postgresql = system.servers.rabbitmq, system.servers.postgres
        assert rabbitmq is not None
        assert postgresql is not None
        await agencies.first_webhook.wait()
        await rabbitmq.stop()
        await pause(OUTAGE_SECONDS, asyncio.Event())
        await rabbitmq.start()
        await postgresql.stop()
        await pause(OUTAGE_SECONDS, asyncio.Event())
        await postgresql.start()

    _check(await _play_with(outage, tmp_path))


async def test_nothing_is_lost_when_the_dispatch_worker_is_killed(tmp_path: Path) -> None:
    starts = 0

    async def kill(system: LocalSystem, agencies: Agencies) -> None:
        nonlocal starts
        await agencies.first_webhook.wait()
        await system.dispatch_worker.kill()
        await system.dispatch_worker.until_ready()
        await system.dispatch_worker.kill()
        starts = system.dispatch_worker.starts

    _check(await _play_with(kill, tmp_path))
    assert starts >= 2
