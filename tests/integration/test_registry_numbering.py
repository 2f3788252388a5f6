"""Numbers: unique and without a gap under any concurrency, by the Buddhist year of the letter's date."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.support.registry import Office, RegistryUnderTest, open_registry

CLIENTS = 200


@pytest.fixture
async def registry(settings_environment: dict[str, str], tmp_path: Path) -> AsyncGenerator[RegistryUnderTest]:
    async with open_registry(settings_environment, tmp_path) as opened:
        yield opened


@pytest.fixture
async def office(registry: RegistryUnderTest) -> Office:
    return await registry.office("smk")


async def _number(registry: RegistryUnderTest, office: Office, register_id: str, **more: object) -> str:
    letter_id = await registry.draft(office, register_id, **more)
    return (await registry.registered(office, letter_id))["number"]


async def test_two_hundred_clients_at_once_get_contiguous_numbers(registry: RegistryUnderTest, office: Office) -> None:
    register_id = await registry.register(office)
    letters = await asyncio.gather(*(registry.draft(office, register_id) for _ in range(CLIENTS)))
    registered = await asyncio.gather(*(registry.registered(office, letter_id) for letter_id in letters))
    assert sorted(one["running"] for one in registered) == list(range(1, CLIENTS + 1))
    assert len({one["content_hash"] for one in registered}) == CLIENTS


async def test_one_letter_registered_by_many_at_once_gets_one_number(registry: RegistryUnderTest, office: Office) -> None:
    register_id = await registry.register(office)
    letter_id = await registry.draft(office, register_id)
    answers = await asyncio.gather(*(registry.registered(office, letter_id) for _ in range(20)))
    assert all(answer == answers[0] for answer in answers)
    assert (await _number(registry, office, register_id)).endswith("/ว ๒")


async def test_refused_registrations_among_good_ones_leave_no_gap(registry: RegistryUnderTest, office: Office) -> None:
    register_id = await registry.register(office)
    good = [await registry.draft(office, register_id) for _ in range(10)]
    bad = [await registry.draft(office, register_id, subject="") for _ in range(10)]
    answers = await asyncio.gather(
        *(
            registry.http.post(f"/v1/letters/{letter_id}/register", headers=office.headers)
            for pair in zip(good, bad, strict=True)
            for letter_id in pair
        )
    )
    assert sorted(a.json()["running"] for a in answers if a.status_code == 200) == list(range(1, 11))
    assert sum(a.status_code == 422 for a in answers) == 10


async def test_own_series_counts_circulars_apart_and_shared_series_with_the_rest(
    registry: RegistryUnderTest, office: Office
) -> None:
    own = await registry.register(office, unit_code="สค ๑")
    shared = await registry.register(office, unit_code="สค ๒", circular_series="shared")
    for register_id, expected in (
        (own, ["สค ๑/ว ๑", "สค ๑/๑", "สค ๑/ว ๒", "สค ๑/๒"]),
        (shared, ["สค ๒/ว ๑", "สค ๒/๒", "สค ๒/ว ๓", "สค ๒/๔"]),
    ):
        numbers = [await _number(registry, office, register_id, circular=circular) for circular in (True, False, True, False)]
        assert numbers == expected


async def test_year_is_that_of_the_letters_date_and_each_year_begins_with_one(
    registry: RegistryUnderTest, office: Office
) -> None:
    register_id = await registry.register(office)
    taken: list[tuple[int, int]] = []
    for day in ("2025-12-31", "2026-01-01", "๓๑ ธันวาคม ๒๕๖๘", "1 ม.ค. 2569", "2025-12-31"):
        letter_id = await registry.draft(office, register_id, date=day)
        registered = await registry.registered(office, letter_id)
        taken.append((registered["year_be"], registered["running"]))
    assert taken == [(2568, 1), (2569, 1), (2568, 2), (2569, 2), (2568, 3)]


async def test_first_number_continues_an_offices_series_in_that_year_only(registry: RegistryUnderTest, office: Office) -> None:
    register_id = await registry.register(office, first_number=700, first_circular_number=15123, first_number_year_be=2560)
    assert await _number(registry, office, register_id, circular=True) == "สค ๐๐๑๗.๑/ว ๑๕๑๒๓"
    assert await _number(registry, office, register_id, circular=False) == "สค ๐๐๑๗.๑/๗๐๐"
    assert await _number(registry, office, register_id, circular=True, date="2018-01-01") == "สค ๐๐๑๗.๑/ว ๑"


async def test_two_agencies_may_use_the_same_code_but_one_agency_only_once(registry: RegistryUnderTest, office: Office) -> None:
    first = await registry.register(office)
    again = await registry.http.post("/v1/registers", json={"unit_code": "สค 0017.1"}, headers=office.headers)
    assert (again.status_code, again.json()["code"]) == (409, "register_exists")
    assert first in again.json()["detail"]
    other = await registry.office("krabi")
    assert await _number(registry, other, await registry.register(other)) == "สค ๐๐๑๗.๑/ว ๑"
    listed = await registry.http.get("/v1/registers", headers=office.headers)
    assert [item["register_id"] for item in listed.json()["items"]] == [first]


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"unit_code": "๐๐๑๗"}, "unit_code_malformed"),
        ({"unit_code": "สค ๐๐๑๗.๑/๑"}, "unit_code_malformed"),
        ({"circular_series": "shared", "first_circular_number": 5}, "register_invalid"),
        ({"first_number": 0}, "request_invalid"),
        ({"first_number_year_be": 2017}, "request_invalid"),
        ({"circular_series": "both"}, "request_invalid"),
    ],
)
async def test_faulty_register_is_refused(
    registry: RegistryUnderTest, office: Office, more: dict[str, object], code: str
) -> None:
    answer = await registry.http.post("/v1/registers", json={"unit_code": "สค ๑", **more}, headers=office.headers)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert await registry.count("registers") == 0


async def test_register_that_has_issued_its_last_number_says_so(registry: RegistryUnderTest, office: Office) -> None:
    register_id = await registry.register(office, first_number=999_999_999, first_number_year_be=2560)
    assert await _number(registry, office, register_id) == "สค ๐๐๑๗.๑/ว ๙๙๙๙๙๙๙๙๙"
    letter_id = await registry.draft(office, register_id)
    answer = await registry.http.post(f"/v1/letters/{letter_id}/register", headers=office.headers)
    assert (answer.status_code, answer.json()["code"]) == (409, "numbers_exhausted")
