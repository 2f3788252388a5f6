"""Runs the demo: starts a system, plays the story, shows its progress, writes the annex and prints the figures."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from shared import logs
from wian.demo.agencies import Agencies
from wian.demo.example import MINISTRY, PROVINCE, load
from wian.demo.progress import Progress
from wian.demo.story import Story, cast_of
from wian.embedded.processes import free_ports
from wian.local import LocalSystem, local_system

OUTPUT: Final = Path("build") / "demo"
ANNEX_FORMATS: Final = ("pdf", "xlsx", "csv", "json")
LOOK_SECONDS: Final = 0.3
# A demo hour passes in a second: failed calls are repeated soon.
SETTINGS: Final = {
    "WIAN_DISPATCH_RETRY_SCHEDULE": "1,2,2,3,3,5,5,10,10,30,30,30",
    "WIAN_DISPATCH_BATCH_SIZE": "10",
    "WIAN_DISPATCH_CONCURRENCY": "20",
    "WIAN_LOG_LEVEL": "info",
}

Fault = Callable[[LocalSystem, Agencies], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Ended:
    """How the story ended: the API's figures, and what the simulated agencies saw (for tests)."""

    figures: dict[str, Any]
    webhook_ids: list[set[str]]
    spoilt_signatures: int


@asynccontextmanager
async def stage(*, patience: float) -> AsyncGenerator[tuple[LocalSystem, Story]]:
    """A running system with the simulated agencies enrolled."""
    (smtp_port,) = free_ports(1)
    async with (
        local_system(smtp_port=smtp_port, settings=SETTINGS) as system,
        cast_of(
            load(),
            url=system.public_url,
            operator=(system.operator_id, system.operator_secret),
            smtp_port=smtp_port,
            patience=patience,
        ) as story,
    ):
        yield system, story


async def play(system: LocalSystem, story: Story, output: Path, *, patience: float, fault: Fault | None = None) -> Ended:
    """Play the story to its end, or for `patience` seconds; `fault` runs beside it (for tests of reliability)."""
    progress = Progress()
    with progress:
        progress.say("กำลังลงทะเบียนหน่วยงาน · enrolling agencies")
        await story.prepare()
        progress.say("หนังสือกระทรวงมหาดไทยถึง 76 จังหวัด · the Ministry's circular goes to 76 provinces")
        await story.send_ministry_circular()
        await _until_province_has_it(story, patience)
        progress.say("หนังสือจังหวัดสมุทรสาครถึง 99 หน่วยงาน · the province's circular goes to its 99 addressees")
        await story.send_province_circular(progress.say)
        trouble = asyncio.ensure_future(fault(system, story.agencies)) if fault else None
        await _until_settled(story, progress, patience, trouble)
        if trouble is not None:
            await trouble
    figures = await _figures(story)
    await asyncio.to_thread(output.mkdir, parents=True, exist_ok=True)
    figures |= await _write_annex(story, output)
    return Ended(figures, story.agencies.webhook_ids(), story.agencies.spoilt_signatures)


async def _until_province_has_it(story: Story, patience: float) -> None:
    """The province acts on the Ministry's letter when it has registered it, as the real one did."""
    deadline = time.monotonic() + patience
    path = f"/v1/circulars/{story.ministry_circular}/recipients?limit=200"
    while time.monotonic() < deadline:
        story.agencies.check()
        rows = (await story.agencies[MINISTRY].api.get(path))["items"]
        if any(row["agency_id"] == story.agencies[PROVINCE].agency_id and row["state"] == "registered" for row in rows):
            return
        await asyncio.sleep(LOOK_SECONDS)
    raise TimeoutError("the province did not register the Ministry's circular in time")


async def _until_settled(story: Story, progress: Progress, patience: float, trouble: "asyncio.Future[None] | None") -> None:
    deadline = time.monotonic() + patience
    silent = sum(a.behaviour == "silent" for a in story.example.addressees)
    while time.monotonic() < deadline:
        story.agencies.check()
        ministry = await story.circular(MINISTRY, story.ministry_circular)
        province = await story.circular(PROVINCE, story.province_circular)
        progress.show(ministry, province)
        handed_over = province["handed_over_total"] == province["recipients"]
        onward = province["relay"]["onward_recipients"] == len(story.example.local_governments)
        settled = handed_over and onward and province["outstanding"] == silent and ministry["outstanding"] == 0
        if settled and (trouble is None or trouble.done()):
            return
        await asyncio.sleep(LOOK_SECONDS)


async def _figures(story: Story) -> dict[str, Any]:
    """The demo's result, read from the API."""
    ministry = await story.circular(MINISTRY, story.ministry_circular)
    province = await story.circular(PROVINCE, story.province_circular)
    return {
        "number": province["number"],
        "recipients": province["recipients"],
        "handed_over": province["handed_over_total"],
        "registered": province["registered"],
        "rejected": province["rejected"],
        "outstanding": province["outstanding"],
        "relayed": province["relay"]["relayed"],
        "relayed_recipients": province["relay"]["onward_recipients"],
        "seconds_to_last_hand_over": province["seconds_to_last_hand_over"],
        "provinces": {"recipients": ministry["recipients"], "registered": ministry["registered"]},
    }


async def _write_annex(story: Story, output: Path) -> dict[str, str]:
    """Write the filled annex in each form; returns where the PDF is and the tracking page's address."""
    api = story.agencies[PROVINCE].api
    path = f"/v1/circulars/{story.province_circular}"
    for kind in ANNEX_FORMATS:
        answer = await api.request("GET", f"{path}/annex.{kind}")
        (output / f"annex.{kind}").write_bytes(answer.content)
    tracking = await api.post(f"{path}/tracking-link")
    return {"annex_pdf": str(output / "annex.pdf"), "tracking_url": tracking["tracking_url"]}


async def demo(*, stay: bool, patience: float = 50.0) -> int:
    """The command: returns the exit status. With `stay` the system runs on, with its data, until it is cancelled."""
    logs.configure("demo", "warning")
    started = time.monotonic()
    async with stage(patience=patience) as (system, story):
        print(f"servers and services are up after {time.monotonic() - started:.1f} s: {system.public_url}", flush=True)
        ended = await play(system, story, OUTPUT, patience=patience)
        print(f"the filled annex: {', '.join(str(OUTPUT / f'annex.{kind}') for kind in ANNEX_FORMATS)}")
        print(f"the tracking page: {ended.figures['tracking_url']}" + ("" if stay else "  (lives on under `make up`)"))
        print(json.dumps(ended.figures, ensure_ascii=False), flush=True)
        if stay:
            print(f"the system runs at {system.public_url} until Ctrl-C", file=sys.stderr, flush=True)
            print(f"operator client: {system.operator_id} {system.operator_secret}", file=sys.stderr, flush=True)
            await asyncio.Event().wait()
    complete = ended.figures["handed_over"] == ended.figures["recipients"] and ended.spoilt_signatures == 0
    return 0 if complete else 1
