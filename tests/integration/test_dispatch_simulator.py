"""The engine against every simulated recipient: what each kind of counterpart leads to, and how long it may hold on."""

from collections.abc import AsyncGenerator
from uuid import UUID

import pytest

from tests.support.dispatch import Bench, circular_dispatched
from wian.simulator.behaviours import gzip_bomb
from wian.simulator.catalogue import Recipient
from wian.simulator.received import Signature
from wian.simulator.server import Simulator, simulator

REQUEST_TIMEOUT = 2.0
REFUSED_CONNECTION = "refused-connection"

Result = tuple[str, str | None, int | None]

TIMED_OUT: Result = ("retry_later", "timeout", None)
BROKEN: Result = ("retry_later", "connection_failed", None)

# Outcome, reason and status of the first attempt; a letter is handed over to all the others.
FIRST_ATTEMPT: dict[str, Result] = {
    Recipient.SLOW: TIMED_OUT,
    Recipient.DOWN: TIMED_OUT,
    Recipient.DRIP_HEAD: TIMED_OUT,
    Recipient.FLAKY: ("retry_later", "http_503", 503),
    Recipient.ERROR: ("retry_later", "http_500", 500),
    Recipient.THROTTLE: ("retry_later", "http_429", 429),
    Recipient.REFUSE: ("refused", "http_422", 422),
    Recipient.REDIRECT: ("refused", "http_302", 302),
    Recipient.GONE: ("gone", None, 410),
    Recipient.RESET: BROKEN,
    REFUSED_CONNECTION: BROKEN,
    Recipient.WRONG_CERTIFICATE: ("retry_later", "certificate_invalid", None),
    # The status has decided: an answer that never ends, or would burst, is cut off and takes nothing back.
    Recipient.HUGE: ("delivered", None, 200),
    Recipient.DRIP: ("delivered", None, 200),
    Recipient.BOMB: ("delivered", None, 200),
}
TAKEN: Result = ("delivered", None, 204)


@pytest.fixture
def dispatch_variables() -> dict[str, str]:
    return {"dispatch_request_timeout": str(REQUEST_TIMEOUT), "dispatch_connect_timeout": "1"}


@pytest.fixture
async def sim() -> AsyncGenerator[Simulator]:
    gzip_bomb()  # so that the first letter does not wait for it to be made
    async with simulator() as running:
        yield running


async def test_every_kind_of_counterpart_ends_in_its_outcome_and_in_time(dispatch: Bench, sim: Simulator) -> None:
    urls: dict[str, str] = {recipient: sim.at(recipient) for recipient in Recipient}
    urls[Recipient.SLOW] = sim.at(Recipient.SLOW, seconds=600)
    urls[Recipient.WRONG_CERTIFICATE] = f"{sim.tls_url}/{Recipient.WRONG_CERTIFICATE}"
    urls[REFUSED_CONNECTION] = sim.refused_url
    agencies = [await _agency(dispatch, sim, url) for url in urls.values()]
    sim.set_secrets(list(dispatch.secrets.values()))
    sim.received.clear()
    await dispatch.apply(circular_dispatched(agencies))
    await dispatch.deliver_due()

    by_delivery = {row["delivery_id"]: list(urls)[row["position"] - 1] for row in await dispatch.deliveries()}
    attempts = {by_delivery[row["delivery_id"]]: row for row in await dispatch.attempts()}
    results = {name: (row["outcome"], row["reason"], row["status"]) for name, row in attempts.items()}
    assert results == dict.fromkeys(urls, TAKEN) | FIRST_ATTEMPT
    # Reading the answer has a limit of its own; nothing adds up beyond the two.
    assert max(row["milliseconds"] for row in attempts.values()) < (REQUEST_TIMEOUT + 2) * 1000
    # Every letter was signed with its own endpoint's secret, and nobody followed the redirect.
    assert {received.signature for received in sim.received} == {Signature.VALID}
    assert not [received for received in sim.received if received.path.endswith("/redirected")]
    assert len({received.webhook_id for received in sim.received}) == len(sim.received) == len(urls) - 2

    # Of what is tried again, the flaky one's next try fails too, and the one after that succeeds, under the same id.
    for _ in range(2):
        await dispatch.make_due()
        await dispatch.deliver_due()
    flaky = [received for received in sim.received if received.recipient == Recipient.FLAKY]
    assert len(flaky) == 3
    assert len({received.webhook_id for received in flaky}) == 1
    states = {by_delivery[row["delivery_id"]]: row["state"] for row in await dispatch.deliveries()}
    assert states[Recipient.FLAKY] == "handed_over"


async def _agency(dispatch: Bench, sim: Simulator, url: str) -> UUID:
    """An agency whose endpoint was right when it was set, and is at `url` now."""
    agency_id = await dispatch.agency(url=sim.at(Recipient.OK, "at-first"))
    async with dispatch.database.connection() as connection:
        await connection.execute("UPDATE endpoints SET url = $2 WHERE agency_id = $1", agency_id, url)
    return agency_id
