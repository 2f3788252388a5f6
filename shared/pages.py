"""Pages of a listing: an opaque cursor in the body, and the same as a Link header (RFC 8288)."""

import base64
import binascii
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Generic, TypeVar
from uuid import UUID

from fastapi import Request, Response
from pydantic import BaseModel, Field

from shared import problems
from shared.problems import ProblemError
from shared.thai.text import has_unsafe_characters

# A number in a cursor is one that the database could have given.
BIGINT: Final = 2**63
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

ItemT = TypeVar("ItemT")
OutT = TypeVar("OutT", bound=BaseModel)


class Page(BaseModel, Generic[OutT]):
    """A part of a listing; `next` is null on the last page."""

    items: list[OutT]
    next: str | None = Field(description="Give it as `after` to read on; null on the last page.")


def read_cursor(cursor: str | None) -> str | None:
    """The key behind which a page begins; raises ProblemError `cursor_invalid`."""
    if cursor is None:
        return None
    try:
        key = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise ProblemError(problems.CURSOR_INVALID) from error
    if has_unsafe_characters(key):
        raise ProblemError(problems.CURSOR_INVALID)
    return key


def write_cursor(key: str) -> str:
    """The opaque form of `key`."""
    return base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")


def read_id_cursor(cursor: str | None) -> UUID | None:
    """The same for listings in the order of identifiers."""
    key = read_cursor(cursor)
    if key is None:
        return None
    try:
        return UUID(key)
    except ValueError as error:
        raise ProblemError(problems.CURSOR_INVALID) from error


def read_number_cursor(cursor: str | None) -> int | None:
    """The same for listings in the order of a number."""
    key = read_cursor(cursor)
    if key is None:
        return None
    try:
        number = int(key)
    except ValueError as error:
        raise ProblemError(problems.CURSOR_INVALID) from error
    if not 0 <= number < BIGINT:
        raise ProblemError(problems.CURSOR_INVALID)
    return number


def read_numbered_cursor(cursor: str | None) -> tuple[int, UUID] | None:
    """The same for listings in the order of a number and then of identifiers, whose key is ``number:identifier``."""
    key = read_cursor(cursor)
    if key is None:
        return None
    number, _, identifier = key.partition(":")
    try:
        found = int(number), UUID(identifier)
    except ValueError as error:
        raise ProblemError(problems.CURSOR_INVALID) from error
    if not 0 <= found[0] < BIGINT:
        raise ProblemError(problems.CURSOR_INVALID)
    return found


def read_timed_cursor(cursor: str | None) -> tuple[datetime, UUID] | None:
    """The same for listings in the order of a time and then of identifiers, whose key is ``time identifier`` (`timed_key`)."""
    key = read_cursor(cursor)
    if key is None:
        return None
    moment, _, identifier = key.partition(" ")
    try:
        # Microseconds, as the database counts them: never one that it could not have given.
        found = EPOCH + timedelta(microseconds=int(moment)), UUID(identifier)
    except (ValueError, OverflowError) as error:
        raise ProblemError(problems.CURSOR_INVALID) from error
    return found


def timed_key(moment: datetime, identifier: UUID) -> str:
    """The key of an item for `read_timed_cursor`."""
    return f"{(moment - EPOCH) // timedelta(microseconds=1)} {identifier}"


def link_next(request: Request, response: Response, following: str) -> None:
    """Name the next page in a Link header, relative to the host: behind a proxy we know neither its name nor that it speaks TLS."""
    address = request.url.include_query_params(after=following)
    response.headers["Link"] = f'<{address.path}?{address.query}>; rel="next"'


def page_of(
    found: Sequence[ItemT],
    limit: int,
    *,
    key: Callable[[ItemT], str],
    show: Callable[[ItemT], OutT],
    request: Request,
    response: Response,
) -> Page[OutT]:
    """A page of `limit` items; `found` holds one more when there are more. Sets the Link header."""
    shown = found[:limit]
    following: str | None = None
    if len(found) > limit:
        following = write_cursor(key(shown[-1]))
        link_next(request, response, following)
    return Page(items=[show(item) for item in shown], next=following)
