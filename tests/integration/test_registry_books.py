"""The two statutory books: what fills them, how they are searched, corrected and exported, and that pages use the index."""

import asyncio
import io
from collections.abc import AsyncGenerator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from python_calamine import CalamineWorkbook

from services.registry.bookkeeping import SENT, read_page
from services.registry.consumers import event_handler
from services.registry.domain.books import Filter, search_text
from services.registry.finding import find_letters
from services.registry.store import books, counterparts, letter_search
from services.registry.store.letter_search import Search
from shared.broker import Incoming, Outgoing, Publisher, Verdict
from shared.contracts.envelope import Envelope, Event
from shared.contracts.events import RecipientRegistered, RecipientWithdrawn
from shared.contracts.topology import Exchange
from shared.migrations import migrate
from shared.pdfium import opened
from shared.postgres import connect, open_database
from shared.runtime import run_workers
from tests.support.eventually import eventually
from tests.support.registry import LETTER, Office, RegistryUnderTest, open_registry

PAPER: dict[str, Any] = {
    "letter_number": "มท ๐๒๑๘/ว ๕๑๖๒",
    "letter_date": "๒๐ ตุลาคม ๒๕๖๐",
    "sender": "กระทรวงมหาดไทย",
    "subject": "การประจําปี\u200bของจังหวัด",
    "receive_date": "2017-10-30",
    "receive_time": "14:30:00",
}


@pytest.fixture
async def registry(settings_environment: dict[str, str], tmp_path: Path) -> AsyncGenerator[RegistryUnderTest]:
    async with open_registry(settings_environment, tmp_path, registry_book_pdf_max_rows=3) as opened:
        yield opened


@pytest.fixture
async def office(registry: RegistryUnderTest) -> Office:
    return await registry.office("smk")


async def _sent(registry: RegistryUnderTest, office: Office, register_id: str, **more: object) -> str:
    letter_id = await registry.draft(office, register_id, **more)
    await registry.registered(office, letter_id)
    return letter_id


async def _read(registry: RegistryUnderTest, office: Office, book: str, **query: object) -> list[dict[str, Any]]:
    """Every entry, page by page."""
    items: list[dict[str, Any]] = []
    for _ in range(50):
        params = {name: str(value) for name, value in query.items()}
        answer = await registry.http.get(f"/v1/books/{book}", params=params, headers=office.headers)
        assert answer.status_code == 200, answer.text
        items += answer.json()["items"]
        if answer.json()["next"] is None:
            return items
        query["after"] = answer.json()["next"]
    raise AssertionError("the pages have no end")


async def _enter(registry: RegistryUnderTest, office: Office, key: str | None = None, **more: object) -> Any:
    headers = {**office.headers, "Idempotency-Key": key or uuid4().hex}
    return await registry.http.post("/v1/received", json={**PAPER, **more}, headers=headers)


async def _acknowledgment(registry: RegistryUnderTest, office: Office, **more: object) -> RecipientRegistered:
    """A letter of another agency that went to `office`, and the news that it is registered there."""
    sender = await registry.office(f"sender-{uuid4().hex[:6]}")
    letter = {"list_id": await registry.distribution_list(sender, office.code), **more}
    letter_id = await _sent(registry, sender, await registry.register(sender), **letter)
    circular_id = (await registry.dispatch(sender, letter_id, "k1")).json()["circular_id"]
    async with registry.database.connection() as connection:
        recipient_id = await connection.fetchval("SELECT recipient_id FROM recipients WHERE circular_id = $1", UUID(circular_id))
    return RecipientRegistered(
        recipient_id=recipient_id,
        circular_id=UUID(circular_id),
        agency_id=UUID(office.agency_id),
        letter_id=UUID(letter_id),
        receive_number="๓๓๓",
        receive_date=date(2017, 11, 10),
        recorded_at=datetime.now(UTC),
    )


def _message(event: Event) -> Outgoing:
    envelope = Envelope(source="ack", type=event.TYPE, data=event.model_dump(mode="json"))
    return Outgoing(Exchange.EVENTS, event.TYPE, str(envelope.id), envelope.model_dump_json().encode())


