"""Addressees: none, repeated, closed, replaced, without a channel, or with a mailbox that is not the central one."""

from collections.abc import Iterator

from services.registry.preflight import findings as kinds
from services.registry.preflight.facts import LetterFacts, Suspects
from services.registry.preflight.findings import Finding, Kind


def check(facts: LetterFacts) -> Iterator[Finding]:
    """What the database found suspicious, in words; of each kind at most as many as the facts hold."""
    if facts.addressees.total == 0:
        yield Finding(kinds.LIST_MISSING, "/list_id", "nobody would get the letter")
    for kind, suspects in _found(facts):
        for suspect in suspects.first:
            detail = f"{suspect.title[:200]!r}{': ' if suspect.detail else ''}{suspect.detail}"
            yield Finding(kind, f"/addressees/{suspect.position - 1}", detail)


def more(facts: LetterFacts) -> dict[str, int]:
    """How many suspects of each code stand behind those that the facts hold."""
    return {
        kind.code: suspects.count - len(suspects.first)
        for kind, suspects in _found(facts)
        if suspects.count > len(suspects.first)
    }


def _found(facts: LetterFacts) -> tuple[tuple[Kind, Suspects], ...]:
    about = facts.addressees
    return (
        (kinds.AGENCY_CLOSED, about.closed),
        (kinds.AGENCY_SUCCEEDED, about.succeeded),
        (kinds.ADDRESSEE_REPEATED, about.repeated),
        (kinds.ADDRESSEE_UNKNOWN, about.unknown),
        (kinds.ADDRESSEE_WITHOUT_CHANNEL, about.without_channel),
        (kinds.MAILBOX_NOT_SARABAN, about.not_saraban),
        (kinds.SARA_AM_DECOMPOSED, about.decomposed),
    )
