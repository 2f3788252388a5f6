"""Endpoints: proof of the address, pause and resume, rotation of keys, `v1a`, the test event, and the agency's health page."""

import base64
from typing import Any
from uuid import UUID, uuid4

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks.webhooks import WebhookVerificationError

from services.dispatch import resealing
from services.dispatch.resealing import Resealed
from services.dispatch.store import seals
from services.dispatch.store.endpoints import MOST_OLD_KEYS
from services.dispatch.store.seals import Seals
from services.dispatch.vault import Vault
from shared.access import Scope
from tests.support.dispatch import Bench, agency_saved, circular_dispatched
from tests.support.receiver import Answer, Received, Receiver


@pytest.fixture
def dispatch_variables() -> dict[str, str]:
    return {"dispatch_endpoint_proof": "required"}


async def known_agency(dispatch: Bench) -> UUID:
    agency_id = uuid4()
    await dispatch.apply(agency_saved(agency_id))
    return agency_id


async def call(dispatch: Bench, agency: UUID, method: str, path: str, body: object = None, expected: int = 200) -> Any:
    headers = dispatch.tokens.headers(agency, Scope.ENDPOINTS_WRITE)
    answer = await dispatch.http.request(method, f"/v1/endpoints{path}", json=body, headers=headers)
    assert answer.status_code == expected, answer.text
    return answer.json()


async def put(dispatch: Bench, agency: UUID, url: str, **more: object) -> Any:
    return await call(dispatch, agency, "PUT", "", {"url": url, **more})


async def send_letter(dispatch: Bench, agency: UUID) -> None:
    await dispatch.apply(circular_dispatched([agency]))
    await dispatch.deliver_due()


def verified_with(received: Received, public_key: str) -> bool:
    """Whether one of the `v1a` signatures is by `public_key`: written from the specification, with no code of ours."""
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key.removeprefix("whpk_")))
    head = f"{received.webhook_id}.{received.headers['webhook-timestamp']}."
    for signature in received.headers["webhook-signature"].split(" "):
        version, _, text = signature.partition(",")
        try:
            if version == "v1a":
                key.verify(base64.b64decode(text), head.encode() + received.body)
                return True
        except InvalidSignature:
            continue
    return False


async def test_an_address_that_answers_the_handshake_gets_letters(dispatch: Bench, endpoint: Receiver) -> None:
    agency = await known_agency(dispatch)
    made = await put(dispatch, agency, f"{endpoint.url}/hook")
    assert (made["state"], made["proof"]["by"]) == ("active", "handshake")
    assert endpoint.received == [], "the handshake carries nothing"
    await send_letter(dispatch, agency)
    (letter,) = endpoint.received
    letter.verified(made["secret"])


async def test_an_unproven_address_gets_no_letter_and_its_agency_learns_what_to_mend(dispatch: Bench, endpoint: Receiver) -> None:
    endpoint.shy = True
    agency = await known_agency(dispatch)
    made = await put(dispatch, agency, f"{endpoint.url}/hook")
    assert made["state"] == "unverified"
    assert (made["proof"]["proven"], made["proof"]["reason"]) == (False, "challenge_unanswered")
    assert "WebHook-Allowed-Origin" in made["remedy"]["en"]
    assert "WebHook-Allowed-Origin" in made["remedy"]["th"]
    (challenge,) = endpoint.received
    assert challenge.verified(made["secret"])["type"] == "wian.endpoint.challenge.v1"
    await call(dispatch, agency, "POST", "/pause", expected=409)

    await send_letter(dispatch, agency)
    assert len(endpoint.received) == 1
    assert (await dispatch.delivery())["channel"] == "inbox"

    endpoint.shy = False
    verified = await call(dispatch, agency, "POST", "/verify")
    assert (verified["state"], verified["unproven_reason"], verified["secret"]) == ("active", None, None)


async def test_an_address_that_echoes_the_challenge_is_proven_without_the_handshake(dispatch: Bench, endpoint: Receiver) -> None:
    endpoint.shy = True
    endpoint.script("/hook", Answer(200, '{"challenge": "a guess"}'))
    agency = await known_agency(dispatch)
    assert (await put(dispatch, agency, f"{endpoint.url}/hook"))["state"] == "unverified"
    endpoint.echo = True
    verified = await call(dispatch, agency, "POST", "/verify")
    assert (verified["state"], verified["proof"]["by"]) == ("active", "challenge")


async def test_a_proven_address_is_not_asked_again_but_another_is(dispatch: Bench, endpoint: Receiver) -> None:
    agency = await known_agency(dispatch)
    await put(dispatch, agency, f"{endpoint.url}/hook")
    endpoint.shy = True
    again = await put(dispatch, agency, f"{endpoint.url}/hook")
    assert (again["state"], again["proof"]) == ("active", None)
    assert (await put(dispatch, agency, f"{endpoint.url}/other"))["state"] == "unverified"


async def test_nobody_at_the_address_is_said_in_the_answer(dispatch: Bench) -> None:
    made = await put(dispatch, await known_agency(dispatch), "http://127.0.0.1:9/hook")
    assert (made["state"], made["proof"]["reason"]) == ("unverified", "connection_failed")
    assert "firewall" in made["remedy"]["en"]