async def _apply(registry: RegistryUnderTest, *messages: Outgoing) -> None:
    handle = event_handler(registry.database)
    for message in messages:
        incoming = Incoming(message.routing_key, str(message.message_id), message.body, {}, redelivered=False)
        assert await handle(incoming) is Verdict.DONE


def _withdrawn(event: RecipientRegistered, after: timedelta) -> RecipientWithdrawn:
    return RecipientWithdrawn(
        recipient_id=event.recipient_id,
        circular_id=event.circular_id,
        agency_id=event.agency_id,
        letter_id=event.letter_id,
        recorded_at=event.recorded_at + after,
        reason="ลงรับผิดฉบับ",
    )


async def test_an_answer_that_was_taken_back_is_void_in_the_book_in_whatever_order_the_news_comes(
    registry: RegistryUnderTest, office: Office
) -> None:
    first = await _acknowledgment(registry, office)
    again = first.model_copy(update={"receive_number": "๔๔๔", "recorded_at": first.recorded_at + timedelta(minutes=2)})
    gone = _withdrawn(first, timedelta(minutes=1))

    async def book() -> list[tuple[str, str, str | None]]:
        rows = await _read(registry, office, "received")
        return [(row["receive_number"], row["state"], row["void_reason"]) for row in rows]

    await _apply(registry, _message(gone), _message(first))
    assert await book() == [("๓๓๓", "void", "ลงรับผิดฉบับ")]
    await _apply(registry, _message(again), _message(gone), _message(first))
    assert await book() == [("๔๔๔", "entered", None)]
    await _apply(registry, _message(_withdrawn(first, timedelta(minutes=3))))
    assert await book() == [("๔๔๔", "void", "ลงรับผิดฉบับ")]


async def test_the_sent_book_has_each_number_in_order_and_tells_what_became_of_it(
    registry: RegistryUnderTest, office: Office
) -> None:
    register_id = await registry.register(office, circular_series="shared", first_number=9, first_number_year_be=2560)
    for number in range(3):
        await _sent(registry, office, register_id, circular=number != 1, subject=f"เรื่องที่ {number}")
    await _sent(registry, office, register_id, date="2018-01-01", secrecy="ลับ", subject="ความลับของทางราชการ")
    await registry.draft(office, register_id, subject="ร่าง")
    second = await registry.draft(office, register_id, list_id=await registry.distribution_list(office, "smk"))
    await registry.registered(office, second)
    await registry.dispatch(office, second, "k1")
    rows = await _read(registry, office, "sent", order="asc", limit=2)
    assert [(row["year_be"], row["running"]) for row in rows] == [(2560, 9), (2560, 10), (2560, 11), (2560, 12), (2561, 1)]
    assert rows == (await _read(registry, office, "sent", limit=2))[::-1]
    assert [row["state"] for row in rows] == ["registered"] * 3 + ["dispatched", "registered"]
    assert (rows[3]["addressee_count"], rows[3]["letter_id"]) == (1, second)
    assert (rows[0]["sender"], rows[0]["addressee"]) == ("สำนักงานจังหวัด", "หน่วยงานที่เกี่ยวข้อง (ตามบัญชีรายชื่อแนบท้าย)")
    # A letter of a class of secrecy: nothing of what it is about, and nothing to find it by.
    assert rows[4]["subject"] == "(ลับ)"
    assert await _read(registry, office, "sent", q="ความลับ") == []
    assert await _read(registry, await registry.office("krabi"), "sent", q="เรื่องที่") == []


