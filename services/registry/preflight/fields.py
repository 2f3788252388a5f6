"""The fields that the letter's kind must have, its date, and ว against a text for one receiver."""

from collections.abc import Iterator
from typing import Final

from services.registry.domain.letters import missing_fields
from services.registry.preflight import findings as kinds
from services.registry.preflight.facts import LetterFacts, Rules
from services.registry.preflight.findings import Finding
from shared.thai.dates import bangkok_date, long_date

# Words by which a salutation means more than one receiver.
_MANY: Final = ("บัญชี", "แนบท้าย", "ทุก", "หน่วยงาน", "ผู้รับ", "และ", ",", "ทั้งหลาย", "ทั้งหมด", "ในสังกัด", "ในพื้นที่")


def check(facts: LetterFacts, rules: Rules) -> Iterator[Finding]:
    """What is missing, and what is improbable."""
    for missing in missing_fields(facts.draft):
        yield Finding(kinds.FIELD_MISSING, missing.pointer, missing.detail)
    today = bangkok_date(facts.now)
    day = facts.draft.date
    if day is not None and abs((day - today).days) > rules.date_window_days:
        yield Finding(kinds.DATE_FAR, "/date", f"{long_date(day)} is {abs((day - today).days)} days from today")
    salutation = facts.draft.salutation
    if facts.draft.circular and facts.addressees.total > 1 and salutation and not any(word in salutation for word in _MANY):
        yield Finding(kinds.SALUTATION_NAMES_ONE, "/salutation", f"{salutation[:200]!r} to {facts.addressees.total} addressees")
