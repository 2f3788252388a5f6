"""Undeliverable letters: listed with cause, blame and remedy, set going again one or many, and never another agency's."""

from collections import Counter
from typing import Any, get_args
from uuid import UUID, uuid4

import httpx

from services.dispatch import reasons
from services.dispatch.causes import CATALOGUE, cause_of
from shared.access import Scope
from shared.contracts.events import CircularDispatched, DeliveriesHandedOver
from tests.support.dispatch import Bench, circular_dispatched, gathered, recipient_registered
from tests.support.receiver import Answer, Receiver


async def fail_all(dispatch: Bench) -> None:
    """Down the whole ladder: every channel's time comes and goes."""
    while "scheduled" in await dispatch.states():
        await dispatch.make_due()
        await dispatch.deliver_due()


async def failed_circular(
    dispatch: Bench, endpoint: Receiver, *statuses: int, sender: UUID | None = None
) -> tuple[UUID, CircularDispatched]:
    """A circular to as many agencies, whose endpoints answered so; nobody fetched it, and no clerk sent it."""
    agencies: list[UUID] = []
    for status in statuses:
        path = f"/{uuid4().hex}"
        agencies.append(await dispatch.agency(url=endpoint.url + path))
        endpoint.script(path, Answer(status))
    sender = sender or uuid4()
    circular = circular_dispatched(agencies, sender=sender)
    await dispatch.apply(circular)
    await fail_all(dispatch)
    return sender, circular


def clerk(dispatch: Bench, agency_id: UUID) -> dict[str, str]:
    return dispatch.tokens.headers(agency_id, Scope.CIRCULARS_READ, Scope.LETTERS_WRITE)


def operator(dispatch: Bench) -> dict[str, str]:
    return dispatch.tokens.headers(None, Scope.OPERATE)


async def listed(dispatch: Bench, headers: dict[str, str], path: str = "/v1/deliveries", **query: Any) -> list[dict[str, Any]]:
    """All pages, two items each."""
    query |= {"limit": 2} | ({"state": "undeliverable"} if path == "/v1/deliveries" else {})
    found: list[dict[str, Any]] = []
    while True:
        answer = await dispatch.http.get(path, params=query, headers=headers)
        assert answer.status_code == 200, answer.text
        found += answer.json()["items"]
        if answer.json()["next"] is None:
            return found
        query["after"] = answer.json()["next"]


async def redrive(dispatch: Bench, headers: dict[str, str], path: str, body: Any = None) -> httpx.Response:
    return await dispatch.http.post(f"/v1{path}/redrive", json=body, headers=headers)


async def redrives(dispatch: Bench) -> list[Any]:
    async with dispatch.database.connection() as connection:
        return await connection.fetch("SELECT * FROM redrives ORDER BY redriven_at, delivery_id")


