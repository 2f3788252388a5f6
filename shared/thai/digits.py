"""Thai and Arabic digits, one for one."""

import re
from typing import Final

_ARABIC: Final = "0123456789"
_THAI: Final = "๐๑๒๓๔๕๖๗๘๙"
_ANY_THAI: Final = re.compile(f"[{_THAI}]")
_TO_THAI: Final = str.maketrans(_ARABIC, _THAI)
_TO_ARABIC: Final = str.maketrans(_THAI, _ARABIC)


def to_thai(text: str | int) -> str:
    """Return the text with every Arabic digit as a Thai one; official letters are printed so (practice)."""
    return str(text).translate(_TO_THAI)


def to_arabic(text: str) -> str:
    """Return the text with every Thai digit as an Arabic one; other scripts' digits stay as they are."""
    # Most texts have none, and that is told sooner.
    return text.translate(_TO_ARABIC) if _ANY_THAI.search(text) else text
