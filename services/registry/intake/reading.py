"""What a paper says, with the findings about it before it is a letter."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from services.registry.intake.paper import Paper
from services.registry.preflight import checks, findings, numbers
from services.registry.preflight.facts import AddresseeFacts, LetterFacts, Rules, Suspect, Suspects
from services.registry.preflight.findings import MOST_SHOWN, Finding, Report
from shared.thai.text import has_decomposed_sara_am, has_unsafe_characters, normalise


def examine_paper(paper: Paper, text: str, rules: Rules, known: Mapping[str, Sequence[str]], now: datetime) -> Report:
    """The findings about a paper that was just read; `known` holds the agencies' codes by title."""
    annexes, enclosed = paper.headings()
    titles = [row.title for annex in paper.annexes for row in annex.rows]
    facts = LetterFacts(
        draft=paper.draft,
        number=paper.number,
        attachments=(),
        annexes=annexes,
        enclosed=enclosed,
        addressees=_addressees(titles, known),
        now=now,
        top_secret=paper.top_secret,
    )
    found = [finding for finding in checks.examine(facts, rules).findings if finding.kind is not findings.FILE_MISSING]
    more: dict[str, int] = {}
    return findings.report([*found, *_typing(text)], more)


def readable_number(paper: Paper) -> str | None:
    """The letter's number in its printed form, as far as it is one."""
    number = numbers.read_number(paper.number)
    return paper.number if number is None else number.printed


def _addressees(titles: Sequence[str], known: Mapping[str, Sequence[str]]) -> AddresseeFacts:
    seen: dict[str, int] = {}
    repeated: list[Suspect] = []
    unknown: list[Suspect] = []
    for position, title in enumerate(titles, start=1):
        same = normalise(title).replace(" ", "")
        if same in seen:
            repeated.append(Suspect(position, title, f"also entry {seen[same]}"))
        seen.setdefault(same, position)
        if len(known.get(title, ())) != 1:
            unknown.append(Suspect(position, title, ""))
    # A letter without an annex names its receiver in the salutation.
    return AddresseeFacts(
        total=len(titles) or 1,
        repeated=Suspects(len(repeated), tuple(repeated[:MOST_SHOWN])),
        unknown=Suspects(len(unknown), tuple(unknown[:MOST_SHOWN])),
    )


def _typing(text: str) -> Iterator[Finding]:
    """What the reader has repaired: the draft does not show it any more."""
    for number, line in enumerate(text.split("\n"), start=1):
        if has_decomposed_sara_am(line):
            yield Finding(findings.SARA_AM_DECOMPOSED, f"line {number}", line.strip()[:200])
        if has_unsafe_characters(line.rstrip("\r\f")):
            yield Finding(findings.UNSAFE_CHARACTERS, f"line {number}", "removed from what was understood")
