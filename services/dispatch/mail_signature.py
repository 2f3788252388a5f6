"""DKIM (RFC 6376): the domain's own signature on each mail, by which other servers tell ours from forgeries."""

from dataclasses import dataclass
from typing import Final

import dkim
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

# RFC 8301: signers use at least this many bits.
_LEAST_BITS: Final = 2048
# What a reader sees or a program acts on; From twice, so that nobody can put a second one in front.
_SIGNED_HEADERS: Final = (
    b"from",
    b"from",
    b"to",
    b"subject",
    b"date",
    b"message-id",
    b"auto-submitted",
    b"mime-version",
    b"content-type",
)


@dataclass(frozen=True, slots=True)
class DkimSigner:
    """Signs for `domain` with the RSA key (PEM) that the name system publishes at ``<selector>._domainkey.<domain>``."""

    key: bytes
    selector: str
    domain: str

    @classmethod
    def open(cls, pem: str, *, selector: str, domain: str) -> "DkimSigner":
        """Check the key once, at the start. Raises ValueError when it is none, protected by a password, or too short."""
        try:
            key = load_pem_private_key(pem.encode(), password=None)
        except (ValueError, TypeError):
            raise ValueError("it must be a private key in PEM form, without a password") from None
        if not isinstance(key, RSAPrivateKey) or key.key_size < _LEAST_BITS:
            raise ValueError(f"it must be an RSA key of at least {_LEAST_BITS} bits")
        # dkimpy reads this form, whichever the setting has.
        return cls(key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()), selector, domain)

    def sign(self, message: bytes) -> bytes:
        """`message` with its signature in front, which survives changes of blanks and folding on the way (relaxed/relaxed)."""
        header = dkim.sign(
            message,
            self.selector.encode(),
            self.domain.encode(),
            self.key,
            canonicalize=(b"relaxed", b"relaxed"),
            include_headers=list(_SIGNED_HEADERS),
        )
        return header + message
