"""Texts as requests may hold them: bounded, and without characters that hide or reorder what a clerk reads."""

from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints
from pydantic_core import PydanticCustomError

from shared.mailboxes import MAILBOX_MAX_LENGTH, is_mailbox
from shared.thai.text import has_unsafe_characters

AGENCY_CODE_PATTERN: Final = r"^[a-z0-9][a-z0-9._-]{0,79}$"
KIND_PATTERN: Final = r"^[a-z][a-z0-9_]{0,39}$"
# What any address has; `is_mailbox` says the rest, for every script.
EMAIL_PATTERN: Final = r"^[^@\s]{1,64}@[^@\s]+\.[^@\s]+$"
# Emergency numbers, the shortest there are.
LEAST_DIGITS: Final = 3


class RequestModel(BaseModel):
    """A request body: a field that is not known is refused, not ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _without_unsafe(text: str) -> str:
    if has_unsafe_characters(text):
        raise PydanticCustomError("unsafe_characters", "control characters and bidirectional overrides are not allowed")
    return text


def _on_one_line(text: str) -> str:
    if "\n" in text or "\t" in text:
        raise PydanticCustomError("more_than_one_line", "the text must stand on one line")
    return _without_unsafe(text)


def _a_mailbox(text: str) -> str:
    if not is_mailbox(text):
        raise PydanticCustomError("not_a_mailbox", "no mail can be sent to this address")
    return text


def _a_telephone(text: str) -> str:
    if text and sum(character.isdecimal() for character in text) < LEAST_DIGITS:
        raise PydanticCustomError("not_a_telephone", "a telephone number has digits, Thai or Arabic: '๐ ๓๔๔๑ ๑๒๕๑ ต่อ ๑๒'")
    return text


_Stripped = Annotated[str, StringConstraints(strip_whitespace=True)]
Line = Annotated[_Stripped, StringConstraints(max_length=500), AfterValidator(_on_one_line)]
ShortLine = Annotated[_Stripped, StringConstraints(max_length=100), AfterValidator(_on_one_line)]
SubjectLine = Annotated[_Stripped, StringConstraints(max_length=1000), AfterValidator(_on_one_line)]
Block = Annotated[_Stripped, StringConstraints(max_length=1000), AfterValidator(_without_unsafe)]
Paragraph = Annotated[_Stripped, StringConstraints(max_length=50_000), AfterValidator(_without_unsafe)]
AgencyCode = Annotated[_Stripped, StringConstraints(pattern=AGENCY_CODE_PATTERN)]
Kind = Annotated[_Stripped, StringConstraints(pattern=KIND_PATTERN)]
ContactUnit = Annotated[_Stripped, StringConstraints(max_length=200), AfterValidator(_on_one_line)]
# As written: ranges of lines ('๑๑๔๑-๕๐') and extensions ('ต่อ ๑๒๓') are for whoever dials.
Telephone = Annotated[ShortLine, AfterValidator(_a_telephone)]
Email = Annotated[_Stripped, StringConstraints(pattern=EMAIL_PATTERN, max_length=MAILBOX_MAX_LENGTH), AfterValidator(_a_mailbox)]
