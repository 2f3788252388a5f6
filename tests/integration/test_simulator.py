"""The simulator: each recipient does what its name says, and nothing that it is fed makes it do otherwise."""

import asyncio
import base64
import json
import zlib
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from pydantic import TypeAdapter
from standardwebhooks.webhooks import Webhook

from services.ack.api.bodies import AcknowledgmentIn
from tests.support.eventually import eventually
from tests.support.receiver import Answer, receiver
from wian.simulator.behaviours import BEHAVIOURS
from wian.simulator.catalogue import CATALOGUE, Recipient, listing
from wian.simulator.process import simulator_process
from wian.simulator.received import Received, ReceivedLog, Signature
from wian.simulator.server import CHALLENGE_TYPE, Simulator, simulator

SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()
OTHER_SECRET = "whsec_" + base64.b64encode(b"o" * 32).decode()
BODY = json.dumps({"specversion": "1.0", "type": "wian.letter.delivered.v1", "data": {"letter": {"subject": "เรื่อง"}}})
PAGE = Path(__file__).parents[2] / "docs" / "receive.md"


def signed(secret: str, *, webhook_id: str = "msg_1", body: str = BODY) -> dict[str, str]:
    now = datetime.now(UTC)
    signature = Webhook(secret).sign(webhook_id, now, body)
    return {"webhook-id": webhook_id, "webhook-timestamp": str(int(now.timestamp())), "webhook-signature": signature}


@pytest.fixture
async def sim() -> AsyncGenerator[Simulator]:
    async with simulator() as running:
        yield running


@pytest.fixture
async def http() -> AsyncGenerator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(auto_decompress=False, timeout=aiohttp.ClientTimeout(total=20)) as session:
        yield session


async def post(http: aiohttp.ClientSession, url: str, **more: Any) -> tuple[int, str, dict[str, str]]:
    given: dict[str, Any] = {"data": BODY, "headers": {"webhook-id": "msg_1"}, "allow_redirects": False, **more}
    async with http.post(url, **given) as response:
        return response.status, await response.text(), {name.lower(): value for name, value in response.headers.items()}


def test_every_name_behaves_and_is_described_in_two_languages_and_in_the_docs() -> None:
    assert set(BEHAVIOURS) == set(CATALOGUE) == set(Recipient)
    page = PAGE.read_text(encoding="utf-8")
    for recipient, about in CATALOGUE.items():
        options = "".join(f" `?{name}={default}`" for name, default in about.options.items())
        assert f"| `/{recipient}`{options} | {about.en} |" in page
        assert any("\u0e00" <= character <= "\u0e7f" for character in about.th), recipient
        assert about.en in listing()
        assert about.th in listing()


async def test_recipients_that_answer(sim: Simulator, http: aiohttp.ClientSession) -> None:
    statuses = {
        Recipient.OK: 204,
        Recipient.ERROR: 500,
        Recipient.THROTTLE: 429,
        Recipient.REFUSE: 422,
        Recipient.GONE: 410,
        Recipient.REDIRECT: 302,
        Recipient.NEVER_ACK: 204,
        Recipient.WRONG_CERTIFICATE: 204,
        Recipient.STRANGER: 204,
    }
    for recipient, status in statuses.items():
        assert (await post(http, sim.at(recipient, "office/7")))[0] == status, recipient
    assert [kept.recipient for kept in sim.received] == list(statuses)
    assert {kept.path.partition("/")[2].partition("/")[2] for kept in sim.received} == {"office/7"}
    assert (await post(http, sim.at(Recipient.THROTTLE, seconds=7)))[2]["retry-after"] == "7"
    assert (await post(http, sim.at(Recipient.REFUSE, status=403)))[0] == 403
    assert (await post(http, sim.at(Recipient.SLOW, seconds=0.01)))[0] == 204
    for spoilt in (
        sim.at(Recipient.SLOW, seconds="x"),
        sim.at(Recipient.SLOW, seconds="nan"),
        sim.at(Recipient.REFUSE, status=200),
    ):
        assert (await post(http, spoilt))[0] == 400, spoilt
    assert (await post(http, f"{sim.url}/nobody"))[0] == 404
    async with http.get(sim.at(Recipient.OK)) as response:
        assert response.status == 405


async def test_a_flaky_recipient_counts_each_delivery_by_itself(sim: Simulator, http: aiohttp.ClientSession) -> None:
    url = sim.at(Recipient.FLAKY, failures=2)

    async def send(webhook_id: str) -> int:
        return (await post(http, url, headers={"webhook-id": webhook_id}))[0]

    assert [await send(which) for which in ("a", "b", "a", "a", "b", "b", "a")] == [503, 503, 503, 204, 503, 204, 204]


