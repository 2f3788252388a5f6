"""The API of dispatch: endpoints, the pull inbox, deliveries, and what acknowledgments do to them."""

import asyncio
from uuid import uuid4

import pytest

from shared.access import Scope
from shared.contracts.events import Channel, DeliveriesHandedOver, DeliveriesUndeliverable, RecipientRejected, Secrecy
from shared.links import LinkSigner, Purpose
from tests.support.dispatch import Bench, agency_saved, circular_dispatched, gathered, letter, recipient_registered
from tests.support.eventually import eventually
from tests.support.receiver import Answer, Receiver


async def test_an_endpoint_is_set_shown_without_its_secret_and_removed(dispatch: Bench) -> None:
    headers = dispatch.tokens.headers(uuid4(), Scope.ENDPOINTS_WRITE)
    put = await dispatch.http.put("/v1/endpoints", json={"url": "https://127.0.0.1:9443/hook", "secret": None}, headers=headers)
    assert put.status_code == 200
    made = put.json()
    assert made["secret"].startswith("whsec_")
    assert made["state"] == "active"
    got = await dispatch.http.get("/v1/endpoints", headers=headers)
    assert got.json()["secret"] is None
    async with dispatch.database.connection() as connection:
        stored = await connection.fetchrow("SELECT * FROM endpoints")
    assert stored is not None
    assert made["secret"].removeprefix("whsec_").encode() not in stored["secret_encrypted"]
    assert dispatch.resources.vault.open(stored["secret_encrypted"]) == made["secret"]
    for _ in range(2):
        assert (await dispatch.http.delete("/v1/endpoints", headers=headers)).status_code == 204
    assert (await dispatch.http.get("/v1/endpoints", headers=headers)).status_code == 404


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://10.0.0.1/hook", "address_not_public"),
        ("https://169.254.169.254/latest/meta-data", "address_not_public"),
        ("https://[fec0::1]/hook", "address_not_public"),
        ("http://8.8.8.8/hook", "https_required"),
        ("https://user:word@agency.example/hook", "userinfo_refused"),
        ("https://agency.example:22/hook", "port_refused"),
        ("ftp://agency.example/hook", "url_malformed"),
        ("https://2130706433/hook", "url_malformed"),
    ],
)
async def test_an_endpoint_that_is_not_a_public_web_address_is_refused(dispatch: Bench, url: str, code: str) -> None:
    headers = dispatch.tokens.headers(uuid4(), Scope.ENDPOINTS_WRITE)
    answer = await dispatch.http.put("/v1/endpoints", json={"url": url}, headers=headers)
    assert answer.status_code == 422
    assert answer.json()["code"] == "endpoint_url_refused"
    assert answer.json()["errors"][0]["code"] == code


async def test_a_weak_secret_is_refused_and_not_repeated_in_the_answer(dispatch: Bench) -> None:
    headers = dispatch.tokens.headers(uuid4(), Scope.ENDPOINTS_WRITE)
    answer = await dispatch.http.put(
        "/v1/endpoints", json={"url": "https://127.0.0.1:9443/", "secret": "whsec_c2hvcnQ="}, headers=headers
    )
    assert answer.json()["code"] == "endpoint_secret_invalid"
    assert "c2hvcnQ" not in answer.text


async def test_a_letter_is_pulled_once_and_shown_again(dispatch: Bench) -> None:
    agency = await dispatch.agency()
    circular = circular_dispatched([agency])
    await dispatch.apply(circular)
    headers = dispatch.tokens.headers(agency, Scope.DELIVERIES_READ)
    listed = (await dispatch.http.get("/v1/inbox", headers=headers)).json()
    (item,) = listed["items"]
    assert item["recipient_id"] == str(circular.recipients[0].recipient_id)
    assert item["number"] == "สค ๐๐๑๗.๑/ว ๑๕๑๒๓"
    assert item["handed_over_at"] is None
    assert await dispatch.states() == ["scheduled"], "listing is not a hand-over"
    signer = LinkSigner(dispatch.settings.link_key.get_secret_value())
    assert signer.read(Purpose.ACKNOWLEDGE, item["acknowledgment_url"].rpartition("/")[2]) == circular.recipients[0].recipient_id

    path = f"/v1/inbox/{item['delivery_id']}"
    answers = await asyncio.gather(*(dispatch.http.get(path, headers=headers) for _ in range(5)))
    assert {answer.text for answer in answers} == {answers[0].text}
    whole = answers[0].json()
    assert whole["letter"]["body"] == list(circular.letter.body)
    assert (whole["hand_over_channel"], whole["hand_over_grade"]) == ("inbox", "transport")
    (event,) = await dispatch.events(DeliveriesHandedOver)
    assert (event["channel"], event["grade"], event["attempts"]) == ("inbox", "transport", 0)

    await dispatch.apply(recipient_registered(circular))
    assert (await dispatch.http.get("/v1/inbox", headers=headers)).json()["items"] == []
    assert (await dispatch.http.get(path, headers=headers)).status_code == 200
    assert len(await dispatch.events(DeliveriesHandedOver)) == 1


