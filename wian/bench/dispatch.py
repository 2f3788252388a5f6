"""How fast deliveries are made, what a backlog costs, and what faulty neighbours and urgent letters feel of each other."""

import asyncio
import statistics
import time
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from shared.contracts.topology import Lane
from wian.bench.result import Figure, figure
from wian.bench.system import POLL, System
from wian.embedded.processes import OwnedProcess

AGENCIES: Final = 2000
FANOUT: Final = 20_000
WARM_UP: Final = 2000

BACKLOG: Final = 1_000_000
SMALL_BACKLOG: Final = 1_000
BACKLOG_SAMPLE: Final = 10_000

PACED_AGENCIES: Final = 200
PACED_CIRCULARS: Final = 40
PACED_TURNS: Final = 3
PACED_SECONDS: Final = 0.4

BULK: Final = 100_000
EXPRESS: Final = 100

LATENCIES: Final = """
SELECT extract(epoch FROM d.handed_over_at - d.created_at)::double precision AS seconds
FROM dispatch.deliveries d
WHERE d.agency_id = ANY($1::uuid[]) AND d.circular_id = ANY($2::uuid[]) AND d.state = 'handed_over'
"""

FIRST_ATTEMPTS: Final = """
SELECT count(*) AS attempts, extract(epoch FROM max(a.started_at) - min(d.created_at))::double precision AS seconds
FROM dispatch.attempts a JOIN dispatch.deliveries d ON d.delivery_id = a.delivery_id WHERE d.circular_id = $1
"""


async def fanout(system: System) -> list[Figure]:
    """Recorded deliveries a second of one worker process, with everything on this machine; the CPU of each by part."""
    bare = await system.bare_posts()
    await system.empty()
    agencies = await system.add_agencies(AGENCIES)
    await system.add_circular(agencies, WARM_UP + FANOUT)
    async with system.worker() as worker:
        begun = await system.until_handed_over(WARM_UP, 120)
        first, before = await system.handed_over(), system.cpu(worker)
        ended = await system.until_handed_over(WARM_UP + FANOUT, 300)
        spent = {part: seconds - before[part] for part, seconds in system.cpu(worker).items()}
        memory = worker.resident_bytes()
    made = WARM_UP + FANOUT - first
    figures = [figure("fanout_deliveries_per_s", made / (ended - begun), "1/s", bare.requests_per_s)]
    figures += [
        figure(f"fanout_cpu_{part}", seconds / made * 1e6, "µs/delivery", bare.send_seconds * 1e6 if part == "worker" else None)
        for part, seconds in spent.items()
    ]
    # Parts of the worker's: what the same client and the same signer take by themselves.
    figures += [figure("fanout_cpu_send", bare.send_seconds * 1e6, "µs/delivery")]
    figures += [figure("fanout_cpu_sign", bare.sign_seconds * 1e6, "µs/delivery")]
    return [*figures, figure("worker_memory", memory / 2**20, "MiB")]


async def backlog(system: System) -> list[Figure]:
    """CPU of worker, database and broker for one delivery, with a million that are due and with a thousand."""
    await system.empty()
    agencies = await system.add_agencies(AGENCIES)
    small, small_memory = await _small_backlog(system, agencies)
    await system.empty()
    agencies = await system.add_agencies(AGENCIES)
    await system.add_circular(agencies, BACKLOG)
    await system.admin.execute("VACUUM ANALYZE dispatch.deliveries", timeout=600)
    async with system.worker() as worker:
        await system.until_handed_over(SMALL_BACKLOG, 120)
        first, before = await system.handed_over(), _work(system, worker)
        await system.until_handed_over(first + BACKLOG_SAMPLE, 300)
        large = (_work(system, worker) - before) / (await system.handed_over() - first)
        memory = worker.resident_bytes()
    return [
        figure("backlog_1m_cost_ratio", large / small, "ratio"),
        figure("backlog_1m_cost", large * 1e6, "µs/delivery", small * 1e6),
        figure("backlog_1m_memory", memory / 2**20, "MiB", small_memory / 2**20),
    ]