async def test_search_finds_a_substring_however_it_is_typed_and_filters_go_together(
    registry: RegistryUnderTest, office: Office
) -> None:
    register_id = await registry.register(office)
    await _sent(registry, office, register_id, subject="รายงานประจํา\u200bปี ๒๕๖๐  ของ OTOP 100%")
    await _sent(registry, office, register_id, subject="น้ําท่วม", speed="ด่วนที่สุด", date="2017-12-01")
    await _sent(registry, office, register_id, subject="น้ำท่วม", date="2018-02-01", circular=False)

    async def found(**query: object) -> list[str]:
        return [row["number"] for row in await _read(registry, office, "sent", **query)]

    one, two, three = [row["number"] for row in await _read(registry, office, "sent", order="asc")]
    for q in ("ประจำปี 2560", "จำปี  ๒๕๖๐ ของ otop", "100%", "ปี", "ว 1 ร", "ของ OTOP"):
        assert await found(q=q) == [one], q
    assert await found(q="น้ำท่วม") == [three, two]
    assert await found(q="น้ํา", order="asc", limit=1) == [two, three]
    assert await found(q="น้ำท่วม", speed="most_urgent") == await found(speed="most_urgent") == [two]
    assert await found(q="ท่วม", series="general") == await found(year=2561) == [three]
    assert await found(**{"from": "๑ ธ.ค. ๖๐", "to": "2017-12-31"}) == [two]
    assert await found(q="น้ำท่วม", to="2017-12-31", register_id=register_id) == [two]
    assert await found(register_id=uuid4()) == await found(q="100_") == await found(state="recalled") == []
    for query in ({"q": "ก"}, {"q": " \u200b"}, {"year": 1}, {"from": "x"}, {"after": "MjU2MHx4"}, {"state": "x"}):
        answer = await registry.http.get("/v1/books/sent", params=query, headers=office.headers)
        assert answer.status_code in {400, 422}, query


async def test_a_remark_is_kept_with_its_history_and_touches_no_letter(registry: RegistryUnderTest, office: Office) -> None:
    letter_id = await _sent(registry, office, await registry.register(office))
    before = (await registry.http.get(f"/v1/letters/{letter_id}", headers=office.headers)).json()
    path = f"/v1/books/sent/{(await _read(registry, office, 'sent'))[0]['entry_id']}"
    for version, remark in enumerate(("ส่งสำเนาแล้ว", ""), 1):
        headers = {**office.headers, "If-Match": f'"{version}"'}
        answer = await registry.http.put(f"{path}/remark", json={"remark": remark}, headers=headers)
        assert answer.status_code == 200, answer.text
        assert len(await _read(registry, office, "sent", has_remark=True)) == (remark != "")
        again = await registry.http.put(f"{path}/remark", json={"remark": "x"}, headers=headers)
        assert (again.status_code, again.json()["code"]) == (412, "version_conflict")
    changes = (await registry.http.get(f"{path}/changes", headers=office.headers)).json()["items"]
    assert [change["before"] for change in changes] == [{"remark": ""}, {"remark": "ส่งสำเนาแล้ว"}]
    assert (await registry.http.get(f"/v1/letters/{letter_id}", headers=office.headers)).json() == before
    stranger = await registry.office("krabi")
    for call in (
        registry.http.put(f"{path}/remark", json={"remark": "x"}, headers={**stranger.headers, "If-Match": '"3"'}),
        registry.http.get(f"{path}/changes", headers=stranger.headers),
    ):
        assert (await call).status_code == 404


async def test_the_received_book_fills_itself_from_acknowledgments_in_any_order(
    registry: RegistryUnderTest, office: Office
) -> None:
    first = await _acknowledgment(registry, office, speed="ด่วน")
    later = first.model_copy(update={"receive_number": "๓๓๔", "recorded_at": first.recorded_at + timedelta(hours=1)})
    message = _message(first)
    await _apply(registry, message, message, _message(first))
    (entry,) = await _read(registry, office, "received")
    assert (entry["receive_number"], entry["running"], entry["year_be"], entry["source"]) == ("๓๓๓", 333, 2560, "acknowledged")
    assert (entry["addressee"], entry["subject"], entry["speed"]) == ("หัวหน้า smk", LETTER["subject"], "urgent")
    assert (entry["letter_date"], entry["letter_id"]) == ("2017-11-09", str(first.letter_id))
    path, headers = f"/v1/received/{entry['received_id']}", {**office.headers, "If-Match": '"1"'}
    notes = {"addressee": "กลุ่มงานอำนวยการ", "action": "มอบแล้ว", "remark": "ด่วน"}
    assert (await registry.http.put(f"{path}/notes", json=notes, headers=headers)).status_code == 200
    await _apply(registry, _message(later), _message(first), message)
    (entry,) = await _read(registry, office, "received", q="กลุ่มงาน", source="acknowledged")
    assert (entry["receive_number"], entry["addressee"], entry["action"]) == ("๓๓๔", "กลุ่มงานอำนวยการ", "มอบแล้ว")
    answer = await registry.http.put(path, json=PAPER, headers={**office.headers, "If-Match": '"3"'})
    assert (answer.status_code, answer.json()["code"]) == (409, "received_by_acknowledgment")
    assert len((await registry.http.get(f"{path}/changes", headers=office.headers)).json()["items"]) == 2
    # What is said of a letter that did not go to the agency is not believed.
    await _apply(registry, _message(later.model_copy(update={"recipient_id": uuid4()})))
    assert await registry.count("received_letters") == 1