async def test_recipients_that_never_finish_let_go_when_the_client_gives_up(http: aiohttp.ClientSession) -> None:
    async with simulator() as sim:
        brief = aiohttp.ClientTimeout(total=0.3)
        silent = (sim.at(Recipient.DOWN), sim.at(Recipient.SLOW, seconds=600), sim.at(Recipient.DRIP_HEAD, seconds=0.01))
        for url in silent:
            with pytest.raises(TimeoutError):
                await post(http, url, timeout=brief)
        for url, least in ((sim.at(Recipient.HUGE), 5_000_000), (sim.at(Recipient.DRIP, seconds=0.001), 20)):
            async with http.post(url, data=BODY) as response:
                assert response.status == 200
                await response.content.readexactly(least)
                response.close()
        for url in (sim.at(Recipient.RESET), sim.refused_url):
            with pytest.raises((aiohttp.ClientOSError, aiohttp.ServerDisconnectedError)):
                await post(http, url)
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await post(http, f"{sim.tls_url}/{Recipient.WRONG_CERTIFICATE}")
        assert (await post(http, f"{sim.tls_url}/{Recipient.WRONG_CERTIFICATE}", ssl=False))[0] == 204
        started = asyncio.get_running_loop().time()
    # Nothing of all that holds the simulator up.
    assert asyncio.get_running_loop().time() - started < 2


async def test_the_bomb_is_small_valid_and_a_thousand_times_larger_unpacked(sim: Simulator, http: aiohttp.ClientSession) -> None:
    async with http.post(sim.at(Recipient.BOMB), data=BODY) as response:
        assert response.headers["Content-Encoding"] == "gzip"
        packed = await response.read()
    assert len(packed) < 300_000
    unpacking, size, rest = zlib.decompressobj(wbits=31), 0, packed
    while not unpacking.eof:
        size += len(unpacking.decompress(rest, 32 * 1024 * 1024))
        rest = unpacking.unconsumed_tail
    assert size == 256 * 1024 * 1024


async def test_handshake_and_challenge(sim: Simulator, http: aiohttp.ClientSession) -> None:
    challenge = json.dumps({"type": CHALLENGE_TYPE, "data": {"challenge": "c-17"}})
    answers: dict[Recipient, tuple[bool, bool]] = {}
    for recipient in Recipient:
        asks = {"WebHook-Request-Origin": "wian.test", "WebHook-Request-Rate": "120"}
        async with http.options(sim.at(recipient), headers=asks) as response:
            shook = response.status == 200 and response.headers["WebHook-Allowed-Origin"] == "wian.test"
            assert not shook or response.headers["WebHook-Allowed-Rate"] == "120"
        status, text, _ = await post(http, sim.at(recipient), data=challenge)
        answers[recipient] = (shook, status == 200 and json.loads(text) == {"challenge": "c-17"})
    unusual = {
        Recipient.HANDSHAKE_ONLY: (True, False),
        Recipient.CHALLENGE_ONLY: (False, True),
        Recipient.STRANGER: (False, False),
    }
    assert answers == dict.fromkeys(Recipient, (True, True)) | unusual
    # A letter that only speaks of a challenge is a letter.
    assert (await post(http, sim.at(Recipient.OK), data=BODY.replace("เรื่อง", CHALLENGE_TYPE)))[0] == 204


async def test_signatures_are_checked_once_a_secret_is_set(sim: Simulator, http: aiohttp.ClientSession) -> None:
    url, valid = sim.at(Recipient.OK), signed(SECRET)
    assert (await post(http, url))[0] == 204
    async with http.put(f"{sim.url}/_simulator/secret", json={"secrets": [OTHER_SECRET, SECRET]}) as response:
        assert response.status == 204
    assert (await post(http, url, headers=valid))[0] == 204
    spoilt: tuple[dict[str, Any], ...] = (
        {},
        {"headers": {**valid, "webhook-signature": "v1,AAAA"}},
        {"headers": {**valid, "webhook-signature": "v1"}},
        {"headers": {**valid, "webhook-timestamp": "1"}},
        {"headers": valid, "data": BODY + " "},
        {"headers": valid, "data": b"\xff"},
    )
    for request in spoilt:
        assert (await post(http, url, **request))[0] == 401, request
    assert [kept.signature for kept in sim.received] == [Signature.NOT_CHECKED, Signature.VALID] + [Signature.INVALID] * len(
        spoilt
    )
    for body in ("{", "[]", '{"secrets": 1}', '{"secrets": ["whsec_"]}', '{"secrets": ["whsec_a"]}'):
        async with http.put(f"{sim.url}/_simulator/secret", data=body) as response:
            assert response.status == 400, body
    assert (await post(http, url, headers=valid))[0] == 204
    async with http.get(f"{sim.url}/_simulator/") as response:
        shown = await response.text()
    assert SECRET not in shown
    assert set(json.loads(shown)["recipients"]) == set(Recipient)


