"""Pages of a listing: an opaque cursor in the body, and the same as a Link header (RFC 8288)."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar
from uuid import UUID

from fastapi import Request, Response
from pydantic import BaseModel, Field

from shared import problems
from shared.problems import FieldError, ProblemError

ItemT = TypeVar("ItemT")
OutT = TypeVar("OutT", bound=BaseModel)


class Page(BaseModel, Generic[OutT]):
    """A part of a listing; `next` is null on the last page."""

    items: list[OutT]
    next: str | None = Field(description="Give it as `after` to read on; null on the last page.")


def read_cursor(cursor: str | None) -> tuple[int, UUID] | None:
    """The key behind which a page begins; raises ProblemError `request_invalid`."""
    if cursor is None:
        return None
    try:
        number, _, identifier = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().partition(":")
        key = int(number), UUID(identifier)
    except (binascii.Error, ValueError) as error:
        raise _invalid() from error
    if not 0 <= key[0] < 2**63:
        raise _invalid()
    return key


def _invalid() -> ProblemError:
    return ProblemError(
        problems.REQUEST_INVALID,
        "the cursor is not one of ours",
        errors=[FieldError("/query/after", "cursor_invalid", "give the value of `next`, unchanged")],
    )


def page_of(
    found: Sequence[ItemT],
    limit: int,
    *,
    key: Callable[[ItemT], tuple[int, UUID]],
    show: Callable[[ItemT], OutT],
    request: Request,
    response: Response,
) -> Page[OutT]:
    """A page of `limit` items; `found` holds one more when there are more. Sets the Link header."""
    shown = found[:limit]
    following: str | None = None
    if len(found) > limit:
        number, identifier = key(shown[-1])
        following = base64.urlsafe_b64encode(f"{number}:{identifier}".encode()).decode().rstrip("=")
        response.headers["Link"] = f'<{request.url.include_query_params(after=following)}>; rel="next"'
    return Page(items=[show(item) for item in shown], next=following)
