"""Receipts: one for each event, in a chain per circular that no crash, race or change of key breaks."""

import asyncio
import hashlib
import json
from collections.abc import AsyncGenerator, Sequence
from itertools import pairwise
from typing import Any

import asyncpg
import pytest

from services.ack.evidence.form import etsi_event, signed_by, unb64
from services.ack.evidence.sealing import Sealer
from services.ack.store import evidence
from services.ack.store.evidence import Chain
from shared.postgres import Connection
from tests.support.ack import OpenAck, Sent, circular, handed_over, opened_ack
from tests.support.tokens import TokenIssuer
from wian.verify import keys_of, verify


@pytest.fixture
async def ack(settings_environment: dict[str, str], token_issuer: TokenIssuer) -> AsyncGenerator[OpenAck]:
    async with opened_ack(settings_environment, token_issuer) as opened:
        await opened.resources.evidence_keys.ensure(opened.resources.database)
        yield opened


def sealer(ack: OpenAck) -> Sealer:
    return Sealer(ack.resources.database, ack.resources.evidence_keys, ack.clock, poll_interval=1)


async def receipts(ack: OpenAck, sent: Sent) -> list[dict[str, Any]]:
    """The circular's receipts in order; each is checked against its hash and its key."""
    async with ack.resources.database.connection() as connection:
        rows = await connection.fetch(
            "SELECT body, sha256, jws, kid FROM receipts WHERE circular_id = $1 ORDER BY sequence", sent.circular_id
        )
        keys = {key.jwk["kid"]: key.jwk for key in await evidence.keys(connection)}
    for row in rows:
        header, signature = row["jws"].split("..")
        assert hashlib.sha256(row["body"]).hexdigest() == row["sha256"]
        assert signed_by(keys[row["kid"]], header, unb64(signature), row["body"])
    bodies = [json.loads(row["body"]) for row in rows]
    assert [body["sequence"] for body in bodies] == list(range(1, len(bodies) + 1))
    assert [body["previous_sha256"] for body in bodies] == [None, *(row["sha256"] for row, _ in pairwise(rows))]
    return bodies


async def test_each_event_gets_one_receipt_with_what_was_acknowledged(ack: OpenAck) -> None:
    sent = circular(2)
    await ack.apply(handed_over(sent, sent.recipients[1]))
    assert await sealer(ack).run_once() == 0, "its recipient is not there yet"
    await ack.apply(*sent.chunks())
    await ack.acknowledge(sent.recipients[0])
    assert await sealer(ack).run_once() == 2
    assert await sealer(ack).run_once() == 0
    by_type = {body["type"]: body for body in await receipts(ack, sent)}
    registered = by_type["registered"]
    assert (registered["etsi_event"], by_type["handed_over"]["etsi_event"]) == ("C.3", "D.1")
    assert registered["content_hash"] == sent.letter.content_hash
    assert registered["recipient_id"] == str(sent.recipients[0].recipient_id)
    assert (registered["data"]["receive_number"], registered["grade"]) == ("๑๑๐๗๒", "authenticated")


