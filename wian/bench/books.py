"""How long a page of a book takes in an agency with a million letters, by search and by filter."""

import statistics
import time
from collections.abc import Mapping
from datetime import date
from typing import Final
from uuid import UUID

import httpx

from services.registry.bookkeeping import SENT, read_page
from services.registry.domain.books import Filter, search_text
from services.registry.operator import bootstrap_operator
from shared.postgres import Database, open_database
from wian.bench.apis import api, created, token
from wian.bench.result import Figure, figure
from wian.bench.system import System

LETTERS: Final = 1_000_000
YEARS: Final = 10
FIRST_YEAR: Final = 2560
ROUNDS: Final = 15
PAGE: Final = 50
PATIENCE: Final = 900

# Subjects of three phrases out of these; "โรคระบาด" in one year alone, "อุกกาบาต" in one letter.
PHRASES: Final = (
    *("การพัฒนางานบริการประชาชน", "การประชุมคณะกรรมการ", "ขอเชิญเข้าร่วมโครงการ", "รายงานผลการดำเนินงาน", "การจัดสรรงบประมาณ"),
    *("การป้องกันและบรรเทาสาธารณภัย", "แนวทางการปฏิบัติราชการ", "การเลือกตั้งสมาชิกสภา", "ขอความร่วมมือประชาสัมพันธ์", "การแต่งตั้งคณะทำงาน"),
    *("แผนพัฒนาจังหวัด", "ข้อมูลข่าวสารของราชการ", "การบริหารงานบุคคล", "ส่งสำเนาประกาศ", "ตัวชี้วัดคำรับรอง", "น้ำท่วมในพื้นที่ลุ่มต่ำ", "ศูนย์ดำรงธรรม"),
)

ADD_LETTERS: Final = """
INSERT INTO registry.letters (letter_id, agency_id, register_id, state, content, year_be, series, running, number, canonical,
    content_hash, registered_at)
SELECT md5('letter' || n)::uuid, $1, $2, 'registered', '{}', $3 + (n - 1) / $4, 'general', 1 + (n - 1) % $4,
    'สค ๐๐๑๗.๑/' || 1 + (n - 1) % $4, '\\x7b7d', repeat('0', 64), now()
FROM generate_series(1, $5::bigint) AS n
"""

ADD_ENTRIES: Final = """
INSERT INTO registry.sent_entries (entry_id, agency_id, register_id, year_be, series, running, number, letter_id, letter_date, sender,
    addressee, subject, speed, secrecy, state, search_text)
SELECT letter_id, $1, $2, year_be, 'general', running, number, letter_id, make_date((year_be - 543)::int, 1, 1)
        + (365 * running / $4)::int, 'สำนักงานจังหวัด', 'หน่วยงานที่เกี่ยวข้อง', subject,
    CASE WHEN running % 5000 = 0 THEN 'most_urgent' ELSE 'normal' END, 'normal', 'registered',
    'สค 0017.1/' || running || ' ' || subject || ' สำนักงานจังหวัด หน่วยงานที่เกี่ยวข้อง'
FROM (
    SELECT letter_id, year_be, running, number,
        ($3::text[])[1 + abs(hashtext('a' || letter_id::text)) % cardinality($3::text[])] || ' '
        || ($3::text[])[1 + abs(hashtext('b' || letter_id::text)) % cardinality($3::text[])] || ' '
        || ($3::text[])[1 + abs(hashtext('c' || letter_id::text)) % cardinality($3::text[])]
        || CASE WHEN year_be = $5 + 2 AND running % 4 = 0 THEN ' โรคระบาด' ELSE '' END
        || CASE WHEN running % 500 = 0 THEN ' ช้างป่า' ELSE '' END
        || CASE WHEN year_be = $5 AND running = 777 THEN ' อุกกาบาต' ELSE '' END AS subject
    FROM registry.letters
) AS letter
"""

QUERIES: Final[Mapping[str, Mapping[str, str]]] = {
    "newest": {},
    "oldest": {"order": "asc"},
    "one year": {"year": "2565"},
    "word in most letters": {"q": "การ"},
    "word in one of three": {"q": "น้ำท่วม"},
    "word in one of 500": {"q": "ช้างป่า"},
    "word in one letter": {"q": "อุกกาบาต"},
    "word in no letter": {"q": "กาพัฒนาชน"},
    "word of one old year": {"q": "โรคระบาด"},
    "two characters, common": {"q": "กา"},
    "two characters, in no letter": {"q": "ฮฮ"},
    "number": {"q": "๐๐๑๗.๑/๕๔๓๒๑"},
    "words from several parts": {"q": "ศูนย์ดำรงธรรม สำนักงาน"},
    "rare speed": {"speed": "most_urgent"},
    "word and speed": {"q": "น้ำท่วม", "speed": "most_urgent"},
    "state that none has": {"state": "recalled"},
    "month": {"from": "2022-06-01", "to": "2022-06-30"},
    "word in a day": {"q": "แผนพัฒนา", "from": "2022-12-01", "to": "2022-12-01"},
}


