"""How fast acknowledgments are taken, one by one and in bulk, and how fast a long circular answers, in figures, rows and live pages."""

import asyncio
import json
import statistics
import time
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID, uuid4

import aiohttp
import httpx

from services.registry.operator import bootstrap_operator
from shared.links import LinkSigner, Purpose
from shared.postgres import open_database
from shared.runtime import allow_open_files
from wian.bench.apis import api, created, posted, served, token
from wian.bench.bare import letter
from wian.bench.result import Figure, figure
from wian.bench.system import System
from wian.embedded.processes import OwnedProcess

ACKNOWLEDGMENTS: Final = 6_000
TURNS: Final = 5
AT_ONCE: Final = 64
BULK: Final = 10_000
LONG: Final = 100_000
ROUNDS: Final = 30
PAGES: Final = 1_000
CHANGES: Final = 5
PATIENCE: Final = 300

ADD_CIRCULAR: Final = """
INSERT INTO ack.circulars (circular_id, sender_agency_id, sender_name_th, sender_name_en, letter, dispatched_at, recipient_count)
VALUES ($1, $2, 'จังหวัดสมุทรสาคร', 'Samut Sakhon Province', $3::jsonb, now(), $4)
"""

ADD_RECIPIENTS: Final = """
INSERT INTO ack.recipients (recipient_id, circular_id, position, agency_id, title, relay_duty, state, handed_over_at,
    hand_over_channel, hand_over_grade)
SELECT gen_random_uuid(), $1, n, $2, 'นายอำเภอที่ ' || n, false, 'handed_over', now(), 'webhook', 'transport'
FROM generate_series(1, $3::bigint) AS n
"""

RECIPIENTS: Final = "SELECT recipient_id FROM ack.recipients WHERE circular_id = $1 ORDER BY position"

BARE_MATRIX: Final = "SELECT state, count(*) FROM ack.recipients WHERE circular_id = $1 GROUP BY state"
BARE_PAGE: Final = "SELECT * FROM ack.recipients WHERE circular_id = $1 AND position > $2 ORDER BY position LIMIT 100"

ANSWER: Final = {
    "outcome": "registered",
    "receive_number": "๑๑๐๗๒",
    "receive_date": "2026-11-23",
    "registrar_name": "สมหญิง รักงาน",
    "unit": "งานสารบรรณ",
}


async def acknowledgments(system: System) -> list[Figure]:
    """Acknowledgments by link beside bare inserts, and 10,000 in one call; a circular of 100,000: figures, rows, live pages."""
    async with open_database(system.dsn, service="registry", pool_size=2) as database, api(system) as registry:
        agency_id, headers = await _agency(registry, *await bootstrap_operator(database))
        # The services check tokens by the registry's keys.
        system.variables["WIAN_PUBLIC_URL"] = str(registry.base_url)
        async with served(system, ["services.ack", "api"]) as (url, process):
            return [
                *await _one_by_one(system, url, agency_id),
                await _in_bulk(system, url, agency_id, headers),
                *await _long_circular(system, url, process, agency_id, headers),
            ]


async def _agency(registry: httpx.AsyncClient, client_id: str, secret: str) -> tuple[UUID, dict[str, str]]:
    operator = await token(registry, client_id, secret)
    agency = {"code": "bench-ack", "name_th": "จังหวัดสมุทรสาคร", "name_en": "Samut Sakhon", "kind": "province"}
    agency_id = (await created(registry, "/v1/agencies", agency, operator))["agency_id"]
    client = {"agency_id": agency_id, "name": "bench", "scopes": ["acknowledge", "circulars:read"]}
    made = await created(registry, "/v1/clients", client, operator)
    return UUID(agency_id), await token(registry, made["client_id"], made["client_secret"])


async def _circular(system: System, agency_id: UUID, recipients: int) -> tuple[UUID, list[UUID]]:
    circular_id = uuid4()
    content = json.dumps(letter().model_dump(mode="json"))
    await system.admin.execute(ADD_CIRCULAR, circular_id, agency_id, content, recipients)
    await system.admin.execute(ADD_RECIPIENTS, circular_id, agency_id, recipients, timeout=PATIENCE)
    await system.admin.execute("VACUUM ANALYZE ack.recipients", timeout=PATIENCE)
    return circular_id, [row["recipient_id"] for row in await system.admin.fetch(RECIPIENTS, circular_id)]


async def _one_by_one(system: System, url: str, agency_id: UUID) -> list[Figure]:
    signer = LinkSigner(system.variables["WIAN_LINK_KEY"])
    inserted = {"number": "๑๑๐๗๒", "day": "2026-11-20", "name": "สมหญิง รักงาน", "body": ANSWER}
    taken, bare = list[dict[str, Any]](), list[dict[str, Any]]()
    async with served(system, ["wian.bench.bare_insert"]) as (bare_url, _):
        # By turns, so that both meet the same machine, and the median, so that one slow moment of it counts for neither.
        for _ in range(TURNS):
            _, recipients = await _circular(system, agency_id, ACKNOWLEDGMENTS)
            posts = [(f"/v1/acknowledgments/{signer.sign(Purpose.ACKNOWLEDGE, one)}", ANSWER) for one in recipients]
            bare.append(await posted(system, bare_url, [("/insert", inserted)] * ACKNOWLEDGMENTS, AT_ONCE))
            taken.append(await posted(system, url, posts, AT_ONCE))
            if taken[-1]["statuses"] != {"200": ACKNOWLEDGMENTS}:
                raise RuntimeError(f"acknowledgments were refused: {taken[-1]['statuses']}")

    def median(of: list[dict[str, Any]], what: str) -> float:
        return statistics.median(one[what] for one in of)

    return [
        figure("acks_per_s", median(taken, "per_s"), "1/s", median(bare, "per_s")),
        figure("acks_p99_ms", median(taken, "p99") * 1000, "ms", median(bare, "p99") * 1000),
    ]