async def _small_backlog(system: System, agencies: Sequence[UUID]) -> tuple[float, int]:
    """A thousand are due at any time, so they are added while others are sent: what the adding costs is measured before."""
    begun = system.database_seconds()
    for _ in range(BACKLOG_SAMPLE // SMALL_BACKLOG):
        await system.add_circular(list(agencies), SMALL_BACKLOG)
    adding = (system.database_seconds() - begun) / BACKLOG_SAMPLE
    await system.empty()
    agencies = await system.add_agencies(AGENCIES)
    done = 0
    async with system.worker() as worker:
        for _ in range(2):
            await system.add_circular(list(agencies), SMALL_BACKLOG)
            done += SMALL_BACKLOG
            await system.until_handed_over(done, 60)
        before, first = _work(system, worker), done
        while done < first + BACKLOG_SAMPLE:
            await system.add_circular(list(agencies), SMALL_BACKLOG)
            done += SMALL_BACKLOG
            await system.until_handed_over(done, 60)
        return (_work(system, worker) - before) / (done - first) - adding, worker.resident_bytes()


def _work(system: System, worker: OwnedProcess) -> float:
    return sum(seconds for part, seconds in system.cpu(worker).items() if part != "receiver")


async def neighbours(system: System) -> list[Figure]:
    """The healthy agencies' p99 with a tenth of all dead and a tenth slow, and without."""
    # By turns, and the median: a slow moment of the machine counts for neither.
    runs = [(await _paced(system, faulty=False), await _paced(system, faulty=True)) for _ in range(PACED_TURNS)]
    alone, beside = (statistics.median(run[place] for run in runs) for place in (0, 1))
    return [
        figure("healthy_p99_ratio", beside / alone, "ratio"),
        figure("healthy_p99", beside * 1000, "ms", alone * 1000),
    ]


async def _paced(system: System, *, faulty: bool) -> float:
    """The p99 in seconds from coming due to the hand-over, at a steady pace of circulars."""
    await system.empty()
    tenth = PACED_AGENCIES // 10
    healthy = await system.add_agencies(PACED_AGENCIES - 2 * tenth)
    others = await system.add_agencies(tenth, "dead" if faulty else "ok")
    others += await system.add_agencies(tenth, "slow" if faulty else "ok")
    # Mixed, as on a real list.
    mixed = [agency for n in range(tenth) for agency in (*healthy[n * 8 : n * 8 + 8], *others[n * 2 : n * 2 + 2])]
    async with system.worker():
        await system.add_circular(healthy, len(healthy))
        await system.until_handed_over(len(healthy), 60)
        circulars: list[UUID] = []
        begun = time.monotonic()
        for n in range(PACED_CIRCULARS):
            await asyncio.sleep(max(0.0, begun + n * PACED_SECONDS - time.monotonic()))
            circulars.append(await system.add_circular(mixed, len(mixed)))
        expected = len(healthy) * PACED_CIRCULARS
        async with asyncio.timeout(120):
            while len(found := await system.admin.fetch(LATENCIES, healthy, circulars)) < expected:
                await asyncio.sleep(POLL)
    return statistics.quantiles([row["seconds"] for row in found], n=100)[98]


async def express(system: System) -> list[Figure]:
    """From an urgent letter's coming due to the first attempt at the last of its 100 recipients, during a long list and alone."""
    await system.empty()
    agencies = await system.add_agencies(AGENCIES)
    async with system.worker():
        alone = await _express(system, agencies)
        await system.add_circular(agencies, BULK, Lane.BULK)
        await system.until_handed_over(EXPRESS + WARM_UP, 120)
        busy = [await _express(system, agencies) for _ in range(5)]
    return [figure("express_first_attempts_seconds", max(busy), "s", alone)]


async def _express(system: System, agencies: Sequence[UUID]) -> float:
    circular_id = await system.add_circular(list(agencies[:EXPRESS]), EXPRESS, Lane.EXPRESS)
    async with asyncio.timeout(60):
        while (row := await system.admin.fetchrow(FIRST_ATTEMPTS, circular_id))["attempts"] < EXPRESS:
            await asyncio.sleep(POLL)
    return row["seconds"]
