"""Checkpoints: what was sealed before one cannot be made anew, and a third party says when it was there."""

import asyncio
import json
from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path

import asyncpg
import httpx
import pytest

from services.ack.evidence.checkpoints import Checkpointer
from services.ack.evidence.sealing import Sealer
from services.ack.evidence.time_stamping import TimeStampAuthority, TimeStampRefused
from tests.support.ack import OpenAck, Sent, circular, handed_over, opened_ack
from tests.support.time_stamping import Authority, authority
from tests.support.tokens import TokenIssuer
from wian.checking import check_file

HOUR = timedelta(hours=1)


@pytest.fixture
async def ack(settings_environment: dict[str, str], token_issuer: TokenIssuer) -> AsyncGenerator[OpenAck]:
    async with opened_ack(settings_environment, token_issuer) as opened:
        await opened.resources.evidence_keys.ensure(opened.resources.database)
        yield opened


@pytest.fixture
async def tsa() -> AsyncGenerator[Authority]:
    async with authority() as opened:
        yield opened


def checkpointer(ack: OpenAck, tsa: Authority | None = None) -> Checkpointer:
    asked = None if tsa is None else TimeStampAuthority(tsa.url, 10)
    return Checkpointer(ack.resources.database, ack.resources.evidence_keys, ack.clock, every=HOUR, authority=asked)


async def seal(ack: OpenAck) -> None:
    while await Sealer(ack.resources.database, ack.resources.evidence_keys, ack.clock, poll_interval=1).run_once():
        pass


async def sealed(ack: OpenAck, recipients: int = 2) -> Sent:
    """A circular of which every recipient has a receipt."""
    sent = circular(recipients)
    await ack.apply(*sent.chunks(), handed_over(sent, *sent.recipients))
    await seal(ack)
    return sent


async def made(ack: OpenAck) -> list[dict[str, object]]:
    """The bodies of the published checkpoints."""
    answer = await ack.http.get("/v1/evidence/checkpoints")
    return [json.loads(line)["body"] for line in answer.text.splitlines()]


async def saved(ack: OpenAck, sent: Sent, folder: Path) -> tuple[Path, Path, Path]:
    """The circular's evidence, its checkpoint's proof and the keys as files."""
    paths = folder / "evidence.ndjson", folder / "checkpoint.ndjson", folder / "jwks.json"
    paths[0].write_bytes((await ack.read(sent, "/evidence")).content)
    paths[1].write_bytes((await ack.read(sent, "/checkpoint")).content)
    paths[2].write_bytes((await ack.http.get("/v1/evidence/jwks.json")).content)
    return paths


async def test_a_checkpoint_covers_every_chain_that_has_grown_and_is_made_on_time(ack: OpenAck) -> None:
    first, _second = await sealed(ack), await sealed(ack)
    running = checkpointer(ack)
    await asyncio.gather(*(checkpointer(ack).make_due() for _ in range(5)))
    assert [body["chains"] for body in await made(ack)] == [2]
    await ack.acknowledge(first.recipients[0])
    await seal(ack)
    await running.make_due()
    assert len(await made(ack)) == 1, "an hour has not passed"
    ack.clock.now += HOUR
    await running.make_due()
    ack.clock.now += HOUR
    await running.make_due()
    bodies = await made(ack)
    assert [(body["sequence"], body["chains"]) for body in bodies] == [(1, 2), (2, 1)], "where nothing grew, nothing is made"
    assert bodies[1]["previous_sha256"] is not None
    newer = await ack.http.get("/v1/evidence/checkpoints", params={"after": 1})
    assert json.loads(newer.text)["body"] == bodies[1]


