"""Who may read a letter: its sender always, and the agencies that it went to."""

from uuid import UUID

from services.registry.domain.letters import Letter
from services.registry.problems.withdrawals import LETTER_TAKEN_BACK
from services.registry.store import circulars, letters, withdrawals
from services.registry.store.letters import StoredAttachment
from shared import problems
from shared.postgres import Connection
from shared.problems import ProblemError


async def readable_letter(connection: Connection, letter_id: UUID, agency_id: UUID) -> Letter:
    """The letter; another agency's is `not_found`, as if it were not there, and one that was recalled before receipt is gone."""
    letter = await letters.get(connection, letter_id)
    if letter is None or not await _may_read(connection, letter, agency_id):
        raise ProblemError(problems.NOT_FOUND)
    if letter.agency_id != agency_id and await withdrawals.is_taken_back(connection, letter_id, agency_id):
        raise ProblemError(LETTER_TAKEN_BACK)
    return letter


async def readable_attachment(connection: Connection, attachment_id: UUID, agency_id: UUID) -> StoredAttachment:
    """The attachment of a letter that the agency may read; any other is `not_found`."""
    stored = await letters.get_attachment(connection, attachment_id)
    if stored is None:
        raise ProblemError(problems.NOT_FOUND)
    await readable_letter(connection, stored.letter_id, agency_id)
    return stored


async def _may_read(connection: Connection, letter: Letter, agency_id: UUID) -> bool:
    return letter.agency_id == agency_id or await circulars.is_recipient(connection, letter.letter_id, agency_id)