async def search(system: System) -> list[Figure]:
    """Pages of the book of sent letters of an agency with a million of them: searched, filtered, and through the API."""
    async with open_database(system.dsn, service="registry", pool_size=2) as database, api(system) as http:
        operator = await bootstrap_operator(database)
        agency_id, headers, register_id = await _office(http, *operator)
        await _fill(system, agency_id, register_id)
        medians: dict[str, float] = {}
        slowest: dict[str, float] = {}
        bare: list[float] = []
        for name, query in QUERIES.items():
            times = [await _through_api(http, headers, query) for _ in range(ROUNDS)]
            medians[name], slowest[name] = statistics.median(times), max(times)
            bare.append(statistics.median([await _bare(database, agency_id, query) for _ in range(ROUNDS)]))
            print(f"  {name}: median {medians[name]:.1f} ms, slowest {slowest[name]:.1f} ms, bare {bare[-1]:.1f} ms", flush=True)
    return [
        figure("search_1m_letters_ms", statistics.median(medians.values()), "ms", statistics.median(bare)),
        figure("search_1m_letters_slowest_query_ms", max(medians.values()), "ms", max(bare)),
        figure("search_1m_letters_slowest_ms", max(slowest.values()), "ms"),
    ]


async def _office(http: httpx.AsyncClient, client_id: str, secret: str) -> tuple[UUID, dict[str, str], UUID]:
    operator = await token(http, client_id, secret)
    agency = {"code": "bench", "name_th": "จังหวัดสมุทรสาคร", "name_en": "Samut Sakhon", "kind": "province"}
    agency_id = (await created(http, "/v1/agencies", agency, operator))["agency_id"]
    client = {"agency_id": agency_id, "name": "bench", "scopes": ["letters:write"]}
    made = await created(http, "/v1/clients", client, operator)
    headers = await token(http, made["client_id"], made["client_secret"])
    register = await created(http, "/v1/registers", {"unit_code": "สค ๐๐๑๗.๑"}, headers)
    return UUID(agency_id), headers, UUID(register["register_id"])


async def _fill(system: System, agency_id: UUID, register_id: UUID) -> None:
    """A million letters; the index is built behind them, as after a restore."""
    admin, a_year = system.admin, LETTERS // YEARS
    begun = time.perf_counter()
    await admin.execute(ADD_LETTERS, agency_id, register_id, FIRST_YEAR, a_year, LETTERS, timeout=PATIENCE)
    index = await admin.fetchval("SELECT pg_get_indexdef('registry.sent_entries_found_by'::regclass)")
    await admin.execute("DROP INDEX registry.sent_entries_found_by")
    await admin.execute(ADD_ENTRIES, agency_id, register_id, list(PHRASES), a_year, FIRST_YEAR, timeout=PATIENCE)
    filled = time.perf_counter()
    await admin.execute("SET maintenance_work_mem = '512MB'")
    await admin.execute(index, timeout=PATIENCE)
    built = time.perf_counter()
    await admin.execute("VACUUM ANALYZE registry.sent_entries", timeout=PATIENCE)
    size = await admin.fetchval("SELECT pg_size_pretty(pg_relation_size('registry.sent_entries_found_by'))")
    print(f"  filled in {filled - begun:.0f} s, index of {size} built in {built - filled:.0f} s", flush=True)


async def _through_api(http: httpx.AsyncClient, headers: dict[str, str], query: Mapping[str, str]) -> float:
    begun = time.perf_counter()
    answer = await http.get("/v1/books/sent", params=dict(query), headers=headers)
    spent = time.perf_counter() - begun
    answer.raise_for_status()
    return spent * 1000


async def _bare(database: Database, agency_id: UUID, query: Mapping[str, str]) -> float:
    """The same page by its statements alone."""
    where = Filter(
        agency_id=agency_id,
        year_be=int(query["year"]) if "year" in query else None,
        first_day=date.fromisoformat(query["from"]) if "from" in query else date.min,
        last_day=date.fromisoformat(query["to"]) if "to" in query else date.max,
        text=search_text(query.get("q", "")),
        facets={name: query[name] for name in ("speed", "state") if name in query},
    )
    begun = time.perf_counter()
    async with database.transaction() as connection:
        await read_page(connection, SENT, where, after=None, limit=PAGE + 1, down=query.get("order") != "asc")
    return (time.perf_counter() - begun) * 1000
