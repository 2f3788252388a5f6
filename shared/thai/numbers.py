"""Letter numbers (ที่): the unit's code, the circular mark ว and the running number."""

import re
from dataclasses import dataclass
from typing import Final, Literal

from shared.thai.dates import FIRST_BUDDHIST_YEAR, LAST_BUDDHIST_YEAR
from shared.thai.digits import to_thai
from shared.thai.text import has_unsafe_characters, normalise

MAX_LENGTH: Final = 100
MAX_UNIT_LENGTH: Final = 80
# Far above what any register reaches in a year, and within a 32-bit column.
MAX_RUNNING: Final = 999_999_999

Reason = Literal["too_long", "unsafe_characters", "wrong_shape", "running_out_of_range", "year_out_of_range", "not_canonical"]

# Digits are spelt out: `\d` would also match digits of every other script.
_PREFIX: Final = r"([ก-ฮ]{1,3})\s*(\([^)]*\))?"
_UNIT: Final = r"([0-9]+(?:\.[0-9]+)*)?"
_UNIT_CODE: Final = re.compile(rf"\s*{_PREFIX}\s*{_UNIT}\s*")
_LETTER_NUMBER: Final = re.compile(rf"\s*(?:ที่\s*)?{_PREFIX}\s*{_UNIT}\s*/\s*(ว\s*)?([0-9]+)\s*")
_YEARLY_NUMBER: Final = re.compile(r"\s*(?:(?:เลข)?ที่\s*)?([0-9]+)\s*/\s*([0-9]{4})\s*")


class LetterNumberError(ValueError):
    """A text or a value is not a letter number.

    `reason` is one of a closed set, for a problem's code; the message says what was expected.
    """

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason: Final[Reason] = reason


@dataclass(frozen=True, slots=True)
class UnitCode:
    """The part before the slash: the prefix of one to three consonants, and the unit's digits.

    `prefix` may hold a part in parentheses ('กท (สนศ)'). `unit` is text in Arabic digits, because its leading zeros and
    its dots belong to it ('0017.1'); it may be empty. Prefixes are not unique: never an agency's key. A value that
    `parse` would write differently is refused, so parsing the printed form always gives the value back.
    """

    prefix: str
    unit: str

    def __post_init__(self) -> None:
        match = _match(_UNIT_CODE, self.normalised, MAX_UNIT_LENGTH, "a unit code such as 'สค ๐๐๑๗.๑'")
        if (self.prefix, self.unit) != (_canonical_prefix(match), match[3] or ""):
            raise LetterNumberError(
                "not_canonical", f"expected Arabic digits and single spaces, got {self.prefix!r} and {self.unit!r}"
            )

    @classmethod
    def parse(cls, text: str) -> "UnitCode":
        """Return the unit code in a text such as 'สค ๐๐๑๗.๑'; raises LetterNumberError."""
        return _unit_code(_match(_UNIT_CODE, text, MAX_UNIT_LENGTH, "a unit code such as 'สค ๐๐๑๗.๑'"))

    @property
    def normalised(self) -> str:
        """The form for comparison: Arabic digits and single spaces."""
        return f"{self.prefix} {self.unit}" if self.unit else self.prefix

    @property
    def printed(self) -> str:
        """The form on a letter: 'สค ๐๐๑๗.๑'."""
        return to_thai(self.normalised)


@dataclass(frozen=True, slots=True)
class LetterNumber:
    """A letter's number as ข้อ 11 of the Regulation on Correspondence Work places it; ว marks a circular (ข้อ 32).

    It holds no year: with the register, the Buddhist year and the series it is a key, by itself it is none.
    """

    unit: UnitCode
    circular: bool
    running: int

    def __post_init__(self) -> None:
        _check_running(self.running)

    @property
    def normalised(self) -> str:
        """The form for comparison: 'สค 0017.1/ว 15123', whatever the digits and the spacing were."""
        return f"{self.unit.normalised}/{'ว ' if self.circular else ''}{self.running}"

    @property
    def printed(self) -> str:
        """The form on a letter: 'สค ๐๐๑๗.๑/ว ๑๕๑๒๓'."""
        return to_thai(self.normalised)


def parse_letter_number(text: str) -> LetterNumber:
    """Return the number in a text such as 'ที่ สค ๐๐๑๗.๑/ว ๑๕๑๒๓'; raises LetterNumberError.

    Digits may be Thai or Arabic, 'ที่' may stand in front, and spacing does not count: 'ว๕๑๖๒' and 'ว ๕๑๖๒' are the same.
    Leading zeros of the unit are kept, those of the running number are not.
    """
    match = _match(_LETTER_NUMBER, text, MAX_LENGTH, "a letter number such as 'สค ๐๐๑๗.๑/ว ๑๕๑๒๓'")
    return LetterNumber(_unit_code(match), circular=match[4] is not None, running=int(match[5]))


@dataclass(frozen=True, slots=True)
class YearlyNumber:
    """The number of an order, an announcement or a certificate: running number and Buddhist year (practice)."""

    running: int
    year_be: int

    def __post_init__(self) -> None:
        _check_running(self.running)
        if not FIRST_BUDDHIST_YEAR <= self.year_be <= LAST_BUDDHIST_YEAR:
            raise LetterNumberError(
                "year_out_of_range",
                f"expected a Buddhist year from {FIRST_BUDDHIST_YEAR} to {LAST_BUDDHIST_YEAR}, got {self.year_be}",
            )

    @property
    def normalised(self) -> str:
        """The form for comparison: '12/2560'."""
        return f"{self.running}/{self.year_be}"

    @property
    def printed(self) -> str:
        """The form on the paper: '๑๒/๒๕๖๐'."""
        return to_thai(self.normalised)


def parse_yearly_number(text: str) -> YearlyNumber:
    """Return the number in a text such as 'ที่ ๑๒/๒๕๖๐' or 'เลขที่ 12/2560'; raises LetterNumberError."""
    match = _match(_YEARLY_NUMBER, text, MAX_LENGTH, "a number such as '๑๒/๒๕๖๐'")
    return YearlyNumber(int(match[1]), int(match[2]))


def _check_running(running: int) -> None:
    if not 1 <= running <= MAX_RUNNING:
        raise LetterNumberError("running_out_of_range", f"expected a running number from 1 to {MAX_RUNNING}, got {running}")


def _match(pattern: re.Pattern[str], text: str, limit: int, expected: str) -> re.Match[str]:
    if len(text) > limit:
        raise LetterNumberError("too_long", f"expected {expected} of at most {limit} characters, got {len(text)}")
    if has_unsafe_characters(text):
        raise LetterNumberError("unsafe_characters", f"expected {expected} without control characters, got {text!r}")
    match = pattern.fullmatch(normalise(text))
    if match is None:
        raise LetterNumberError("wrong_shape", f"expected {expected}, got {text!r}")
    return match


def _unit_code(match: re.Match[str]) -> UnitCode:
    return UnitCode(_canonical_prefix(match), match[3] or "")


def _canonical_prefix(match: re.Match[str]) -> str:
    parenthesised: str | None = match[2]
    return match[1] if parenthesised is None else f"{match[1]} ({parenthesised[1:-1].strip()})"
