"""An agency's own limits: it may have us send more slowly than the exchange would, and never faster."""

from uuid import uuid4

import httpx
import pytest

from services.dispatch.proof import allowed_rate
from services.dispatch.store import circuits
from shared.access import Scope
from tests.support.dispatch import bench, circular_dispatched
from tests.support.receiver import receiver
from tests.support.tokens import TokenIssuer


async def test_the_lowest_limit_holds(settings_environment: dict[str, str], token_issuer: TokenIssuer) -> None:
    async with (
        receiver() as endpoint,
        bench(settings_environment, token_issuer, dispatch_endpoint_proof="required", dispatch_agency_in_flight="3") as dispatch,
    ):
        endpoint.allowed_rate = "120"
        agency = await dispatch.agency(url=f"{endpoint.url}/hook")
        headers = token_issuer.headers(agency, Scope.ENDPOINTS_WRITE)

        async def put(in_flight: int | None, per_second: float | None) -> httpx.Response:
            given = {"in_flight": in_flight, "per_second": per_second}
            return await dispatch.http.put("/v1/endpoints/limits", json=given, headers=headers)

        higher = (await put(1000, 100)).json()
        assert (higher["holding_in_flight"], higher["holding_per_second"], higher["allowed_per_second"]) == (3, 2.0, 2.0)
        lower = (await put(2, 1)).json()
        assert (lower["holding_in_flight"], lower["holding_per_second"]) == (2, 1.0)
        async with dispatch.database.connection() as connection:
            (flow,) = (await circuits.flows(connection, [agency], dispatch.engine.notifier._pace.limits)).values()
        assert (flow.limits.in_flight, flow.limits.per_second) == (2, 1.0)
        await dispatch.apply(circular_dispatched([agency] * 4))
        await dispatch.deliver_due()
        assert len([request for request in endpoint.received if request.path == "/hook"]) == 1, "one a second"
        for body in ((0, None), (None, 0), (1001, None)):
            assert (await put(*body)).status_code == 422
        stranger = token_issuer.headers(uuid4(), Scope.ENDPOINTS_WRITE)
        assert (await dispatch.http.get("/v1/endpoints/limits", headers=stranger)).status_code == 404


@pytest.mark.parametrize(
    ("said", "rate"), [("60", 1.0), (" 6 ", 0.1), ("*", None), ("", None), ("0", None), ("-5", None), ("9" * 30, None)]
)
def test_what_an_endpoint_says_of_its_rate(said: str, rate: float | None) -> None:
    assert allowed_rate({"WebHook-Allowed-Rate": said}) == rate
