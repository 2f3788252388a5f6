"""Access tokens: signed with an Ed25519 key that all replicas share, kept encrypted in the database."""

import base64
import json
import time
from collections.abc import Iterable
from typing import Any, Final, cast
from uuid import UUID

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from joserfc import jwt
from joserfc.jwk import KeySet, OKPKey

from services.registry.store import signing_keys
from services.registry.store.signing_keys import StoredKey
from shared.ids import new_id
from shared.postgres import Database

ALGORITHM: Final = "Ed25519"  # RFC 9864


class SigningKeyLocked(Exception):  # noqa: N818 - a state, not a mistake of ours
    """The stored signing key does not open under the configured key."""


class Tokens:
    """Signs access tokens and publishes the keys that check them; the first use makes a key when there is none."""

    def __init__(self, database: Database, *, encryption_key: str, issuer: str, audience: str, lifetime: int) -> None:
        self._database = database
        self._fernet = Fernet(_derived(encryption_key))
        self._issuer = issuer
        self._audience = audience
        self.lifetime = lifetime
        self._signing_key: OKPKey | None = None

    async def issue(self, client_id: str, agency_id: UUID | None, scopes: Iterable[str]) -> str:
        """A token for the client, valid for `lifetime` seconds from now."""
        key = await self._key()
        now = int(time.time())
        claims: dict[str, object] = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": client_id,
            "scope": " ".join(scopes),
            "iat": now,
            "exp": now + self.lifetime,
            "jti": str(new_id()),
        }
        if agency_id is not None:
            claims["agency"] = str(agency_id)
        return jwt.encode({"alg": ALGORITHM, "kid": key.kid}, claims, key, algorithms=[ALGORITHM])

    async def public_jwks(self) -> dict[str, list[dict[str, Any]]]:
        """The JWK set (RFC 7517) under which tokens are checked."""
        await self._key()
        async with self._database.connection() as connection:
            return {"keys": await signing_keys.published(connection)}

    async def key_set(self) -> KeySet:
        """The same as a verifier's key source: the registry does not ask itself over HTTP."""
        return KeySet.import_key_set(cast("Any", await self.public_jwks()))

    async def open_key(self) -> None:
        """Make or open the signing key; raises SigningKeyLocked when it is kept under another encryption key."""
        await self._key()

    async def _key(self) -> OKPKey:
        if self._signing_key is None:
            async with self._database.transaction() as connection:
                stored = await signing_keys.current(connection)
                if stored is None:
                    # Several replicas start at once: the lock lets one make the key, the others then find it.
                    await signing_keys.lock(connection)
                    stored = await signing_keys.current(connection)
                if stored is None:
                    stored = self._new_key()
                    await signing_keys.insert(connection, stored)
            self._signing_key = self._opened(stored)
        return self._signing_key

    def _new_key(self) -> StoredKey:
        key = OKPKey.generate_key("Ed25519")
        kid = key.thumbprint()
        public: dict[str, Any] = {**key.as_dict(private=False), "kid": kid, "use": "sig"}
        private: dict[str, Any] = {**key.as_dict(private=True), "kid": kid}
        return StoredKey(kid, public, self._fernet.encrypt(json.dumps(private).encode()))

    def _opened(self, stored: StoredKey) -> OKPKey:
        try:
            private = json.loads(self._fernet.decrypt(stored.private_encrypted))
        except InvalidToken as error:
            raise SigningKeyLocked(
                "WIAN_REGISTRY_KEY_ENCRYPTION_KEY does not open the signing key in the database; set the one that it was made under"
            ) from error
        return OKPKey.import_key(private)


def _derived(secret: str) -> bytes:
    derived = HKDF(SHA256(), length=32, salt=None, info=b"wian registry signing keys").derive(secret.encode())
    return base64.urlsafe_b64encode(derived)
