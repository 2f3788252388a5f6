"""The conformance suite: all passes for receivers that are right, and each fault shows in the checks that it concerns."""

import asyncio
import importlib.util
import json
import os
import sqlite3
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from pydantic import TypeAdapter
from standardwebhooks.webhooks import Webhook

from services.ack.api.bodies import AcknowledgmentIn
from services.dispatch.payload import EVENT_TYPE
from shared.ids import new_id
from tests.support.agency_receiver import SECRET, Fault, agency_receiver
from tests.support.eventually import eventually
from tests.support.receiver import Answer, receiver
from wian.conformance import letters, reach, report
from wian.conformance.catalogue import CATALOGUE, Check
from wian.conformance.findings import Exchange, Judgement, Text, Verdict, accepted_in_time, refused, small_answer
from wian.conformance.suite import TRIALS, Finding, run
from wian.simulator.catalogue import Recipient
from wian.simulator.certificate import self_signed, server_context
from wian.simulator.server import simulator

ROOT = Path(__file__).parents[2]
PATIENCE = 10.0
# On the loopback interface and over plain http: right for a trial, and said.
TRIAL = {Check.ADDRESS: Verdict.WARN, Check.CERTIFICATE: Verdict.WARN}
NOTHING_TAKEN = dict.fromkeys(TRIALS, Verdict.NOT_CHECKED)

FAULTS: dict[Fault, dict[Check, Verdict]] = {
    Fault.NONE: {},
    Fault.ANSWERS_HANDSHAKE_ONLY: {},
    Fault.ANSWERS_CHALLENGE_ONLY: {},
    Fault.PROVES_NOTHING: {Check.OWNERSHIP: Verdict.FAIL},
    Fault.REDIRECTS: NOTHING_TAKEN | {Check.REDIRECT: Verdict.FAIL, Check.ACCEPTED: Verdict.NOT_CHECKED},
    Fault.REFUSES_ALL: NOTHING_TAKEN | {Check.ACCEPTED: Verdict.FAIL},
    Fault.FAILS_ALWAYS: NOTHING_TAKEN | {Check.ACCEPTED: Verdict.FAIL},
    Fault.BELIEVES_ALL: {
        Check.SIGNATURE_WRONG: Verdict.FAIL,
        Check.SIGNATURE_GARBLED: Verdict.FAIL,
        Check.SIGNATURE_MISSING: Verdict.FAIL,
        Check.BODY_CHANGED: Verdict.FAIL,
        Check.TIMESTAMP_OLD: Verdict.FAIL,
        Check.TIMESTAMP_FUTURE: Verdict.WARN,
    },
    Fault.BELIEVES_ANY_SIGNATURE: {Check.SIGNATURE_WRONG: Verdict.FAIL, Check.BODY_CHANGED: Verdict.FAIL},
    Fault.BELIEVES_THE_UNSIGNED: {Check.SIGNATURE_MISSING: Verdict.FAIL},
    Fault.SIGNS_NO_BODY_END: {Check.BODY_CHANGED: Verdict.FAIL},
    Fault.BREAKS_AT_GARBLED: {Check.SIGNATURE_GARBLED: Verdict.WARN},
    Fault.REFUSES_WITH_410: dict.fromkeys(
        (
            Check.SIGNATURE_WRONG,
            Check.SIGNATURE_GARBLED,
            Check.SIGNATURE_MISSING,
            Check.BODY_CHANGED,
            Check.TIMESTAMP_OLD,
            Check.TIMESTAMP_FUTURE,
        ),
        Verdict.WARN,
    ),
    Fault.REFUSES_WITH_500: dict.fromkeys(
        (
            Check.SIGNATURE_WRONG,
            Check.SIGNATURE_MISSING,
            Check.BODY_CHANGED,
            Check.TIMESTAMP_OLD,
            Check.TIMESTAMP_FUTURE,
        ),
        Verdict.FAIL,
    )
    | {Check.SIGNATURE_GARBLED: Verdict.WARN},
    Fault.KNOWS_NO_TIME: {Check.TIMESTAMP_OLD: Verdict.FAIL, Check.TIMESTAMP_FUTURE: Verdict.WARN},
    Fault.KNOWS_NO_FUTURE: {Check.TIMESTAMP_FUTURE: Verdict.WARN},
    Fault.COMPARES_WHOLE_HEADER: {Check.ROTATION: Verdict.FAIL, Check.OTHER_VERSION: Verdict.FAIL},
    Fault.KNOWS_ONE_VERSION: {Check.OTHER_VERSION: Verdict.FAIL},
    Fault.REFUSES_REPEATS: {Check.REPEATED: Verdict.FAIL, Check.REPEATED_AT_ONCE: Verdict.WARN},
    Fault.BREAKS_AT_RACES: {Check.REPEATED_AT_ONCE: Verdict.WARN},
    Fault.REFUSES_UNKNOWN_TYPES: {Check.UNKNOWN_EVENT: Verdict.FAIL},
    Fault.REFUSES_UNKNOWN_FIELDS: {Check.EXTRA_FIELDS: Verdict.FAIL},
    Fault.READS_ASCII: {Check.THAI: Verdict.FAIL},
    Fault.SMALL_LIMIT: {Check.LARGE: Verdict.FAIL},
    Fault.CLOSES: {Check.KEEP_ALIVE: Verdict.WARN},
    Fault.ONE_AT_A_TIME: {Check.CONCURRENT: Verdict.FAIL, Check.REPEATED_AT_ONCE: Verdict.WARN},
    Fault.TALKS_MUCH: {Check.ANSWER: Verdict.WARN},
    Fault.PACKS: {Check.ANSWER: Verdict.WARN},
    Fault.NEVER_ENDS: {Check.ANSWER: Verdict.FAIL, Check.KEEP_ALIVE: Verdict.NOT_CHECKED},
}


