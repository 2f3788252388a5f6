"""Thai text made comparable: sara am, invisible characters, digits and spacing."""

import re
import unicodedata
from typing import Final

from shared.thai.digits import to_arabic

SARA_AM: Final = "\u0e33"
NIKHAHIT: Final = "\u0e4d"

# Nikhahit and sara aa typed apart, with a tone mark between them or not. NFC leaves the pair as it is.
_DECOMPOSED_SARA_AM: Final = re.compile("\u0e4d([\u0e48-\u0e4b]?)\u0e32")
# Zero-width spaces, joiners and direction marks, invisible operators, soft hyphen, byte order mark.
_ZERO_WIDTH: Final = re.compile("[\u00ad\u200b-\u200f\u2060-\u2064\ufeff]")
# Controls but line feed and tab, embeddings and overrides of writing direction, surrogates.
_UNSAFE: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def repair_sara_am(text: str) -> str:
    """Return the text with every nikhahit + sara aa (U+0E4D U+0E32) as the one character sara am (U+0E33).

    A tone mark between the two is kept and stands before the sara am, where Thai keyboards put it.
    """
    # Most texts have no nikhahit at all, and that is told sooner.
    return _DECOMPOSED_SARA_AM.sub(rf"\1{SARA_AM}", text) if NIKHAHIT in text else text


def has_decomposed_sara_am(text: str) -> bool:
    """Say whether the text holds a sara am in two characters, as "ประจํา" in many a typed list does."""
    return _DECOMPOSED_SARA_AM.search(text) is not None


def normalise(text: str) -> str:
    """Return the form in which two titles or subjects are compared; never the form that is stored or shown.

    Zero-width characters go, the text is NFC (never NFKC, which takes sara am apart), sara am is repaired, digits are
    Arabic, runs of white space are one space, and none is left at the ends. A convention of this project; idempotent.
    """
    visible = unicodedata.normalize("NFC", _ZERO_WIDTH.sub("", text))
    return " ".join(to_arabic(repair_sara_am(visible)).split())


def has_unsafe_characters(text: str) -> bool:
    r"""Say whether the text holds what no letter should: it can hide or reorder what a clerk reads.

    Control characters other than \n and \t, embeddings and overrides of writing direction, and lone surrogates, which no
    UTF-8 text can hold. A convention of this project.
    """
    return _UNSAFE.search(text) is not None
