"""Numbers kept for late papers, cancelled ones, units that share a register, and a register without a gap."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.registry import Office, RegistryUnderTest, open_registry

SOON = (datetime.now(UTC) + timedelta(days=2)).isoformat()


@pytest.fixture
async def registry(settings_environment: dict[str, str], tmp_path: Path) -> AsyncGenerator[RegistryUnderTest]:
    async with open_registry(settings_environment, tmp_path) as opened:
        yield opened


@pytest.fixture
async def office(registry: RegistryUnderTest) -> Office:
    return await registry.office("smk")


async def _reserve(registry: RegistryUnderTest, office: Office, register_id: str, **more: object) -> dict[str, Any]:
    body = {"count": 2, "purpose": "ลงนามย้อนหลัง", "expires_at": SOON, "circular": True, "year_be": 2560, **more}
    return await registry.created(f"/v1/registers/{register_id}/reservations", body, office.headers)


async def _register(registry: RegistryUnderTest, office: Office, letter_id: str, body: object = None) -> tuple[int, str]:
    answer = await registry.http.post(f"/v1/letters/{letter_id}/register", json=body, headers=office.headers)
    document = answer.json()
    return answer.status_code, document["number"] if answer.status_code == 200 else document["code"]


async def _expire(registry: RegistryUnderTest, reservation_id: str) -> None:
    async with registry.database.connection() as connection:
        await connection.execute(
            "UPDATE reserved_numbers SET reserved_at = now() - interval '2 hours', expires_at = now() - interval '1 hour' "
            "WHERE reservation_id = $1",
            reservation_id,
        )


async def test_reserved_numbers_are_skipped_by_others_and_used_by_late_papers(
    registry: RegistryUnderTest, office: Office
) -> None:
    register_id = await registry.register(office)
    first, late, later, too_late = [await registry.draft(office, register_id) for _ in range(4)]
    held = await _reserve(registry, office, register_id)
    assert [(number["running"], number["state"]) for number in held["numbers"]] == [(1, "held"), (2, "held")]
    assert await _register(registry, office, first) == (200, "สค ๐๐๑๗.๑/ว ๓")
    use = {"reservation_id": held["reservation_id"]}
    assert await _register(registry, office, late, {**use, "running": 2}) == (200, "สค ๐๐๑๗.๑/ว ๒")
    assert await _register(registry, office, late, {**use, "running": 1}) == (200, "สค ๐๐๑๗.๑/ว ๒")
    assert await _register(registry, office, later, {**use, "running": 2}) == (409, "number_used")
    assert await _register(registry, office, later, use) == (200, "สค ๐๐๑๗.๑/ว ๑")
    assert await _register(registry, office, too_late, use) == (409, "number_used")
    assert await _register(registry, office, too_late, {**use, "running": 9}) == (404, "not_found")
    stranger = await registry.office("stranger")
    foreign = await registry.draft(stranger, await registry.register(stranger))
    assert await _register(registry, stranger, foreign, use) == (404, "not_found")
    seen = await registry.http.get(f"/v1/reservations/{held['reservation_id']}", headers=stranger.headers)
    assert seen.status_code == 404


async def test_letters_at_once_take_different_numbers_of_one_reservation(registry: RegistryUnderTest, office: Office) -> None:
    register_id = await registry.register(office)
    held = await _reserve(registry, office, register_id, count=5)
    letters = [await registry.draft(office, register_id) for _ in range(8)]
    use = {"reservation_id": held["reservation_id"]}
    answers = await asyncio.gather(*(_register(registry, office, letter_id, use) for letter_id in letters))
    numbers = [number for status, number in answers if status == 200]
    assert len(numbers) == len(set(numbers))
    # Whoever finds the last number being taken is told so, and may ask again.
    assert {code for status, code in answers if status != 200} == {"number_used"}
    read = await registry.http.get(f"/v1/reservations/{held['reservation_id']}", headers=office.headers)
    assert sum(number["state"] == "issued" for number in read.json()["numbers"]) == len(numbers)


async def test_an_expired_or_void_number_stays_in_the_register_and_is_never_used(
    registry: RegistryUnderTest, office: Office
) -> None:
    register_id = await registry.register(office)
    expired, void = await _reserve(registry, office, register_id, count=1), await _reserve(registry, office, register_id, count=1)
    letter_id = await registry.draft(office, register_id)
    await _expire(registry, expired["reservation_id"])
    assert await _register(registry, office, letter_id, {"reservation_id": expired["reservation_id"]}) == (
        409,
        "reservation_expired",
    )
    path = f"/v1/reservations/{void['reservation_id']}/numbers/2/void"
    first = await registry.http.post(path, json={"reason": "ออกเลขผิด"}, headers=office.headers)
    second = await registry.http.post(path, json={"reason": "อีกครั้ง"}, headers=office.headers)
    assert (first.status_code, second.status_code, second.json()["code"]) == (200, 409, "number_void")
    assert await _register(registry, office, letter_id, {"reservation_id": void["reservation_id"]}) == (409, "number_void")
    assert await _register(registry, office, letter_id) == (200, "สค ๐๐๑๗.๑/ว ๓")
    listed = await registry.http.get(
        f"/v1/registers/{register_id}/numbers", params={"year_be": 2560, "series": "circular", "limit": 2}, headers=office.headers
    )
    following = await registry.http.get(listed.headers["Link"].split(">")[0].removeprefix("<"), headers=office.headers)
    rows = listed.json()["items"] + following.json()["items"]
    assert [(row["running"], row["state"]) for row in rows] == [(1, "expired"), (2, "void"), (3, "issued")]
    assert (rows[1]["void_reason"], rows[2]["number"], rows[2]["letter_id"]) == ("ออกเลขผิด", "สค ๐๐๑๗.๑/ว ๓", letter_id)


async def test_a_reserved_number_of_another_year_or_series_is_refused(registry: RegistryUnderTest, office: Office) -> None:
    register_id = await registry.register(office)
    letter_id = await registry.draft(office, register_id)
    for other in ({"year_be": 2561}, {"circular": False}, {"kind": "directive", "form": "order", "circular": False}):
        held = await _reserve(registry, office, register_id, **other)
        assert await _register(registry, office, letter_id, {"reservation_id": held["reservation_id"]}) == (
            422,
            "reservation_other_series",
        )


@pytest.mark.parametrize(
    ("more", "pointers"),
    [
        ({"expires_at": "2017-11-09T00:00:00Z"}, ["/expires_at"]),
        ({"expires_at": "2999-11-09T00:00:00Z"}, ["/expires_at"]),
        ({"form": "order"}, ["/form"]),
        ({"kind": "public"}, ["/form", "/circular"]),
        ({"count": 0}, ["/count"]),
    ],
)
async def test_what_cannot_be_reserved_takes_no_number(
    registry: RegistryUnderTest, office: Office, more: dict[str, object], pointers: list[str]
) -> None:
    register_id = await registry.register(office)
    body = {"count": 1, "purpose": "ย้อนหลัง", "expires_at": SOON, "circular": True, **more}
    answer = await registry.http.post(f"/v1/registers/{register_id}/reservations", json=body, headers=office.headers)
    assert (answer.status_code, [error["pointer"] for error in answer.json()["errors"]]) == (422, pointers)
    assert await registry.count("reserved_numbers") == 0


async def test_a_reservation_under_one_key_takes_its_numbers_once(registry: RegistryUnderTest, office: Office) -> None:
    register_id = await registry.register(office)
    body = {"count": 3, "purpose": "ย้อนหลัง", "expires_at": SOON}
    path, headers = f"/v1/registers/{register_id}/reservations", {**office.headers, "Idempotency-Key": "r"}
    answers = await asyncio.gather(*(registry.http.post(path, json=body, headers=headers) for _ in range(4)))
    assert [answer.status_code for answer in answers] == [201] * 4
    assert len({answer.text for answer in answers}) == 1
    assert await registry.count("reserved_numbers") == 3


async def test_units_that_share_a_register_count_together(registry: RegistryUnderTest, office: Office) -> None:
    register_id = await registry.register(office, more_unit_codes=["สค 0017.2"])
    first = await registry.draft(office, register_id, unit_code="สค ๐๐๑๗.๒")
    second = await registry.draft(office, register_id)
    assert await _register(registry, office, first) == (200, "สค ๐๐๑๗.๒/ว ๑")
    assert await _register(registry, office, second) == (200, "สค ๐๐๑๗.๑/ว ๒")
    path = f"/v1/registers/{register_id}"
    added = await registry.http.post(f"{path}/units", json={"unit_codes": ["สค 0017.2", "สค 0017.3"]}, headers=office.headers)
    assert added.json()["unit_codes"] == ["สค ๐๐๑๗.๑", "สค ๐๐๑๗.๒", "สค ๐๐๑๗.๓"]
    other = await registry.register(office, unit_code="สค ๙")
    taken = await registry.http.post(f"/v1/registers/{other}/units", json={"unit_codes": ["สค ๐๐๑๗.๓"]}, headers=office.headers)
    assert (taken.status_code, taken.json()["code"]) == (409, "unit_code_taken")
    assert register_id in taken.json()["detail"]
    read = (await registry.http.get(path, headers=office.headers)).json()
    assert read["series"] == [
        {"year_be": 2560, "series": "circular", "last_running": 2},
        *(one for one in read["series"] if one["year_be"] != 2560),
    ]
    stranger = await registry.office("stranger")
    assert (await registry.http.get(path, headers=stranger.headers)).status_code == 404
    assert (await registry.http.post(f"{path}/units", json={"unit_codes": ["สค ๑"]}, headers=stranger.headers)).status_code == 404


async def test_one_refused_letter_leaves_its_neighbours_alone(registry: RegistryUnderTest, office: Office) -> None:
    register_id = await registry.register(office)
    held = await _reserve(registry, office, register_id, count=1)
    good = [await registry.draft(office, register_id) for _ in range(6)]
    unfinished = await registry.draft(office, register_id, subject="")
    use = {"reservation_id": held["reservation_id"]}
    answers = await asyncio.gather(
        *(_register(registry, office, letter_id) for letter_id in good),
        _register(registry, office, unfinished),
        _register(registry, office, good[0], use),
        _register(registry, office, "0190f3a0-0000-7000-8000-000000000001"),
    )
    assert [status for status, _ in answers] == [200] * 6 + [422, 200, 404]
    # One of its two requests gave the first letter its number, and both tell it.
    assert answers[0] == answers[7]
    assert len({number for status, number in answers if status == 200}) == 6
