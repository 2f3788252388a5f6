"""The return path of each mail (VERP): to which delivery a bounce belongs, signed, so that nobody can invent one."""

import base64
import binascii
import hmac
import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Final
from uuid import UUID

_PREFIX: Final = "bounces+"
_SALT: Final = b"wian-return-path:"
_UUID_BYTES: Final = 16
# 80 bits: whoever guesses can ask a mail server only so often.
_MAC_BYTES: Final = 10
# 26 bytes in base 32, without the padding. Some servers change the case of what stands before the @, none drops a letter.
_LOCAL: Final = re.compile(r"bounces\+([a-z2-7]{42})", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class ReturnPaths:
    """Addresses below `domain`, signed with `key`: ``bounces+<token>@domain``, 50 characters before the @ (at most 64 may be)."""

    key: str
    domain: str

    def of(self, delivery_id: UUID) -> str:
        token = base64.b32encode(delivery_id.bytes + self._mac(delivery_id)).decode().rstrip("=").lower()
        return f"{_PREFIX}{token}@{self.domain}"

    def read(self, address: str) -> UUID | None:
        """The delivery that `address` was made for; None when it was not made here."""
        local, _, domain = address.rpartition("@")
        found = _LOCAL.fullmatch(local)
        if found is None or domain.lower() != self.domain.lower():
            return None
        try:
            raw = base64.b32decode(found[1].upper() + "=" * 6)
        except binascii.Error:
            return None
        delivery_id = UUID(bytes=raw[:_UUID_BYTES])
        # The whole address, not the bytes alone: the last letter has two bits that no byte takes, and may not vary.
        expected = self.of(delivery_id).rpartition("@")[0]
        return delivery_id if hmac.compare_digest(local.lower(), expected) else None

    def _mac(self, delivery_id: UUID) -> bytes:
        return hmac.digest(self.key.encode(), _SALT + delivery_id.bytes, sha256)[:_MAC_BYTES]