async def test_a_stranger_sees_neither_letter_nor_deliveries(dispatch: Bench) -> None:
    agency, sender = await dispatch.agency(), uuid4()
    circular = circular_dispatched([agency], sender=sender)
    await dispatch.apply(circular)
    delivery_id = (await dispatch.delivery())["delivery_id"]
    stranger = dispatch.tokens.headers(uuid4(), Scope.DELIVERIES_READ, Scope.CIRCULARS_READ)
    for path in (
        f"/v1/inbox/{delivery_id}",
        f"/v1/deliveries/{delivery_id}",
        f"/v1/deliveries/{delivery_id}/attempts",
        f"/v1/deliveries?circular_id={circular.circular_id}",
        f"/v1/inbox/{uuid4()}",
    ):
        answer = await dispatch.http.get(path, headers=stranger)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), path
    assert (await dispatch.http.get("/v1/inbox", headers=stranger)).json()["items"] == []
    recipient = dispatch.tokens.headers(agency, Scope.DELIVERIES_READ)
    assert (await dispatch.http.get(f"/v1/deliveries?circular_id={circular.circular_id}", headers=recipient)).status_code == 404
    assert await dispatch.states() == ["scheduled"]


async def test_the_sender_reads_deliveries_in_list_order_page_by_page(dispatch: Bench, endpoint: Receiver) -> None:
    agencies = [await dispatch.agency(url=f"{endpoint.url}/hook") for _ in range(5)]
    sender = uuid4()
    circular = circular_dispatched(agencies, sender=sender)
    await dispatch.apply(circular)
    endpoint.script("/hook", Answer(500, "\x00kaputt"))
    await dispatch.deliver_due()
    headers = dispatch.tokens.headers(sender, Scope.CIRCULARS_READ)
    seen: list[int] = []
    after = ""
    while True:
        page = await dispatch.http.get(f"/v1/deliveries?circular_id={circular.circular_id}&limit=2{after}", headers=headers)
        seen += [item["position"] for item in page.json()["items"]]
        if page.json()["next"] is None:
            break
        assert page.headers["Link"].startswith("</v1/deliveries?"), "relative: a token never follows it to plain http"
        assert page.headers["Link"].endswith('>; rel="next"')
        after = f"&after={page.json()['next']}"
    assert seen == [1, 2, 3, 4, 5]
    failed = next(row for row in await dispatch.deliveries() if row["state"] == "scheduled")
    log = (await dispatch.http.get(f"/v1/deliveries/{failed['delivery_id']}/attempts", headers=headers)).json()
    assert [(item["number"], item["outcome"], item["status"]) for item in log["items"]] == [(1, "retry_later", 500)]
    assert log["items"][0]["answer"] == "", "what a system answered is its own agency's business"
    own = dispatch.tokens.headers(failed["agency_id"], Scope.DELIVERIES_READ)
    seen_by_recipient = (await dispatch.http.get(f"/v1/deliveries/{failed['delivery_id']}/attempts", headers=own)).json()
    assert seen_by_recipient["items"][0]["answer"].endswith("kaputt")
    spoilt = await dispatch.http.get(f"/v1/deliveries?circular_id={circular.circular_id}&after=spoilt", headers=headers)
    assert spoilt.json()["code"] == "cursor_invalid"


async def test_an_acknowledgment_stops_the_ladder(dispatch: Bench, endpoint: Receiver) -> None:
    agency = await dispatch.agency(url=f"{endpoint.url}/hook")
    circular = circular_dispatched([agency])
    endpoint.script("/hook", Answer(504))
    await dispatch.apply(circular)
    await dispatch.deliver_due()
    await gathered(*(dispatch.apply(recipient_registered(circular)) for _ in range(3)))
    await dispatch.make_due()
    await dispatch.deliver_due()
    assert len(endpoint.received) == 1
    assert await dispatch.states() == ["handed_over"]
    (item,) = await dispatch.events(DeliveriesHandedOver)
    assert (item["channel"], item["grade"]) == ("webhook", "blind"), "proved by the receive number, not by the endpoint"


async def test_an_acknowledgment_that_comes_before_its_delivery_is_not_lost(dispatch: Bench, endpoint: Receiver) -> None:
    agency = await dispatch.agency(url=f"{endpoint.url}/hook")
    circular = circular_dispatched([agency])
    await dispatch.apply(recipient_registered(circular))
    await dispatch.apply(circular)
    await dispatch.deliver_due()
    assert endpoint.received == []
    assert await dispatch.states() == ["handed_over"]
    headers = dispatch.tokens.headers(agency, Scope.DELIVERIES_READ)
    assert (await dispatch.http.get("/v1/inbox", headers=headers)).json()["items"] == []


