"""Routes of attachments: streamed in while they are hashed, streamed out, whole or in part, to whom may read the letter."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.requests import ClientDisconnect

from services.registry.api.dependencies import LetterRecipient, LetterWriter, Registry
from services.registry.api.letter_models import AttachmentOut, FileLinkOut, shown_attachment
from services.registry.api.letters import own_draft
from services.registry.domain.file_types import OCTETS
from services.registry.domain.files import content_disposition, read_content_digest, safe_file_name
from services.registry.domain.letters import Attachment, Letter, LetterState
from services.registry.domain.ranges import RangeError, asked_part, matches, still_holds
from services.registry.problems import attachments as problems
from services.registry.problems.withdrawals import LETTER_TAKEN_BACK
from services.registry.reading import readable_attachment
from services.registry.resources import Resources
from services.registry.store import letters, withdrawals
from services.registry.store.letters import StoredAttachment
from services.registry.uploads import Claim
from shared import problems as shared_problems
from shared.contracts.events import Secrecy
from shared.ids import new_id
from shared.links import LinkError, Purpose
from shared.postgres import Connection
from shared.problems import ProblemError
from shared.web import problem_response

router = APIRouter(tags=["attachments"])

IfNoneMatch = Annotated[str | None, Header()]
IfRange = Annotated[str | None, Header(description="The ETag that the range is of; the whole file is sent when it has another.")]
Range = Annotated[str | None, Header(description="One range of bytes (RFC 9110): `bytes=0-1023`, `bytes=1024-`, `bytes=-512`.")]

_A_FILE: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The file.", "content": {OCTETS: {"schema": {"type": "string", "format": "binary"}}}},
    206: {"description": "The part that Range names."},
    304: {"description": "The caller has the file."},
}


async def _check_room(connection: Connection, registry: Resources, letter_id: UUID, agency_id: UUID) -> None:
    await own_draft(connection, letter_id, agency_id)
    most = registry.settings.registry_attachments_per_letter
    if len(await letters.attachments(connection, letter_id)) >= most:
        raise ProblemError(problems.ATTACHMENTS_TOO_MANY, f"at most {most} attachments")


def _claimed_type(request: Request, registry: Resources) -> str:
    media_type = request.headers.get("content-type", OCTETS).partition(";")[0].strip().lower()
    allowed = registry.settings.registry_attachment_types
    if media_type not in (*allowed, OCTETS):
        raise ProblemError(problems.ATTACHMENT_TYPE_REFUSED, f"allowed: {', '.join(allowed)}")
    return media_type


def _check_length(request: Request, most: int) -> None:
    # An honest length spares the transfer; a false one is found while the body is counted.
    length = request.headers.get("content-length", "")
    if length.isascii() and length.isdigit() and int(length) > most:
        raise ProblemError(problems.ATTACHMENT_TOO_LARGE, f"at most {most} bytes")


async def _body(request: Request) -> AsyncIterator[bytes]:
    try:
        async for chunk in request.stream():
            yield chunk
    except ClientDisconnect as error:
        raise ProblemError(shared_problems.REQUEST_INVALID, "the body broke off") from error


@router.post(
    "/v1/letters/{letter_id}/attachments",
    status_code=201,
    summary="Attach a file to a draft",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/pdf": {"schema": {"type": "string", "contentMediaType": OCTETS}}},
        }
    },
)
async def attach_file(
    letter_id: UUID,
    caller: LetterWriter,
    registry: Registry,
    request: Request,
    file_name: Annotated[str, Query(min_length=1, max_length=1000, description="Under which the recipients save the file.")],
    content_digest: Annotated[
        str | None, Header(description="sha-256=:base64: (RFC 9530); the file is refused if it differs.")
    ] = None,
) -> AttachmentOut:
    """Takes the file as the raw body, with its Content-Type. A file that is refused leaves nothing behind.

    What the bytes are is held against the Content-Type; `application/octet-stream` claims nothing, and the file gets the type that is
    found. The same content is kept once, however many letters it goes with.
    """
    agency_id = caller.agency()
    claim = Claim(_claimed_type(request, registry), read_content_digest(content_digest))
    name = safe_file_name(file_name)
    _check_length(request, registry.settings.registry_attachment_max_bytes)
    async with registry.database.transaction() as connection:
        await _check_room(connection, registry, letter_id, agency_id)
    received = await registry.uploads.receive(_body(request), claim)
    attachment = Attachment(new_id(), name, received.media_type, received.size, received.sha256)
    try:
        async with registry.database.transaction() as connection:
            # The letter may have got its number while the file came in.
            await _check_room(connection, registry, letter_id, agency_id)
            file_id = await registry.uploads.keep(connection, received)
            await letters.insert_attachment(connection, letter_id, attachment, file_id)
    except ProblemError:
        # Refused, and rolled back. After any other failure nobody knows whether the letter has the file: the collector will see.
        await registry.uploads.discard(received.file_id)
        raise
    return shown_attachment(attachment)


@router.head("/v1/attachments/{attachment_id}", include_in_schema=False)
@router.get("/v1/attachments/{attachment_id}", summary="Fetch an attachment", response_class=Response, responses=_A_FILE)
async def fetch_attachment(
    attachment_id: UUID,
    caller: LetterRecipient,
    registry: Registry,
    request: Request,
    if_none_match: IfNoneMatch = None,
    if_range: IfRange = None,
    range: Range = None,  # noqa: A002 - the header's name
) -> Response:
    """The file or a part of it, for the letter's sender and, once it went round, for its recipients."""
    async with registry.database.connection() as connection:
        stored = await readable_attachment(connection, attachment_id, caller.agency())
    return await _file(registry, request, stored, if_none_match, range if still_holds(if_range, _tag(stored)) else None)