async def test_acknowledgments_come_over_the_broker(registry: RegistryUnderTest, office: Office) -> None:
    settings = registry.parts.app.state.resources.settings
    event = await _acknowledgment(registry, office)
    stop = asyncio.Event()
    running = asyncio.create_task(run_workers(registry.parts.workers, stop, grace=5))
    try:
        consumer = next(worker for worker in registry.parts.worker_probes if worker.name.startswith("consumer"))
        await eventually(consumer.problem, lambda problem: problem is None)
        publisher = Publisher(settings.amqp_url.get_secret_value(), settings.broker_namespace, timeout=5)
        assert await publisher.publish([_message(event), _message(event)]) == [None, None]
        await publisher.close()
        await eventually(lambda: registry.count("received_letters"), lambda count: count == 1)
    finally:
        stop.set()
        await running


async def test_a_letter_on_paper_gets_a_number_without_a_gap_once(registry: RegistryUnderTest, office: Office) -> None:
    answers = await asyncio.gather(*(_enter(registry, office) for _ in range(12)))
    assert sorted(answer.json()["running"] for answer in answers) == list(range(1, 13))
    first, again = await _enter(registry, office, "k"), await _enter(registry, office, "k")
    assert first.json() == again.json()
    other = await _enter(registry, office, "k", sender="กรมการปกครอง")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    # A number that a clerk gives is the clerk's; the register passes over it, and other units and years count by themselves.
    assert (await _enter(registry, office, receive_number="๑๔/๒๕๖๐")).json()["running"] == 14
    assert (await _enter(registry, office, receive_number="15")).status_code == 201
    assert (await _enter(registry, office)).json()["receive_number"] == "๑๔"
    assert (await _enter(registry, office)).json()["receive_number"] == "๑๖"
    assert (await _enter(registry, office, unit="งานสารบรรณ")).json()["receive_number"] == "๑"
    assert (await _enter(registry, office, receive_date="2018-01-01")).json()["receive_number"] == "๑"
    refused = await _enter(registry, office, receive_number="๑๕")
    assert (refused.status_code, refused.json()["code"]) == (409, "receive_number_taken")
    assert "received_id" in refused.json()["errors"][0]["detail"]
    assert (await registry.http.post("/v1/received", json=PAPER, headers=office.headers)).json()["code"] == (
        "idempotency_key_missing"
    )


async def test_an_entry_is_corrected_and_voided_but_never_gone(registry: RegistryUnderTest, office: Office) -> None:
    made = (await _enter(registry, office, receive_number="๗")).json()
    issued = (await _enter(registry, office)).json()
    path = f"/v1/received/{made['received_id']}"

    async def put(path: str, version: int, **more: object) -> tuple[int, Any]:
        headers = {**office.headers, "If-Match": f'"{version}"'}
        answer = await registry.http.put(path, json={**PAPER, **more}, headers=headers)
        return answer.status_code, answer.json()

    assert (await put(path, 1, receive_number="8", subject="น้ำแล้ง"))[1]["receive_number"] == "8"
    assert (await put(path, 1))[1]["code"] == "version_conflict"
    assert (await put(path, 2, receive_number="๑"))[1]["code"] == "receive_number_taken"
    assert (await put(f"/v1/received/{issued['received_id']}", 1, receive_number="๙"))[1]["code"] == "receive_number_fixed"
    (row,) = await _read(registry, office, "received", q="น้ําแล้ง")
    assert (row["version"], row["receive_number"]) == (2, "8")
    for version, status in ((2, 200), (3, 409)):
        headers = {**office.headers, "If-Match": f'"{version}"'}
        answer = await registry.http.post(f"{path}/void", json={"reason": "ลงซ้ำ"}, headers=headers)
        assert answer.status_code == status, answer.text
    (row,) = await _read(registry, office, "received", state="void")
    assert (row["void_reason"], row["receive_number"]) == ("ลงซ้ำ", "8")
    assert (await _enter(registry, office, receive_number="๘")).json()["code"] == "receive_number_taken"
    changes = (await registry.http.get(f"{path}/changes", headers=office.headers)).json()["items"]
    assert [change["before"].get("receive_number", change["before"].get("state")) for change in changes] == ["๗", "entered"]
    stranger = await registry.office("krabi")
    assert (await registry.http.get(path, headers=stranger.headers)).status_code == 404


