"""Numbers, dates and subjects: the letter against its annexes, its citations against what is enclosed."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final

from services.registry.preflight import findings as kinds
from services.registry.preflight.facts import Heading, LetterFacts
from services.registry.preflight.findings import Finding
from shared.thai.dates import ThaiDateError, long_date, parse_date
from shared.thai.numbers import LetterNumber, LetterNumberError, parse_letter_number
from shared.thai.text import normalise

# "สำเนาหนังสือกระทรวงมหาดไทย ที่ มท ๐๒๑๘/ว ๕๙๙๒ ลงวันที่ ๒๐ ตุลาคม ๒๕๖๐"
_CITED_NUMBER: Final = re.compile(
    r"(?:^|\s)ที่\s*([ก-ฮ]{1,3}\s*(?:\([^)]{0,40}\))?\s*[0-9.]{0,40}\s*/\s*(?:ว\s*)?[0-9]{1,9})(?![0-9])"
)
_CITED_DATE: Final = re.compile(r"ลงวันที่\s*([0-9]{1,2}\s*[ก-๎.]{3,16}\s*(?:พ\.ศ\.\s*)?[0-9]{2,4})")
_CITED_SUBJECT: Final = re.compile(r"\sเรื่อง\s+(.+)$")


@dataclass(frozen=True, slots=True)
class _Citation:
    pointer: str
    number: LetterNumber
    day: date | None
    subject: str | None
    enclosed: bool


def check(facts: LetterFacts) -> Iterator[Finding]:
    """Every contradiction between the letter's papers."""
    yield from _annexes(facts)
    yield from _citations(facts)


def read_number(text: str | None) -> LetterNumber | None:
    """The letter number that a text is, or None."""
    try:
        return None if text is None else parse_letter_number(text)
    except LetterNumberError:
        return None


def cited(description: str) -> tuple[str | None, date | None]:
    """The number and the date of the letter that an enclosure's description names."""
    text = normalise(description)
    number, day = _CITED_NUMBER.search(text), _CITED_DATE.search(text)
    return (None if number is None else number[1]), (None if day is None else _read_day(day[1]))


def _read_day(text: str) -> date | None:
    try:
        return parse_date(text)
    except ThaiDateError:
        return None


def _annexes(facts: LetterFacts) -> Iterator[Finding]:
    own = read_number(facts.number)
    for annex in facts.annexes:
        number = read_number(annex.number)
        if own is not None and number is not None and number != own:
            detail = f"the letter is {own.printed}, the annex {number.printed}"
            yield Finding(kinds.ANNEX_NUMBER_DIFFERS, f"{annex.pointer}/number", detail)
        if annex.date is not None and facts.draft.date is not None and annex.date != facts.draft.date:
            detail = f"the letter is of {long_date(facts.draft.date)}, the annex of {long_date(annex.date)}"
            yield Finding(kinds.ANNEX_DATE_DIFFERS, f"{annex.pointer}/date", detail)
        if annex.subject and facts.draft.subject and normalise(annex.subject) != normalise(facts.draft.subject):
            yield Finding(kinds.ANNEX_SUBJECT_DIFFERS, f"{annex.pointer}/subject", f"the annex says {annex.subject[:200]!r}")


def _citations(facts: LetterFacts) -> Iterator[Finding]:
    citations = list(_cited_letters(facts))
    for heading in facts.enclosed:
        number = read_number(heading.number)
        if number is None:
            continue
        same = [c for c in citations if c.number == number]
        related = [c for c in citations if c.enclosed and c.number.unit == number.unit]
        if not same and not related:
            yield Finding(kinds.ENCLOSED_NOT_CITED, heading.pointer, f"{number.printed} is not cited")
        elif not same:
            detail = f"cited as {related[0].number.printed}, the enclosed letter is {number.printed}"
            yield Finding(kinds.CITED_NUMBER_DIFFERS, f"{related[0].pointer}/number", detail)
        if same or related:
            yield from _against(next(iter(same or related)), heading)


def _against(citation: _Citation, heading: Heading) -> Iterator[Finding]:
    if citation.day is not None and heading.date is not None and citation.day != heading.date:
        detail = f"cited as of {long_date(citation.day)}, the enclosed letter is of {long_date(heading.date)}"
        yield Finding(kinds.CITED_DATE_DIFFERS, f"{citation.pointer}/date", detail)
    if citation.subject and heading.subject and normalise(heading.subject) != normalise(citation.subject):
        detail = f"cited as {citation.subject[:200]!r}, the enclosed letter says {heading.subject[:200]!r}"
        yield Finding(kinds.CITED_SUBJECT_DIFFERS, citation.pointer, detail)


def _cited_letters(facts: LetterFacts) -> Iterator[_Citation]:
    for index, enclosure in enumerate(facts.draft.enclosures):
        said_number, said_day = cited(enclosure.description)
        number = read_number(enclosure.number or said_number)
        if number is not None:
            subject = _CITED_SUBJECT.search(normalise(enclosure.description))
            day = enclosure.date or said_day
            yield _Citation(f"/enclosures/{index}", number, day, None if subject is None else subject[1], enclosed=True)
    for index, reference in enumerate(facts.draft.references):
        number = read_number(reference.number)
        if number is not None:
            yield _Citation(f"/references/{index}", number, reference.date, None, enclosed=False)
