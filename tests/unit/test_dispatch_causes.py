"""The catalogue of causes explains every reason that there is, each once, in two languages; docs/repair.md says the same."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, get_args

from services.dispatch import reasons
from services.dispatch.causes import ANY, CATALOGUE, UNKNOWN, Blame, cause_of, symptoms_of
from services.dispatch.outcomes import Gone, Refused, RetryLater
from services.dispatch.paper import PaperFailure
from services.dispatch.remedies import remedy_for
from services.dispatch.transport import Answer, outcome_of

PAGE: Final = Path(__file__).parents[2] / "docs" / "repair.md"
# Why RabbitMQ gives a message up.
DEATHS: Final = ("rejected", "delivery_limit", "expired", "maxlen")


def every_symptom() -> set[str]:
    """What the stores can read off a delivery or a dead letter."""
    found = {*get_args(reasons.PlainReason), *get_args(reasons.FailureReason)}
    found |= {f"paper_{reason}" for reason in PaperFailure} | {f"dead_{reason}" for reason in DEATHS}
    found.add(reasons.url_reason("https_required").partition(":")[0])
    for status in range(100, 1000):
        outcome = outcome_of(Answer(status, b"", None), datetime.now(UTC))
        if isinstance(outcome, RetryLater | Refused):
            found.add(outcome.reason)
        elif isinstance(outcome, Gone):
            found.add("http_410")
    return found


def test_every_reason_has_a_cause_and_only_one() -> None:
    counted = Counter(symptom for cause in CATALOGUE for symptom in cause.symptoms)
    assert {symptom for symptom, times in counted.items() if times > 1} == set()
    assert every_symptom() == set(counted), "a reason without a cause, or a cause for what never happens"
    assert cause_of("of a later version") is UNKNOWN


def test_every_cause_says_what_to_do_in_two_languages() -> None:
    assert len({cause.code for cause in CATALOGUE}) == len(CATALOGUE)
    assert {cause.blame for cause in CATALOGUE} == set(Blame)
    for cause in CATALOGUE:
        assert cause.title_en and cause.remedy_en, cause.code
        for text in (cause.title_th, cause.remedy_th):
            assert any("\u0e00" <= character <= "\u0e7f" for character in text), cause.code


def test_a_query_for_causes_or_blames_finds_each_symptom_once() -> None:
    def is_in(code: str | None, blame: Blame | None, symptom: str) -> bool:
        asked = symptoms_of(code, blame)
        return (symptom in asked.listed) == asked.wanted

    assert symptoms_of(None, None) == ANY
    for symptom in {*every_symptom(), "of a later version"}:
        assert [cause for cause in CATALOGUE if is_in(cause.code, None, symptom)] == [cause_of(symptom)]
        assert [blame for blame in Blame if is_in(None, blame, symptom)] == [cause_of(symptom).blame]
        assert not is_in("endpoint_fails", Blame.SENDER, symptom), "both must hold"


def test_the_page_on_repair_lists_the_causes_as_they_are() -> None:
    rows = [
        f"| `{cause.code}` | {cause.blame} | {cause.title_en} | {cause.title_th} | {cause.remedy_en} | {cause.remedy_th} |"
        for cause in CATALOGUE
    ]
    page = PAGE.read_text(encoding="utf-8")
    causes = page.partition("## Causes")[2].partition("\n## ")[0]
    written = [line for line in causes.splitlines() if line.startswith("| `")]
    assert written == rows


def test_an_agency_is_told_to_mend_what_is_blamed_on_it_and_nothing_else() -> None:
    theirs: set[Blame] = {Blame.RECIPIENT, Blame.NETWORK}
    for reason in sorted(every_symptom()):
        cause = cause_of(reason)
        if cause.blame not in {*theirs, Blame.PLATFORM} or reason.startswith(("mail", "paper", "dead", "recipient")):
            continue
        told = remedy_for(reason, None)
        assert told.en.startswith("The fault is ours") == (cause.blame is Blame.PLATFORM), (reason, cause.code)
        assert not told.en.startswith("Look at `reason`"), f"{reason} is known, so what to do is too"