async def test_exports_hold_the_forms_columns_and_no_formula(registry: RegistryUnderTest, office: Office) -> None:
    register_id = await registry.register(office)
    for subject in ("=HYPERLINK(1)", "#panic() เรื่อง \\ [x]"):
        await _sent(registry, office, register_id, subject=subject)
    await _enter(registry, office)

    async def export(book: str, form: str, **query: str) -> bytes:
        answer = await registry.http.get(f"/v1/books/{book}/export", params={"format": form, **query}, headers=office.headers)
        assert answer.status_code == 200, answer.text
        return answer.content

    table = (await export("sent", "csv")).decode()
    assert table.startswith("\ufeffเลขทะเบียนส่ง,ที่,ลงวันที่,จาก,ถึง,เรื่อง,การปฏิบัติ,หมายเหตุ\r\n")
    assert ",'=HYPERLINK(1)," in table
    (sheet,) = [CalamineWorkbook.from_filelike(io.BytesIO(await export("sent", "xlsx"))).get_sheet_by_index(0).to_python()]
    assert [row[5] for row in sheet] == ["เรื่อง", "'=HYPERLINK(1)", "#panic() เรื่อง \\ [x]"]
    with opened(await export("sent", "pdf", year="2560")) as document:
        text = document[0].get_textpage().get_text_bounded()
    assert "#panic()" in text
    assert "๒๕๖๐" in text
    assert "๓๐ ต.ค. ๖๐" in (await export("received", "csv")).decode()
    assert (await export("received", "pdf", q="จังหวัด")).startswith(b"%PDF")
    for _ in range(2):
        await _sent(registry, office, register_id)
    answer = await registry.http.get("/v1/books/sent/export", params={"format": "pdf"}, headers=office.headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "book_too_long")


FILL = """
INSERT INTO sent_entries (entry_id, agency_id, register_id, year_be, series, running, number, letter_date, sender, addressee,
    subject, speed, secrecy, state, search_text)
SELECT gen_random_uuid(), $1, $2, 2540 + n / 5000, 'general', n, 'n' || n, make_date(1997 + n / 5000, 6, 1), '', '', '', 'normal',
    'normal', 'cancelled', 'สค 0017.1/' || n || ' การพัฒนางานบริการ' || CASE WHEN n = 777 THEN 'น้ำท่วม' ELSE md5(n::text) END
FROM generate_series(1, 20000) AS n
"""


async def test_pages_of_a_large_book_are_read_by_the_index(registry: RegistryUnderTest, office: Office) -> None:
    register_id = UUID(await registry.register(office))
    async with registry.database.connection() as connection:
        await connection.execute(FILL, UUID(office.agency_id), register_id)
        await connection.execute("ANALYZE sent_entries")
    everything = Filter(UUID(office.agency_id), None, date.min, date.max, "", {})
    async with registry.database.transaction() as connection:
        await books.plan_for_pages(connection)
        for statement, text, index in (
            (books.SCAN_UP, "", "sent_entries_order"),
            (books.SCAN_DOWN, "การพัฒนา", "sent_entries_order"),
            (books.PEEK_DOWN, "การพัฒนา", "sent_entries_order"),
            (books.FIND_UP, "น้ำท่วม", "sent_entries_found_by"),
            (books.FIND_DOWN, "การพัฒนา", "sent_entries_found_by"),
        ):
            place = books.BEHIND_ALL if "running DESC" in statement else books.BEFORE_ALL
            where = Filter(everything.agency_id, None, date.min, date.max, text, {})
            arguments = books._arguments(where, 2540, place, 51)
            if statement == books.PEEK_DOWN:
                arguments += [books.NEAR]
            if "hits" in statement:
                arguments += [books.MOST_HITS + 1, where.pieces, None]
            explained = await connection.fetch(
                f"EXPLAIN (ANALYZE) {statement}",  # pyright: ignore[reportArgumentType]
                *arguments,
            )
            plan = "\n".join(row[0] for row in explained)
            assert index in plan, plan
            assert "Seq Scan" not in plan, plan
            assert "found_by" not in index or "sent_entries_order" not in plan, plan
            assert statement not in {books.SCAN_UP, books.SCAN_DOWN} or "Sort" not in plan, plan
        # The rare word is found in its year, the common one without putting its hits in order.
        for text, expected in (("น้ำท่วม", [777]), ("การพัฒนา", [1, 2, 3]), ("พัฒนาพัฒนา", [])):
            where = Filter(everything.agency_id, None, date.min, date.max, text, {})
            page = await read_page(connection, SENT, where, after=None, limit=3, down=False)
            assert [entry.running for entry in page] == expected