async def test_the_sender_sees_its_own_failures_with_cause_blame_and_remedy(dispatch: Bench, endpoint: Receiver) -> None:
    sender, circular = await failed_circular(dispatch, endpoint, 404, 410, 302, 403)
    stranger, _ = await failed_circular(dispatch, endpoint, 404)
    headers = clerk(dispatch, sender)
    found = await listed(dispatch, headers)
    by_position = sorted(found, key=lambda item: item["position"])
    causes = [item["failure"]["cause"]["code"] for item in by_position]
    assert causes == ["endpoint_not_found", "endpoint_gone", "endpoint_redirects", "endpoint_denies_access"]
    assert {item["circular_id"] for item in found} == {str(circular.circular_id)}
    shown = by_position[0]["failure"]
    assert (shown["reason"], shown["cause"]["blame"]) == ("paper_not_sent", "recipient")
    assert shown["cause"]["remedy"]["en"].endswith("then redrive.") and "สั่งส่งใหม่" in shown["cause"]["remedy"]["th"]

    assert [item["position"] for item in await listed(dispatch, headers, cause="endpoint_gone")] == [2]
    assert len(await listed(dispatch, headers, blame="recipient")) == 4
    assert await listed(dispatch, headers, blame="platform") == []
    assert await listed(dispatch, headers, to="2020-01-01T00:00:00Z") == []
    assert len(await listed(dispatch, headers, **{"from": "2020-01-01T00:00:00+07:00"})) == 4
    theirs = await listed(dispatch, clerk(dispatch, stranger))
    assert len(theirs) == 1
    assert await listed(dispatch, headers, circular_id=theirs[0]["circular_id"]) == []
    for query in ({}, {"circular_id": str(circular.circular_id), "cause": "unknown"}, {"state": "undeliverable", "cause": "none"},
                  {"state": "undeliverable", "from": "2026-11-23"}, {"state": "undeliverable", "to": "0001-01-01T00:00:00+14:00"}):  # fmt: skip
        answer = await dispatch.http.get("/v1/deliveries", params=query, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (422, "request_invalid"), query


async def test_every_reason_of_an_attempt_is_read_as_its_cause(dispatch: Bench, endpoint: Receiver) -> None:
    sender, _ = await failed_circular(dispatch, endpoint, 404)
    written: list[str] = [*get_args(reasons.PlainReason), reasons.http_reason(503), reasons.url_reason("https_required")]
    for reason in [*written, "of a later version"]:
        async with dispatch.database.connection() as connection:
            await connection.execute("UPDATE attempts SET reason = $1", reason)
        (item,) = await listed(dispatch, clerk(dispatch, sender))
        cause = cause_of(reason.partition(":")[0])
        assert item["failure"]["cause"]["code"] == cause.code
        for other in CATALOGUE:
            found = await listed(dispatch, operator(dispatch), "/v1/repair/deliveries", cause=other.code)
            assert len(found) == (other is cause), (reason, other.code)


async def test_a_letter_is_set_going_again_once_however_often_it_is_asked_for(dispatch: Bench, endpoint: Receiver) -> None:
    sender, circular = await failed_circular(dispatch, endpoint, 404)
    before = await dispatch.delivery()
    path, headers = f"/deliveries/{before['delivery_id']}", clerk(dispatch, sender)
    for other in (clerk(dispatch, uuid4()), clerk(dispatch, circular.recipients[0].agency_id)):
        assert (await redrive(dispatch, other, path)).status_code == 404
    reader = dispatch.tokens.headers(sender, Scope.CIRCULARS_READ)
    assert (await redrive(dispatch, reader, path)).status_code == 403

    answers: list[httpx.Response] = []

    async def ask() -> None:
        answers.append(await redrive(dispatch, headers, path, {"why": "ปลายทางแก้ไขแล้ว"}))

    await gathered(*(ask() for _ in range(5)))
    assert Counter(answer.json()["by_this_call"] for answer in answers) == {True: 1, False: 4}
    assert {(answer.status_code, answer.json()["state"]) for answer in answers} == {(200, "scheduled")}
    row = await dispatch.delivery()
    assert (row["state"], row["channel"], row["channel_attempts"], row["attempts"]) == ("scheduled", "webhook", 0, 1)
    (written,) = await redrives(dispatch)
    assert (written["redriven_by"], written["by_operator"], written["why"]) == (f"test-{sender}", False, "ปลายทางแก้ไขแล้ว")
    assert (written["failure_reason"], written["failed_at"]) == ("paper_not_sent", before["failed_at"])

    await dispatch.deliver_due()
    assert [request.webhook_id for request in endpoint.received] == [str(before["delivery_id"])] * 2, "the same letter"
    assert [attempt["number"] for attempt in await dispatch.attempts()] == [1, 2]
    (event,) = await dispatch.events(DeliveriesHandedOver)
    assert (event["channel"], event["attempts"]) == ("webhook", 2)
    late = await redrive(dispatch, headers, path)
    assert (late.status_code, late.json()["state"], late.json()["by_this_call"]) == (200, "handed_over", False)
    assert len(await redrives(dispatch)) == 1


async def test_only_what_is_undeliverable_is_set_going_again(dispatch: Bench, endpoint: Receiver) -> None:
    sender = uuid4()
    await dispatch.apply(circular_dispatched([await dispatch.agency()], sender=sender))
    under_way = await dispatch.delivery()
    answer = await redrive(dispatch, clerk(dispatch, sender), f"/deliveries/{under_way['delivery_id']}")
    assert (answer.status_code, answer.json()["code"]) == (409, "delivery_not_undeliverable")

    await fail_all(dispatch)
    _, circular = await failed_circular(dispatch, endpoint, 404, sender=sender)
    await dispatch.apply(recipient_registered(circular))
    (left,) = await listed(dispatch, clerk(dispatch, sender))
    assert left["delivery_id"] == str(under_way["delivery_id"]), "what was acknowledged all the same needs no repair"
    acknowledged = next(row for row in await dispatch.deliveries() if row["acknowledged_at"] is not None)
    answer = await redrive(dispatch, clerk(dispatch, sender), f"/deliveries/{acknowledged['delivery_id']}")
    assert (answer.status_code, answer.json()["detail"]) == (409, "the recipient has acknowledged the letter")
    assert (await redrive(dispatch, operator(dispatch), f"/repair/deliveries/{uuid4()}")).status_code == 404


async def test_a_letter_that_fails_again_fails_of_what_happened_since(dispatch: Bench, endpoint: Receiver) -> None:
    sender, circular = await failed_circular(dispatch, endpoint, 404)
    headers, agency_id = clerk(dispatch, sender), circular.recipients[0].agency_id
    delivery_id = (await dispatch.delivery())["delivery_id"]
    removed = await dispatch.http.delete("/v1/endpoints", headers=dispatch.tokens.headers(agency_id, Scope.ENDPOINTS_WRITE))
    assert removed.status_code == 204
    assert (await redrive(dispatch, headers, f"/deliveries/{delivery_id}")).json()["by_this_call"]
    assert (await dispatch.delivery())["channel"] == "inbox", "the first channel that is open now"
    await fail_all(dispatch)
    (item,) = await listed(dispatch, headers)
    assert item["failure"]["cause"]["code"] == "not_sent_on_paper"
    assert (await redrive(dispatch, headers, f"/deliveries/{delivery_id}")).json()["by_this_call"]
    await dispatch.make_due()
    await dispatch.deliver_due()
    said = await dispatch.http.post(f"/v1/paper/{delivery_id}/failed", json={"reason": "returned"}, headers=headers)
    assert said.status_code == 200
    (item,) = await listed(dispatch, headers)
    assert item["failure"]["cause"]["code"] == "paper_refused"
    assert len(await redrives(dispatch)) == 2


async def test_many_are_set_going_within_a_bound_and_never_another_agencys(dispatch: Bench, endpoint: Receiver) -> None:
    sender, circular = await failed_circular(dispatch, endpoint, 404, 404, 404, 410)
    stranger, other = await failed_circular(dispatch, endpoint, 404, 404)
    headers = clerk(dispatch, sender)

    async def ask(body: dict[str, Any]) -> tuple[int, int]:
        answer = await redrive(dispatch, headers, "/deliveries", body)
        assert answer.status_code == 200, answer.text
        return answer.json()["redriven"], answer.json()["remaining"]

    assert await ask({"filter": {"circular_id": str(other.circular_id)}}) == (0, 0)
    assert await ask({"filter": {"blame": "platform"}}) == (0, 0)
    assert await ask({"filter": {"cause": "endpoint_not_found", "from": "2020-01-01T00:00:00Z"}, "limit": 2}) == (2, 1)
    assert await ask({"filter": {"cause": "endpoint_not_found"}, "limit": 2}) == (1, 0)
    assert await ask({"filter": {"cause": "endpoint_not_found"}}) == (0, 0)
    assert len(await listed(dispatch, headers)) == 1
    assert {row["redriven_by"] for row in await redrives(dispatch)} == {f"test-{sender}"}
    assert len(await listed(dispatch, clerk(dispatch, stranger))) == 2, "another agency's are as they were"
    moved = [row["circular_id"] for row in await dispatch.deliveries() if row["state"] == "scheduled"]
    assert moved == [circular.circular_id] * 3
    for body in ({"filter": {}}, {"filter": {"cause": None}}, {}, {"filter": {"blame": "nobody"}},
                 {"filter": {"blame": "recipient"}, "limit": 1001}, {"filter": {"sender_agency_id": str(stranger)}}):  # fmt: skip
        answer = await redrive(dispatch, headers, "/deliveries", body)
        assert (answer.status_code, answer.json()["code"]) == (422, "request_invalid"), body


async def test_an_operator_repairs_one_agency_or_circular_at_a_time_and_sees_no_letter(
    dispatch: Bench, endpoint: Receiver
) -> None:
    sender, circular = await failed_circular(dispatch, endpoint, 404, 410)
    _, other = await failed_circular(dispatch, endpoint, 404, 404)
    headers = operator(dispatch)
    answer = await dispatch.http.get("/v1/repair/deliveries", headers=headers)
    assert len(answer.json()["items"]) == 4
    for secret in (circular.letter.subject, circular.letter.number, circular.recipients[0].title, circular.letter.owner):
        assert secret and secret not in answer.text
    totals = (await dispatch.http.get("/v1/repair/deliveries/totals", headers=headers)).json()
    assert [(item["cause"]["code"], item["deliveries"]) for item in totals["items"]] == [
        ("endpoint_not_found", 3),
        ("endpoint_gone", 1),
    ]
    for path in ("/v1/repair/deliveries", "/v1/repair/deliveries/totals"):
        refused = await dispatch.http.get(path, headers=clerk(dispatch, sender))
        assert (refused.status_code, refused.json()["code"]) == (403, "scope_missing")
    assert (await redrive(dispatch, clerk(dispatch, sender), "/repair/deliveries", {"filter": {}})).status_code == 403

    for unnamed in ({"cause": "endpoint_not_found"}, {"blame": "recipient", "from": "2020-01-01T00:00:00Z"}):
        refused = await redrive(dispatch, headers, "/repair/deliveries", {"filter": unnamed})
        assert (refused.status_code, refused.json()["code"]) == (422, "request_invalid"), "never across agencies unsaid"
    assert "scheduled" not in await dispatch.states()
    recipient = other.recipients[1].agency_id
    done = await redrive(
        dispatch, headers, "/repair/deliveries", {"filter": {"recipient_agency_id": str(recipient)}, "why": "ok"}
    )
    assert done.json() == {"redriven": 1, "remaining": 0}
    done = await redrive(dispatch, headers, "/repair/deliveries", {"filter": {"sender_agency_id": str(sender)}, "limit": 1})
    assert done.json() == {"redriven": 1, "remaining": 1}
    moved = [(row["circular_id"], row["agency_id"]) for row in await dispatch.deliveries() if row["state"] == "scheduled"]
    assert sorted(moved) == sorted([(circular.circular_id, circular.recipients[0].agency_id), (other.circular_id, recipient)])
    assert [row["by_operator"] for row in await redrives(dispatch)] == [True, True]
    (left,) = await listed(dispatch, clerk(dispatch, sender))
    one = await redrive(dispatch, headers, f"/repair/deliveries/{left['delivery_id']}")
    assert one.json()["by_this_call"]
