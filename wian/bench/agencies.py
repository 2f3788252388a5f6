"""How long a nation of agencies takes to come in through the API."""

import asyncio
import signal
import sys
import time
from typing import Any, Final

import httpx

from services.registry.operator import bootstrap_operator
from shared import postgres
from shared.spreadsheets import csv_lines
from wian.bench.result import Figure, figure
from wian.bench.system import POLL, System
from wian.embedded.processes import OwnedProcess, accepts_connections, free_ports

AGENCIES: Final = 100_000
PROVINCES: Final = 77
DISTRICTS: Final = 928
LOCAL_GOVERNMENTS: Final = 7_849
PATIENCE: Final = 300

COLUMNS: Final = ("code", "name_th", "name_en", "kind", "letter_code", "parent_code", "email")

# The same rows without parents, and without the outbox: what the table alone costs.
BARE_TABLE: Final = "CREATE TABLE registry.bare_agencies (LIKE registry.agencies INCLUDING ALL)"
BARE_ROWS: Final = """
SELECT agency_id, code, name_th, name_en, kind, letter_code, parent_id, email, search_text FROM registry.agencies
"""


async def import_nation(system: System) -> list[Figure]:
    """A file of 100,000 agencies handed in to the API until it is imported, and the same file again; beside a bare COPY of the rows."""
    (port,) = free_ports(1)
    variables = {**system.variables, "WIAN_HTTP_PORT": str(port), "WIAN_REGISTRY_IMPORT_POLL_INTERVAL": "0.1"}
    process = OwnedProcess(
        [sys.executable, "-m", "services.registry", "all"],
        environment=variables,
        folder=system.run.path,
        log=system.run.logs / "registry.log",
        held=[system.run.lock],
        death_signal=signal.SIGTERM,
    )
    try:
        async with asyncio.timeout(30):
            while not await accepts_connections(port):
                await asyncio.sleep(POLL)
        async with (
            postgres.open_database(system.dsn, service="registry", pool_size=2) as database,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as http,
        ):
            credentials = await bootstrap_operator(database)
            answer = await http.post("/oauth/token", data={"grant_type": "client_credentials"}, auth=credentials)
            headers = {"Authorization": f"Bearer {answer.json()['access_token']}", "Content-Type": "text/csv"}
            file = csv_lines([COLUMNS, *nation()]).encode()
            first = await _imported(http, headers, file, created=AGENCIES)
            again = await _imported(http, headers, file, created=0)
        memory = process.resident_bytes()
    finally:
        await process.end(signal.SIGTERM, 20)
    bare = await _bare(system)
    return [
        figure("import_100k_agencies_seconds", first, "s", bare),
        figure("import_100k_agencies_again_seconds", again, "s", bare),
        figure("import_100k_agencies_memory", memory / 2**20, "MiB"),
    ]


async def _imported(http: httpx.AsyncClient, headers: dict[str, str], file: bytes, *, created: int) -> float:
    begun = time.monotonic()
    answer = await http.post("/v1/agencies/imports", content=file, headers=headers)
    answer.raise_for_status()
    async with asyncio.timeout(PATIENCE):
        while (seen := (await http.get(answer.headers["Location"], headers=headers)).json())["finished_at"] is None:
            await asyncio.sleep(POLL)
    took = time.monotonic() - begun
    if (seen["state"], seen["created"], seen["created"] + seen["unchanged"]) != ("done", created, AGENCIES):
        raise RuntimeError(f"the import ended as {seen['state']}: {seen['problem']} {seen['errors'][:3]}")
    return took


async def _bare(system: System) -> float:
    admin: Any = system.admin
    rows = await admin.fetch(BARE_ROWS)
    await admin.execute(BARE_TABLE)
    begun = time.monotonic()
    await admin.copy_records_to_table(
        "bare_agencies", schema_name="registry", records=map(tuple, rows), columns=list(rows[0].keys())
    )
    took = time.monotonic() - begun
    await admin.execute("DROP TABLE registry.bare_agencies")
    return took


def nation() -> list[tuple[str, ...]]:
    """The country, its provinces, districts, local governments and schools, each below the one before."""
    rows = [("th", "ราชอาณาจักรไทย", "Kingdom of Thailand", "nation", "", "", "")]
    rows += [
        (f"p-{n:02}", f"จังหวัดที่ {n}", f"Province {n}", "province", "สค ๐๐๑๗", "th", f"saraban@p{n}.example.go.th")
        for n in range(PROVINCES)
    ]
    rows += [
        (
            f"d-{n:03}",
            f"อำเภอที่ {n}",
            f"District {n}",
            "district",
            f"สค {n:04}",
            f"p-{n % PROVINCES:02}",
            f"saraban@d{n}.example.go.th",
        )
        for n in range(DISTRICTS)
    ]
    rows += [
        (f"l-{n:04}", f"องค์การบริหารส่วนตำบลที่ {n}", f"Subdistrict Administrative Organisation {n}", "local_government",
         f"สค {n:05}.{n % 9 + 1}", f"d-{n % DISTRICTS:03}", f"saraban@l{n}.example.go.th")
        for n in range(LOCAL_GOVERNMENTS)
    ]  # fmt: skip
    schools = AGENCIES - len(rows)
    rows += [
        (f"s-{n:05}", f"โรงเรียนบ้านหนองน้ำที่ {n}", f"Ban Nong Nam School {n}", "school", f"ศธ {n:05}",
         f"l-{n % LOCAL_GOVERNMENTS:04}", f"saraban@s{n}.example.go.th")
        for n in range(schools)
    ]  # fmt: skip
    return rows
