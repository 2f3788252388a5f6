"""What an endpoint's answers prove: whether the address is the agency's, and takes what we send."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from pydantic import BaseModel, ValidationError

from services.dispatch.outcomes import Delivered, Outcome

# CloudEvents 1.0, "HTTP 1.1 Web Hooks for Event Delivery", clause 4: the abuse-protection handshake.
REQUEST_ORIGIN: Final = "WebHook-Request-Origin"
ALLOWED_ORIGIN: Final = "WebHook-Allowed-Origin"
ALLOWED_RATE: Final = "WebHook-Allowed-Rate"
MOST_PER_MINUTE: Final = 600_000


@dataclass(frozen=True, slots=True)
class Proven:
    """Whoever controls the address wants our events there; `per_second` is the rate that it allows, None: any."""

    by: Literal["handshake", "challenge"]
    per_second: float | None = None


@dataclass(frozen=True, slots=True)
class Unproven:
    """Nothing is proven; `reason` is one that `remedies` knows, `answer` the beginning of what was said."""

    reason: str
    status: int | None = None
    answer: str = ""


class _Echo(BaseModel):
    challenge: str


def by_handshake(headers: Mapping[str, str], status: int, origin: str) -> bool:
    """Whether the answer to OPTIONS allows events from `origin`; the status alone is no consent (clause 4.2)."""
    allowed = headers.get(ALLOWED_ORIGIN)
    if allowed is None or not 200 <= status < 300:
        return False
    return allowed.strip() == "*" or allowed.strip().lower() == origin.lower()


def allowed_rate(headers: Mapping[str, str]) -> float | None:
    """Requests a second that the handshake allows (clause 4.2: an integer a minute, or `*`); None: no limit that can be read."""
    text = headers.get(ALLOWED_RATE, "").strip()
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(MOST_PER_MINUTE))):
        return None
    return min(int(text), MOST_PER_MINUTE) / 60 or None


def by_challenge(outcome: Outcome, answer: bytes, challenge: str) -> Proven | Unproven:
    """What the answer to the signed challenge proves: only its random value does, in JSON, with 2xx."""
    if isinstance(outcome, Delivered):
        if hmac.compare_digest(_echoed(answer).encode("utf-8", "replace"), challenge.encode()):
            return Proven("challenge")
        return Unproven("challenge_unanswered", outcome.status, outcome.answer)
    status, text = getattr(outcome, "status", None), getattr(outcome, "answer", "")
    return Unproven(getattr(outcome, "reason", f"http_{status}"), status, text)


def _echoed(answer: bytes) -> str:
    try:
        return _Echo.model_validate_json(answer).challenge
    except ValidationError:
        return ""
