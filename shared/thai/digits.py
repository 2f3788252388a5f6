"""Thai and Arabic digits, one for one."""

from typing import Final

_ARABIC: Final = "0123456789"
_THAI: Final = "๐๑๒๓๔๕๖๗๘๙"
_TO_THAI: Final = str.maketrans(_ARABIC, _THAI)
_TO_ARABIC: Final = str.maketrans(_THAI, _ARABIC)


def to_thai(text: str | int) -> str:
    """Return the text with every Arabic digit as a Thai one; official letters are printed so (practice)."""
    return str(text).translate(_TO_THAI)


def to_arabic(text: str) -> str:
    """Return the text with every Thai digit as an Arabic one; other scripts' digits stay as they are."""
    return text.translate(_TO_ARABIC)
