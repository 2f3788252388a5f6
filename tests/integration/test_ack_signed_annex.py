"""The signed annex: each form whole with its signature, and every change of either found offline."""

import asyncio
import io
import json
import zipfile
from collections.abc import AsyncGenerator
from pathlib import Path
from uuid import UUID

import pytest

from services.ack import annex
from services.ack.annex import Form
from services.ack.evidence.sealing import Sealer
from services.ack.resources import Resources
from services.ack.store.recipients import Recipient
from tests.support.ack import OpenAck, Sent, circular, opened_ack
from tests.support.tokens import TokenIssuer
from wian.checking import check_file


@pytest.fixture
async def ack(settings_environment: dict[str, str], token_issuer: TokenIssuer) -> AsyncGenerator[OpenAck]:
    async with opened_ack(settings_environment, token_issuer) as opened:
        yield opened


async def acknowledged(ack: OpenAck, titles: int = 3) -> Sent:
    sent = circular(titles)
    await ack.apply(*sent.chunks())
    assert (await ack.acknowledge(sent.recipients[0])).status_code == 200
    await ack.resources.evidence_keys.ensure(ack.resources.database)
    await Sealer(ack.resources.database, ack.resources.evidence_keys, ack.clock, poll_interval=1).run_once()
    return sent


async def saved(ack: OpenAck, sent: Sent, folder: Path, form: Form = Form.CSV) -> tuple[Path, Path]:
    """The package and the published keys, as a caller saves them."""
    answer = await ack.read(sent, f"/annex.{form}/signed")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    package, jwks = folder / f"{form}.zip", folder / "jwks.json"
    package.write_bytes(answer.content)
    jwks.write_bytes((await ack.http.get("/v1/evidence/jwks.json")).content)
    return package, jwks


def left_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def verified(path: Path, jwks: Path | None, signature: Path | None = None, content_hash: str | None = None) -> int:
    return check_file(path, jwks, None, content_hash, None, None, signature)


@pytest.mark.parametrize("form", Form)
async def test_no_more_are_made_at_once_than_may_be_and_one_that_is_given_up_makes_room(
    settings_environment: dict[str, str], token_issuer: TokenIssuer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, form: Form
) -> None:
    under_way, most, stopped = 0, 0, asyncio.Event()
    batches = annex._batches

    async def counted(resources: Resources, circular_id: UUID) -> AsyncGenerator[list[Recipient]]:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        try:
            if not stopped.is_set():
                stopped.set()
                await asyncio.Event().wait()
            async for batch in batches(resources, circular_id):
                yield batch
        finally:
            under_way -= 1

    monkeypatch.setattr(annex, "_batches", counted)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    async with opened_ack(settings_environment, token_issuer, ack_annexes_at_once="1") as ack:
        sent = await acknowledged(ack)
        given_up = asyncio.create_task(ack.read(sent, f"/annex.{form}/signed"))
        async with asyncio.timeout(30):
            await stopped.wait()
            others = [asyncio.create_task(ack.read(sent, f"/annex.{form}/signed")) for _ in range(3)]
            assert (await ack.read(sent)).status_code == 200, "the service is alive meanwhile"
            given_up.cancel()
            answers = await asyncio.gather(*others)
            await asyncio.wait([given_up])
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert (most, under_way) == (1, 0)
    assert left_in(tmp_path) == [], "nothing of the one that was given up is left"


@pytest.mark.parametrize("form", Form)
async def test_every_form_is_signed_over_its_very_bytes(
    ack: OpenAck, tmp_path: Path, form: Form, capsys: pytest.CaptureFixture[str]
) -> None:
    sent = await acknowledged(ack)
    package, jwks = await saved(ack, sent, tmp_path, form)
    assert verified(package, jwks, content_hash=sent.letter.content_hash) == 0
    said = capsys.readouterr().out
    assert f"OK: annex annex-{sent.circular_id}.{form}" in said
    assert "3 recipients" in said
    assert "the circular's chain had 1 receipts" in said.replace("its circular's", "the circular's")
    assert verified(package, None) == 0
    assert "compare them with the published ones" in capsys.readouterr().out
    with zipfile.ZipFile(package) as opened:
        opened.extractall(tmp_path)
    annex = tmp_path / f"annex-{sent.circular_id}.{form}"
    signature = tmp_path / f"{annex.name}.signature.json"
    assert verified(annex, jwks, signature) == 0
    for at in (0, annex.stat().st_size // 2, annex.stat().st_size - 1):
        changed = bytearray(annex.read_bytes())
        changed[at] ^= 1
        (tmp_path / "changed").write_bytes(changed)
        assert verified(tmp_path / "changed", jwks, signature) == 1
        assert "the file was changed: its SHA-256 is" in capsys.readouterr().out
    for other, told in ((changed[:-1], "it ends at byte"), (bytes(changed) + b"\n", "it goes on behind byte")):
        (tmp_path / "changed").write_bytes(other)
        assert verified(tmp_path / "changed", jwks, signature) == 1
        assert told in capsys.readouterr().out


async def test_a_changed_statement_a_strangers_key_and_a_stuffed_package_are_found(
    ack: OpenAck, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sent = await acknowledged(ack)
    package, jwks = await saved(ack, sent, tmp_path)
    with zipfile.ZipFile(package) as opened:
        annex, signature = (opened.read(name) for name in opened.namelist())
        names = opened.namelist()
    (tmp_path / "annex").write_bytes(annex)
    at = signature.index(b'"recipients":3') + len('"recipients":')
    (tmp_path / "signature").write_bytes(signature[:at] + b"4" + signature[at + 1 :])
    assert verified(tmp_path / "annex", jwks, tmp_path / "signature") == 1
    assert f"WRONG: hash at byte {at}" in capsys.readouterr().out
    assert verified(package, jwks, content_hash="00" * 32) == 1
    stranger = tmp_path / "stranger.json"
    stranger.write_text(json.dumps({"keys": [{"kid": "k" * 43, "x": "A" * 43}]}))
    assert verified(package, stranger) == 1
    assert "no known key has signed this" in capsys.readouterr().out
    with zipfile.ZipFile(package, "a") as opened:
        opened.writestr("another.csv", "unsigned")
    assert verified(package, jwks) == 1
    assert "and not one file and its signature" in capsys.readouterr().out
    with zipfile.ZipFile(package, "w") as opened:
        opened.writestr("annex-of-another.csv", annex)
        opened.writestr("annex-of-another.csv.signature.json", signature)
    assert verified(package, jwks) == 1
    assert names[0] in capsys.readouterr().out


async def test_a_rotated_key_leaves_signed_annexes_good_and_strangers_get_none(ack: OpenAck, tmp_path: Path) -> None:
    sent = await acknowledged(ack)
    package, _ = await saved(ack, sent, tmp_path)
    await ack.resources.evidence_keys.rotate(ack.resources.database)
    jwks = tmp_path / "later.json"
    jwks.write_bytes((await ack.http.get("/v1/evidence/jwks.json")).content)
    assert verified(package, jwks) == 0
    path = f"/v1/circulars/{sent.circular_id}/annex.csv/signed"
    assert (await ack.http.get(path, headers=ack.headers(sent.recipients[0].agency_id))).status_code == 404
    assert (await ack.http.get(path)).status_code == 401
    with_link = await ack.http.get(f"/t/{ack.tracking(sent)}/annex.json/signed")
    with zipfile.ZipFile(io.BytesIO(with_link.content)) as opened:
        assert json.loads(opened.read(f"annex-{sent.circular_id}.json"))["circular"]["recipients"] == 3