async def not_passed(url: str, *, patience: float = PATIENCE, ca_file: Path | None = None) -> dict[Check, Verdict]:
    findings = await run(url, SECRET, patience=patience, ca_file=ca_file)
    assert [finding.check for finding in findings] == list(Check)
    return {f.check: f.judgement.verdict for f in findings if f.judgement.verdict is not Verdict.PASS}


@pytest.mark.parametrize("fault", Fault, ids=lambda fault: fault.name.lower())
async def test_each_fault_shows_in_the_checks_that_it_concerns_and_in_no_other(fault: Fault) -> None:
    async with agency_receiver(fault) as url:
        assert await not_passed(url) == TRIAL | FAULTS[fault]


async def test_simulated_recipients_are_told_what_they_are() -> None:
    taken = dict.fromkeys((Check.OWNERSHIP, Check.REDIRECT, Check.ANSWER), Verdict.NOT_CHECKED)
    unreached = TRIAL | NOTHING_TAKEN | taken | {Check.ACCEPTED: Verdict.FAIL}
    async with simulator(secrets=[SECRET]) as sim:
        assert await not_passed(sim.at(Recipient.OK)) == TRIAL
        assert await not_passed(sim.at(Recipient.STRANGER)) == TRIAL | {Check.OWNERSHIP: Verdict.FAIL}
        assert await not_passed(sim.at(Recipient.GONE)) == TRIAL | NOTHING_TAKEN | {Check.ACCEPTED: Verdict.FAIL}
        assert await not_passed(sim.at(Recipient.DOWN), patience=0.3) == unreached
        assert await not_passed(sim.refused_url) == unreached
        # The certificate fails, and the rest is looked at all the same.
        wrong = await not_passed(f"{sim.tls_url}/{Recipient.WRONG_CERTIFICATE}")
        assert wrong == {Check.ADDRESS: Verdict.WARN, Check.CERTIFICATE: Verdict.FAIL}


