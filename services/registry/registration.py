"""Registers a letter: the number, the frozen content and the state change are one transaction."""

from datetime import date
from uuid import UUID

import structlog
from opentelemetry import metrics

from services.registry import problems
from services.registry.domain import letters as domain
from services.registry.domain import numbering
from services.registry.domain.letters import Letter, LetterState
from services.registry.domain.numbering import IssuedNumber
from services.registry.store import books, letters, registers
from shared import problems as shared_problems
from shared.postgres import Connection, Database
from shared.problems import ProblemError
from shared.thai.numbers import MAX_RUNNING

log = structlog.stdlib.get_logger(__name__)
_meter = metrics.get_meter("wian.registry")
_registered = _meter.create_counter("wian.registry.letters.registered", unit="{letter}", description="Letters that got a number.")


async def register_letter(database: Database, agency_id: UUID, letter_id: UUID) -> Letter:
    """Give the agency's draft its number and freeze it; a letter that has its number is returned as it is.

    Raises ProblemError: `not_found`, or `letter_incomplete` with what ข้อ 11 asks for.
    """
    async with database.transaction() as connection:
        letter = await letters.get_for_update(connection, letter_id, agency_id)
        if letter is None:
            raise ProblemError(shared_problems.NOT_FOUND)
        if letter.state is not LetterState.DRAFT:
            return letter
        number = await _issue(connection, letter, _complete_date(letter))
        files = await letters.attachments(connection, letter_id)
        content = domain.freeze(
            letter_id=letter_id, sender_agency_id=agency_id, draft=letter.draft, number=number, attachments=files
        )
        await letters.register(connection, letter_id, number, content)
        await books.enter(connection, agency_id, letter_id, letter.draft, number)
        registered = await letters.get_for_update(connection, letter_id, agency_id)
    if registered is None:
        raise LookupError("a letter cannot vanish")
    _registered.add(1)
    log.info("letter registered", letter_id=str(letter_id), series=number.key.series, year_be=number.key.year_be)
    return registered


def _complete_date(letter: Letter) -> date:
    missing = domain.missing_fields(letter.draft)
    if missing or letter.draft.date is None:
        problems.refuse(missing, problems.LETTER_INCOMPLETE)
    return letter.draft.date


async def _issue(connection: Connection, letter: Letter, letter_date: date) -> IssuedNumber:
    register = await registers.get(connection, letter.register_id, letter.agency_id)
    if register is None:
        raise LookupError("a register cannot vanish")
    key = numbering.series_key(register, letter_date, circular=letter.draft.circular)
    running = await registers.next_number(connection, key, most=MAX_RUNNING)
    if running is None:
        raise ProblemError(problems.NUMBERS_EXHAUSTED, f"{MAX_RUNNING} numbers were issued in {key.year_be}")
    return numbering.issue(register, key, running, circular=letter.draft.circular)
