"""The Idempotency-Key of a call: how it is read, and how a repeated request is told from another one under the same key."""

import hashlib
import re
from typing import Annotated, Final

import rfc8785
from fastapi import Depends, Header

from shared.problems import IDEMPOTENCY_KEY_MISSING, ProblemError

_KEY: Final = re.compile(r"[\x21-\x7e]{1,200}")


async def _optional_key(
    idempotency_key: Annotated[
        str | None, Header(description="1 to 200 visible ASCII characters; the same request again gets the first answer.")
    ] = None,
) -> str | None:
    if idempotency_key is not None and not _KEY.fullmatch(idempotency_key):
        raise ProblemError(IDEMPOTENCY_KEY_MISSING)
    return idempotency_key


async def _required_key(key: Annotated[str | None, Depends(_optional_key)]) -> str:
    if key is None:
        raise ProblemError(IDEMPOTENCY_KEY_MISSING)
    return key


OptionalIdempotencyKey = Annotated[str | None, Depends(_optional_key)]
IdempotencyKey = Annotated[str, Depends(_required_key)]


def request_sha256(asked: object) -> bytes:
    """Hash by which a repeated request is told from another one under the same key; `asked` in JSON values."""
    return hashlib.sha256(rfc8785.dumps(asked)).digest()  # pyright: ignore[reportArgumentType]