async def test_no_acknowledgment_waits_for_a_sealer(ack: OpenAck, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = circular(1)
    await ack.apply(*sent.chunks(), handed_over(sent, *sent.recipients))
    holding, let_go = asyncio.Event(), asyncio.Event()
    advance = evidence.advance

    async def held(connection: Connection, chains: Sequence[Chain]) -> None:
        holding.set()
        await let_go.wait()
        await advance(connection, chains)

    monkeypatch.setattr(evidence, "advance", held)
    sealing = asyncio.create_task(sealer(ack).run_once())
    await holding.wait()
    async with asyncio.timeout(10):
        assert (await ack.acknowledge(sent.recipients[0])).status_code == 200
    assert not sealing.done()
    let_go.set()
    assert await sealing == 1


async def test_sealers_at_once_make_one_chain_without_gaps(ack: OpenAck) -> None:
    sent, other = circular(40), circular(40)
    for one in (sent, other):
        await ack.apply(*one.chunks(), handed_over(one, *one.recipients))

    async def seal_all() -> None:
        for _ in range(50):
            await sealer(ack).run_once()

    answers = [ack.acknowledge(recipient) for recipient in sent.recipients[:10]]
    await asyncio.gather(seal_all(), seal_all(), seal_all(), *answers)
    await sealer(ack).run_once()
    assert (len(await receipts(ack, sent)), len(await receipts(ack, other))) == (50, 40)


async def test_a_sealer_that_dies_before_the_commit_loses_nothing(ack: OpenAck) -> None:
    sent = circular(3)
    await ack.apply(*sent.chunks(), handed_over(sent, *sent.recipients))
    reached: asyncio.Event = asyncio.Event()
    async with ack.resources.database.connection() as connection:
        await evidence.begin_chains(connection, [sent.circular_id])

    class Dying(Sealer):
        async def run_once(self) -> int:
            async with ack.resources.database.transaction() as connection:
                waiting = await evidence.waiting(connection, 10)
                assert list(await evidence.lock_chains(connection, [sent.circular_id])) == [sent.circular_id]
                assert len(await evidence.take(connection, [event for event, _ in waiting], [sent.circular_id])) == 3
                reached.set()
                await asyncio.Event().wait()
            return 0

    dying = asyncio.create_task(Dying(ack.resources.database, ack.resources.evidence_keys, ack.clock, 1).run_once())
    await reached.wait()
    assert await sealer(ack).run_once() == 0, "the chain is in another's hands, and nobody waits for it"
    dying.cancel()
    await asyncio.wait([dying])
    assert await sealer(ack).run_once() == 3
    assert len(await receipts(ack, sent)) == 3


async def test_a_new_key_signs_what_follows_and_the_old_one_stays(ack: OpenAck) -> None:
    sent = circular(2)
    await ack.apply(*sent.chunks(), handed_over(sent, sent.recipients[0]))
    running = sealer(ack)
    await running.run_once()
    kid = await ack.resources.evidence_keys.rotate(ack.resources.database)
    await ack.apply(handed_over(sent, sent.recipients[1]))
    await running.run_once()
    assert len(await receipts(ack, sent)) == 2
    async with ack.resources.database.connection() as connection:
        old, new = await evidence.keys(connection)
        used = [row["kid"] for row in await connection.fetch("SELECT kid FROM receipts ORDER BY sequence")]
    assert used == [old.jwk["kid"], new.jwk["kid"]]
    assert (new.jwk["kid"], old.retired_at, new.retired_at) == (kid, new.created_at, None)


async def test_the_database_refuses_to_change_receipts(ack: OpenAck) -> None:
    sent = circular(1)
    await ack.apply(*sent.chunks(), handed_over(sent, *sent.recipients))
    await sealer(ack).run_once()
    async with ack.resources.database.connection() as connection:
        for statement in ("UPDATE receipts SET jws = ''", "DELETE FROM receipts", "TRUNCATE receipts"):
            with pytest.raises(asyncpg.RestrictViolationError, match="never changed"):
                await connection.execute(statement)
    assert len(await receipts(ack, sent)) == 1


@pytest.mark.parametrize(
    ("kind", "channel", "code"),
    [
        ("handed_over", "webhook", "D.1"),
        ("handed_over", "inbox", "D.1"),
        ("handed_over", "email", "F.1"),
        ("handed_over", "paper", None),
        ("opened", "page", "E.1"),
        ("received", "api", "E.1"),
        ("registered", "api", "C.3"),
        ("rejected", "link", "C.4"),
        ("corrected", "api", None),
        ("a type to come", None, None),
    ],
)
async def test_types_have_the_standards_events(kind: str, channel: str | None, code: str | None) -> None:
    assert etsi_event(kind, channel) == code


async def exported(ack: OpenAck, sent: Sent) -> bytes:
    answer = await ack.read(sent, "/evidence")
    assert answer.status_code == 200
    return answer.content


async def test_an_export_is_verified_with_the_published_keys_across_a_change_of_key(ack: OpenAck) -> None:
    sent = circular(3)
    await ack.apply(*sent.chunks(), handed_over(sent, sent.recipients[0]))
    await sealer(ack).run_once()
    assert (await ack.http.post("/v1/evidence/keys", headers=ack.headers(sent.sender))).status_code == 403
    await ack.resources.evidence_keys.rotate(ack.resources.database)
    await ack.acknowledge(sent.recipients[0])
    await ack.acknowledge(sent.recipients[1])
    await sealer(ack).run_once()
    jwks = (await ack.http.get("/v1/evidence/jwks.json")).json()
    assert [key["retired_at"] is None for key in jwks["keys"]] == [False, True]
    assert all("d" not in key for key in jwks["keys"])
    whole = verify((await exported(ack, sent)).splitlines(keepends=True), keys_of(jwks), sent.letter.content_hash)
    assert (whole.receipts, whole.chain) == (3, True)
    first = sent.recipients[0]
    answer = await ack.http.get(f"/v1/recipients/{first.recipient_id}/receipts", headers=ack.headers(first.agency_id))
    assert verify(answer.content.splitlines(keepends=True), keys_of(jwks)).receipts == 2


async def test_nobody_else_is_told_of_receipts(ack: OpenAck) -> None:
    sent = circular(2)
    await ack.apply(*sent.chunks())
    first, second = sent.recipients
    for agency_id in (second.agency_id, circular(1).sender):
        answer = await ack.http.get(f"/v1/recipients/{first.recipient_id}/receipts", headers=ack.headers(agency_id))
        assert answer.status_code == 404
    for agency_id in (first.agency_id, second.agency_id):
        answer = await ack.http.get(f"/v1/circulars/{sent.circular_id}/evidence", headers=ack.headers(agency_id))
        assert answer.status_code == 404
