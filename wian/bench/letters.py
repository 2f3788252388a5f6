"""How fast letters get their numbers on one hot register, and how long a dispatch to a long list takes."""

import statistics
import time
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid4

import httpx

from services.registry.operator import bootstrap_operator
from shared.postgres import open_database
from wian.bench.apis import created, posted, served, token
from wian.bench.result import Figure, figure
from wian.bench.system import System
from wian.embedded.processes import OwnedProcess

LETTERS: Final = 6_000
CLIENTS: Final = 200
ROUNDS: Final = 3
PATIENCE: Final = 300
RECIPIENTS_OF_A_MESSAGE: Final = 500

COPY_DRAFT: Final = """
INSERT INTO registry.letters
SELECT (jsonb_populate_record(l, jsonb_build_object('letter_id', gen_random_uuid()))).*
FROM registry.letters l, generate_series(1, $2::bigint) WHERE l.letter_id = $1
RETURNING letter_id
"""

NUMBERS: Final = "SELECT count(*) AS n, count(DISTINCT running) AS different, max(running) AS highest FROM registry.letters WHERE running IS NOT NULL"

ADD_AGENCIES: Final = """
INSERT INTO registry.agencies
SELECT (jsonb_populate_record(a, jsonb_build_object('agency_id', gen_random_uuid(), 'code', 'bench-' || n,
    'name_th', 'หน่วยงานที่ ' || n, 'kind', 'district', 'email', 'saraban' || n || '@example.go.th'))).*
FROM registry.agencies a, generate_series(1, $2::bigint) AS n WHERE a.agency_id = $1
"""

ADD_LIST: Final = """
WITH made AS (
    INSERT INTO registry.lists (list_id, agency_id, name, addressee_count) VALUES ($1, $2, 'บัญชีรายชื่อแนบท้าย', $3) RETURNING list_id
)
INSERT INTO registry.list_addressees (list_id, position, agency_id, title, relay_duty)
SELECT made.list_id, n.position, n.agency_id, 'หัวหน้า' || n.name_th, false FROM made, (
    SELECT agency_id, name_th, row_number() OVER (ORDER BY code) AS position FROM registry.agencies
    WHERE code LIKE 'bench-%' ORDER BY code LIMIT $3
) AS n
"""

# What the tables alone cost: the rows of the recipients and of the outbox, with the same indexes and without their references.
BARE_TABLES: Final = """
CREATE TABLE public.bare_recipients (LIKE registry.recipients INCLUDING ALL);
CREATE TABLE public.bare_outbox (LIKE registry.outbox INCLUDING ALL);
"""
BARE_RECIPIENTS: Final = """
INSERT INTO public.bare_recipients (recipient_id, circular_id, position, agency_id, title, relay_duty)
SELECT gen_random_uuid(), $2, position, agency_id, title, relay_duty FROM registry.list_addressees WHERE list_id = $1
"""
BARE_OUTBOX: Final = """
INSERT INTO public.bare_outbox (message_id, type, body)
SELECT gen_random_uuid(), 'bare', convert_to(string_agg(recipient_id::text || agency_id::text || title, ','), 'UTF8')
FROM public.bare_recipients WHERE circular_id = $1 GROUP BY position / $2
"""


@dataclass(frozen=True, slots=True)
class _Office:
    """The sender of all letters here."""

    http: httpx.AsyncClient
    headers: dict[str, str]
    agency_id: UUID
    register_id: str

    async def draft(self, **more: object) -> str:
        letter: dict[str, Any] = {
            "kind": "external",
            "circular": True,
            "date": "2026-11-09",
            "register_id": self.register_id,
            "owner": "ศาลากลางจังหวัดสมุทรสาคร",
            "subject": "การพัฒนางานบริการประชาชนเพื่อรองรับการเป็นศูนย์ราชการสะดวก",
            "salutation": "เรียน หน่วยงานที่เกี่ยวข้อง",
            "body": ["ด้วยกระทรวงมหาดไทยแจ้งว่าคณะรัฐมนตรีได้มีมติเห็นชอบแนวทาง", "จึงเรียนมาเพื่อพิจารณา"],
            "closing": "ขอแสดงความนับถือ",
            "signatory_name": "นายตัวอย่าง",
            "signatory_position": "ผู้ว่าราชการจังหวัดสมุทรสาคร",
            "contact_unit": "สำนักงานจังหวัด",
            "telephone": "๐ ๓๔๔๑ ๑๒๕๑",
        }
        return (await created(self.http, "/v1/letters", letter | more, self.headers))["letter_id"]


