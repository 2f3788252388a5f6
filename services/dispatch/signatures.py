"""Signatures of Standard Webhooks 1.0: `v1` by a shared secret (HMAC-SHA256), `v1a` by a key pair (Ed25519)."""

import base64
import binascii
import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SHARED_PREFIX: Final = "whsec_"
PRIVATE_PREFIX: Final = "whsk_"
PUBLIC_PREFIX: Final = "whpk_"
# Standard Webhooks 1.0, "Signature scheme": between 24 and 64 bytes.
LEAST_BYTES: Final = 24
MOST_BYTES: Final = 64
_MADE_BYTES: Final = 32
# RFC 2104: the block of SHA-256 in bytes, and what the key is mixed with for the inner and the outer hash.
_BLOCK: Final = 64
_INNER: Final = bytes(byte ^ 0x36 for byte in range(256))
_OUTER: Final = bytes(byte ^ 0x5C for byte in range(256))


class Signatures(StrEnum):
    """Which signatures an endpoint gets."""

    V1 = "v1"
    V1A = "v1a"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A key pair for `v1a`, as Standard Webhooks writes them."""

    private: str
    public: str


class Secret:
    """A shared secret with the parts of HMAC-SHA256 that depend on it alone: half of the work on a short letter."""

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes) -> None:
        padded = key.ljust(_BLOCK, b"\0")
        self._inner = hashlib.sha256(padded.translate(_INNER))
        self._outer = hashlib.sha256(padded.translate(_OUTER))

    def mac(self, head: bytes, body: bytes) -> bytes:
        """The HMAC of `head` and `body` together (RFC 2104)."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(head)
        inner.update(body)
        outer.update(inner.digest())
        return outer.digest()


@dataclass(frozen=True, slots=True)
class Keyring:
    """Decoded keys, the newest of each kind first; each of them signs."""

    secrets: tuple[Secret, ...]
    private_keys: tuple[Ed25519PrivateKey, ...]


def new_secret() -> str:
    """A fresh signing secret."""
    return SHARED_PREFIX + base64.b64encode(secrets.token_bytes(_MADE_BYTES)).decode()


def new_key_pair() -> KeyPair:
    """A fresh key pair."""
    made = Ed25519PrivateKey.generate()
    return KeyPair(
        private=PRIVATE_PREFIX + base64.b64encode(made.private_bytes_raw()).decode(),
        public=PUBLIC_PREFIX + base64.b64encode(made.public_key().public_bytes_raw()).decode(),
    )


def is_usable(secret: str) -> bool:
    """Whether `secret` is a signing secret as Standard Webhooks writes them."""
    if not secret.startswith(SHARED_PREFIX):
        return False
    try:
        raw = base64.b64decode(secret.removeprefix(SHARED_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return False
    return LEAST_BYTES <= len(raw) <= MOST_BYTES


def keyring(keys: Iterable[str]) -> Keyring:
    """The keys decoded, each kind told by its prefix."""
    shared: list[Secret] = []
    private: list[Ed25519PrivateKey] = []
    for key in keys:
        if key.startswith(PRIVATE_PREFIX):
            private.append(Ed25519PrivateKey.from_private_bytes(base64.b64decode(key.removeprefix(PRIVATE_PREFIX))))
        else:
            shared.append(Secret(base64.b64decode(key.removeprefix(SHARED_PREFIX))))
    return Keyring(tuple(shared), tuple(private))


def sign(ring: Keyring, message_id: str, timestamp: int, body: bytes) -> str:
    """The `webhook-signature` header: one signature by each key, separated by spaces."""
    head = b"%b.%d." % (message_id.encode(), timestamp)
    made = ["v1," + _base64(secret.mac(head, body)) for secret in ring.secrets]
    if ring.private_keys:
        made += ["v1a," + _base64(key.sign(head + body)) for key in ring.private_keys]
    return " ".join(made)


def _base64(raw: bytes) -> str:
    return binascii.b2a_base64(raw, newline=False).decode()