async def test_letters_are_found_by_text_whether_they_are_in_the_book_or_drafts(
    registry: RegistryUnderTest, office: Office
) -> None:
    register_id = await registry.register(office)
    for number in range(3):
        await _sent(registry, office, register_id, subject=f"แผนประจําปี {number} OTOP")
    await registry.draft(office, register_id, subject="ร่างแผนประจำปี ๓", contact_unit="กลุ่มงานยุทธศาสตร์")
    await registry.draft(office, register_id, subject="ลับเฉพาะ", secrecy="ลับ")
    await _sent(registry, office, register_id, subject="ลับเฉพาะ", secrecy="ลับ")
    krabi = await registry.office("krabi")
    await registry.draft(krabi, await registry.register(krabi, unit_code="กบ ๐๐๑๗"), subject="แผนประจำปี")

    async def found(**query: str) -> list[str]:
        subjects: list[str] = []
        url: str | None = "/v1/letters"
        params: dict[str, str] | None = {"limit": "2", **query}
        for _ in range(10):
            answer = await registry.http.get(url, params=params, headers=office.headers)
            assert answer.status_code == 200, answer.text
            subjects += [item["subject"] for item in answer.json()["items"]]
            if "next" not in answer.links:
                return subjects
            url, params = answer.links["next"]["url"], None
        raise AssertionError("the pages have no end")

    entered = [f"แผนประจําปี {number} OTOP" for number in (2, 1, 0)]
    assert await found(q="แผนประจำปี") == ["ร่างแผนประจำปี ๓", *entered]
    assert await found(q="แผนประจำปี", state="draft") == ["ร่างแผนประจำปี ๓"]
    assert await found(q="otop", state="registered") == entered
    assert await found(q="otop", state="dispatched") == []
    assert await found(q="ยุทธศาสตร์") == ["ร่างแผนประจำปี ๓"]
    assert await found(q="ว 2") == [entered[1]]
    assert await found(q="ลับเฉพาะ") == []
    short = await registry.http.get("/v1/letters", params={"q": "ก"}, headers=office.headers)
    assert (short.status_code, short.json()["code"]) == (422, "request_invalid")


FILL_LETTERS = """
INSERT INTO letters (letter_id, agency_id, register_id, state, content, year_be, series, running, number, canonical, content_hash,
    registered_at)
SELECT e.entry_id, e.agency_id, e.register_id, 'registered', l.content, e.year_be, e.series, e.running, e.number, l.canonical,
    l.content_hash, now()
FROM sent_entries e CROSS JOIN (SELECT content, canonical, content_hash FROM letters WHERE state <> 'draft' LIMIT 1) AS l
WHERE e.agency_id = $1 AND e.letter_id IS NULL
"""


