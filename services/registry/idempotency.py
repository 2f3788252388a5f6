"""The first answer under an Idempotency-Key: kept in the transaction that does the work, given again to whoever asks again."""

from typing import Any, Final
from uuid import UUID

from services.registry.store import circulars
from shared.postgres import Connection
from shared.problems import IDEMPOTENCY_KEY_REUSED, ProblemError

Answer = dict[str, Any]

_DETAIL: Final = "the key was used for another request"


async def first_answer(connection: Connection, agency_id: UUID, key: str | None, sha256: bytes) -> Answer | None:
    """The answer that was given under `key`; None when this transaction is the first, or when there is no key.

    Raises ProblemError `idempotency_key_reused` when the key stands for another request.
    """
    if key is None or await circulars.claim_key(connection, agency_id, key, sha256):
        return None
    kept = await circulars.answer_of_key(connection, agency_id, key)
    if kept is None:
        raise LookupError("an Idempotency-Key cannot vanish")
    if kept.request_sha256 != sha256:
        raise ProblemError(IDEMPOTENCY_KEY_REUSED, _DETAIL)
    return kept.response


async def keep_answer(connection: Connection, agency_id: UUID, key: str | None, answer: Answer) -> None:
    """Keep what is answered under `key`, if there is one."""
    if key is not None:
        await circulars.keep_answer(connection, agency_id, key, answer)
