"""Afterwards, through all three services: a recall before and after receipt, and a successor that is told to all who had the old."""

from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest

from shared import postgres
from tests.support.eventually import eventually
from tests.support.office import Enrolled, draft, enrol
from tests.support.system import RunningSystem, running_system
from wian.demo.api import Api, ApiRefusal

REGISTRATION = {
    "outcome": "registered",
    "receive_number": "๓๓๓",
    "receive_date": "2026-11-03",
    "registrar_name": "สมหญิง รักงาน",
}


@pytest.fixture
async def system(settings_environment: dict[str, str]) -> AsyncGenerator[RunningSystem]:
    async with running_system(settings_environment) as running:
        yield running


async def _refusal(call: Any) -> tuple[int, str]:
    with pytest.raises(ApiRefusal) as refused:
        await call
    return refused.value.status, str(refused.value).partition('"code":"')[2].partition('"')[0]


async def _receipts(dsn: str) -> int:
    """Of how many receipts the registry has heard."""
    async with postgres.open_database(dsn, service="registry", pool_size=1) as database, database.connection() as connection:
        return await connection.fetchval("SELECT count(*) FROM receipts")


async def _inbox(reader: Api) -> list[dict[str, Any]]:
    return (await reader.get("/v1/inbox"))["items"]


async def _types(reader: Api) -> set[str]:
    return {event["type"] for event in (await reader.get("/v1/events?limit=500"))["items"]}


async def _send(office: Enrolled, key: str, **changes: object) -> tuple[str, str]:
    """A letter that has gone round: its path, and its circular's."""
    path = f"/v1/letters/{(await office.sender.post('/v1/letters', draft(office, **changes)))['letter_id']}"
    await office.sender.post(f"{path}/register")
    order = await office.sender.post(f"{path}/dispatch", {}, {"Idempotency-Key": key})
    return path, f"/v1/circulars/{order['circular_id']}"


async def test_a_recall_stops_at_receipt_and_a_successor_is_told_to_whoever_had_the_old_letter(
    system: RunningSystem, settings_environment: dict[str, str]
) -> None:
    async with httpx.AsyncClient(base_url=system.url, timeout=10) as http:
        office = await enrol(http, system)
        addressees = [{"title": code, "agency_code": code, "relay_duty": False} for code in ("receiver", "stranger")]
        both = (await office.sender.post("/v1/lists", {"name": "สองหน่วยงาน", "addressees": addressees}))["list_id"]
        path, circular = await _send(office, "old", list_id=both)
        ((received, *_), (awaiting, *_)) = [
            await eventually(lambda reader=reader: _inbox(reader), lambda items: len(items) == 1)
            for reader in (office.receiver, office.stranger)
        ]

        # One registers, then the letter is recalled from both.
        await eventually(lambda: office.sender.get(circular), lambda found: found["recipients"] == 2)
        await office.receiver.post(f"/v1/recipients/{received['recipient_id']}/acknowledgment", REGISTRATION)
        one = {"reason": "ส่งผิดหน่วยงาน", "recipient_ids": [received["recipient_id"]]}

        await eventually(lambda: _receipts(settings_environment["postgres_dsn"]), lambda count: count == 1)
        too_late = office.sender.post(f"{path}/recall", one, {"Idempotency-Key": "x"})
        assert await _refusal(too_late) == (409, "recall_too_late")
        order = await office.sender.post(f"{path}/recall", {"reason": "ส่งผิดหน่วยงาน"}, {"Idempotency-Key": "recall"})
        assert (order["recipients"], order["received_before"]) == (1, 1)
        figures = await eventually(lambda: office.sender.get(circular), lambda found: found["recalled"] == 1)
        assert (figures["state"], figures["registered"]) == ("complete", 1)
        late = office.stranger.post(f"/v1/recipients/{awaiting['recipient_id']}/acknowledgment", REGISTRATION)
        assert await _refusal(late) == (409, "recipient_recalled")
        assert await _refusal(office.stranger.get(path)) == (410, "letter_taken_back")
        assert (await office.receiver.get(path))["number"] == received["number"]
        await eventually(lambda: _inbox(office.stranger), lambda items: items == [])
        for reader in (office.receiver, office.stranger):
            await eventually(lambda reader=reader: _types(reader), lambda types: "wian.letter.recalled.v1" in types)
        await eventually(
            lambda: _types(office.sender),
            lambda types: {"wian.circular.recall_ordered.v1", "wian.delivery.stopped.v1"} <= types,
        )

        # Another letter goes to one of two; both are told that it takes the old one's place.
        old, old_circular = await _send(office, "second", list_id=both, subject="เรื่องเดิม")
        await office.sender.post(f"{old}/erratum", {"text": "แก้คำผิด", "fields": ["body"]}, {"Idempotency-Key": "note"})
        new, _ = await _send(office, "new", supersedes=old.rpartition("/")[2], subject="เรื่องใหม่")
        for reader in (office.receiver, office.stranger):
            types = await eventually(
                lambda reader=reader: _types(reader),
                lambda types: {"wian.letter.superseded.v1", "wian.letter.erratum.v1"} <= types,
            )
            assert types
        found = await eventually(
            lambda: office.sender.get(old_circular), lambda found: found["superseded_by"] and found["errata"]
        )
        assert found["superseded_by"]["letter_id"] == new.rpartition("/")[2]
        assert [note["text"] for note in found["errata"]] == ["แก้คำผิด"]
        waiting = await eventually(
            lambda: _inbox(office.stranger), lambda items: [item["subject"] for item in items] == ["เรื่องเดิม"]
        )
        page = (await http.get(waiting[0]["acknowledgment_url"].replace("/v1/acknowledgments/", "/a/"))).text
        assert "ออกแทนฉบับนี้แล้ว" in page
        assert "แก้คำผิด" in page
        assert "เรื่องใหม่" not in page, "the new letter does not go to it"


