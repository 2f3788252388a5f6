"""A recipient's links are revoked and one is issued anew: digests alone are kept, by every door the same, and no log has a link."""

import json
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from services.ack.store import recipients
from shared.access import Scope
from shared.contracts.events import FrozenRecipient
from tests.support.ack import FORM, REGISTERED, OpenAck, Sent, circular, opened_ack
from tests.support.tokens import TokenIssuer

REASON = {"reason": "ส่งลิงก์ไปผิดกล่องจดหมาย"}


@pytest.fixture
async def ack(settings_environment: dict[str, str], token_issuer: TokenIssuer) -> AsyncGenerator[OpenAck]:
    async with opened_ack(settings_environment, token_issuer) as opened:
        yield opened


@pytest.fixture
async def sent(ack: OpenAck) -> Sent:
    sent = circular(2)
    await ack.apply(*sent.chunks())
    return sent


def path(recipient: FrozenRecipient, what: str) -> str:
    return f"/v1/recipients/{recipient.recipient_id}/{what}"


async def as_sender(ack: OpenAck, sent: Sent, what: str, at: int = 0, body: dict[str, str] = REASON) -> httpx.Response:
    return await ack.http.post(path(sent.recipients[at], what), json=body, headers=ack.headers(sent.sender))


async def issued(ack: OpenAck, sent: Sent) -> str:
    answer = await as_sender(ack, sent, "links")
    assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
    return answer.json()["acknowledgment_url"].removeprefix("http://wian.test/a/")


async def by_every_door(ack: OpenAck, link: str, nonce: str) -> list[httpx.Response]:
    page, api = f"/a/{link}", f"/v1/acknowledgments/{link}"
    registration: dict[str, Any] = dict(REGISTERED)
    return [
        await ack.http.get(page),
        await ack.http.post(page, data={**REGISTERED, "nonce": nonce}, headers=FORM),
        await ack.http.post(page, data={"outcome": "withdrawn", "reason": "x", "nonce": nonce}, headers=FORM),
        await ack.http.post(api, json=registration),
        await ack.http.post(f"{api}/corrections", json={"registration": registration, "reason": "x"}),
        await ack.http.post(f"{api}/withdrawals", json={"reason": "x"}),
    ]


async def test_revoked_links_open_nothing_by_any_door_and_the_new_one_does(ack: OpenAck, sent: Sent) -> None:
    one, other = sent.recipients
    old = ack.link(one)
    assert (await ack.http.get(f"/a/{old}")).status_code == 200
    revoked = await as_sender(ack, sent, "link-revocations")
    assert (revoked.status_code, revoked.json()["generation"], revoked.json()["issued"]) == (200, 1, False)
    nonce = ack.resources.forms.nonce(one.recipient_id)
    # One that dispatch signs afterwards, for a reminder say, is no newer right to the letter.
    for link in (old, ack.link(one)):
        answers = await by_every_door(ack, link, nonce)
        assert [answer.status_code for answer in answers] == [410] * 6
        assert "ลิงก์นี้ถูกยกเลิกแล้ว" in answers[0].text
        assert sent.letter.subject not in answers[0].text
        assert {answer.json()["code"] for answer in answers[3:]} == {"link_revoked"}
    assert (await ack.http.get(f"/a/{ack.link(other)}")).status_code == 200, "another recipient's are untouched"

    first, second = await issued(ack, sent), await issued(ack, sent)
    assert (await ack.http.get(f"/a/{first}")).status_code == 410, "only the newest opens"
    assert (await ack.http.get(f"/a/{old}")).status_code == 410
    # The last character of a signature has bits that do not count: what is spelt otherwise is another link.
    respelt = second[:-1] + chr(ord(second[-1]) + 1)
    assert (await ack.http.get(f"/a/{respelt}")).status_code in (404, 410)
    assert (await ack.http.get(f"/a/{second}")).status_code == 200
    done = await ack.http.post(f"/v1/acknowledgments/{second}", json=dict(REGISTERED))
    assert done.status_code == 200
    assert [row["state"] for row in await ack.rows(sent)] == ["registered", "awaiting"]
    # What was answered stands, and its agency's token serves as ever.
    assert (await as_sender(ack, sent, "link-revocations")).json()["generation"] == 4
    assert (await ack.acknowledge(one)).status_code == 200