async def letters(system: System) -> list[Figure]:
    """Numbers for 6,000 letters from 200 clients on one register, beside bare inserts; dispatches to 10,000 and to 100,000."""
    async with (
        open_database(system.dsn, service="registry", pool_size=2) as database,
        served(system, ["services.registry", "api"]) as (url, process),
        httpx.AsyncClient(base_url=url, timeout=PATIENCE) as http,
    ):
        office = await _office(http, *await bootstrap_operator(database))
        figures = await _registering(system, url, office)
        await system.admin.execute(BARE_TABLES)
        await system.admin.execute(ADD_AGENCIES, office.agency_id, 100_000, timeout=PATIENCE)
        await system.admin.execute("VACUUM ANALYZE registry.agencies", timeout=PATIENCE)
        for name, count in (("10k", 10_000), ("100k", 100_000)):
            figures += await _dispatching(system, office, process, name, count)
    return figures


async def _office(http: httpx.AsyncClient, client_id: str, secret: str) -> _Office:
    operator = await token(http, client_id, secret)
    agency = {"code": "sender", "name_th": "จังหวัดสมุทรสาคร", "name_en": "Samut Sakhon", "kind": "province"}
    agency_id = (await created(http, "/v1/agencies", agency, operator))["agency_id"]
    client = {"agency_id": agency_id, "name": "bench", "scopes": ["letters:write", "lists:write"]}
    made = await created(http, "/v1/clients", client, operator)
    headers = await token(http, made["client_id"], made["client_secret"])
    register = await created(http, "/v1/registers", {"unit_code": "สค ๐๐๑๗.๑"}, headers)
    return _Office(http, headers, UUID(agency_id), register["register_id"])


async def _registering(system: System, url: str, office: _Office) -> list[Figure]:
    rows = await system.admin.fetch(COPY_DRAFT, UUID(await office.draft()), LETTERS, timeout=PATIENCE)
    posts: list[tuple[str, object]] = [(f"/v1/letters/{row['letter_id']}/register", {}) for row in rows]
    async with served(system, ["wian.bench.bare_insert"]) as (bare_url, _):
        inserted = {"number": "๑", "day": "2026-11-09", "name": "จังหวัดสมุทรสาคร", "body": {"subject": "การพัฒนางานบริการประชาชน"}}
        bare = await posted(system, bare_url, [("/insert", inserted)] * LETTERS, CLIENTS)
    taken = await posted(system, url, posts, CLIENTS, office.headers)
    numbers = await system.admin.fetchrow(NUMBERS)
    if taken["statuses"] != {"200": LETTERS} or tuple(numbers) != (LETTERS, LETTERS, LETTERS):
        raise RuntimeError(f"numbers are missing or double: {taken['statuses']}, {tuple(numbers)}")
    return [
        figure("register_letters_per_s", taken["per_s"], "1/s", bare["per_s"]),
        figure("register_letters_p99_ms", taken["p99"] * 1000, "ms", bare["p99"] * 1000),
    ]


async def _dispatching(system: System, office: _Office, process: OwnedProcess, name: str, count: int) -> list[Figure]:
    list_id = uuid4()
    await system.admin.execute(ADD_LIST, list_id, office.agency_id, count, timeout=PATIENCE)
    await system.admin.execute("VACUUM ANALYZE registry.list_addressees", timeout=PATIENCE)
    taken: list[float] = []
    bare: list[float] = []
    before = process.peak_bytes()
    for _ in range(ROUNDS):
        letter_id = await office.draft(list_id=str(list_id))
        (await office.http.post(f"/v1/letters/{letter_id}/register", headers=office.headers)).raise_for_status()
        begun = time.perf_counter()
        answer = await office.http.post(
            f"/v1/letters/{letter_id}/dispatch", json={}, headers={**office.headers, "Idempotency-Key": uuid4().hex}
        )
        taken.append(time.perf_counter() - begun)
        if answer.status_code != 202 or answer.json()["recipients"] != count:
            raise RuntimeError(f"not dispatched: {answer.text[:600]}")
        bare.append(await _bare_dispatch(system, list_id))
    return [
        figure(f"dispatch_{name}_seconds", statistics.median(taken), "s", statistics.median(bare)),
        figure(f"dispatch_{name}_memory_mib", (process.peak_bytes() - before) / 2**20, "MiB"),
    ]


async def _bare_dispatch(system: System, list_id: UUID) -> float:
    circular_id, begun = uuid4(), time.perf_counter()
    async with system.admin.transaction():
        await system.admin.execute(BARE_RECIPIENTS, list_id, circular_id, timeout=PATIENCE)
        await system.admin.execute(BARE_OUTBOX, circular_id, RECIPIENTS_OF_A_MESSAGE, timeout=PATIENCE)
    return time.perf_counter() - begun