async def test_acknowledgments_and_their_circular_at_once_end_the_same(dispatch: Bench) -> None:
    agencies = [await dispatch.agency() for _ in range(10)]
    circular = circular_dispatched(agencies)
    await gathered(dispatch.apply(circular), *(dispatch.apply(recipient_registered(circular, n)) for n in range(10)))
    assert await dispatch.states() == ["handed_over"] * 10
    assert len(await dispatch.events(DeliveriesHandedOver)) == 10


async def test_a_letter_acknowledged_while_it_is_sent_keeps_its_attempt_and_ends(dispatch: Bench, endpoint: Receiver) -> None:
    gate = asyncio.Event()
    agency = await dispatch.agency(url=f"{endpoint.url}/hook")
    circular = circular_dispatched([agency])
    endpoint.script("/hook", Answer(500, gate=gate))
    await dispatch.apply(circular)
    sending = asyncio.create_task(dispatch.deliver_due())
    await eventually(endpoint.count, lambda count: count == 1)
    rejected = recipient_registered(circular)
    await dispatch.apply(
        RecipientRejected(**rejected.model_dump(exclude={"receive_number", "receive_date"}), reason="misaddressed", text="ไม่ใช่")
    )
    assert await dispatch.states() == ["leased"]
    gate.set()
    await sending
    row = await dispatch.delivery()
    assert (row["state"], row["hand_over_grade"], row["attempts"]) == ("handed_over", "blind", 1)


async def test_a_letter_pulled_while_it_is_sent_keeps_its_hand_over_and_its_attempt(dispatch: Bench, endpoint: Receiver) -> None:
    gate = asyncio.Event()
    agency = await dispatch.agency(url=f"{endpoint.url}/hook")
    await dispatch.apply(circular_dispatched([agency]))
    endpoint.script("/hook", Answer(500, gate=gate))
    sending = asyncio.create_task(dispatch.deliver_due())
    await eventually(endpoint.count, lambda count: count == 1)
    delivery_id = (await dispatch.delivery())["delivery_id"]
    headers = dispatch.tokens.headers(agency, Scope.DELIVERIES_READ)
    assert (await dispatch.http.get(f"/v1/inbox/{delivery_id}", headers=headers)).status_code == 200
    gate.set()
    await sending
    row = await dispatch.delivery()
    assert (row["state"], row["hand_over_channel"], row["hand_over_grade"]) == ("handed_over", "inbox", "transport")
    assert len(await dispatch.attempts()) == 1
    assert len(await dispatch.events(DeliveriesHandedOver)) == 1


async def test_a_letter_that_nobody_pulls_goes_to_paper_then_ends_undeliverable_and_may_still_be_pulled(dispatch: Bench) -> None:
    agency = await dispatch.agency()
    await dispatch.apply(circular_dispatched([agency]))
    await dispatch.engine.scheduler.run_once()
    assert await dispatch.states() == ["scheduled"]
    await dispatch.make_due()
    await dispatch.engine.scheduler.run_once()
    row = await dispatch.delivery()
    assert (row["state"], row["channel"], row["next_attempt_at"]) == ("scheduled", "paper", row["step_until"])
    await dispatch.make_due()
    await dispatch.engine.scheduler.run_once()
    (failure,) = await dispatch.events(DeliveriesUndeliverable)
    assert failure["reason"] == "paper_not_sent"
    row = await dispatch.delivery()
    assert (row["state"], row["failure_reason"]) == ("undeliverable", "paper_not_sent")
    headers = dispatch.tokens.headers(agency, Scope.DELIVERIES_READ)
    assert (await dispatch.http.get(f"/v1/inbox/{row['delivery_id']}", headers=headers)).status_code == 200
    assert await dispatch.states() == ["handed_over"]


async def test_an_older_version_of_an_agency_changes_nothing(dispatch: Bench) -> None:
    agency = uuid4()
    await dispatch.apply(agency_saved(agency, email="new@example.go.th", version=3))
    await dispatch.apply(agency_saved(agency, email="old@example.go.th", version=2))
    async with dispatch.database.connection() as connection:
        assert await connection.fetchval("SELECT email FROM agencies") == "new@example.go.th"


async def test_a_secret_letter_is_listed_without_its_subject(dispatch: Bench) -> None:
    agency = await dispatch.agency(email="saraban@example.go.th")
    await dispatch.apply(circular_dispatched([agency], content=letter(secrecy=Secrecy.SECRET)))
    row = await dispatch.delivery()
    assert row["channel"] == Channel.INBOX
    headers = dispatch.tokens.headers(agency, Scope.DELIVERIES_READ)
    (item,) = (await dispatch.http.get("/v1/inbox", headers=headers)).json()["items"]
    assert (item["subject"], item["secrecy"]) == ("", "secret")
