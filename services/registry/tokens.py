"""Access tokens: signed with an Ed25519 key that all replicas share, kept encrypted in the database."""

import time
from collections.abc import Iterable
from typing import Any, Final, cast
from uuid import UUID

from joserfc import jwt
from joserfc.jwk import KeySet, OKPKey

from services.registry.store import signing_keys
from shared.ids import new_id
from shared.postgres import Database
from shared.signing import KeyBox

ALGORITHM: Final = "Ed25519"  # RFC 9864


class Tokens:
    """Signs access tokens and publishes the keys that check them; the first use makes a key when there is none."""

    def __init__(self, database: Database, *, encryption_key: str, issuer: str, audience: str, lifetime: int) -> None:
        self._database = database
        self._box = KeyBox(encryption_key, purpose=b"wian registry signing keys", setting="WIAN_REGISTRY_KEY_ENCRYPTION_KEY")
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
                    stored = self._box.make()
                    await signing_keys.insert(connection, stored)
            self._signing_key = self._box.open(stored)
        return self._signing_key
