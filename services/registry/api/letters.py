"""Routes of letters: draft, register, dispatch."""

from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from services.registry import problems, withdrawing
from services.registry.api import letter_models as models
from services.registry.api.afterwards import afterwards
from services.registry.api.books import Words, searched
from services.registry.api.dependencies import (
    DEFAULT_PAGE,
    After,
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
    RegistrationIn,
)
from services.registry.api.preflight import gate_of
from services.registry.api.templates import with_template
from services.registry.dispatching import FileLinks, Order, dispatch_letter
from services.registry.domain.books import Filter
from services.registry.domain.letters import Draft, Letter, LetterState
from services.registry.domain.numbering import check_unit_code
from services.registry.finding import find_letters
from services.registry.idempotency import first_answer, keep_answer
from services.registry.linking import resolve_links
from services.registry.problems import refuse
from services.registry.reading import readable_letter
from services.registry.registration import Registration, Reserved
from services.registry.store import agencies, circulars, letters, lists, registers, withdrawals
from services.registry.store.letter_search import Search
from shared import problems as shared_problems
from shared.idempotency import IdempotencyKey, OptionalIdempotencyKey, request_sha256
from shared.ids import new_id
from shared.pages import Page, page_of, read_id_cursor
from shared.postgres import Connection
from shared.problems import REQUEST_INVALID, FieldError, ProblemError

router = APIRouter(prefix="/v1/letters", tags=["letters"])


@dataclass(frozen=True, slots=True)
class _Checked:
    """A draft with what it belongs to, all of it the agency's own."""

    draft: Draft
    register_id: UUID
    list_id: UUID | None
    relay_of_recipient_id: UUID | None


async def _checked(connection: Connection, agency_id: UUID, body: LetterIn) -> _Checked:
    """The draft that a request asks for. The register, the list, the links and the relay duty must be the agency's own."""
    body = await with_template(connection, agency_id, body)
    draft = body.draft()
    errors: list[FieldError] = []
    if body.register_id is None:
        refuse([FieldError("/register_id", "required", "name the register, here or in the template")], REQUEST_INVALID)
    register = await registers.get(connection, body.register_id, agency_id)
    if register is None:
        detail = f"there is no register {body.register_id}"
        errors.append(FieldError("/register_id", problems.REGISTER_UNKNOWN.code, detail))
    if body.list_id is not None and await lists.get(connection, body.list_id, agency_id) is None:
        errors.append(FieldError("/list_id", problems.LIST_UNKNOWN.code, f"there is no list {body.list_id}"))
    relay_of = body.relay_of_recipient_id
    if relay_of is not None and not await circulars.has_relay_duty(connection, relay_of, agency_id):
        detail = f"{relay_of} is not your agency with a relay duty"
        errors.append(FieldError("/relay_of_recipient_id", problems.RELAY_NOT_YOURS.code, detail))
    codes = {copy.agency_code: index for index, copy in enumerate(draft.copy_to) if copy.agency_code is not None}
    known = await agencies.ids_by_codes(connection, sorted(codes)) if codes else {}
    errors += [
        FieldError(f"/copy_to/{index}/agency_code", problems.AGENCY_UNKNOWN.code, f"there is no agency {code!r}")
        for code, index in codes.items()
        if code not in known
    ]
    if errors or register is None:
        refuse(errors)
    check_unit_code(register, draft.unit_code)
    draft = await resolve_links(connection, agency_id, draft)
    return _Checked(draft, register.register_id, body.list_id, relay_of)


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


