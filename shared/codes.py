"""Acknowledgment codes: what a person types from paper where a link cannot be followed."""

import hmac
from hashlib import sha256
from typing import Final
from uuid import UUID

from shared.thai.digits import to_arabic

# 31 characters that no eye takes for each other (neither 0 nor O, neither 1 nor I nor L). The number is prime: the sum of
# the values, weighted by their places, then shows every single mistyped character and every two that changed places.
ALPHABET: Final = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
GROUP: Final = 4
LENGTH: Final = 12
_SALT: Final = b"wian-acknowledgment-code:"
_DIGEST_SALT: Final = b"wian-acknowledgment-code-digest:"


def acknowledgment_code(key: str, recipient_id: UUID) -> str:
    """The code of one recipient, as printed: ``K7M2-9QXF-3HTB``.

    It is a credential, as the link is, so it cannot be as short as a booking's: eleven characters hold 54 bits, of which
    guessing finds none even among ten million letters, and the twelfth is the check.
    """
    value = int.from_bytes(hmac.digest(key.encode(), _SALT + recipient_id.bytes, sha256))
    digits: list[int] = []
    for _ in range(LENGTH - 1):
        value, digit = divmod(value, len(ALPHABET))
        digits.append(digit)
    # The last place weighs LENGTH; its value makes the whole sum a multiple of the alphabet's size.
    digits.append(-_sum(digits) * pow(LENGTH, -1, len(ALPHABET)) % len(ALPHABET))
    text = "".join(ALPHABET[digit] for digit in digits)
    return "-".join(text[start : start + GROUP] for start in range(0, LENGTH, GROUP))


def read_code(typed: str) -> str | None:
    """The code in its printed form, however it was typed; None when it is no code or mistyped."""
    text = "".join(to_arabic(typed).upper().replace("-", " ").split())
    if len(text) != LENGTH or any(character not in ALPHABET for character in text):
        return None
    if _sum([ALPHABET.index(character) for character in text]) != 0:
        return None
    return "-".join(text[start : start + GROUP] for start in range(0, LENGTH, GROUP))


def code_digest(key: str, code: str) -> bytes:
    """What is stored of a code, so that whoever reads the table can type none."""
    return hmac.digest(key.encode(), _DIGEST_SALT + code.encode(), sha256)


def _sum(digits: list[int]) -> int:
    return sum(place * digit for place, digit in enumerate(digits, 1)) % len(ALPHABET)
