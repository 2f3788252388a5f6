"""Bodies that are tables."""

from starlette.requests import Request

from shared import problems
from shared.problems import ProblemError


async def read_csv_body(request: Request) -> bytes:
    """The body of a request that must be CSV."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "text/csv":
        raise ProblemError(problems.REQUEST_INVALID, f"send the table as text/csv, not as {media_type[:100]!r}")
    return await request.body()
