"""Ed25519 signing keys that all replicas of a service share, kept encrypted in its database."""

import base64
import json
from dataclasses import dataclass
from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from joserfc.jwk import OKPKey


class SigningKeyLocked(Exception):  # noqa: N818 - a state, not a mistake of ours
    """The stored signing key does not open under the configured key."""


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key as it is kept: the private part is encrypted."""

    kid: str
    public_jwk: dict[str, Any]
    private_encrypted: bytes


class KeyBox:
    """Makes keys and opens them. `purpose` keeps apart what is encrypted under one secret; `setting` is named when it does not open."""

    def __init__(self, secret: str, *, purpose: bytes, setting: str) -> None:
        derived = HKDF(SHA256(), length=32, salt=None, info=purpose).derive(secret.encode())
        self._fernet = Fernet(base64.urlsafe_b64encode(derived))
        self._setting = setting

    def make(self) -> StoredKey:
        """A new key; its id is its thumbprint (RFC 7638)."""
        key = OKPKey.generate_key("Ed25519")
        kid = key.thumbprint()
        public: dict[str, Any] = {**key.as_dict(private=False), "kid": kid, "use": "sig"}
        private: dict[str, Any] = {**key.as_dict(private=True), "kid": kid}
        return StoredKey(kid, public, self._fernet.encrypt(json.dumps(private).encode()))

    def open(self, stored: StoredKey) -> OKPKey:
        """The key with its private part; raises SigningKeyLocked."""
        try:
            private = json.loads(self._fernet.decrypt(stored.private_encrypted))
        except InvalidToken as error:
            raise SigningKeyLocked(
                f"{self._setting} does not open the signing key in the database; set the one that it was made under"
            ) from error
        return OKPKey.import_key(private)
