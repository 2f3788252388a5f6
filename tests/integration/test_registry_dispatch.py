"""Dispatch: order, recipients and events in one transaction, once per letter, the same answer under the same key."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, Final, LiteralString
from uuid import uuid4

import asyncpg
import pytest

from shared.contracts.events import RECIPIENTS_PER_MESSAGE, CircularDispatched
from shared.outbox import Relay
from tests.support.registry import LETTER, Office, RegistryUnderTest, open_registry


@pytest.fixture
async def registry(settings_environment: dict[str, str], tmp_path: Path) -> AsyncGenerator[RegistryUnderTest]:
    async with open_registry(settings_environment, tmp_path) as opened:
        yield opened


@pytest.fixture
async def office(registry: RegistryUnderTest) -> Office:
    await registry.office("krabi")
    return await registry.office("smk")


async def _ready(registry: RegistryUnderTest, office: Office, **more: object) -> str:
    """A registered letter with a list of its own."""
    list_id = await registry.distribution_list(office, "krabi", "smk", relay_duty=True)
    letter_id = await registry.draft(office, await registry.register(office), list_id=list_id, **more)
    await registry.registered(office, letter_id)
    return letter_id


async def _events(registry: RegistryUnderTest) -> list[dict[str, Any]]:
    return await registry.outbox(CircularDispatched.TYPE)


async def _stored(registry: RegistryUnderTest) -> tuple[int, int, int, int]:
    return (
        await registry.count("circulars"),
        await registry.count("recipients"),
        await registry.count("idempotency_keys"),
        len(await _events(registry)),
    )


async def test_order_is_answered_after_recipients_and_event_are_committed(registry: RegistryUnderTest, office: Office) -> None:
    letter_id = await _ready(registry, office, deadline="2030-01-02T09:30:00+07:00")
    attachment_free = await registry.http.get(f"/v1/letters/{letter_id}", headers=office.headers)
    answer = await registry.dispatch(office, letter_id, "first")
    assert answer.status_code == 202
    order = answer.json()
    assert (order["letter_id"], order["recipients"], order["state"]) == (letter_id, 2, "dispatched")
    assert order["content_hash"] == attachment_free.json()["content_hash"]
    assert order["circular_id"] != letter_id
    (event,) = await _events(registry)
    told = CircularDispatched.model_validate(event)
    assert (str(told.circular_id), str(told.sender_agency_id)) == (order["circular_id"], office.agency_id)
    assert (told.recipient_count, told.chunk, told.chunks) == (2, 1, 1)
    assert [(r.position, r.title, r.relay_duty) for r in told.recipients] == [
        (1, "หัวหน้า krabi", True),
        (2, "หัวหน้า smk", True),
    ]
    assert told.letter.number == "สค ๐๐๑๗.๑/ว ๑"
    assert (told.letter.subject, list(told.letter.body)) == (LETTER["subject"], LETTER["body"])
    assert told.letter.content_hash == order["content_hash"]
    assert told.deadline is not None
    assert told.deadline.isoformat() == "2030-01-02T02:30:00+00:00"
    letter = await registry.http.get(f"/v1/letters/{letter_id}", headers=office.headers)
    assert (letter.json()["state"], letter.json()["circular_id"]) == ("dispatched", order["circular_id"])


async def test_recipients_are_told_what_kind_of_letter_it_is_and_what_it_cites(
    registry: RegistryUnderTest, office: Office
) -> None:
    urgent: dict[str, Any] = {"speed": "ด่วนมาก", "urgent_within": "2030-01-02T09:30:00+07:00"}
    await _ready_and_sent(registry, office, copy_to=[{"title": "ผู้ตรวจราชการ"}], **urgent)
    told = CircularDispatched.model_validate((await _events(registry))[0]).letter
    assert (told.kind, told.form) == ("external", None)
    assert told.urgent_within is not None
    assert told.urgent_within.isoformat() == "2030-01-02T02:30:00+00:00"
    (cited,), (enclosed,), (copy,) = told.references, told.enclosures, told.copy_to
    assert (cited.issuer, cited.number, str(cited.date)) == ("กระทรวงมหาดไทย", "มท ๐๒๑๘/ว๕๑๖๒", "2017-10-20")
    assert (enclosed.description, enclosed.copies) == ("สำเนาหนังสือกระทรวงมหาดไทย", 1)
    assert (copy.title, copy.agency_code) == ("ผู้ตรวจราชการ", None)


async def test_agencies_that_the_letter_names_get_a_copy_behind_the_list_unless_they_are_on_it(
    registry: RegistryUnderTest, office: Office
) -> None:
    copied = await registry.office("phuket")
    copies = [
        {"title": "ผู้ว่าราชการจังหวัดกระบี่", "agency_code": "krabi"},
        {"title": "ผู้ตรวจราชการ"},
        {"title": "จังหวัดภูเก็ต", "agency_code": "phuket"},
        {"title": "ศาลากลางภูเก็ต", "agency_code": "phuket"},
    ]
    letter_id = await _ready(registry, office, copy_to=copies)
    list_id = (await registry.http.get(f"/v1/letters/{letter_id}", headers=office.headers)).json()["list_id"]
    preview = (await registry.http.get(f"/v1/lists/{list_id}/preview", headers=office.headers)).json()
    answer = (await registry.dispatch(office, letter_id, "key")).json()
    assert (answer["recipients"], answer["copies"], answer["list_hash"]) == (3, 1, preview["list_hash"])
    told = CircularDispatched.model_validate((await _events(registry))[0])
    assert told.recipient_count == 3
    last = told.recipients[-1]
    assert (last.position, last.title, last.role, str(last.agency_id)) == (3, "จังหวัดภูเก็ต", "copy", copied.agency_id)
    # The copies are the letter's: the list has not changed since.
    since = (await registry.http.get(f"/v1/lists/{list_id}/preview", headers=office.headers)).json()["difference"]
    assert (since["added_count"], since["removed_count"], since["role_changed_count"]) == (0, 0, 0)
    assert (await registry.http.get(f"/v1/letters/{letter_id}", headers=copied.headers)).status_code == 200


async def test_a_closed_agency_among_the_copies_is_found_and_followed(registry: RegistryUnderTest, office: Office) -> None:
    old, new = await registry.office("old"), await registry.office("new")
    closing = {"day": "2020-10-01", "successors": [new.code], "reason": "ควบรวม"}
    await registry.http.post(f"/v1/agencies/{old.agency_id}/close", json=closing, headers=registry.operator)
    letter_id = await _ready(registry, office, copy_to=[{"title": "กรมเดิม", "agency_code": "old"}])
    found = (await registry.http.post(f"/v1/letters/{letter_id}/preflight", headers=office.headers)).json()["findings"]
    assert [f["pointer"] for f in found if f["code"] == "agency_succeeded"] == ["/addressees/2"]
    assert (await registry.dispatch(office, letter_id, "key")).status_code == 202
    last = CircularDispatched.model_validate((await _events(registry))[0]).recipients[-1]
    assert (last.title, str(last.agency_id), str(last.in_place_of)) == ("กรมเดิม", new.agency_id, old.agency_id)


async def _ready_and_sent(registry: RegistryUnderTest, office: Office, **more: object) -> None:
    answer = await registry.dispatch(office, await _ready(registry, office, **more), "key")
    assert answer.status_code == 202, answer.text


async def test_same_key_and_body_get_the_first_answer_again(registry: RegistryUnderTest, office: Office) -> None:
    letter_id = await _ready(registry, office)
    first = await registry.dispatch(office, letter_id, "key")
    again = await registry.dispatch(office, letter_id, "key", {"list_id": None})
    assert (again.status_code, again.json()) == (202, first.json())
    assert await _stored(registry) == (1, 2, 1, 1)


async def test_same_key_with_another_body_or_letter_is_refused(registry: RegistryUnderTest, office: Office) -> None:
    letter_id = await _ready(registry, office)
    await registry.dispatch(office, letter_id, "key")
    other_list = await registry.distribution_list(office, "krabi")
    for answer in (
        await registry.dispatch(office, letter_id, "key", {"list_id": other_list}),
        await registry.dispatch(office, str(uuid4()), "key"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")


async def test_another_agency_may_use_the_same_key(registry: RegistryUnderTest, office: Office) -> None:
    other = await registry.office("phuket")
    answers = [await registry.dispatch(o, await _ready(registry, o), "key") for o in (office, other)]
    assert [answer.status_code for answer in answers] == [202, 202]


async def test_letter_goes_round_once_whatever_the_key(registry: RegistryUnderTest, office: Office) -> None:
    letter_id = await _ready(registry, office)
    first = await registry.dispatch(office, letter_id, "one")
    second = await registry.dispatch(office, letter_id, "two")
    assert (second.status_code, second.json()["code"]) == (409, "letter_already_dispatched")
    assert first.json()["circular_id"] in second.json()["detail"]
    assert await _stored(registry) == (1, 2, 1, 1)


async def test_twenty_orders_at_once_under_one_key_are_one_order(registry: RegistryUnderTest, office: Office) -> None:
    letter_id = await _ready(registry, office)
    answers = await asyncio.gather(*(registry.dispatch(office, letter_id, "key") for _ in range(20)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["circular_id"] for answer in answers}) == 1
    assert await _stored(registry) == (1, 2, 1, 1)


async def test_twenty_orders_at_once_under_different_keys_are_one_order(registry: RegistryUnderTest, office: Office) -> None:
    letter_id = await _ready(registry, office)
    answers = await asyncio.gather(*(registry.dispatch(office, letter_id, f"key-{n}") for n in range(20)))
    assert sorted(answer.status_code for answer in answers) == [202] + [409] * 19
    assert await _stored(registry) == (1, 2, 1, 1)


async def test_long_list_goes_out_in_chunks_that_each_carry_the_header(registry: RegistryUnderTest, office: Office) -> None:
    count = 2 * RECIPIENTS_PER_MESSAGE + 1
    addressees = [{"title": f"หัวหน้า {n}", "agency_code": "krabi"} for n in range(count)]
    made = await registry.created("/v1/lists", {"name": "ยาว", "addressees": addressees}, office.headers)
    letter_id = await _ready(registry, office)
    answer = await registry.dispatch(office, letter_id, "key", {"list_id": made["list_id"]})
    assert answer.json()["recipients"] == count
    events = [CircularDispatched.model_validate(event) for event in await _events(registry)]
    assert [(e.chunk, e.chunks, len(e.recipients)) for e in events] == [(1, 3, 500), (2, 3, 500), (3, 3, 1)]
    assert [r.position for e in events for r in e.recipients] == list(range(1, count + 1))
    headers = [e.model_copy(update={"chunk": 0, "recipients": ()}) for e in events]
    assert headers[0] == headers[1] == headers[2]


async def test_secret_letters_content_is_in_no_event(registry: RegistryUnderTest, office: Office) -> None:
    list_id = await registry.distribution_list(office, "krabi")
    letter_id = await registry.draft(
        office, await registry.register(office), secrecy="ลับ", list_id=list_id, copy_to=[{"title": "กลุ่มงานลับ"}]
    )
    await registry.attach(office, letter_id, b"%PDF", name="secret-name.pdf")
    await registry.registered(office, letter_id)
    await registry.dispatch(office, letter_id, "key")
    async with registry.database.connection() as connection:
        bodies = b"".join([row["body"] for row in await connection.fetch("SELECT body FROM outbox")]).decode()
    assert LETTER["subject"] not in bodies
    assert LETTER["body"][0] not in bodies
    assert "secret-name" not in bodies
    for hidden in ("มท ๐๒๑๘/ว๕๑๖๒", LETTER["enclosures"][0]["description"], "กลุ่มงานลับ"):
        assert hidden not in bodies
    (event,) = await _events(registry)
    told = CircularDispatched.model_validate(event).letter
    assert (told.secrecy, told.subject, told.body, told.attachments) == ("confidential", "", (), ())


async def test_attachments_are_told_by_hash_and_by_an_address_that_opens_them(
    registry: RegistryUnderTest, office: Office
) -> None:
    list_id = await registry.distribution_list(office, "krabi")
    letter_id = await registry.draft(office, await registry.register(office), list_id=list_id)
    made = (await registry.attach(office, letter_id, b"%PDF")).json()
    await registry.registered(office, letter_id)
    await registry.dispatch(office, letter_id, "key")
    (event,) = await _events(registry)
    (told,) = event["letter"]["attachments"]
    assert told == {**made, "url": told["url"]}
    assert (await registry.http.get(told["url"])).content == b"%PDF"
    assert made["sha256"] == hashlib.sha256(b"%PDF").hexdigest()


async def test_refused_order_stores_nothing_and_leaves_the_key_free(registry: RegistryUnderTest, office: Office) -> None:
    register_id = await registry.register(office)
    letter_id = await registry.draft(office, register_id)
    draft = await registry.dispatch(office, letter_id, "key")
    assert (draft.status_code, draft.json()["code"]) == (409, "letter_not_registered")
    await registry.registered(office, letter_id)
    without = await registry.dispatch(office, letter_id, "key")
    assert (without.status_code, without.json()["code"]) == (422, "list_missing")
    foreign = await registry.distribution_list(await registry.office("phuket"), "krabi")
    unknown = await registry.dispatch(office, letter_id, "key", {"list_id": foreign})
    assert (unknown.status_code, unknown.json()["code"]) == (422, "list_unknown")
    assert await _stored(registry) == (0, 0, 0, 0)
    own = await registry.distribution_list(office, "krabi")
    assert (await registry.dispatch(office, letter_id, "key", {"list_id": own})).status_code == 202


async def test_order_that_fails_at_its_last_step_stores_nothing(registry: RegistryUnderTest, office: Office) -> None:
    letter_id = await _ready(registry, office)
    async with registry.database.connection() as connection:
        await connection.execute("ALTER TABLE outbox ADD CONSTRAINT broken CHECK (type NOT LIKE 'registry.circular%')")
    answer = await registry.dispatch(office, letter_id, "key")
    assert answer.status_code == 500
    assert await _stored(registry) == (0, 0, 0, 0)
    letter = await registry.http.get(f"/v1/letters/{letter_id}", headers=office.headers)
    assert letter.json()["state"] == "registered"
    async with registry.database.connection() as connection:
        await connection.execute("ALTER TABLE outbox DROP CONSTRAINT broken")
    assert (await registry.dispatch(office, letter_id, "key")).status_code == 202


async def test_relay_takes_every_event_to_the_broker(registry: RegistryUnderTest, office: Office) -> None:
    await registry.dispatch(office, await _ready(registry, office), "key")
    relay = next(worker for worker in registry.parts.workers if isinstance(worker, Relay))
    assert await relay.run_once() == 3
    assert await registry.count("outbox") == 0
    probes = [*registry.parts.api_probes, *registry.parts.worker_probes]
    # The consumer was not started.
    waiting = [probe.name for probe in probes if await probe.problem() is not None]
    assert waiting == ["consumer registry.events"]


@pytest.mark.parametrize("key", [None, "", " ", "a b", "k" * 201, "ก".encode(), "tab\t1"])
async def test_order_without_a_usable_key_is_refused(
    registry: RegistryUnderTest, office: Office, key: str | bytes | None
) -> None:
    headers: dict[str, Any] = {**office.headers} if key is None else {**office.headers, "Idempotency-Key": key}
    answer = await registry.http.post(f"/v1/letters/{uuid4()}/dispatch", json={}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_missing")


async def test_order_without_a_body_uses_the_letters_list(registry: RegistryUnderTest, office: Office) -> None:
    letter_id = await _ready(registry, office)
    headers = {**office.headers, "Idempotency-Key": "k"}
    answer = await registry.http.post(f"/v1/letters/{letter_id}/dispatch", headers=headers)
    assert answer.status_code == 202


async def test_circular_keeps_the_list_as_it_was_at_dispatch(registry: RegistryUnderTest, office: Office) -> None:
    letter_id = await _ready(registry, office)
    lists = (await registry.http.get("/v1/lists", headers=office.headers)).json()["items"]
    await registry.dispatch(office, letter_id, "key")
    change = await registry.http.put(
        f"/v1/lists/{lists[0]['list_id']}",
        json={"name": "x", "addressees": [{"title": "ใหม่", "agency_code": "smk"}]},
        headers={**office.headers, "If-Match": '"1"'},
    )
    assert change.status_code == 200
    async with registry.database.connection() as connection:
        titles = await connection.fetch("SELECT title FROM recipients ORDER BY position")
    assert [row["title"] for row in titles] == ["หัวหน้า krabi", "หัวหน้า smk"]


async def test_relay_names_the_recipient_whose_duty_it_fulfils(registry: RegistryUnderTest, office: Office) -> None:
    await registry.dispatch(office, await _ready(registry, office), "key")
    (event,) = await _events(registry)
    by_title = {r["title"]: r for r in event["recipients"]}
    krabi = await _office_of(registry, by_title["หัวหน้า krabi"]["agency_id"])
    duty = by_title["หัวหน้า krabi"]["recipient_id"]
    register_id = await registry.register(krabi)
    theirs = {**LETTER, "register_id": register_id, "relay_of_recipient_id": by_title["หัวหน้า smk"]["recipient_id"]}
    refused = await registry.http.post("/v1/letters", json=theirs, headers=krabi.headers)
    assert (refused.status_code, refused.json()["code"]) == (404, "relay_not_yours")
    list_id = await registry.distribution_list(krabi, "smk")
    onward = await registry.draft(krabi, register_id, list_id=list_id, relay_of_recipient_id=duty)
    await registry.registered(krabi, onward)
    assert (await registry.dispatch(krabi, onward, "onward")).status_code == 202
    assert (await _events(registry))[1]["relay_of_recipient_id"] == duty


async def test_recipient_without_a_relay_duty_has_nothing_to_relay(registry: RegistryUnderTest, office: Office) -> None:
    list_id = await registry.distribution_list(office, "krabi")
    letter_id = await registry.draft(office, await registry.register(office), list_id=list_id)
    await registry.registered(office, letter_id)
    await registry.dispatch(office, letter_id, "key")
    (event,) = await _events(registry)
    recipient = event["recipients"][0]
    krabi = await _office_of(registry, recipient["agency_id"])
    body = {**LETTER, "register_id": await registry.register(krabi), "relay_of_recipient_id": recipient["recipient_id"]}
    answer = await registry.http.post("/v1/letters", json=body, headers=krabi.headers)
    assert (answer.status_code, answer.json()["code"]) == (404, "relay_not_yours")


async def _office_of(registry: RegistryUnderTest, agency_id: str) -> Office:
    scopes = ("letters:read", "letters:write", "lists:write")
    return Office(agency_id, "krabi", await registry.headers(agency_id, *scopes))


REMOVALS: Final[dict[str, LiteralString]] = {"circulars": "DELETE FROM circulars", "agencies": "DELETE FROM agencies"}


@pytest.mark.parametrize("table", REMOVALS)
async def test_what_recipients_refer_to_is_never_removed(registry: RegistryUnderTest, office: Office, table: str) -> None:
    assert (await registry.dispatch(office, await _ready(registry, office), "key")).status_code == 202
    async with registry.database.connection() as connection:
        with pytest.raises(asyncpg.RestrictViolationError):
            await connection.execute(REMOVALS[table])
        lost = await connection.fetchval(
            "SELECT count(*) FROM recipients LEFT JOIN agencies USING (agency_id) LEFT JOIN circulars USING (circular_id) "
            "WHERE agencies.agency_id IS NULL OR circulars.circular_id IS NULL"
        )
    assert lost == 0
    assert await registry.count("recipients") == 2