async def test_a_search_among_many_letters_reads_by_indexes(registry: RegistryUnderTest, office: Office) -> None:
    register_id, agency_id = await registry.register(office), UUID(office.agency_id)
    await _sent(registry, office, register_id)
    async with registry.database.connection() as connection:
        await connection.execute(FILL, agency_id, UUID(await registry.register(office, unit_code="สค ๐๐๑๗.๒")))
        await connection.execute(FILL_LETTERS, agency_id)
        await connection.execute("UPDATE sent_entries SET letter_id = entry_id, state = 'registered' WHERE letter_id IS NULL")
        await connection.execute("ANALYZE letters, sent_entries")

    def search(text: str) -> Search:
        return Search(Filter(agency_id, None, date.min, date.max, text, {}), None, None, 3)

    async with registry.database.transaction() as connection:
        await books.plan_for_pages(connection)
        rare, common = search("น้ำท่วม"), search("การพัฒนา")
        for statement, arguments, index in (
            (letter_search.NEWEST, (agency_id, None, None, common.words.pattern, 3, None), "letters_of_agency"),
            (
                letter_search.HITS,
                (agency_id, [2540, 2541], rare.words.pieces, rare.words.pattern, None, 9),
                "sent_entries_found_by",
            ),
            (letter_search.DRAFTS, (agency_id, None, 500), "letters_in_draft"),
        ):
            explained = await connection.fetch(
                f"EXPLAIN (ANALYZE) {statement}",  # pyright: ignore[reportArgumentType]
                *arguments,
            )
            plan = "\n".join(row[0] for row in explained)
            assert index in plan, plan
            assert "Seq Scan" not in plan, plan
        (only,) = await find_letters(connection, rare)
        assert only.number is not None
        assert only.number.running == 777
        assert len(await find_letters(connection, common)) == 3
        assert await letter_search.hits(connection, common, await books.years(connection, agency_id)) is None
        assert await find_letters(connection, search("พัฒนาพัฒนา")) == []


TO_ONE = """
INSERT INTO sent_counterparts SELECT agency_id, $2, year_be, register_id, series, running FROM sent_entries
WHERE agency_id = $1 AND running % $3 = 0
"""


async def test_letters_to_one_agency_are_read_by_their_own_index(registry: RegistryUnderTest, office: Office) -> None:
    register_id, agency_id = UUID(await registry.register(office)), UUID(office.agency_id)
    rare, common = uuid4(), uuid4()
    async with registry.database.connection() as connection:
        await connection.execute(FILL, agency_id, register_id)
        await connection.execute(TO_ONE, agency_id, rare, 777)
        await connection.execute(TO_ONE, agency_id, common, 1)
        await connection.execute("ANALYZE sent_entries, sent_counterparts")
    async with registry.database.transaction() as connection:
        await books.plan_for_pages(connection)
        for statement in (counterparts.WALK_UP, counterparts.WALK_DOWN):
            place = books.BEHIND_ALL if "DESC" in statement else books.BEFORE_ALL
            where = Filter(agency_id, None, date.min, date.max, "", {}, counterpart_id=common)
            explained = await connection.fetch(
                f"EXPLAIN (ANALYZE) {statement}",
                *books._arguments(where, 2540, place, 51),
                common,
                None,
            )
            plan = "\n".join(row[0] for row in explained)
            assert "sent_counterparts_pkey" in plan, plan
            assert "sent_entries_order" in plan, plan
            assert "Seq Scan" not in plan, plan
            assert "Merge Append" in plan, plan
        for counterpart, text, expected in (
            (rare, "", [777, 1554, 2331]),
            (rare, "น้ำท่วม", [777]),
            (rare, "การพัฒนา", [777, 1554, 2331]),
            (common, "น้ำท่วม", [777]),
            (common, "การพัฒนา", [1, 2, 3]),
            (common, "พัฒนาพัฒนา", []),
            (uuid4(), "การพัฒนา", []),
        ):
            where = Filter(agency_id, None, date.min, date.max, text, {}, counterpart_id=counterpart)
            page = await read_page(connection, SENT, where, after=None, limit=3, down=False)
            assert [entry.running for entry in page] == expected


