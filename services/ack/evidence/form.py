"""The form of receipts: canonical JSON (RFC 8785), its SHA-256, and a detached JWS (RFC 7515, appendix F) under Ed25519."""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from shared.canonical import canonical_json

FORMAT: Final = "wian-receipt/1"
HEADER_FORMAT: Final = "wian-evidence/1"
CHECKPOINT_FORMAT: Final = "wian-checkpoint/1"
ANNEX_FORMAT: Final = "wian-annex/1"

# Events of ETSI EN 319 522-1. What the standard has no event for (a correction, a doubt) has None.
CONSIGNED: Final = "D.1"
RELAYED_TO_EMAIL: Final = "F.1"
ETSI_EVENTS: Final[Mapping[str, str]] = {
    "handed_over": CONSIGNED,
    "opened": "E.1",
    "received": "E.1",
    "registered": "C.3",
    "rejected": "C.4",
}

# One line of an export: the body's bytes stand in it as they were signed. The members are in canonical order, so that the line
# is canonical JSON itself.
LINE: Final = re.compile(
    rb'\{"body":(?P<body>\{.*\}),"jws":"(?P<header>[A-Za-z0-9_-]+)\.\.(?P<signature>[A-Za-z0-9_-]{86})",'
    rb'"kind":"(?P<kind>header|receipt|checkpoint|annex)","sha256":"(?P<sha256>[0-9a-f]{64})"\}'
)


@dataclass(frozen=True, slots=True)
class Sealed:
    """A body with its hash and its signature."""

    body: bytes
    sha256: str
    jws: str

    def line(self, kind: str) -> bytes:
        """The line of an export, with its end."""
        return b'{"body":%s,"jws":"%s","kind":"%s","sha256":"%s"}\n' % (
            self.body,
            self.jws.encode(),
            kind.encode(),
            self.sha256.encode(),
        )


class Signer:
    """Signs bodies with one key."""

    def __init__(self, kid: str, private_jwk: Mapping[str, Any]) -> None:
        self.kid = kid
        self._key = Ed25519PrivateKey.from_private_bytes(unb64(private_jwk["d"]))
        self._header = b64(protected_header(kid))

    def seal(self, body: Mapping[str, Any]) -> Sealed:
        """The body in its exact bytes, hashed and signed."""
        exact = canonical_json(body)
        signature = self._key.sign(signing_input(self._header, exact))
        return Sealed(exact, hashlib.sha256(exact).hexdigest(), f"{self._header}..{b64(signature)}")


def protected_header(kid: str) -> bytes:
    """The JWS header; there is one spelling of it."""
    return canonical_json({"alg": "Ed25519", "kid": kid})


def signing_input(header: str, body: bytes) -> bytes:
    """What a JWS signs (RFC 7515, section 5.1)."""
    return f"{header}.{b64(body)}".encode()


def signed_by(public_jwk: Mapping[str, Any], header: str, signature: bytes, body: bytes) -> bool:
    """Whether the key made this signature of the body."""
    try:
        Ed25519PublicKey.from_public_bytes(unb64(public_jwk["x"])).verify(signature, signing_input(header, body))
    except InvalidSignature:
        return False
    return True


def etsi_event(kind: str, channel: str | None) -> str | None:
    """The event of EN 319 522 that a type of ours is, or None."""
    if kind == "handed_over" and channel == "email":
        return RELAYED_TO_EMAIL
    if kind == "handed_over" and channel == "paper":
        return None
    return ETSI_EVENTS.get(kind)


def moment(at: datetime) -> str:
    """The time in UTC, to the microsecond."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def canonical_problem(text: bytes) -> int | None:
    """The first byte at which `text` is not canonical JSON; None when it is."""
    try:
        exact = rfc8785.dumps(json.loads(text))
    except json.JSONDecodeError as error:
        return len(error.doc[: error.pos].encode())
    except UnicodeDecodeError as error:
        return error.start
    except (ValueError, RecursionError, rfc8785.CanonicalizationError):
        return 0
    return None if exact == text else first_difference(exact, text)


def first_difference(one: bytes, other: bytes) -> int:
    """The first byte in which two texts differ; the shorter one's length when it begins the other."""
    length = min(len(one), len(other))
    return next((at for at in range(length) if one[at] != other[at]), length)


def b64(data: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    """The reverse; raises ValueError when it is not the one spelling of its bytes."""
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if b64(data) != text:
        raise ValueError("not the canonical base64url of its bytes")
    return data