@router.post("", status_code=201, summary="Write a draft", response_model=LetterOut)
async def write_draft(
    body: LetterIn, caller: LetterWriter, registry: Registry, response: Response, key: OptionalIdempotencyKey
) -> dict[str, Any]:
    """Keeps a draft of any of the six kinds (ข้อ 10). A letter of the class ลับที่สุด is refused: it must not travel electronically (ข้อ 29)."""
    agency_id, letter_id = caller.agency(), new_id()
    sha256 = request_sha256({"draft": body.model_dump(mode="json", exclude_unset=True)})
    async with registry.database.transaction() as connection:
        answer = await first_answer(connection, agency_id, key, sha256)
        if answer is None:
            checked = await _checked(connection, agency_id, body)
            await letters.insert(
                connection,
                letter_id=letter_id,
                agency_id=agency_id,
                register_id=checked.register_id,
                draft=checked.draft,
                list_id=checked.list_id,
                relay_of_recipient_id=checked.relay_of_recipient_id,
            )
            if body.supersedes is not None or body.follows is not None:
                await withdrawing.tie_draft(connection, letter_id, agency_id, supersedes=body.supersedes, follows=body.follows)
            letter = await own_draft(connection, letter_id, agency_id)
            answer = (await _shown(connection, letter, agency_id)).model_dump(mode="json")
            await keep_answer(connection, agency_id, key, answer)
    response.headers.update(etag(answer["version"]))
    return answer


@router.get("", summary="List your letters")
async def list_letters(
    caller: LetterReader,
    registry: Registry,
    request: Request,
    response: Response,
    state: Annotated[LetterState | None, Query()] = None,
    q: Words = None,
    after: After = None,
    limit: Limit = DEFAULT_PAGE,
) -> Page[LetterHeadOut]:
    """The letters that the agency has written, newest first; with `q` those in whose number, subject, sender or addressee it stands."""
    agency_id, cursor, text = caller.agency(), read_id_cursor(after), searched(q)
    async with registry.database.transaction() as connection:
        if text:
            words = Filter(agency_id, None, date.min, date.max, text, {})
            found = await find_letters(connection, Search(words, cursor, state, limit + 1))
        else:
            found = await letters.page(connection, agency_id, after=cursor, state=state, limit=limit + 1)
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
    agency_id = caller.agency()
    async with registry.database.transaction() as connection:
        known = await own_draft(connection, letter_id, agency_id)
        check_version(known.version, version)
        checked = await _checked(connection, agency_id, body)
        await letters.update_draft(
            connection,
            letter_id=letter_id,
            register_id=checked.register_id,
            draft=checked.draft,
            list_id=checked.list_id,
            relay_of_recipient_id=checked.relay_of_recipient_id,
        )
        await withdrawing.tie_draft(connection, letter_id, agency_id, supersedes=body.supersedes, follows=body.follows)
        letter = await own_draft(connection, letter_id, agency_id)
        shown = await _shown(connection, letter, agency_id)
    response.headers.update(etag(letter.version))
    return shown


@router.delete("/{letter_id}", status_code=204, summary="Discard a draft")
async def discard_draft(letter_id: UUID, caller: LetterWriter, registry: Registry, version: IfMatch) -> None:
    """Forgets a draft and its files. A letter that has its number stays for ever: it is voided, superseded or recalled."""
    async with registry.database.transaction() as connection:
        known = await own_draft(connection, letter_id, caller.agency())
        check_version(known.version, version)
        await letters.delete_draft(connection, letter_id)


@router.post("/{letter_id}/register", summary="Give a letter its number")
async def register(
    letter_id: UUID, caller: LetterWriter, registry: Registry, body: RegistrationIn | None = None
) -> RegisteredOut:
    """Issues the next number of the register, or one that was reserved, and freezes the content. A second call gives the same answer."""
    reserved = None if body is None or body.reservation_id is None else Reserved(body.reservation_id, body.running)
    letter = await registry.registrar.register(Registration(caller.agency(), letter_id, reserved))
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
    gate = gate_of(registry.settings, caller.client_id, body)
    order = Order(caller.agency(), letter_id, None if body is None else body.list_id, key, gate)
    links = FileLinks(registry.signer, registry.settings.public_url)
    return await dispatch_letter(registry.database, order, links, registry.settings.registry_list_max_addressees)
