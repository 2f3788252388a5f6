"""Revokes the links of a recipient, and issues a new one: the recipient's row is held while its links change."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog

from services.ack import problems
from services.ack.acknowledging import Caller, spoken_for
from services.ack.decide import read_statement
from services.ack.links import link_digest
from services.ack.store import links, recipients
from services.ack.store.links import LinkChange
from shared.links import LinkSigner, Purpose
from shared.postgres import Database
from shared.problems import FieldError, ProblemError

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Relinked:
    """The change as it was stored; `link` is the new one, which is nowhere else and cannot be read again."""

    change: LinkChange
    link: str | None


async def replace_links(
    database: Database, recipient_id: UUID, caller: Caller, reason: str, *, signer: LinkSigner | None, now: datetime
) -> Relinked:
    """Revoke all links of the recipient that there are; with a `signer`, issue the only one that opens from now on.

    Raises ProblemError: the reason cannot be taken, or the caller did not send the circular.
    """
    errors: list[FieldError] = []
    said = read_statement("reason", reason, errors)
    if errors:
        raise ProblemError(problems.STATEMENT_INVALID, errors[0].detail, errors=errors)
    async with database.transaction() as connection:
        spoken_for((await recipients.lock_to_answer(connection, [recipient_id])).get(recipient_id), caller)
        generation = await links.generation(connection, recipient_id) + 1
        change = LinkChange(generation, signer is not None, said, caller.actor, now)
        link = None if signer is None else signer.sign(Purpose.ACKNOWLEDGE, recipient_id, generation=generation)
        await links.add(connection, recipient_id, change, None if link is None else link_digest(link))
    log.info("links revoked", recipient_id=str(recipient_id), generation=generation, issued=change.issued)
    return Relinked(change, link)
