"""How the text is typed: what searches miss, and what a reader does not see."""

import re
from collections.abc import Iterator
from typing import Final

from services.registry.domain.letters import Draft
from services.registry.preflight import findings as kinds
from services.registry.preflight.facts import LetterFacts
from services.registry.preflight.findings import Finding
from shared.thai.text import has_decomposed_sara_am, has_unsafe_characters

_THAI_DIGIT: Final = re.compile("[๐-๙]")
_ARABIC_DIGIT: Final = re.compile("[0-9]")
_REPEATED_SPACES: Final = re.compile(r"(?<=\S) {2,}(?=\S)")


def check(facts: LetterFacts) -> Iterator[Finding]:
    """What is wrong with the typing of each field."""
    for pointer, text in texts(facts.draft):
        if has_decomposed_sara_am(text):
            yield Finding(kinds.SARA_AM_DECOMPOSED, pointer, "นิคหิต and สระอา stand for สระอำ")
        if has_unsafe_characters(text):
            yield Finding(kinds.UNSAFE_CHARACTERS, pointer, "control characters or overrides of the writing direction")
        if _THAI_DIGIT.search(text) and _ARABIC_DIGIT.search(text):
            yield Finding(kinds.DIGITS_MIXED, pointer, "both kinds of digits")
        if _REPEATED_SPACES.search(text):
            yield Finding(kinds.SPACES_REPEATED, pointer, "two spaces or more")


def texts(draft: Draft) -> Iterator[tuple[str, str]]:
    """Each text of the draft, with its pointer."""
    for name in (
        "owner",
        "subject",
        "salutation",
        "closing",
        "signatory_name",
        "signatory_position",
        "contact_unit",
        "telephone",
    ):
        yield f"/{name}", getattr(draft, name)
    for index, reference in enumerate(draft.references):
        yield f"/references/{index}", f"{reference.issuer} {reference.number}"
    for index, enclosure in enumerate(draft.enclosures):
        yield f"/enclosures/{index}/description", enclosure.description
    for index, paragraph in enumerate(draft.body):
        yield f"/body/{index}", paragraph