async def test_a_refused_letter_is_sent_on_with_one_call_and_registered_by_the_right_agency(system: RunningSystem) -> None:
    async with httpx.AsyncClient(base_url=system.url, timeout=10) as http:
        office = await enrol(http, system)
        addressees = [{"title": "ผู้รับผิดราย", "agency_code": "receiver", "relay_duty": False}]
        list_id = (await office.sender.post("/v1/lists", {"name": "หนึ่งหน่วยงาน", "addressees": addressees}))["list_id"]
        path, circular = await _send(office, "wrong", list_id=list_id)
        (wrong,) = await eventually(lambda: _inbox(office.receiver), lambda items: len(items) == 1)
        refusal = {
            "outcome": "rejected",
            "reason": "misaddressed",
            "text": "อยู่ในหน้าที่ของหน่วยงานอื่น",
            "registrar_name": "วิชัย มั่นคง",
            "suggested_agency_code": "stranger",
        }
        await eventually(lambda: office.sender.get(circular), lambda found: found["recipients"] == 1)
        await office.receiver.post(f"/v1/recipients/{wrong['recipient_id']}/acknowledgment", refusal)

        body = {"recipient_id": wrong["recipient_id"]}

        async def sent_on() -> dict[str, Any] | None:
            # The news of the refusal is on its way to the registry.
            try:
                return await office.sender.post(f"{path}/redirections", body, {"Idempotency-Key": "right"})
            except ApiRefusal as refused:
                assert '"code":"recipient_not_rejected"' in str(refused)
                return None

        made = await eventually(sent_on, lambda answer: answer is not None)
        (right,) = await eventually(lambda: _inbox(office.stranger), lambda items: len(items) == 1)
        assert made is not None
        assert (right["recipient_id"], right["number"]) == (made["recipient_id"], wrong["number"])
        await eventually(lambda: office.sender.get(circular), lambda found: found["recipients"] == 2)
        await office.stranger.post(f"/v1/recipients/{right['recipient_id']}/acknowledgment", REGISTRATION)
        figures = await eventually(lambda: office.sender.get(circular), lambda found: found["registered"] == 1)
        assert (figures["recipients"], figures["rejected"], figures["state"]) == (2, 1, "complete")
        first, last = (await office.sender.get(f"{circular}/recipients"))["items"]
        assert (first["redirected_to"], last["redirected_from"]) == (last["recipient_id"], first["recipient_id"])