async def test_what_was_received_is_kept_and_can_be_read_and_cleared(sim: Simulator, http: aiohttp.ClientSession) -> None:
    for recipient, webhook_id in ((Recipient.OK, "a"), (Recipient.OK, "b"), (Recipient.GONE, "a")):
        await post(http, sim.at(recipient), headers={"webhook-id": webhook_id})
    for query, expected in (
        ("", 3),
        ("?recipient=ok", 2),
        ("?webhook_id=a", 2),
        ("?recipient=ok&webhook_id=a", 1),
        ("?limit=1", 1),
    ):
        async with http.get(f"{sim.url}/_simulator/received{query}") as response:
            document = await response.json()
        assert len(document["items"]) == expected, query
        assert document["total"] == 3
    assert json.loads(document["items"][0]["body"])["data"]["letter"]["subject"] == "เรื่อง"
    assert document["items"][0]["recipient"] == "gone"
    async with http.delete(f"{sim.url}/_simulator/received") as response:
        assert response.status == 204
    assert len(sim.received) == 0


def test_the_log_is_bounded_by_number_and_by_size() -> None:
    def letter(n: int, size: int) -> Received:
        return Received("ok", "POST", f"/ok/{n}", {}, bytes(size), Signature.NOT_CHECKED)

    log = ReceivedLog(requests=3, size=100)
    for n in range(5):
        log.add(letter(n, 10))
    assert [kept.path for kept in log] == ["/ok/2", "/ok/3", "/ok/4"]
    log.add(letter(5, 85))
    assert [kept.path for kept in log] == ["/ok/4", "/ok/5"]
    log.add(letter(6, 101))
    assert len(log) == 0
    assert log.total == 7


async def test_acknowledgments_are_what_the_exchange_takes_and_their_answers_are_kept(
    sim: Simulator, http: aiohttp.ClientSession
) -> None:
    async with receiver() as exchange:

        async def letter(recipient: Recipient, **options: Any) -> list[dict[str, Any]]:
            before = len(sim.clerk.told)
            body = json.dumps({"data": {"acknowledgment_url": f"{exchange.url}/{recipient}"}})
            assert (await post(http, sim.at(recipient, **options), data=body, headers={"webhook-id": recipient}))[0] == 204
            expected = 3 if recipient is Recipient.DUPLICATE_ACK else 1

            async def told() -> int:
                return len(sim.clerk.told) - before

            await eventually(told, lambda count: count == expected)
            return [json.loads(request.body) for request in exchange.at(f"/{recipient}")]

        exchange.script("/ack", Answer(503, headers={"Retry-After": "0"}))
        first, repeated = await letter(Recipient.ACK)
        assert first == repeated
        assert (await letter(Recipient.ACK))[-1]["receive_number"] == first["receive_number"]
        exchange.script("/duplicate-ack", Answer(200), Answer(200), Answer(409, "answered before"))
        one, same, other = await letter(Recipient.DUPLICATE_ACK)
        assert one == same
        assert other["receive_number"] != one["receive_number"]
        (late,) = await letter(Recipient.LATE_ACK, seconds=0.01)
        (refusal,) = await letter(Recipient.REJECT, reason="duplicate")
        assert refusal["reason"] == "duplicate"
        for body in (first, other, late, refusal):
            TypeAdapter[Any](AcknowledgmentIn).validate_python(body)
        async with http.get(f"{sim.url}/_simulator/acknowledgments") as response:
            told = (await response.json())["items"]
        assert [item["status"] for item in told if item["recipient"] == "duplicate-ack"] == [200, 200, 409]
        assert [item["answer"] for item in told if item["status"] == 409] == ["answered before"]
        # A letter without the URL, or one that is no letter at all, is taken and left alone.
        for body in (BODY, "[]", "{", json.dumps({"data": {"acknowledgment_url": 7}})):
            assert (await post(http, sim.at(Recipient.ACK), data=body))[0] == 204
        assert len(sim.clerk.told) == len(told)


async def test_the_process_of_its_own_serves_and_its_sink_counts_whole_requests(http: aiohttp.ClientSession) -> None:
    async with simulator_process(secrets=[SECRET]) as addresses:
        assert addresses["tls_url"] == ""
        assert (await post(http, f"{addresses['url']}/ok", headers=signed(SECRET)))[0] == 204
        assert (await post(http, f"{addresses['url']}/ok", headers=signed(OTHER_SECRET)))[0] == 401
        answers = await asyncio.gather(*(post(http, addresses["sink_url"], data=b"x" * size) for size in (0, 1, 3000, 300_000)))
        assert [status for status, _, _ in answers] == [204] * 4
        whole = b"POST /x HTTP/1.1\r\nHost: x\r\ncontent-length: 5\r\n\r\nabcde"
        reader, writer = await asyncio.open_connection("127.0.0.1", int(addresses["sink_url"].rpartition(":")[2]))
        for piece in (
            whole[:10],
            whole[10:51],
            whole[51:] + whole + whole[:-1],
            whole[-1:],
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        ):
            writer.write(piece)
            await writer.drain()
        answered = await reader.read()
        assert answered.count(b"HTTP/1.1 204") == 3
        assert b"HTTP/1.1 411" in answered
        writer.close()
        async with http.get(f"{addresses['url']}/_simulator/") as response:
            assert (await response.json())["sunk"] == 7
