"""How wide a text is in print, told from its letters: what surely fits need not be measured by the typesetter.

Measuring is most of what a long annex costs. Letters that are not in the table are left to the typesetter.
"""

import json
import unicodedata
from functools import cache
from typing import Final

import typst

STEP: Final = 0.25  # points, as in the templates
# Kerning and rounding may make a line a little wider than its letters together.
SAFETY: Final = 1.02
_LETTERS: Final = "".join(map(chr, [*range(0x20, 0x7F), *range(0x0E01, 0x0E3B), *range(0x0E3F, 0x0E5C)])) + "…·–"
_MEASURE: Final = """
#set text(font: "Sarabun", size: 100pt, lang: "th")
#context [#metadata(json(bytes(sys.inputs.letters)).map(c => measure(c).width.pt())) <widths>]
"""


def surely_fitting(text: str, width: float, largest: float, smallest: float, fonts: typst.Fonts) -> float | None:
    """The largest size in points at which the text surely stands on one line of this width; None when that is not known."""
    table = _table(fonts)
    ems = 0.0
    for letter in text:
        if letter not in table:
            return None
        ems += table[letter]
    size = largest
    while ems * size * SAFETY > width:
        size -= STEP
        if size < smallest:
            return None
    return size


@cache
def _table(fonts: typst.Fonts) -> dict[str, float]:
    """The advance of each letter in ems; marks stand above or below a letter and take no room."""
    letters = [letter for letter in _LETTERS if unicodedata.category(letter) != "Mn"]
    answer = typst.query(
        _MEASURE.encode(), "<widths>", field="value", one=True, font_paths=fonts, sys_inputs={"letters": json.dumps(letters)}
    )
    found: list[float] = json.loads(answer)
    table = {letter: width / 100 for letter, width in zip(letters, found, strict=True)}
    return table | {letter: 0.0 for letter in _LETTERS if unicodedata.category(letter) == "Mn"}