@pytest.mark.parametrize("most", [counterparts.MOST_NOTED, 1, 0])
async def test_the_sent_book_is_filtered_by_whom_a_letter_went_to(
    registry: RegistryUnderTest, office: Office, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    # However many recipients a circular may have before it is noted once for all of them.
    monkeypatch.setattr(counterparts, "MOST_NOTED", most)
    old, new, other = [await registry.office(code) for code in ("old", "new", "other")]
    closing = {"day": "2020-10-01", "successors": ["new"], "reason": "ควบรวม"}
    await registry.http.post(f"/v1/agencies/{old.agency_id}/close", json=closing, headers=registry.operator)
    register_id = await registry.register(office)
    for number, codes in enumerate((["old", "other"], ["other"], ["new"], [])):
        listed = {"list_id": await registry.distribution_list(office, *codes)} if codes else {}
        letter_id = await _sent(registry, office, register_id, subject=f"เรื่องที่ {number}", **listed)
        if codes:
            assert (await registry.dispatch(office, letter_id, f"key-{number}")).status_code == 202

    async def found(of: Office, **query: object) -> list[str]:
        rows = await _read(registry, office, "sent", recipient_agency_id=of.agency_id, order="asc", limit=1, **query)
        return [row["subject"] for row in rows]

    assert await found(new) == ["เรื่องที่ 0", "เรื่องที่ 2"]
    assert await found(old) == ["เรื่องที่ 0"]
    assert await found(other) == ["เรื่องที่ 0", "เรื่องที่ 1"]
    assert await found(other, q="เรื่องที่ ๑") == ["เรื่องที่ 1"]
    # By the index of words too, as when very many letters went there.
    monkeypatch.setattr(books, "MOST_HITS", 0)
    monkeypatch.setattr(books, "NEAR", 0)
    assert await found(new, q="เรื่องที่") == ["เรื่องที่ 0", "เรื่องที่ 2"]
    monkeypatch.undo()
    assert await found(other, state="registered") == []
    params = {"recipient_agency_id": new.agency_id, "format": "csv"}
    table = await registry.http.get("/v1/books/sent/export", params=params, headers=office.headers)
    assert [f"เรื่องที่ {n}" in table.text for n in range(4)] == [True, False, True, False]


PARTS_NOT_FOUND = """
SELECT array_agg(part) FROM (
    SELECT substr($2, start, width) AS part
    FROM generate_series(1, length($2::text)) AS start, generate_series(2, length($2::text)) AS width
    WHERE start + width <= length($2::text) + 1
) AS parts
WHERE NOT book_tokens($1, 2560, $2, '{x}') @> book_tokens($1, 2560, '', ARRAY[left(part, 3)])
    OR book_tokens($1, 2560, $2, '{x}') @> book_tokens($1, 2561, '', ARRAY[left(part, 3)])
"""


async def test_the_index_knows_every_part_of_a_text_in_its_year_alone(registry: RegistryUnderTest) -> None:
    text = search_text("สค ๐๐๑๗.๑/ว ๑๕๑๒๓ การประจําปี ก 😀 OTOP 100%")
    async with registry.database.connection() as connection:
        assert await connection.fetchval(PARTS_NOT_FOUND, uuid4(), text) is None


async def test_letters_that_were_registered_before_the_books_are_entered_by_the_migration(
    database_dsn: str, tmp_path: Path, registry: RegistryUnderTest, office: Office
) -> None:
    subject = "  รายงาน\u00a0ประจํา\u200bปี  ๒๕๖๐ น้ํา OTOP "
    await _sent(registry, office, await registry.register(office), subject=subject)
    folder = Path(__file__).parents[2] / "services/registry/migrations"
    migration = next(folder.glob("*_create_books.sql"))
    async with registry.database.connection() as connection:
        before = await connection.fetchrow("SELECT * FROM sent_entries")
    connection = await connect(database_dsn)
    try:
        await connection.execute(
            "SET ROLE wian_registry; SET search_path = registry; DROP TABLE sent_entries, received_letters, receive_series, "
            "book_changes; DROP FUNCTION book_tokens; DELETE FROM schema_migrations WHERE source = 'registry' AND name = 'create_books'"
        )
    finally:
        await connection.close()
    assert migration.exists()
    assert await migrate(database_dsn, service="registry", folder=folder) == 1
    async with open_database(database_dsn, service="registry", pool_size=1) as database, database.connection() as connection:
        after = await connection.fetchrow("SELECT * FROM sent_entries")
    assert before is not None
    assert after is not None
    assert dict(after) == dict(before)
    assert "รายงาน ประจำปี 2560 น้ำ otop" in search_text(subject) == search_text(after["subject"])
