"""All checks in one pass."""

from itertools import chain

from services.registry.preflight import addressees, deadlines, fields, files, numbers, secrecy, text
from services.registry.preflight.facts import LetterFacts, Rules
from services.registry.preflight.findings import Report, report


def examine(facts: LetterFacts, rules: Rules) -> Report:
    """Everything that the checks find about the letter, errors first."""
    found = chain(
        numbers.check(facts),
        addressees.check(facts),
        deadlines.check(facts, rules),
        secrecy.check(facts),
        files.check(facts, rules),
        fields.check(facts, rules),
        text.check(facts),
    )
    return report(found, addressees.more(facts))
