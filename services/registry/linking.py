"""References and enclosures that are links: what they name is taken from the letter, and may not contradict it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar
from uuid import UUID

from services.registry.domain.letters import Draft, Enclosure, Reference
from services.registry.problems import letters as problems
from services.registry.problems import refuse
from services.registry.store import letters
from shared.postgres import Connection
from shared.problems import FieldError
from shared.thai.text import normalise

ItemT = TypeVar("ItemT", Reference, Enclosure)


async def resolve_links(connection: Connection, agency_id: UUID, draft: Draft) -> Draft:
    """The draft with the issuer, number and date of every letter that it links to.

    Raises ProblemError: `reference_unknown` for a letter that the agency neither sent nor received, `reference_differs`.
    """
    linked = {item.letter_id for item in (*draft.references, *draft.enclosures) if item.letter_id is not None}
    if not linked:
        return draft
    known = await letters.linkable(connection, sorted(linked), agency_id)
    errors: list[FieldError] = []
    references = tuple(_filled(item, known, f"/references/{index}", errors) for index, item in enumerate(draft.references))
    enclosures = tuple(_filled(item, known, f"/enclosures/{index}", errors) for index, item in enumerate(draft.enclosures))
    if errors:
        refuse(errors)
    return replace(draft, references=references, enclosures=enclosures)


def _filled(item: ItemT, known: Mapping[UUID, Reference], pointer: str, errors: list[FieldError]) -> ItemT:
    if item.letter_id is None:
        return item
    letter = known.get(item.letter_id)
    if letter is None:
        detail = f"your agency neither sent nor received a registered letter {item.letter_id}"
        errors.append(FieldError(f"{pointer}/letter_id", problems.REFERENCE_UNKNOWN.code, detail))
        return item
    if item.number and normalise(item.number).replace(" ", "") != normalise(letter.number).replace(" ", ""):
        errors.append(_differs(f"{pointer}/number", letter.number))
    if item.date is not None and item.date != letter.date:
        errors.append(_differs(f"{pointer}/date", str(letter.date)))
    return replace(item, issuer=item.issuer or letter.issuer, number=letter.number, date=letter.date)


def _differs(pointer: str, registered: str) -> FieldError:
    return FieldError(pointer, problems.REFERENCE_DIFFERS.code, f"the letter that is linked to has {registered}")
