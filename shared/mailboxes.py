"""Mailboxes: which addresses mail may go to, and how their domains are written where only ASCII passes."""

import re
import unicodedata
from typing import Final

MAILBOX_MAX_LENGTH: Final = 254
_LOCAL_MAX_BYTES: Final = 64
_DOMAIN_MAX_LENGTH: Final = 253
# What RFC 5322 allows in an addr-spec without quoted strings and comments: what official mailboxes look like.
_LOCAL_ASCII: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.!#$%&'*+/=?^_`{|}~-")
_LABEL: Final = re.compile(r"[A-Za-z0-9-]{1,63}")
# Letters, the marks that stand on them, and digits: nothing that hides, reorders or separates (RFC 6532 would allow more).
_WORD_CATEGORIES: Final = frozenset("LMN")


def is_mailbox(address: str) -> bool:
    """Whether mail may be addressed to `address`: one line, one address, in ASCII or in any script (RFC 6531)."""
    local, at, domain = address.rpartition("@")
    if not at or len(address) > MAILBOX_MAX_LENGTH or not unicodedata.is_normalized("NFC", address):
        return False
    if not 1 <= len(local.encode("utf-8", "replace")) <= _LOCAL_MAX_BYTES:
        return False
    # Nearly all are ASCII: a set tells at once.
    sound = _LOCAL_ASCII.issuperset(local) or all(character in _LOCAL_ASCII or _is_word(character) for character in local)
    return sound and _is_domain(domain)


def in_ascii_domain(mailbox: str) -> str:
    """`mailbox` with its domain as the name system has it (``xn--…``); the local part stays as it is."""
    local, _, domain = mailbox.rpartition("@")
    return f"{local}@{domain_of(mailbox) if not domain.isascii() else domain}"


def domain_of(mailbox: str) -> str:
    """The domain of a mailbox, as the name system has it, in lower case. Raises ValueError when it has no such form."""
    domain = mailbox.rpartition("@")[2]
    return ".".join(_label(label) for label in domain.split(".")).lower()


def _is_domain(domain: str) -> bool:
    if "." not in domain or not (domain.isascii() or all(character in "-." or _is_word(character) for character in domain)):
        return False
    try:
        encoded = domain_of(f"@{domain}")
    except ValueError:
        return False
    return len(encoded) <= _DOMAIN_MAX_LENGTH and all(_LABEL.fullmatch(label) for label in encoded.split("."))


def _label(label: str) -> str:
    return label if label.isascii() else label.encode("idna").decode("ascii")


def _is_word(character: str) -> bool:
    if character.isascii():
        return character.isalnum()
    return unicodedata.category(character)[0] in _WORD_CATEGORIES
