"""Routes of letters: draft, register, dispatch."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from services.registry import problems, withdrawing
from services.registry.api import letter_models as models
from services.registry.api.afterwards import afterwards
from services.registry.api.dependencies import (
    DEFAULT_PAGE,
    After,
    IdempotencyKey,
    IfMatch,
    LetterReader,
    LetterRecipient,
    LetterWriter,
    Limit,
    Registry,
    check_version,
    etag,
)
from services.registry.api.letter_models import (
    DispatchedOut,
    DispatchIn,
    LetterHeadOut,
    LetterIn,
    LetterOut,
    RegisteredOut,
)
from services.registry.dispatching import FileLinks, Order, dispatch_letter
from services.registry.domain.letters import Letter, LetterState
from services.registry.problems import refuse
from services.registry.reading import readable_letter
from services.registry.registration import register_letter
from services.registry.store import circulars, letters, lists, registers, withdrawals
from shared import problems as shared_problems
from shared.ids import new_id
from shared.pages import Page, page_of, read_id_cursor
from shared.postgres import Connection
from shared.problems import FieldError, ProblemError

router = APIRouter(prefix="/v1/letters", tags=["letters"])


async def _check_belongings(connection: Connection, agency_id: UUID, body: LetterIn) -> None:
    """The register, the list and the relay duty that a draft names must be the agency's own."""
    errors: list[FieldError] = []
    if await registers.get(connection, body.register_id, agency_id) is None:
        detail = f"there is no register {body.register_id}"
        errors.append(FieldError("/register_id", problems.REGISTER_UNKNOWN.code, detail))
    if body.list_id is not None and await lists.get(connection, body.list_id, agency_id) is None:
        errors.append(FieldError("/list_id", problems.LIST_UNKNOWN.code, f"there is no list {body.list_id}"))
    relay_of = body.relay_of_recipient_id
    if relay_of is not None and not await circulars.has_relay_duty(connection, relay_of, agency_id):
        detail = f"{relay_of} is not your agency with a relay duty"
        errors.append(FieldError("/relay_of_recipient_id", problems.RELAY_NOT_YOURS.code, detail))
    if errors:
        refuse(errors)


async def _shown(connection: Connection, letter: Letter, reader: UUID) -> LetterOut:
    to_sender = letter.agency_id == reader
    files = await letters.attachments(connection, letter.letter_id)
    circular_id = await circulars.circular_of_letter(connection, letter.letter_id)
    shown = models.shown(letter, files, circular_id, to_sender=to_sender)
    shown.afterwards = await afterwards(connection, letter.letter_id, reader)
    shown.voided_at = shown.afterwards.voided and shown.afterwards.voided.voided_at
    return shown


async def own_draft(connection: Connection, letter_id: UUID, agency_id: UUID) -> Letter:
    """The agency's draft, locked; raises ProblemError `not_found`, or `letter_not_draft` when it has its number."""
    letter = await letters.get_for_update(connection, letter_id, agency_id)
    if letter is None:
        raise ProblemError(shared_problems.NOT_FOUND)
    if letter.state is not LetterState.DRAFT:
        raise ProblemError(problems.LETTER_NOT_DRAFT, f"its number is {letter.number.printed if letter.number else 'unknown'}")
    return letter


@router.post("", status_code=201, summary="Write a draft")
async def write_draft(body: LetterIn, caller: LetterWriter, registry: Registry, response: Response) -> LetterOut:
    """Keeps a draft. A letter of the class ลับที่สุด is refused: it must not travel electronically (ข้อ 29)."""
    agency_id, draft, letter_id = caller.agency(), body.draft(), new_id()
    async with registry.database.transaction() as connection:
        await _check_belongings(connection, agency_id, body)
        await letters.insert(
            connection,
            letter_id=letter_id,
            agency_id=agency_id,
            register_id=body.register_id,
            draft=draft,
            list_id=body.list_id,
            relay_of_recipient_id=body.relay_of_recipient_id,
        )
        if body.supersedes is not None or body.follows is not None:
            await withdrawing.tie_draft(connection, letter_id, agency_id, supersedes=body.supersedes, follows=body.follows)
        letter = await own_draft(connection, letter_id, agency_id)
        shown = await _shown(connection, letter, agency_id)
    response.headers.update(etag(letter.version))
    return shown


