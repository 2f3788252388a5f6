"""Which link opens a recipient's letter: every one that was signed for it, until its links are revoked; then the one issued since."""

import hmac
from dataclasses import dataclass
from hashlib import sha256


@dataclass(frozen=True, slots=True)
class Replaced:
    """The links of a recipient were revoked. `digest` is that of the only one that opens; None: there is none."""

    digest: bytes | None


def link_digest(link: str) -> bytes:
    """What is kept of a link. It needs no key: a link holds a signature, which nobody guesses."""
    return sha256(link.encode()).digest()


def opens(replaced: Replaced | None, digest: bytes) -> bool:
    """Whether a link that was signed for the recipient opens its letter still.

    What is kept names the link that opens, not those that do not: one that is spelt otherwise (the last character of its
    signature has bits that do not count) has another digest, and opens nothing.
    """
    return replaced is None or (replaced.digest is not None and hmac.compare_digest(replaced.digest, digest))