async def test_letters_wait_for_a_paused_endpoint_and_go_when_it_resumes(dispatch: Bench, endpoint: Receiver) -> None:
    agency = await known_agency(dispatch)
    await put(dispatch, agency, f"{endpoint.url}/hook")
    for _ in range(2):
        assert (await call(dispatch, agency, "POST", "/pause"))["state"] == "paused"
    await send_letter(dispatch, agency)
    assert endpoint.received == []
    waiting = await dispatch.delivery()
    assert (waiting["state"], waiting["channel"], waiting["parked"]) == ("scheduled", "webhook", True)

    assert (await call(dispatch, agency, "POST", "/resume"))["state"] == "active"
    await dispatch.engine.scheduler.run_once()
    await dispatch.deliver_due()
    assert len(endpoint.received) == 1
    assert await dispatch.states() == ["handed_over"]


async def test_while_a_secret_rotates_either_secret_verifies_and_then_only_the_new_one(
    dispatch: Bench, endpoint: Receiver
) -> None:
    agency = await known_agency(dispatch)
    first = (await put(dispatch, agency, f"{endpoint.url}/hook"))["secret"]
    rotated = await call(dispatch, agency, "POST", "/rotate-secret", {})
    lost_answer = await call(dispatch, agency, "POST", "/rotate-secret", {})
    assert len({first, rotated["secret"], lost_answer["secret"]}) == 3
    assert lost_answer["old_secrets_until"] is not None
    await send_letter(dispatch, agency)
    for secret in (first, rotated["secret"], lost_answer["secret"]):
        endpoint.received[-1].verified(secret)
    assert endpoint.received[-1].headers["webhook-signature"].count("v1,") == 3

    async with dispatch.database.connection() as connection:
        await connection.execute("UPDATE endpoints SET old_secrets_until = now() - interval '1 second'")
    await send_letter(dispatch, agency)
    endpoint.received[-1].verified(lost_answer["secret"])
    with pytest.raises(WebhookVerificationError):
        endpoint.received[-1].verified(first)


async def test_a_leaked_secret_is_ended_at_once_and_overlaps_are_bounded(dispatch: Bench, endpoint: Receiver) -> None:
    agency = await known_agency(dispatch)
    leaked = (await put(dispatch, agency, f"{endpoint.url}/hook"))["secret"]
    for _ in range(MOST_OLD_KEYS):
        await call(dispatch, agency, "POST", "/rotate-secret", {})
    refused = await call(dispatch, agency, "POST", "/rotate-secret", {}, expected=409)
    assert refused["code"] == "rotations_too_many"
    ended = await call(dispatch, agency, "POST", "/rotate-secret", {"overlap_seconds": 0})
    assert ended["old_secrets_until"] is None
    await send_letter(dispatch, agency)
    assert endpoint.received[-1].headers["webhook-signature"].count(",") == 1
    endpoint.received[-1].verified(ended["secret"])
    with pytest.raises(WebhookVerificationError):
        endpoint.received[-1].verified(leaked)


async def test_v1a_signatures_verify_with_the_public_key_and_rotate_with_overlap(dispatch: Bench, endpoint: Receiver) -> None:
    agency = await known_agency(dispatch)
    both = await put(dispatch, agency, f"{endpoint.url}/hook", signatures="both")
    await send_letter(dispatch, agency)
    assert verified_with(endpoint.received[-1], both["public_key"])
    endpoint.received[-1].verified(both["secret"])

    alone = await put(dispatch, agency, f"{endpoint.url}/hook", signatures="v1a")
    assert alone["public_key"] == both["public_key"], "setting the endpoint again keeps the pair"
    rotated = await call(dispatch, agency, "POST", "/rotate-signing-key", {})
    assert rotated["public_key"] != both["public_key"]
    assert rotated["old_public_keys"] == [both["public_key"]]
    await send_letter(dispatch, agency)
    letter = endpoint.received[-1]
    assert [part[:4] for part in letter.headers["webhook-signature"].split(" ")] == ["v1a,", "v1a,"]
    assert verified_with(letter, both["public_key"])
    assert verified_with(letter, rotated["public_key"])
    spoilt = Received(letter.path, letter.headers, letter.body + b" ")
    assert not verified_with(spoilt, rotated["public_key"])

    ended = await call(dispatch, agency, "POST", "/rotate-signing-key", {"overlap_seconds": 0})
    await send_letter(dispatch, agency)
    assert verified_with(endpoint.received[-1], ended["public_key"])
    assert not verified_with(endpoint.received[-1], rotated["public_key"])
    async with dispatch.database.connection() as connection:
        stored = await connection.fetchval("SELECT signing_key_encrypted FROM endpoints")
    assert dispatch.resources.vault.open(stored).startswith("whsk_")
    assert b"whsk_" not in stored


