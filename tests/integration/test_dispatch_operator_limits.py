"""The operator's limits of single agencies: set by API within bounds, in force at the next claim, and written down."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from shared.access import Scope
from tests.support.dispatch import Bench, bench, circular_dispatched
from tests.support.receiver import Receiver, receiver
from tests.support.tokens import TokenIssuer


@pytest.fixture
async def endpoint() -> AsyncGenerator[Receiver]:
    async with receiver() as running:
        yield running


@pytest.fixture
async def dispatch(settings_environment: dict[str, str], token_issuer: TokenIssuer) -> AsyncGenerator[Bench]:
    async with bench(settings_environment, token_issuer, dispatch_agency_in_flight="3") as opened:
        yield opened


async def call(dispatch: Bench, method: str, path: str = "", body: dict[str, Any] | None = None) -> httpx.Response:
    headers = dispatch.tokens.headers(None, Scope.OPERATE)
    return await dispatch.http.request(method, f"/v1/repair/limits{path}", json=body, headers=headers)


async def put(dispatch: Bench, agency: UUID, in_flight: int | None, per_second: float | None, why: str = "ช้า") -> dict[str, Any]:
    answer = await call(dispatch, "PUT", f"/{agency}", {"in_flight": in_flight, "per_second": per_second, "why": why})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def changes(dispatch: Bench, agency: UUID) -> list[dict[str, Any]]:
    return (await call(dispatch, "GET", f"/{agency}/changes")).json()["items"]


async def test_a_limit_holds_for_what_waits_and_when_it_is_raised_that_goes(dispatch: Bench, endpoint: Receiver) -> None:
    agency = await dispatch.agency(url=f"{endpoint.url}/hook")
    shown = await put(dispatch, agency, 1, None)
    assert (shown["holding_in_flight"], shown["in_flight"], shown["holding_per_second"]) == (1, 1, None)
    for _ in range(4):
        await dispatch.apply(circular_dispatched([agency]))
    await dispatch.deliver_due()
    assert len(endpoint.received) == 1
    # Not looked at for an hour, unless the limit changes.
    async with dispatch.database.connection() as connection:
        await connection.execute("UPDATE circuits SET look_at = now() + interval '1 hour'")
    await dispatch.deliver_due()
    assert len(endpoint.received) == 1
    await put(dispatch, agency, 10, None, "ขยายระบบแล้ว")
    await dispatch.deliver_due()
    assert len(endpoint.received) == 4


async def test_each_change_is_written_down_once_and_null_is_as_for_all(dispatch: Bench) -> None:
    agency = await dispatch.agency()
    for in_flight, per_second, why in ((8, 2.5, "a"), (8, 2.5, "the same"), (None, 2.5, "b"), (None, None, "c")):
        shown = await put(dispatch, agency, in_flight, per_second, why)
        assert shown["holding_in_flight"] == (in_flight or 3)
        assert shown["holding_per_second"] == per_second
    found = [
        (one["in_flight_before"], one["per_second_before"], one["in_flight"], one["per_second"], one["why"], one["changed_by"])
        for one in await changes(dispatch, agency)
    ]
    assert found == [
        (None, 2.5, None, None, "c", "test-None"),
        (8, 2.5, None, 2.5, "b", "test-None"),
        (None, None, 8, 2.5, "a", "test-None"),
    ]


async def test_changes_at_the_same_moment_follow_each_other(dispatch: Bench) -> None:
    agency = await dispatch.agency()
    await asyncio.gather(*(put(dispatch, agency, n, None) for n in range(1, 7)))
    found = await changes(dispatch, agency)
    assert sorted(one["in_flight"] for one in found) == [1, 2, 3, 4, 5, 6]
    # Each starts from what the one before has set, beginning with none.
    assert {one["in_flight_before"] for one in found} == {None} | (
        {one["in_flight"] for one in found} - {await _now(dispatch, agency)}
    )


async def _now(dispatch: Bench, agency: UUID) -> int:
    return (await call(dispatch, "GET", f"/{agency}")).json()["in_flight"]


async def test_the_agency_goes_below_the_operators_limit_and_never_above(dispatch: Bench, endpoint: Receiver) -> None:
    agency = await dispatch.agency(url=f"{endpoint.url}/hook")
    await put(dispatch, agency, 5, 10)
    headers = dispatch.tokens.headers(agency, Scope.ENDPOINTS_WRITE)
    for own, holding in (((2, 1), (2, 1)), ((50, 100), (5, 10))):
        given = {"in_flight": own[0], "per_second": own[1]}
        seen = (await dispatch.http.put("/v1/endpoints/limits", json=given, headers=headers)).json()
        shown = (await call(dispatch, "GET", f"/{agency}")).json()
        assert (seen["holding_in_flight"], seen["holding_per_second"]) == holding
        assert (shown["holding_in_flight"], shown["holding_per_second"]) == holding
        assert (shown["own_in_flight"], shown["own_per_second"]) == own


async def test_those_with_limits_are_listed_in_pages(dispatch: Bench) -> None:
    agencies = [await dispatch.agency() for _ in range(4)]
    for agency in agencies[:3]:
        await put(dispatch, agency, 2, None)
    first = (await call(dispatch, "GET", "?limit=2")).json()
    rest = (await call(dispatch, "GET", f"?limit=2&after={first['next']}")).json()
    assert [len(first["items"]), len(rest["items"]), rest["next"]] == [2, 1, None]
    assert {one["agency_id"] for one in first["items"] + rest["items"]} == set(map(str, agencies[:3]))


@pytest.mark.parametrize(
    "body",
    [
        {"in_flight": 0, "per_second": None, "why": "x"},
        {"in_flight": 1001, "per_second": None, "why": "x"},
        {"in_flight": None, "per_second": 0, "why": "x"},
        {"in_flight": None, "per_second": 10_001, "why": "x"},
        {"in_flight": 1, "per_second": None, "why": " "},
        {"in_flight": 1, "per_second": None},
        {"in_flight": 1, "why": "half of it"},
        {"in_flight": 1, "per_second": None, "why": "x", "more": 1},
    ],
)
async def test_what_is_out_of_bounds_is_refused(dispatch: Bench, body: dict[str, Any]) -> None:
    agency = await dispatch.agency()
    assert (await call(dispatch, "PUT", f"/{agency}", body)).status_code == 422
    assert await changes(dispatch, agency) == []


async def test_for_the_operator_alone_and_for_agencies_that_there_are(dispatch: Bench) -> None:
    agency = await dispatch.agency()
    headers = dispatch.tokens.headers(agency, Scope.ENDPOINTS_WRITE, Scope.LETTERS_WRITE)
    body = {"in_flight": 1, "per_second": None, "why": "x"}
    for method, path in (("GET", ""), ("GET", f"/{agency}"), ("PUT", f"/{agency}"), ("GET", f"/{agency}/changes")):
        answer = await dispatch.http.request(method, f"/v1/repair/limits{path}", json=body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")
    for method, path in (("GET", ""), ("PUT", ""), ("GET", "/changes")):
        assert (await call(dispatch, method, f"/{uuid4()}{path}", body if method == "PUT" else None)).status_code == 404