async def _in_bulk(system: System, url: str, agency_id: UUID, headers: dict[str, str]) -> Figure:
    times: list[float] = []
    async with httpx.AsyncClient(base_url=url, timeout=PATIENCE, headers=headers) as http:
        for _ in range(3):
            _, recipients = await _circular(system, agency_id, BULK)
            items = [{"recipient_id": str(one), "acknowledgment": ANSWER} for one in recipients]
            begun = time.perf_counter()
            answer = (await http.post("/v1/acknowledgments", json={"items": items})).raise_for_status().json()
            times.append(time.perf_counter() - begun)
            if answer["recorded"] != BULK:
                raise RuntimeError(f"only {answer['recorded']} of {BULK} were recorded")
    return figure("bulk_acks_per_s", BULK / statistics.median(times), "1/s")


async def _long_circular(
    system: System, url: str, process: OwnedProcess, agency_id: UUID, headers: dict[str, str]
) -> list[Figure]:
    circular_id, recipients = await _circular(system, agency_id, LONG)
    path = f"/v1/circulars/{circular_id}"
    async with httpx.AsyncClient(base_url=url, timeout=PATIENCE, headers=headers) as http:

        async def asked(rest: str, **query: int) -> float:
            begun = time.perf_counter()
            (await http.get(f"{path}{rest}", params=query)).raise_for_status()
            return time.perf_counter() - begun

        async def bare(statement: str, *values: object) -> float:
            begun = time.perf_counter()
            await system.admin.fetch(statement, *values)
            return time.perf_counter() - begun

        matrix = statistics.median([await asked("") for _ in range(ROUNDS)])
        bare_matrix = statistics.median([await bare(BARE_MATRIX, circular_id) for _ in range(ROUNDS)])
        page = statistics.median([await asked("/recipients", after=n * 3000, limit=100) for n in range(ROUNDS)])
        annex, memory = await _printed(http, f"{path}/annex.pdf", process)
        bare_page = statistics.median([await bare(BARE_PAGE, circular_id, n * 3000) for n in range(ROUNDS)])
    lags = await _live(system, url, circular_id, recipients)
    return [
        figure("matrix_100k_ms", matrix * 1000, "ms", bare_matrix * 1000),
        figure("recipients_page_100k_ms", page * 1000, "ms", bare_page * 1000),
        figure("annex_pdf_100k_seconds", annex, "s"),
        figure("annex_pdf_100k_memory_mib", memory, "MiB"),
        figure("live_pages_1000_lag_seconds", max(lags), "s"),
    ]


async def _printed(http: httpx.AsyncClient, path: str, process: OwnedProcess) -> tuple[float, float]:
    """Seconds until the last byte of an annex has come, and by how many MiB the peak of the process grew."""
    before, begun, size = process.peak_bytes(), time.perf_counter(), 0
    async with http.stream("GET", path) as answer:
        answer.raise_for_status()
        async for piece in answer.aiter_raw():
            size += len(piece)
    spent = time.perf_counter() - begun
    if size < LONG:
        raise RuntimeError(f"an annex of {size} bytes")
    return spent, (process.peak_bytes() - before) / 2**20


async def _live(system: System, url: str, circular_id: UUID, recipients: Sequence[UUID]) -> list[float]:
    """For each of some acknowledgments, seconds until the last of 1,000 open pages has been told."""
    allow_open_files()
    signer = LinkSigner(system.variables["WIAN_LINK_KEY"])
    link = f"{url}/t/{signer.sign(Purpose.TRACK, circular_id)}/live"
    arrivals: list[asyncio.Queue[float]] = [asyncio.Queue() for _ in range(PAGES)]

    async def follow(session: aiohttp.ClientSession, arrived: asyncio.Queue[float]) -> None:
        async with session.get(link) as answer:
            answer.raise_for_status()
            async for chunk in answer.content.iter_any():
                # Not the heartbeats.
                if b"event: state" in chunk:
                    arrived.put_nowait(time.perf_counter())

    timeout, lags = aiohttp.ClientTimeout(total=None), list[float]()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout, read_bufsize=2**18) as session:
        followers = [asyncio.create_task(follow(session, arrived)) for arrived in arrivals]
        try:
            async with asyncio.timeout(PATIENCE):
                await asyncio.gather(*(arrived.get() for arrived in arrivals))
                for one in recipients[:CHANGES]:
                    begun = time.perf_counter()
                    path = f"/v1/acknowledgments/{signer.sign(Purpose.ACKNOWLEDGE, one)}"
                    async with session.post(url + path, json=ANSWER) as answer:
                        answer.raise_for_status()
                    lags.append(max(await asyncio.gather(*(arrived.get() for arrived in arrivals))) - begun)
        finally:
            for follower in followers:
                follower.cancel()
            await asyncio.gather(*followers, return_exceptions=True)
    return lags