async def test_of_a_link_the_digest_alone_is_kept_and_nothing_is_logged(
    ack: OpenAck, sent: Sent, capsys: pytest.CaptureFixture[str]
) -> None:
    links = [ack.link(sent.recipients[0]), await issued(ack, sent)]
    for link in links:
        await by_every_door(ack, link, ack.resources.forms.nonce(sent.recipients[0].recipient_id))
    changes = await ack.http.get(path(sent.recipients[0], "links"), headers=ack.headers(sent.sender))
    (change,) = changes.json()["items"]
    assert (change["issued"], change["reason"]) == (True, REASON["reason"])
    printed = "".join(capsys.readouterr())
    assert "/a/{link}" in printed
    async with ack.resources.database.connection() as connection:
        rows = await connection.fetch("SELECT row_to_json(l)::text AS said, octet_length(digest) AS size FROM link_changes l")
        with pytest.raises(Exception, match="never changed"):
            await connection.execute("DELETE FROM link_changes")
    assert [row["size"] for row in rows] == [32]
    for link in links:
        for told in (printed, changes.text, *(row["said"] for row in rows)):
            assert link not in told
            assert link.rpartition(".")[2] not in told


async def test_the_sender_and_an_operator_alone_keep_links(ack: OpenAck, sent: Sent) -> None:
    one = sent.recipients[0]
    stranger = circular(1).sender
    for what in ("links", "link-revocations"):
        for agency_id in (stranger, one.agency_id):
            refused = await ack.http.post(path(one, what), json=REASON, headers=ack.headers(agency_id))
            assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
        scope = await ack.http.post(path(one, what), json=REASON, headers=ack.headers(sent.sender, Scope.ACKNOWLEDGE))
        assert scope.status_code == 403
        for reason in ("", " ", "\u202e", "x" * 1001):
            wrong = await as_sender(ack, sent, what, body={"reason": reason})
            assert (wrong.status_code, wrong.json()["code"]) == (422, "statement_invalid")
    assert (await ack.http.get(path(one, "links"), headers=ack.headers(stranger))).status_code == 404
    assert (await ack.http.get(path(one, "links"), headers=ack.headers(sent.sender))).json() == {"items": []}
    assert (await ack.http.get(f"/a/{ack.link(one)}")).status_code == 200, "nothing of that revoked anything"
    operator = ack.tokens.headers(None, Scope.OPERATE)
    assert (await ack.http.post(path(one, "link-revocations"), json=REASON, headers=operator)).status_code == 200
    assert (await ack.http.get(f"/a/{ack.link(one)}")).status_code == 410
    assert len((await ack.http.get(path(one, "links"), headers=operator)).json()["items"]) == 1
    unknown = replace(sent, recipients=circular(1).recipients)
    assert (await as_sender(ack, unknown, "links")).status_code == 503, "its news may be under way"


async def test_whether_a_link_opens_is_read_with_its_recipient(ack: OpenAck, sent: Sent) -> None:
    """One look into the small table by its key, within the statement that reads the recipient anyhow."""
    async with ack.resources.database.transaction() as connection:
        await connection.execute("SET LOCAL enable_seqscan = off")
        opened = await connection.fetchval(f"EXPLAIN (FORMAT JSON) {recipients.GET_BY_LINK}", sent.recipients[0].recipient_id)
        answered = await connection.fetchval(
            f"EXPLAIN (FORMAT JSON) {recipients.LOCK_TO_ANSWER}", [one.recipient_id for one in sent.recipients]
        )
    for plan in (opened, answered):
        assert "link_changes_pkey" in json.dumps(plan)