async def test_a_chain_and_its_stamped_checkpoint_are_verified_offline(
    ack: OpenAck, tsa: Authority, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sent, _other, _third = await sealed(ack, 3), await sealed(ack), await sealed(ack)
    running = checkpointer(ack, tsa)
    await running.make_due()
    assert await running.stamp_one()
    assert not await running.stamp_one()
    await ack.acknowledge(sent.recipients[0])
    await seal(ack)
    evidence, proof, jwks = await saved(ack, sent, tmp_path)
    roots = tmp_path / "roots.pem"
    roots.write_bytes(tsa.root_pem)
    assert check_file(evidence, jwks, None, None, proof, roots) == 0
    said = capsys.readouterr().out
    assert "covers 3 receipts; a time-stamping authority saw it at 2026-11-23T05:00:00" in said
    roots.write_bytes(Authority().root_pem)
    assert check_file(evidence, jwks, None, None, proof, roots) == 1
    assert "the time-stamp is not good" in capsys.readouterr().out
    stamp = await ack.http.get("/v1/evidence/checkpoints/1/time-stamp")
    assert (stamp.status_code, stamp.headers["content-type"]) == (200, "application/timestamp-reply")
    assert (await ack.http.get("/v1/evidence/checkpoints/2/time-stamp")).status_code == 404


async def test_a_chain_that_was_made_anew_does_not_fit_its_checkpoint(
    ack: OpenAck, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sent, other = await sealed(ack), await sealed(ack)
    await checkpointer(ack).make_due()
    evidence, proof, jwks = await saved(ack, sent, tmp_path)
    whole, given = evidence.read_bytes(), json.loads(proof.read_bytes().splitlines()[1])
    line = proof.read_bytes().splitlines(keepends=True)[0]
    for change, said in (
        ({"head_sha256": "0" * 64}, "had the hash"),
        ({"path": "00" * 32}, "does not lead to its root"),
        ({"path": ""}, "too short"),
        ({"position": 1 - given["position"]}, "does not lead to its root"),
        ({"circular_id": str(other.circular_id)}, "is of circular"),
        ({"sequence": 3}, "it is older, or was cut"),
    ):
        proof.write_bytes(line + json.dumps({**given, **change}).encode())
        assert check_file(evidence, jwks, None, None, proof, None) == 1
        assert said in capsys.readouterr().out
    proof.write_bytes(line.replace(b'"chains":2', b'"chains":3') + json.dumps(given).encode())
    assert check_file(evidence, jwks, None, None, proof, None) == 1
    assert "WRONG: hash" in capsys.readouterr().out
    proof.write_bytes(line + json.dumps(given).encode())
    evidence.write_bytes(b"".join(whole.splitlines(keepends=True)[1:]))
    assert check_file(evidence, jwks, None, None, proof, None) == 1
    assert "it covers whole chains" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"status": "rejection"}, "rejection: not today"),
        ({"http_status": 503}, "answered 503"),
        ({"of": b"\x00" * 32}, "of something else"),
    ],
)
async def test_a_checkpoint_without_a_good_time_stamp_is_asked_for_again(
    ack: OpenAck, tsa: Authority, given: dict[str, object], why: str
) -> None:
    await sealed(ack)
    running = checkpointer(ack, tsa)
    await running.make_due()
    for name, value in given.items():
        setattr(tsa, name, value)
    with pytest.raises(TimeStampRefused, match=why):
        await running.stamp_one()
    tsa.status, tsa.http_status, tsa.of = "granted", 200, None
    assert await running.stamp_one()
    assert tsa.asked == 2


async def test_a_checkpointer_that_dies_before_the_commit_leaves_nothing(ack: OpenAck, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = await sealed(ack)
    from services.ack.store import checkpoints

    insert = checkpoints.insert

    async def dies(*arguments: object, **more: object) -> None:
        await insert(*arguments, **more)  # pyright: ignore[reportArgumentType]
        raise asyncio.CancelledError

    monkeypatch.setattr(checkpoints, "insert", dies)
    with pytest.raises(asyncio.CancelledError):
        await checkpointer(ack).make_due()
    assert await made(ack) == []
    monkeypatch.undo()
    await checkpointer(ack).make_due()
    assert (await ack.read(sent, "/checkpoint")).status_code == 200


async def test_checkpoints_stay_and_a_chains_proof_is_its_senders(ack: OpenAck) -> None:
    sent = await sealed(ack)
    assert (await ack.read(sent, "/checkpoint")).status_code == 404
    await checkpointer(ack).make_due()
    for agency_id in (sent.recipients[0].agency_id, circular(1).sender):
        answer = await ack.http.get(f"/v1/circulars/{sent.circular_id}/checkpoint", headers=ack.headers(agency_id))
        assert answer.status_code == 404
    async with ack.resources.database.connection() as connection:
        for statement in (
            "UPDATE checkpoints SET body = ''",
            "DELETE FROM checkpoints",
            "TRUNCATE checkpoint_leaves",
            "UPDATE checkpoint_leaves SET sequence = 9",
        ):
            with pytest.raises(asyncpg.RestrictViolationError, match="never changed"):
                await connection.execute(statement)


async def test_an_authority_that_is_away_is_told_of(ack: OpenAck, tsa: Authority) -> None:
    await sealed(ack)
    tsa.url = tsa.url.replace("/tsa", "/elsewhere").replace("127.0.0.1", "127.0.0.2")
    running = checkpointer(ack, tsa)
    await running.make_due()
    with pytest.raises((TimeStampRefused, httpx.HTTPError)):
        await running.stamp_one()