@router.delete("/v1/attachments/{attachment_id}", status_code=204, summary="Remove an attachment from a draft")
async def remove_attachment(attachment_id: UUID, caller: LetterWriter, registry: Registry) -> None:
    """Only while the letter is a draft."""
    async with registry.database.transaction() as connection:
        stored = await letters.get_attachment(connection, attachment_id)
        if stored is None:
            raise ProblemError(shared_problems.NOT_FOUND)
        await own_draft(connection, stored.letter_id, caller.agency())
        await letters.delete_attachment(connection, attachment_id)


@router.post("/v1/attachments/{attachment_id}/link", summary="Make a link to an attachment")
async def make_link(attachment_id: UUID, caller: LetterRecipient, registry: Registry) -> FileLinkOut:
    """An address that opens the file without a token, for whom may read the letter: for a browser, or when an older link has expired."""
    async with registry.database.connection() as connection:
        stored = await readable_attachment(connection, attachment_id, caller.agency())
        letter = await letters.get(connection, stored.letter_id)
    if letter is None or not _opens_by_link(letter):
        raise ProblemError(problems.LINK_NOT_MADE)
    made = registry.signer.sign(Purpose.FILE, attachment_id)
    expires_at = datetime.now(UTC) + timedelta(days=registry.settings.registry_file_link_days)
    return FileLinkOut(url=f"{registry.settings.public_url}/f/{made}", expires_at=expires_at)


@router.head("/f/{link}", include_in_schema=False)
@router.get("/f/{link}", summary="Fetch an attachment by its signed link", response_class=Response, responses=_A_FILE)
async def fetch_linked_file(
    link: str,
    registry: Registry,
    request: Request,
    if_none_match: IfNoneMatch = None,
    if_range: IfRange = None,
    range: Range = None,  # noqa: A002 - the header's name
) -> Response:
    """The file that a webhook or an e-mail named, or a part of it; the link is the credential until it expires."""
    try:
        attachment_id = registry.signer.read(Purpose.FILE, link, max_age=registry.settings.registry_file_link_days * 24 * 3600)
    except LinkError as error:
        raise ProblemError(shared_problems.NOT_FOUND, "the link is spoilt or has expired") from error
    async with registry.database.connection() as connection:
        stored = await letters.get_attachment(connection, attachment_id)
        letter = None if stored is None else await letters.get(connection, stored.letter_id)
        if stored is None or letter is None or not _opens_by_link(letter):
            raise ProblemError(shared_problems.NOT_FOUND)
        # The link is the same for all recipients: while one of them has received the letter, it opens.
        if await withdrawals.is_taken_back(connection, letter.letter_id, None):
            raise ProblemError(LETTER_TAKEN_BACK)
    return await _file(registry, request, stored, if_none_match, range if still_holds(if_range, _tag(stored)) else None)


def _opens_by_link(letter: Letter) -> bool:
    # Files of secret letters are read with a token; such a link is never made, and would not open.
    return letter.state is LetterState.DISPATCHED and letter.draft.secrecy is Secrecy.NORMAL


def _tag(stored: StoredAttachment) -> str:
    return f'"{stored.attachment.sha256}"'


async def _file(
    registry: Resources, request: Request, stored: StoredAttachment, if_none_match: str | None, asked: str | None
) -> Response:
    attachment = stored.attachment
    headers = {
        "ETag": _tag(stored),
        "Accept-Ranges": "bytes",
        "Content-Disposition": content_disposition(attachment.file_name),
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cache-Control": "private, no-cache",
    }
    if matches(if_none_match, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    try:
        # A range is for GET alone (RFC 9110, section 14.2).
        part = asked_part(asked, attachment.size) if request.method == "GET" else None
    except RangeError as error:
        refusal = problem_response(ProblemError(problems.RANGE_UNSATISFIABLE, str(error)))
        refusal.headers["Content-Range"] = f"bytes */{attachment.size}"
        return refusal
    headers["Content-Length"] = str(attachment.size if part is None else part.length)
    if request.method == "HEAD":
        return Response(headers=headers, media_type=attachment.media_type)
    pieces = await registry.storage.read(stored.file_id, part)
    if part is None:
        return StreamingResponse(pieces, media_type=attachment.media_type, headers=headers)
    headers["Content-Range"] = f"bytes {part.start}-{part.end - 1}/{attachment.size}"
    return StreamingResponse(pieces, 206, media_type=attachment.media_type, headers=headers)
