"""Webhook secrets: made, checked, and encrypted before they are stored."""

import base64
import binascii
import secrets
from collections.abc import Sequence
from typing import Final

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

PREFIX: Final = "whsec_"
# Standard Webhooks 1.0, "Signature scheme": between 24 and 64 bytes.
LEAST_BYTES: Final = 24
MOST_BYTES: Final = 64
_MADE_BYTES: Final = 32


class SecretLost(Exception):  # noqa: N818 - a state, not a mistake of the caller
    """No key of ours decrypts the secret."""


def new_secret() -> str:
    """A fresh signing secret."""
    return PREFIX + base64.b64encode(secrets.token_bytes(_MADE_BYTES)).decode()


def is_usable(secret: str) -> bool:
    """Whether `secret` is a signing secret as Standard Webhooks writes them."""
    if not secret.startswith(PREFIX):
        return False
    try:
        raw = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return False
    return LEAST_BYTES <= len(raw) <= MOST_BYTES


class Vault:
    """Encrypts and decrypts secrets; the first key encrypts, all decrypt."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._fernet = MultiFernet([Fernet(key) for key in keys])

    def seal(self, secret: str) -> bytes:
        return self._fernet.encrypt(secret.encode())

    def open(self, sealed: bytes) -> str:
        """The secret; raises `SecretLost`."""
        try:
            return self._fernet.decrypt(sealed).decode()
        except InvalidToken as error:
            raise SecretLost("no key in WIAN_DISPATCH_SECRET_KEY decrypts this secret") from error
