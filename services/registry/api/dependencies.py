"""Who may call, and what a route works with: the aliases that stand in the routes' signatures."""

from typing import Annotated, Final

from fastapi import Depends, Header, Query, Request

from services.registry import problems
from services.registry.resources import Resources
from shared.access import Principal, Scope, needs
from shared.problems import ProblemError

DEFAULT_PAGE: Final = 50
LARGEST_PAGE: Final = 500


async def _resources(request: Request) -> Resources:
    resources: Resources = request.app.state.resources
    return resources


Registry = Annotated[Resources, Depends(_resources)]

Operator = Annotated[Principal, Depends(needs(Scope.OPERATE))]
Anyone = Annotated[Principal, Depends(needs(*Scope))]
ListWriter = Annotated[Principal, Depends(needs(Scope.LISTS_WRITE))]
ListReader = Annotated[Principal, Depends(needs(Scope.LISTS_WRITE, Scope.LETTERS_READ, Scope.LETTERS_WRITE))]
LetterWriter = Annotated[Principal, Depends(needs(Scope.LETTERS_WRITE))]
LetterReader = Annotated[Principal, Depends(needs(Scope.LETTERS_READ, Scope.LETTERS_WRITE))]
# A recipient's system may hold no more than the scope to take its deliveries.
LetterRecipient = Annotated[Principal, Depends(needs(Scope.LETTERS_READ, Scope.LETTERS_WRITE, Scope.DELIVERIES_READ))]

Limit = Annotated[int, Query(ge=1, le=LARGEST_PAGE, description="Most items of the page.")]
After = Annotated[str | None, Query(max_length=400, description="`next` of the page before.")]


async def _if_match(if_match: Annotated[str | None, Header(description="The ETag that GET gave.")] = None) -> int | None:
    if if_match is None:
        return None
    version = if_match.strip().removeprefix('"').removesuffix('"')
    if not (version.isascii() and version.isdigit() and len(version) <= 18):
        raise ProblemError(problems.VERSION_CONFLICT, f"If-Match {if_match[:50]!r} is not an ETag of ours")
    return int(version)


async def _required_if_match(version: Annotated[int | None, Depends(_if_match)]) -> int:
    if version is None:
        raise ProblemError(problems.IF_MATCH_MISSING)
    return version


OptionalIfMatch = Annotated[int | None, Depends(_if_match)]
IfMatch = Annotated[int, Depends(_required_if_match)]


def check_version(current: int, expected: int | None) -> None:
    """Refuse a change to a version that the caller has not seen."""
    if expected is not None and expected != current:
        raise ProblemError(problems.VERSION_CONFLICT, f"the version is now {current}, not {expected}")


def etag(version: int) -> dict[str, str]:
    """The header that names a version."""
    return {"ETag": f'"{version}"'}