async def test_addresses_that_the_exchange_would_not_take() -> None:
    for url in (
        "https://user:word@example.go.th/",
        "https://example.go.th/#here",
        "ftp://example.go.th",
        "nonsense",
        "https://x:99999",
    ):
        assert await not_passed(url) == dict.fromkeys(Check, Verdict.NOT_CHECKED) | {Check.ADDRESS: Verdict.FAIL}, url
    assert (await not_passed("https://127.0.0.1:80/", patience=0.3))[Check.ADDRESS] is Verdict.WARN


def _example() -> Any:
    specification = importlib.util.spec_from_file_location("example_receiver", ROOT / "examples" / "receiver" / "receiver.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@asynccontextmanager
async def example_receiver(database: Path, ca_file: Path) -> AsyncGenerator[str]:
    certificate, key = self_signed("localhost", ["127.0.0.1"])
    await asyncio.to_thread(ca_file.write_bytes, certificate)
    runner = web.AppRunner(_example().create_app(SECRET, str(database)), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=server_context(certificate, key)).start()
        yield f"https://127.0.0.1:{runner.addresses[0][1]}/wian"
    finally:
        await runner.cleanup()


async def test_the_example_receiver_conforms_over_tls_and_stores_each_letter_once(tmp_path: Path) -> None:
    database = tmp_path / "letters.sqlite"
    async with example_receiver(database, tmp_path / "ca.pem") as url:
        assert await not_passed(url, ca_file=tmp_path / "ca.pem") == TRIAL
        assert (await not_passed(url))[Check.CERTIFICATE] is Verdict.FAIL
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute("SELECT receive_number, webhook_id FROM letters ORDER BY receive_number").fetchall()
    assert [number for number, _ in rows] == list(range(1, len(rows) + 1))
    assert len({webhook_id for _, webhook_id in rows}) == len(rows) >= 30


async def test_the_example_receiver_acknowledges_as_the_exchange_takes_it_once_it_does(tmp_path: Path) -> None:
    module = _example()
    module.RETRY_SECONDS = 0.02
    async with receiver() as exchange, example_receiver(tmp_path / "letters.sqlite", tmp_path / "ca.pem") as url:
        exchange.script("/v1/acknowledgments/x", Answer(503), Answer(200, '{"state": "registered"}'))
        body = json.dumps({"type": EVENT_TYPE, "data": {"acknowledgment_url": f"{exchange.url}/v1/acknowledgments/x"}})
        await _post(url, body)
        await eventually(exchange.count, lambda count: count == 1)
        # The next letter wakes the clerk, who begins with what is unanswered.
        await _post(url, body.replace("acknowledgments/x", "acknowledgments/y"))
        await eventually(exchange.count, lambda count: count == 3)
    first, again, second = [json.loads(request.body) for request in exchange.received]
    assert first == again
    assert (first["receive_number"], second["receive_number"]) == ("1", "2")
    TypeAdapter[Any](AcknowledgmentIn).validate_python(first)


async def _post(url: str, body: str) -> None:
    now, webhook_id = datetime.now(UTC), str(new_id())
    headers = {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(SECRET).sign(webhook_id, now, body),
    }
    async with aiohttp.ClientSession() as session, session.post(url, data=body, headers=headers, ssl=reach.blind()) as response:
        assert response.status == 204


def test_every_check_is_made_and_told_in_two_languages_and_in_the_docs() -> None:
    page = (ROOT / "docs" / "receive.md").read_text(encoding="utf-8")
    before = {Check.ADDRESS, Check.CERTIFICATE, Check.OWNERSHIP, Check.REDIRECT, Check.ACCEPTED, Check.ANSWER}
    assert before | set(TRIALS) == set(Check) == set(CATALOGUE)
    assert set(FAULTS) == set(Fault)
    for check, about in CATALOGUE.items():
        assert f"| `{check}` | {about.what.en} |" in page
        for text in (about.what, about.mend):
            assert text.en.isascii() or "…" in text.en, check
            assert any("\u0e00" <= character <= "\u0e7f" for character in text.th), check


def test_verdicts_on_answers_that_are_hard_to_stage() -> None:
    assert accepted_in_time(Exchange(204, seconds=4.9)).verdict is Verdict.PASS
    assert accepted_in_time(Exchange(204, seconds=5.1)).verdict is Verdict.WARN
    assert accepted_in_time(Exchange(503, seconds=5.1)).verdict is Verdict.FAIL
    assert {status: refused(Exchange(status)).verdict for status in (200, 302, 400, 401, 403, 409, 429, 503)} == {
        200: Verdict.FAIL,
        302: Verdict.FAIL,
        400: Verdict.PASS,
        401: Verdict.PASS,
        403: Verdict.PASS,
        409: Verdict.WARN,
        429: Verdict.WARN,
        503: Verdict.FAIL,
    }
    assert [small_answer(Exchange(200, body=bytes(size))).verdict for size in (0, 4096, 4097)] == [Verdict.PASS] * 2 + [
        Verdict.WARN
    ]


def test_trial_letters_are_what_their_checks_say() -> None:
    event_id = new_id()
    plain, large = letters.letter(event_id), letters.large_letter(event_id)
    assert plain.isascii()
    assert len(large) >= 300 * 1024
    assert json.loads(plain)["type"] == json.loads(large)["type"] == EVENT_TYPE
    assert not letters.letter(event_id, thai=True).isascii()
    changed = letters.changed_by_a_byte(plain)
    assert sum(a != b for a, b in zip(plain, changed, strict=True)) == 1
    assert json.loads(changed)["data"]["letter"]["subject"] != json.loads(plain)["data"]["letter"]["subject"]


async def _command(*arguments: str, **variables: str) -> tuple[int | None, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "wian", "conformance", *arguments,
        cwd=ROOT,
        env={**os.environ, "WIAN_CONFORMANCE_SECRET": SECRET, **variables},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, errors = await asyncio.wait_for(process.communicate(), timeout=60)
    assert SECRET not in output.decode() + errors.decode()
    return process.returncode, output.decode(), errors.decode()


async def test_the_command_ends_with_0_only_when_nothing_fails_and_prints_json_lines_or_a_table() -> None:
    async with agency_receiver(Fault.NONE) as right, agency_receiver(Fault.KNOWS_NO_TIME) as wrong:
        (good, document, _), (bad, lines, _), (table_bad, table, _), (usage, nothing, why) = await asyncio.gather(
            _command(right, "--json"),
            _command(wrong),
            _command(wrong, FORCE_COLOR="1", COLUMNS="160"),
            _command(right, WIAN_CONFORMANCE_SECRET="whsec_short"),
        )
    assert (good, bad, table_bad, usage) == (0, 1, 1, 2)
    told = json.loads(document)
    assert told["conforms"] is True
    assert told["summary"] == {"pass": 20, "warn": 2, "fail": 0, "not-checked": 0}
    assert [check["id"] for check in told["checks"]] == list(Check)
    assert all(set(check) == {"id", "what", "verdict", "why", "mend"} for check in told["checks"])
    assert [check["id"] for check in told["checks"] if check["mend"]] == list(TRIAL)
    mend = CATALOGUE[Check.TIMESTAMP_OLD].mend
    assert f"FAIL         {Check.TIMESTAMP_OLD}: " in lines
    assert mend.en in lines
    assert mend.th in lines
    assert Check.TIMESTAMP_OLD in table
    assert "┃" in table
    assert nothing == ""
    assert "whsec_" in why


def test_without_rich_the_report_is_plain(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "rich.console", None)
    findings = [Finding(Check.THAI, Judgement(Verdict.FAIL, Text("Answered 400.", "ตอบ 400")))]
    report.show(findings)
    assert capsys.readouterr().out == report.as_lines(findings) + "\n"
