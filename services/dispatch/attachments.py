"""Attachments for mail: read from the registry by signed link, and never trusted without their hash."""

import hashlib
from collections.abc import Sequence
from typing import Final

import httpx
import structlog

from services.dispatch.mail_message import File
from shared.contracts.events import AttachmentLink
from shared.links import LinkSigner, Purpose

PDF: Final = "application/pdf"

log = structlog.stdlib.get_logger(__name__)


def attachable(attachments: Sequence[AttachmentLink], limit: int) -> tuple[AttachmentLink, ...]:
    """The PDF files, when they have at most `limit` bytes together; else none, and the mail links to them."""
    pdfs = tuple(attachment for attachment in attachments if attachment.media_type == PDF)
    return pdfs if sum(attachment.size for attachment in pdfs) <= limit else ()


class AttachmentReader:
    """Reads files under `base_url`."""

    def __init__(self, http: httpx.AsyncClient, signer: LinkSigner, base_url: str, limit: int) -> None:
        self._http = http
        self._signer = signer
        self._base_url = base_url
        self._limit = limit

    async def read(self, attachments: Sequence[AttachmentLink]) -> tuple[File, ...]:
        """All files to attach, or none when one cannot be had: a mail with its links beats a mail with half its files."""
        try:
            return tuple([File(link, await self._read_one(link)) for link in attachable(attachments, self._limit)])
        except (httpx.HTTPError, ValueError) as error:
            log.warning("attachments are linked: a file cannot be read", error=repr(error)[:500])
            return ()

    async def _read_one(self, link: AttachmentLink) -> bytes:
        url = f"{self._base_url}/f/{self._signer.sign(Purpose.FILE, link.attachment_id)}"
        content = bytearray()
        async with self._http.stream("GET", url) as response:
            response.raise_for_status()
            async for part in response.aiter_bytes():
                content += part
                if len(content) > link.size:
                    raise ValueError("the file is larger than its letter says")
        if hashlib.sha256(content).hexdigest() != link.sha256:
            raise ValueError("the file's hash is not the one in its letter")
        return bytes(content)
