"""A recall stops what was not handed over, once and in any order; successions and errata reach whom they concern."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from services.dispatch.feed import EventType
from services.dispatch.sequencer import Sequencer
from shared.access import Scope
from shared.contracts.events import CircularDispatched, DeliveriesHandedOver, DeliveriesRecalled, DeliveriesUndeliverable
from tests.support import afterwards
from tests.support.dispatch import Bench, being_sent, circular_dispatched, recipient_registered
from tests.support.receiver import Answer, Receiver


async def _recall(dispatch: Bench, circular: CircularDispatched) -> None:
    event = afterwards.recalled(circular.circular_id, circular.sender_agency_id, circular.recipients)
    for _ in range(2):
        await dispatch.apply(event)


async def _get(dispatch: Bench, agency: UUID, path: str) -> Any:
    headers = dispatch.tokens.headers(agency, Scope.DELIVERIES_READ, Scope.CIRCULARS_READ)
    return await dispatch.http.get(path, headers=headers)


async def _events(dispatch: Bench, agency: UUID) -> list[dict[str, Any]]:
    await Sequencer(dispatch.database, poll_interval=1).run_once()
    page = await _get(dispatch, agency, "/v1/events")
    assert page.status_code == 200, page.text
    return page.json()["items"]


def _kinds(events: list[dict[str, Any]]) -> list[str]:
    return sorted({event["id"]: EventType(event["type"]).kind for event in events}.values())


async def test_what_was_not_handed_over_stops_and_what_was_is_no_longer_open(dispatch: Bench, endpoint: Receiver) -> None:
    reached, answered = [await dispatch.agency(url=f"{endpoint.url}/{name}") for name in ("reached", "answered")]
    nobody, failing = await dispatch.agency(), await dispatch.agency(url=f"{endpoint.url}/failing")
    endpoint.script("/failing", Answer(503))
    circular = circular_dispatched([reached, answered, nobody, failing])
    await dispatch.apply(circular)
    await dispatch.deliver_due()
    await dispatch.apply(recipient_registered(circular, 1))
    await _recall(dispatch, circular)
    rows = await dispatch.deliveries()
    assert [row["state"] for row in rows] == ["handed_over", "handed_over", "recalled", "recalled"]
    assert [row["recalled_at"] is not None for row in rows] == [True, True, True, True]
    assert len(await dispatch.attempts()) == 3, "what was tried stays in the log"
    stopped = await dispatch.events(DeliveriesRecalled)
    assert [item["attempts"] for item in stopped] == [0, 1]
    for agency, row in zip((reached, nobody), (rows[0], rows[2]), strict=True):
        assert (await _get(dispatch, agency, "/v1/inbox")).json()["items"] == []
        fetched = await _get(dispatch, agency, f"/v1/inbox/{row['delivery_id']}")
        assert fetched.status_code == (200 if agency == reached else 404)
    await dispatch.make_due()
    await dispatch.deliver_due()
    assert len(endpoint.received) == 3, "nothing is sent any more"
    assert _kinds(await _events(dispatch, nobody)) == ["arrived", "recalled"]
    sender = await _events(dispatch, circular.sender_agency_id)
    assert _kinds(sender) == [
        "dispatched", "handed_over", "handed_over", "recall_ordered", "registered", "stopped", "stopped",
    ]  # fmt: skip
    assert {event["data"]["recall"]["reason"] for event in sender if "recall" in event["data"]} == {"ส่งผิดหน่วยงาน"}


@pytest.mark.parametrize("status", [204, 500])
async def test_what_is_being_sent_ends_as_recalled_alone_and_keeps_its_attempt(
    dispatch: Bench, endpoint: Receiver, status: int
) -> None:
    async with being_sent(dispatch, endpoint, status) as circular:
        await _recall(dispatch, circular)
    row = await dispatch.delivery()
    assert (row["state"], row["attempts"], row["lease_token"]) == ("recalled", 1, None)
    (attempt,) = await dispatch.attempts()
    assert attempt["status"] == status
    assert await dispatch.events(DeliveriesHandedOver) == []
    assert len(await dispatch.events(DeliveriesRecalled)) == 1
    await dispatch.expire_leases()
    await dispatch.engine.scheduler.run_once()
    assert await dispatch.states() == ["recalled"]
    async with dispatch.database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM leases") == 0


async def test_a_batch_that_waits_for_a_worker_is_not_sent(dispatch: Bench, endpoint: Receiver) -> None:
    circular = circular_dispatched([await dispatch.agency(url=f"{endpoint.url}/hook")])
    await dispatch.apply(circular)
    await dispatch.engine.scheduler.run_once()
    assert await dispatch.states() == ["leased"]
    await _recall(dispatch, circular)
    for message in await dispatch.messages():
        await dispatch.handler()(message)
    await dispatch.handler().idle()
    assert (await dispatch.states(), endpoint.received) == (["recalled"], [])


async def test_what_was_given_up_cannot_be_pulled_or_set_going_once_it_is_recalled(dispatch: Bench) -> None:
    agency = await dispatch.agency()
    circular = circular_dispatched([agency])
    await dispatch.apply(circular)
    for _ in ("inbox", "paper"):
        await dispatch.make_due()
        await dispatch.engine.scheduler.run_once()
    assert len(await dispatch.events(DeliveriesUndeliverable)) == 1
    await _recall(dispatch, circular)
    row = await dispatch.delivery()
    assert (row["state"], row["failure_reason"]) == ("recalled", "paper_not_sent")
    assert (await _get(dispatch, agency, f"/v1/inbox/{row['delivery_id']}")).status_code == 404
    headers = dispatch.tokens.headers(circular.sender_agency_id, Scope.CIRCULARS_READ, Scope.LETTERS_WRITE)
    answer = await dispatch.http.post(f"/v1/deliveries/{row['delivery_id']}/redrive", json={"why": "ลองใหม่"}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (409, "delivery_not_undeliverable")


@pytest.mark.parametrize("first", ["chunk", "decisions"])
async def test_decisions_before_and_after_their_chunk_have_the_same_effect(dispatch: Bench, first: str) -> None:
    one, two = await dispatch.agency(), await dispatch.agency()
    circular = circular_dispatched([one, two])
    here = (circular.circular_id, circular.sender_agency_id)
    decided = [
        afterwards.recalled(*here, circular.recipients[:1]),
        afterwards.superseded(*here, circular.recipients, again=circular.recipients[1:]),
        afterwards.erratum(*here, circular.recipients),
    ]
    for event in [circular, *decided] if first == "chunk" else [*decided, *decided, circular]:
        await dispatch.apply(event)
    assert await dispatch.states() == ["recalled", "scheduled"]
    assert len(await dispatch.events(DeliveriesRecalled)) == 1
    told = {agency: await _events(dispatch, agency) for agency in (one, two, circular.sender_agency_id)}
    assert [_kinds(events) for events in told.values()] == [
        ["arrived", "erratum", "recalled", "superseded"],
        ["arrived", "erratum", "superseded"],
        ["corrected", "dispatched", "recall_ordered", "replaced", "stopped"],
    ]
    of_one, of_two = [
        next(event["data"]["successor"] for event in told[agency] if event["type"] == EventType.SUPERSEDED)
        for agency in (one, two)
    ]
    assert of_one["number"] == "สค ๐๐๑๗.๑/ว ๑๕๑๓๐"
    assert (of_one["addressed_again"], of_one["changes"]) == (False, [{"field": "subject"}])
    assert (of_two["addressed_again"], of_two["changes"]) == (True, [{"field": "subject", "before": "เดิม", "after": "ใหม่"}])
    async with dispatch.database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM early_notices") == 0


async def test_a_recall_and_its_chunk_at_the_same_moment_lose_nothing(dispatch: Bench) -> None:
    circulars = [circular_dispatched([await dispatch.agency()]) for _ in range(10)]
    events = [
        event for one in circulars for event in (one, afterwards.recalled(one.circular_id, one.sender_agency_id, one.recipients))
    ]
    await asyncio.gather(*(dispatch.apply(event) for event in events))
    assert await dispatch.states() == ["recalled"] * 10
