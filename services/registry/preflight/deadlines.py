"""The deadline: over, on a day without work, or too near for the letter's class of speed."""

from collections.abc import Iterator
from datetime import timedelta

from services.registry.preflight import findings as kinds
from services.registry.preflight.facts import LetterFacts, Rules
from services.registry.preflight.findings import Finding
from shared.thai.dates import bangkok_date, clock, long_date
from shared.thai.working_time import free_day


def check(facts: LetterFacts, rules: Rules) -> Iterator[Finding]:
    """What stands against the deadline, in Bangkok's calendar."""
    draft, deadline = facts.draft, facts.draft.deadline
    if deadline is None:
        if any("ด่วนภายใน" in text for text in (draft.subject, *draft.body)):
            yield Finding(kinds.WITHIN_WITHOUT_DEADLINE, "/deadline", "the text says ด่วนภายใน")
        return
    day = bangkok_date(deadline)
    if deadline <= facts.now:
        yield Finding(kinds.DEADLINE_PAST, "/deadline", f"it was {long_date(day)} {clock(deadline)}")
    elif deadline - facts.now < timedelta(hours=rules.nearest_hours[draft.speed]):
        hours = f"{(deadline - facts.now).total_seconds() / 3600:.1f}"
        detail = f"{hours} hours are left, the class {draft.speed.value} leaves {rules.nearest_hours[draft.speed]} at least"
        yield Finding(kinds.DEADLINE_TOO_NEAR, "/deadline", detail)
    reason = free_day(day)
    if reason is not None:
        yield Finding(kinds.DEADLINE_NOT_WORKING_DAY, "/deadline", f"{long_date(day)}: {reason}")
