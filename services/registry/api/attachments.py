"""Routes of attachments: streamed in while they are hashed, streamed out to whom may read the letter."""

from collections.abc import AsyncIterator
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.requests import ClientDisconnect

from services.registry import problems
from services.registry.api.dependencies import LetterRecipient, LetterWriter, Registry
from services.registry.api.letter_models import AttachmentOut, shown_attachment
from services.registry.api.letters import own_draft
from services.registry.domain.files import content_disposition, read_content_digest, safe_file_name
from services.registry.domain.letters import Attachment, LetterState
from services.registry.reading import readable_attachment
from services.registry.resources import Resources
from services.registry.storage import StoredObject
from services.registry.store import letters
from shared import problems as shared_problems
from shared.contracts.events import Secrecy
from shared.ids import new_id
from shared.links import LinkError, Purpose
from shared.postgres import Connection, Unavailable
from shared.problems import ProblemError

LINK_MAX_AGE: Final = 30 * 24 * 3600

router = APIRouter(tags=["attachments"])

IfNoneMatch = Annotated[str | None, Header()]


async def _check_room(connection: Connection, registry: Resources, letter_id: UUID, agency_id: UUID) -> None:
    await own_draft(connection, letter_id, agency_id)
    most = registry.settings.registry_attachments_per_letter
    if len(await letters.attachments(connection, letter_id)) >= most:
        raise ProblemError(problems.ATTACHMENTS_TOO_MANY, f"at most {most} attachments")


def _media_type(request: Request, registry: Resources) -> str:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    allowed = registry.settings.registry_attachment_types
    if media_type not in allowed:
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


def _check_content(stored: StoredObject, digest: bytes | None) -> None:
    if stored.size == 0:
        raise ProblemError(problems.ATTACHMENT_EMPTY)
    if digest is not None and digest.hex() != stored.sha256:
        raise ProblemError(problems.ATTACHMENT_HASH_DIFFERS, f"sha256 of what arrived: {stored.sha256}")


@router.post(
    "/v1/letters/{letter_id}/attachments",
    status_code=201,
    summary="Attach a file to a draft",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/pdf": {"schema": {"type": "string", "contentMediaType": "application/octet-stream"}}},
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
    """Takes the file as the raw body, with its Content-Type. A file that is too large, empty or damaged leaves nothing behind."""
    agency_id, most = caller.agency(), registry.settings.registry_attachment_max_bytes
    name, media_type, digest = safe_file_name(file_name), _media_type(request, registry), read_content_digest(content_digest)
    _check_length(request, most)
    async with registry.database.transaction() as connection:
        await _check_room(connection, registry, letter_id, agency_id)
    attachment_id = new_id()
    stored = await registry.storage.write(attachment_id, _body(request), most=most)
    try:
        _check_content(stored, digest)
        attachment = Attachment(attachment_id, name, media_type, stored.size, stored.sha256)
        async with registry.database.transaction() as connection:
            # The letter may have got its number while the file came in.
            await _check_room(connection, registry, letter_id, agency_id)
            await letters.insert_attachment(connection, letter_id, attachment)
    except Unavailable:
        # The commit may have happened although its answer was lost: an object without a row is harmless, the reverse is not.
        raise
    except Exception:
        # Without its row nobody would ever find the object again.
        await registry.storage.delete(attachment_id)
        raise
    return shown_attachment(attachment)


@router.get("/v1/attachments/{attachment_id}", summary="Fetch an attachment", response_class=Response)
async def fetch_attachment(
    attachment_id: UUID, caller: LetterRecipient, registry: Registry, if_none_match: IfNoneMatch = None
) -> Response:
    """The file, for the letter's sender and, once it went round, for its recipients."""
    async with registry.database.connection() as connection:
        stored = await readable_attachment(connection, attachment_id, caller.agency())
    return await _file(registry, stored.attachment, if_none_match)


@router.delete("/v1/attachments/{attachment_id}", status_code=204, summary="Remove an attachment from a draft")
async def remove_attachment(attachment_id: UUID, caller: LetterWriter, registry: Registry) -> None:
    """Only while the letter is a draft."""
    async with registry.database.transaction() as connection:
        stored = await letters.get_attachment(connection, attachment_id)
        if stored is None:
            raise ProblemError(shared_problems.NOT_FOUND)
        await own_draft(connection, stored.letter_id, caller.agency())
        await letters.delete_attachment(connection, attachment_id)
    await registry.storage.delete(attachment_id)


@router.get("/f/{link}", summary="Fetch an attachment by its signed link", response_class=Response)
async def fetch_linked_file(link: str, registry: Registry, if_none_match: IfNoneMatch = None) -> Response:
    """The file that a webhook or an e-mail named; the link is the credential, for 30 days."""
    try:
        attachment_id = registry.signer.read(Purpose.FILE, link, max_age=LINK_MAX_AGE)
    except LinkError as error:
        raise ProblemError(shared_problems.NOT_FOUND, "the link is spoilt or has expired") from error
    async with registry.database.connection() as connection:
        stored = await letters.get_attachment(connection, attachment_id)
        letter = None if stored is None else await letters.get(connection, stored.letter_id)
    # Files of secret letters are read with a token; such a link is never made, and would not open.
    if (
        stored is None
        or letter is None
        or letter.state is not LetterState.DISPATCHED
        or letter.draft.secrecy is not Secrecy.NORMAL
    ):
        raise ProblemError(shared_problems.NOT_FOUND)
    return await _file(registry, stored.attachment, if_none_match)


async def _file(registry: Resources, attachment: Attachment, if_none_match: str | None) -> Response:
    tag = f'"{attachment.sha256}"'
    headers = {
        "ETag": tag,
        "Content-Disposition": content_disposition(attachment.file_name),
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cache-Control": "private, no-cache",
    }
    if if_none_match is not None and tag in {part.strip().removeprefix("W/") for part in if_none_match.split(",")}:
        return Response(status_code=304, headers=headers)
    pieces = await registry.storage.read(attachment.attachment_id)
    headers["Content-Length"] = str(attachment.size)
    return StreamingResponse(pieces, media_type=attachment.media_type, headers=headers)