async def test_a_test_event_says_what_came_of_it_and_what_to_mend(dispatch: Bench, endpoint: Receiver) -> None:
    agency = await known_agency(dispatch)
    secret = (await put(dispatch, agency, f"{endpoint.url}/hook"))["secret"]
    done = await call(dispatch, agency, "POST", "/test")
    assert (done["outcome"], done["status"], done["remedy"]) == ("delivered", 204, None)
    (event,) = endpoint.received
    assert event.webhook_id == done["webhook_id"]
    assert event.verified(secret)["type"] == "wian.endpoint.test.v1"

    endpoint.script("/hook", Answer(401, "ลายมือชื่อไม่ถูกต้อง" * 200))
    refused = await call(dispatch, agency, "POST", "/test")
    assert (refused["outcome"], refused["reason"], refused["status"]) == ("refused", "http_401", 401)
    assert refused["answer"].startswith("ลายมือชื่อ")
    assert len(refused["answer"].encode()) <= 1024
    assert "signature" in refused["remedy"]["en"]
    assert "ลายมือชื่อ" in refused["remedy"]["th"]
    assert await dispatch.attempts() == []


async def test_an_agency_reads_its_own_health_and_its_own_attempts(dispatch: Bench, endpoint: Receiver) -> None:
    agency, other = await known_agency(dispatch), await known_agency(dispatch)
    await put(dispatch, agency, f"{endpoint.url}/hook")
    await put(dispatch, other, f"{endpoint.url}/other")
    nothing = await call(dispatch, agency, "GET", "/health")
    assert (nothing["attempts"], nothing["success_rate"], nothing["milliseconds"]) == (0, None, None)

    endpoint.script("/hook", Answer(404, "no such page"), Answer(503), Answer(503))
    for _ in range(4):
        await send_letter(dispatch, agency)
    await send_letter(dispatch, other)
    health = await call(dispatch, agency, "GET", "/health")
    assert (health["state"], health["circuit"], health["attempts"], health["delivered"]) == ("active", "closed", 4, 1)
    assert health["success_rate"] == 0.25
    assert 0 < health["milliseconds"]["p50"] <= health["milliseconds"]["p99"]
    assert [(one["reason"], one["count"]) for one in health["failures"]] == [("http_503", 2), ("http_404", 1)]
    assert "PUT /v1/endpoints" in health["failures"][1]["remedy"]["en"]
    assert health["last_failures"][-1]["answer"] == "no such page"

    seen: list[dict[str, Any]] = []
    path = "/attempts?limit=3"
    while path:
        page = await call(dispatch, agency, "GET", path)
        seen += page["items"]
        path = f"/attempts?limit=3&after={page['next']}" if page["next"] else ""
    assert [one["outcome"] for one in seen] == ["delivered", "retry_later", "retry_later", "refused"]
    assert len(await dispatch.attempts()) == 5, "the other agency's attempt is not among them"
    far = base64.urlsafe_b64encode(f"{2**62}:{uuid4()}".encode()).decode()
    assert (await call(dispatch, agency, "GET", f"/attempts?after={far}", expected=422))["code"] == "cursor_invalid"


async def test_an_agency_without_an_endpoint_is_told_so_everywhere(dispatch: Bench) -> None:
    agency = await known_agency(dispatch)
    for method, path, body in (
        ("POST", "/verify", None),
        ("POST", "/pause", None),
        ("POST", "/resume", None),
        ("POST", "/test", None),
        ("POST", "/rotate-secret", {}),
        ("POST", "/rotate-signing-key", {}),
        ("GET", "/health", None),
    ):
        assert (await call(dispatch, agency, method, path, body, expected=404))["code"] == "not_found"
    assert (await call(dispatch, agency, "GET", "/attempts"))["items"] == []


async def test_resealing_lets_the_old_key_go_and_may_be_repeated(
    dispatch: Bench, endpoint: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resealing, "BATCH", 2)
    old_key, new_key = dispatch.settings.secret_keys[0], Fernet.generate_key().decode()
    for _ in range(5):
        agency = await known_agency(dispatch)
        await put(dispatch, agency, f"{endpoint.url}/hook", signatures="both")
        await call(dispatch, agency, "POST", "/rotate-secret", {})
        await call(dispatch, agency, "POST", "/rotate-signing-key", {})

    async def sealed() -> list[bytes]:
        async with dispatch.database.connection() as connection:
            return [value for _, one in await seals.read(connection, None, 10) for value in _all_of(one)]

    before = [dispatch.resources.vault.open(value) for value in await sealed()]
    assert len(before) == 20
    assert await resealing.reseal(dispatch.database, Vault([new_key, old_key])) == Resealed(5, 5, 0)
    once = await sealed()
    assert [Vault([new_key]).open(value) for value in once] == before
    assert await resealing.reseal(dispatch.database, Vault([new_key, old_key])) == Resealed(5, 0, 0)
    assert await sealed() == once
    assert await resealing.reseal(dispatch.database, Vault([old_key])) == Resealed(5, 0, 5)
    assert await sealed() == once, "what no key opens stays as it is"


def _all_of(kept: Seals) -> list[bytes]:
    assert kept.signing_key is not None
    return [kept.secret, kept.signing_key, *kept.old_secrets, *kept.old_signing_keys]
