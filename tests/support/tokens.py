"""Access tokens signed by a key of the tests."""

import time
from collections.abc import Iterable
from uuid import UUID, uuid4

from joserfc import jwt
from joserfc.jwk import KeySet, OKPKey

from shared.access import TokenVerifier


class TokenIssuer:
    """Signs tokens as the registry does, with a key of its own."""

    def __init__(self) -> None:
        self._key = OKPKey.generate_key("Ed25519", {"kid": uuid4().hex, "use": "sig", "alg": "Ed25519"})

    async def key_source(self) -> KeySet:
        """The public key set, as a verifier's key source."""
        return KeySet.import_key_set({"keys": [self._key.as_dict(private=False)]})

    def token(self, agency_id: UUID | None, scopes: Iterable[str], *, lifetime: int = 600, audience: str = "wian") -> str:
        """A signed token; a negative `lifetime` makes one that has expired."""
        now = int(time.time())
        claims: dict[str, object] = {
            "iss": "wian",
            "aud": audience,
            "sub": f"test-{agency_id}",
            "iat": now,
            "exp": now + lifetime,
            "scope": " ".join(scopes),
        }
        if agency_id is not None:
            claims["agency"] = str(agency_id)
        return jwt.encode({"alg": "Ed25519", "kid": self._key.kid}, claims, self._key, algorithms=["Ed25519"])

    def headers(self, agency_id: UUID | None, *scopes: str) -> dict[str, str]:
        """The Authorization header for a call."""
        return {"Authorization": f"Bearer {self.token(agency_id, scopes)}"}

    def verifier(self) -> TokenVerifier:
        """A verifier that trusts this issuer."""
        return TokenVerifier(self.key_source, issuer="wian", audience="wian")
