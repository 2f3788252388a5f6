"""The class of secrecy against the channels that may carry it."""

from collections.abc import Iterator

from services.registry.preflight import findings as kinds
from services.registry.preflight.facts import LetterFacts
from services.registry.preflight.findings import Finding
from shared.contracts.events import Secrecy


def check(facts: LetterFacts) -> Iterator[Finding]:
    """A top secret letter travels by no channel of ours, a secret one not by mail."""
    if facts.top_secret:
        yield Finding(kinds.SECRECY_NOT_ELECTRONIC, "/secrecy", "ลับที่สุด")
    elif facts.draft.secrecy is not Secrecy.NORMAL:
        yield Finding(kinds.SECRECY_NOT_BY_MAIL, "/secrecy", f"the letter is {facts.draft.secrecy.value}")
