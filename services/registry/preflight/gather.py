"""Gathers the facts of a stored letter for the checks."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from services.registry.config import RegistrySettings
from services.registry.domain.letters import Letter, draft_from_json
from services.registry.domain.resolution import Resolved
from services.registry.preflight.facts import Heading, LetterFacts, Rules
from services.registry.store import letters
from services.registry.store import preflight as store
from shared.contracts.events import Speed
from shared.postgres import Connection
from shared.thai.dates import bangkok_date


def rules(settings: RegistrySettings) -> Rules:
    """The thresholds that this installation has set."""
    hours = settings.registry_deadline_hours
    return Rules(
        date_window_days=settings.registry_date_window_days,
        nearest_hours=dict(zip(Speed, hours, strict=True)),
        file_types=frozenset(settings.registry_attachment_types),
        file_max_bytes=settings.registry_attachment_max_bytes,
        kinds_without_saraban=frozenset(settings.registry_kinds_without_saraban),
    )


async def gather(
    connection: Connection, letter: Letter, rules: Rules, recipients: Sequence[Resolved] | UUID, now: datetime
) -> LetterFacts:
    """The facts of `letter` for what its list resolves to, or for the recipients of a circular that are frozen already."""
    annexes, enclosed = _headings(await store.headings(connection, letter.letter_id))
    if letter.relay_of_recipient_id is not None:
        passed_on = await store.relayed(connection, letter.relay_of_recipient_id)
        if passed_on is not None:
            draft = draft_from_json(passed_on.content)
            enclosed.append(Heading("/relay_of_recipient_id", passed_on.number, draft.date, draft.subject))
    return LetterFacts(
        draft=letter.draft,
        number=None if letter.number is None else letter.number.printed,
        attachments=tuple(await letters.attachments(connection, letter.letter_id)),
        annexes=tuple(annexes),
        enclosed=tuple(enclosed),
        addressees=await store.addressee_facts(
            connection, recipients, kinds_without_saraban=sorted(rules.kinds_without_saraban), day=bangkok_date(now)
        ),
        now=now,
    )


def headings_to_json(annexes: tuple[Heading, ...], enclosed: tuple[Heading, ...]) -> dict[str, Any]:
    """The headings of a paper as they are kept."""
    return {"annexes": [_to_json(heading) for heading in annexes], "enclosed": [_to_json(heading) for heading in enclosed]}


def _to_json(heading: Heading) -> dict[str, Any]:
    day = None if heading.date is None else heading.date.isoformat()
    return {"pointer": heading.pointer, "number": heading.number, "date": day, "subject": heading.subject}


def _headings(kept: list[dict[str, Any]]) -> tuple[list[Heading], list[Heading]]:
    return list(_read(kept, "annexes")), list(_read(kept, "enclosed"))


def _read(kept: list[dict[str, Any]], name: str) -> Iterator[Heading]:
    for index, paper in enumerate(kept):
        for item in paper[name]:
            day = None if item["date"] is None else date.fromisoformat(item["date"])
            yield Heading(f"/attachments/{index}{item['pointer']}", item["number"], day, item["subject"])
