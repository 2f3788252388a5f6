"""The vault: what is secret is encrypted before it is stored."""

from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet


class SecretLost(Exception):  # noqa: N818 - a state, not a mistake of the caller
    """No key of ours decrypts the secret."""


class Vault:
    """Encrypts and decrypts secrets; the first key encrypts, all decrypt."""

    def __init__(self, keys: Sequence[str]) -> None:
        fernets = [Fernet(key) for key in keys]
        self._first = fernets[0]
        self._fernet = MultiFernet(fernets)

    def seal(self, secret: str) -> bytes:
        return self._fernet.encrypt(secret.encode())

    def open(self, sealed: bytes) -> str:
        """The secret; raises `SecretLost`."""
        try:
            return self._fernet.decrypt(sealed).decode()
        except InvalidToken as error:
            raise SecretLost("no key in WIAN_DISPATCH_SECRET_KEY decrypts this secret") from error

    def is_current(self, sealed: bytes) -> bool:
        """Whether the first key sealed it."""
        try:
            self._first.decrypt(sealed)
        except InvalidToken:
            return False
        return True