@router.get("", summary="List your letters")
async def list_letters(
    caller: LetterReader,
    registry: Registry,
    request: Request,
    response: Response,
    state: Annotated[LetterState | None, Query()] = None,
    after: After = None,
    limit: Limit = DEFAULT_PAGE,
) -> Page[LetterHeadOut]:
    """The letters that the agency has written, newest first."""
    async with registry.database.connection() as connection:
        found = await letters.page(connection, caller.agency(), after=read_id_cursor(after), state=state, limit=limit + 1)
        voided = await withdrawals.voided(connection, [letter.letter_id for letter in found])
    return page_of(
        found,
        limit,
        key=lambda letter: str(letter.letter_id),
        show=lambda letter: models.shown_head(letter, voided.get(letter.letter_id)),
        request=request,
        response=response,
    )


@router.get("/{letter_id}", summary="Read a letter")
async def read_letter(letter_id: UUID, caller: LetterRecipient, registry: Registry, response: Response) -> LetterOut:
    """A letter whole: for its sender, and once it went round for the agencies that it went to."""
    agency_id = caller.agency()
    async with registry.database.connection() as connection:
        letter = await readable_letter(connection, letter_id, agency_id)
        shown = await _shown(connection, letter, agency_id)
    response.headers.update(etag(letter.version))
    return shown


@router.get("/{letter_id}/content", summary="Read the frozen bytes of a letter", response_class=Response)
async def read_content(letter_id: UUID, caller: LetterRecipient, registry: Registry) -> Response:
    """The canonical JSON (RFC 8785) whose SHA-256 is the letter's `content_hash`: the same bytes for every reader."""
    async with registry.database.connection() as connection:
        letter = await readable_letter(connection, letter_id, caller.agency())
        canonical = await letters.canonical(connection, letter_id)
    if canonical is None:
        raise ProblemError(problems.LETTER_NOT_REGISTERED)
    return Response(canonical, media_type="application/json", headers={"ETag": f'"{letter.content_hash}"'})


@router.put("/{letter_id}", summary="Change a draft")
async def change_draft(
    letter_id: UUID, body: LetterIn, caller: LetterWriter, registry: Registry, response: Response, version: IfMatch
) -> LetterOut:
    """Replaces a draft's content. A letter that has its number does not change any more."""
    agency_id, draft = caller.agency(), body.draft()
    async with registry.database.transaction() as connection:
        known = await own_draft(connection, letter_id, agency_id)
        check_version(known.version, version)
        await _check_belongings(connection, agency_id, body)
        await letters.update_draft(
            connection,
            letter_id=letter_id,
            register_id=body.register_id,
            draft=draft,
            list_id=body.list_id,
            relay_of_recipient_id=body.relay_of_recipient_id,
        )
        await withdrawing.tie_draft(connection, letter_id, agency_id, supersedes=body.supersedes, follows=body.follows)
        letter = await own_draft(connection, letter_id, agency_id)
        shown = await _shown(connection, letter, agency_id)
    response.headers.update(etag(letter.version))
    return shown


@router.post("/{letter_id}/register", summary="Give a letter its number")
async def register(letter_id: UUID, caller: LetterWriter, registry: Registry) -> RegisteredOut:
    """Issues the next number of the register and freezes the content. A second call gives the same answer."""
    letter = await register_letter(registry.database, caller.agency(), letter_id)
    if letter.number is None or letter.content_hash is None:
        raise LookupError("a registered letter has a number")
    return RegisteredOut(
        letter_id=letter.letter_id,
        state=letter.state,
        number=letter.number.printed,
        running=letter.number.running,
        year_be=letter.number.key.year_be,
        content_hash=letter.content_hash,
    )


@router.post("/{letter_id}/dispatch", status_code=202, summary="Send a letter round", response_model=DispatchedOut)
async def dispatch(
    letter_id: UUID,
    caller: LetterWriter,
    registry: Registry,
    key: IdempotencyKey,
    body: DispatchIn | None = None,
) -> dict[str, Any]:
    """Freezes the list into recipients and commits the order; the answer comes after the commit.

    The same Idempotency-Key with the same body gets the first answer again.
    """
    order = Order(caller.agency(), letter_id, None if body is None else body.list_id, key)
    return await dispatch_letter(registry.database, order, FileLinks(registry.signer, registry.settings.public_url))
