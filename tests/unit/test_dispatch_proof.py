"""What an endpoint's answers prove, what is to be mended, and signatures held to the published library."""

from datetime import UTC, datetime
from typing import Any

import pytest
from multidict import CIMultiDict
from standardwebhooks.webhooks import Webhook

from services.dispatch.outcomes import Delivered, Gone, Outcome, Refused, RetryLater
from services.dispatch.proof import Proven, Unproven, by_challenge, by_handshake
from services.dispatch.reasons import http_reason
from services.dispatch.remedies import remedy_for
from services.dispatch.signatures import keyring, new_secret, sign

GENERIC = remedy_for("something new", None)


@pytest.mark.parametrize(
    ("headers", "status", "proven"),
    [
        ({"webhook-allowed-origin": "wian.go.th"}, 200, True),
        ({"WebHook-Allowed-Origin": " WIAN.go.th "}, 204, True),
        ({"WebHook-Allowed-Origin": "*"}, 200, True),
        ({"WebHook-Allowed-Origin": "other.go.th"}, 200, False),
        ({"WebHook-Allowed-Origin": "evil-wian.go.th"}, 200, False),
        ({"WebHook-Allowed-Origin": ""}, 200, False),
        ({"Allow": "POST, OPTIONS"}, 200, False),
        ({"Access-Control-Allow-Origin": "*"}, 204, False),
        ({"WebHook-Allowed-Origin": "wian.go.th"}, 302, False),
        ({"WebHook-Allowed-Origin": "wian.go.th"}, 500, False),
    ],
)
def test_only_the_header_that_names_us_is_consent(headers: dict[str, str], status: int, proven: bool) -> None:
    assert by_handshake(CIMultiDict(headers), status, "wian.go.th") is proven


@pytest.mark.parametrize(
    ("outcome", "answer", "expected"),
    [
        (Delivered(200), b'{"challenge": "abc", "more": 1}', Proven("challenge")),
        (Delivered(200, "abc"), b"abc", Unproven("challenge_unanswered", 200, "abc")),
        (Delivered(200), b'{"challenge": "abd"}', Unproven("challenge_unanswered", 200)),
        (Delivered(200), b'{"challenge": null}', Unproven("challenge_unanswered", 200)),
        (Delivered(200), b'["abc"]', Unproven("challenge_unanswered", 200)),
        (Delivered(200), b"[" * 4096, Unproven("challenge_unanswered", 200)),
        (Delivered(200), b'{"challenge": "\\ud800"}', Unproven("challenge_unanswered", 200)),
        (Delivered(204), b"", Unproven("challenge_unanswered", 204)),
        (Refused(http_reason(404), 404, "no"), b'{"challenge": "abc"}', Unproven("http_404", 404, "no")),
        (Gone(410), b'{"challenge": "abc"}', Unproven("http_410", 410)),
        (RetryLater("timeout"), b"", Unproven("timeout")),
    ],
)
def test_only_the_random_value_with_2xx_proves_an_address(outcome: Outcome, answer: bytes, expected: Any) -> None:
    assert by_challenge(outcome, answer, "abc") == expected


@pytest.mark.parametrize(
    "reason",
    ["timeout", "connection_failed", "certificate_invalid", "address_refused", "url_refused: https_required", "url_invalid"]
    + ["secret_unreadable", "internal_error", "challenge_unanswered"]
    + [f"http_{status}" for status in (301, 308, 400, 401, 403, 404, 405, 408, 409, 410, 413, 415, 425, 429, 500, 502, 504)],
)
def test_every_reason_has_a_remedy_of_its_own_in_thai_and_english(reason: str) -> None:
    remedy = remedy_for(reason, None)
    assert remedy != GENERIC
    assert remedy.en.isascii()
    assert any("\u0e00" <= letter <= "\u0e7f" for letter in remedy.th)


@pytest.mark.parametrize("body", [b"", b"{}", "หนังสือเวียน".encode() * 500])
def test_signatures_are_those_of_the_published_library(body: bytes) -> None:
    now, secrets = datetime.now(UTC), [new_secret(), new_secret()]
    made = sign(keyring(secrets), "id-1", int(now.timestamp()), body)
    assert made == " ".join(Webhook(secret).sign("id-1", now, body.decode()) for secret in secrets)
