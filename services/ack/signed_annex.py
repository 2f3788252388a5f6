"""Signs the filled annex: a ZIP of the very file and a statement about its bytes, which `wian verify` checks offline."""

import asyncio
import hashlib
import zipfile
from collections.abc import Callable
from contextlib import aclosing
from datetime import datetime
from tempfile import TemporaryFile
from typing import IO, Final

from fastapi import Response
from fastapi.responses import StreamingResponse

from services.ack import workbook
from services.ack.annex import Form, annex_pieces, file_name
from services.ack.evidence.form import ANNEX_FORMAT, moment
from services.ack.evidence.publishing import published_keys
from services.ack.resources import Resources
from services.ack.store import evidence
from services.ack.store.circulars import Circular
from services.ack.store.evidence import Chain
from shared.thai.dates import BANGKOK

MEDIA_TYPE: Final = "application/zip"
SIGNATURE: Final = ".signature.json"
# These are packed already.
PACKED: Final = frozenset({Form.PDF, Form.XLSX})


async def signed_response(resources: Resources, circular: Circular, form: Form) -> Response:
    """The annex with its signature, as a download. It is made whole before its first byte goes out, in a temporary file."""
    await resources.evidence_keys.ensure(resources.database)
    made_at = resources.now()
    # Read before the rows are: the annex shows everything that the chain proves up to here, and perhaps more.
    async with resources.database.connection() as connection:
        chain = await evidence.head(connection, circular.circular_id)
    file = await _packed(resources, circular, form, made_at, chain)
    headers = {
        "Content-Disposition": f'attachment; filename="{file_name(circular, form)}.zip"',
        "Cache-Control": "no-store",
    }
    return StreamingResponse(workbook.pieces(file), 200, headers, media_type=MEDIA_TYPE)


async def _packed(resources: Resources, circular: Circular, form: Form, made_at: datetime, chain: Chain) -> IO[bytes]:
    name = file_name(circular, form)
    file: IO[bytes] = TemporaryFile()  # noqa: SIM115 - closed when it has been sent
    try:
        with zipfile.ZipFile(file, "w") as package:
            digest, size = hashlib.sha256(), 0
            pieces = annex_pieces(resources, circular, form)
            with package.open(_member(name, made_at, packed=form in PACKED), "w") as member:
                async with aclosing(pieces):
                    async for piece in pieces:
                        await asyncio.to_thread(_take, piece, digest.update, member.write)
                        size += len(piece)
            signature = await _signature(resources, circular, form, made_at, chain, size, digest.hexdigest())
            package.writestr(_member(name + SIGNATURE, made_at, packed=True), signature)
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file


def _take(piece: bytes, *takers: Callable[[bytes], object]) -> None:
    for take in takers:
        take(piece)


def _member(name: str, made_at: datetime, *, packed: bool) -> zipfile.ZipInfo:
    at = made_at.astimezone(BANGKOK)
    member = zipfile.ZipInfo(name, (at.year, at.month, at.day, at.hour, at.minute, at.second))
    member.compress_type = zipfile.ZIP_STORED if packed else zipfile.ZIP_DEFLATED
    member.external_attr = 0o644 << 16
    return member


async def _signature(
    resources: Resources, circular: Circular, form: Form, made_at: datetime, chain: Chain, size: int, sha256: str
) -> bytes:
    async with resources.database.transaction() as connection:
        signer = await resources.evidence_keys.signer(connection)
        sealed = signer.seal(
            {
                "format": ANNEX_FORMAT,
                "circular_id": str(circular.circular_id),
                "sender_agency_id": str(circular.sender_agency_id),
                "letter_number": circular.letter.number,
                "content_hash": circular.letter.content_hash,
                "recipients": circular.recipient_count,
                "form": form.value,
                "file_name": file_name(circular, form),
                "file_bytes": size,
                "file_sha256": sha256,
                "made_at": moment(made_at),
                "chain_sequence": chain.sequence,
                "chain_head_sha256": chain.head_sha256,
                "keys": await published_keys(connection),
            }
        )
    return sealed.line("annex")
