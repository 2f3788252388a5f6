"""Routes by which sender and recipient take their proof with them."""

from collections.abc import AsyncGenerator, Iterable, Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from services.ack.api.dependencies import Ack, CircularReader, RecipientReader, sent_by
from services.ack.evidence.form import HEADER_FORMAT, Sealed, Signer, b64, moment
from services.ack.evidence.publishing import published_keys
from services.ack.resources import Resources
from services.ack.store import checkpoints, circulars, evidence, recipients
from services.ack.store.checkpoints import Covered
from services.ack.store.circulars import Circular
from services.ack.store.evidence import Chain
from shared import problems as common
from shared.access import Principal, Scope, needs
from shared.canonical import canonical_json
from shared.postgres import Database
from shared.problems import ProblemError

router = APIRouter(prefix="/v1", tags=["evidence"])


class RotatedKeyOut(BaseModel):
    """The key that signs receipts from now on."""

    kid: str


Operator = Annotated[Principal, Depends(needs(Scope.OPERATE))]
MEDIA_TYPE = "application/x-ndjson"


@router.get("/evidence/jwks.json", summary="Read the keys that sign receipts")
async def read_keys(ack: Ack) -> dict[str, Any]:
    """The JWK set (RFC 7517) of all keys that ever signed a receipt, each with the time in which it did."""
    async with ack.database.connection() as connection:
        return {"keys": await published_keys(connection)}


@router.post("/evidence/keys", summary="Let a new key sign receipts", status_code=201)
async def rotate_key(_: Operator, ack: Ack) -> RotatedKeyOut:
    """What was signed before stays valid: old keys stay published, with the time at which they were retired."""
    return RotatedKeyOut(kid=await ack.evidence_keys.rotate(ack.database))


@router.get("/evidence/checkpoints", summary="Read the checkpoints", response_class=StreamingResponse)
async def read_checkpoints(
    ack: Ack,
    after: Annotated[int, Query(ge=0, le=2**62, description="The number of the checkpoint before.")] = 0,
    limit: Annotated[int, Query(ge=1, le=500, description="Most checkpoints of the page.")] = 100,
) -> StreamingResponse:
    """One a line (NDJSON), oldest first, each signed and with the hash of the one before. They tell of no letter: everybody may keep them."""
    async with ack.database.connection() as connection:
        found = await checkpoints.page(connection, after, limit)
    return StreamingResponse(_each(sealed.line("checkpoint") for _, sealed in found), media_type=MEDIA_TYPE)


@router.get("/evidence/checkpoints/{sequence}/time-stamp", summary="Take a checkpoint's time-stamp", response_class=Response)
async def read_time_stamp(sequence: Annotated[int, Path(ge=1, le=2**62)], ack: Ack) -> Response:
    """What the time-stamping authority answered (RFC 3161, a TimeStampResp in DER) over the exact bytes of the checkpoint's body."""
    async with ack.database.connection() as connection:
        answer = await checkpoints.time_stamp(connection, sequence)
    if answer is None:
        raise ProblemError(common.NOT_FOUND, "there is no such checkpoint, or it has no time-stamp yet")
    return Response(answer, media_type="application/timestamp-reply")


@router.get(
    "/circulars/{circular_id}/checkpoint", summary="Take the proof of a circular's checkpoint", response_class=StreamingResponse
)
async def read_checkpoint(circular_id: UUID, caller: CircularReader, ack: Ack) -> StreamingResponse:
    """For the sender: the newest checkpoint that covers the circular's chain, and the proof that it does, as `wian verify` reads them."""
    async with ack.database.connection() as connection:
        await sent_by(connection, circular_id, caller)
        return _proof(await checkpoints.newest_of(connection, circular_id))


@router.get("/recipients/{recipient_id}/receipts", summary="Export a recipient's receipts", response_class=StreamingResponse)
async def read_receipts(recipient_id: UUID, caller: RecipientReader, ack: Ack) -> StreamingResponse:
    """For the sender and the recipient: a signed header and the receipts, one a line (NDJSON), as `wian verify` reads them."""
    agency_id = caller.agency()
    await ack.evidence_keys.ensure(ack.database)
    async with ack.database.transaction() as connection:
        row = await recipients.get(connection, recipient_id)
        circular = None if row is None else await circulars.get(connection, row.circular_id)
        if row is None or circular is None or agency_id not in (row.agency_id, circular.sender_agency_id):
            raise ProblemError(common.NOT_FOUND)
        found = await evidence.of_recipient(connection, recipient_id)
        signer = await ack.evidence_keys.signer(connection)
        about = {"scope": "recipient", "recipient_id": str(recipient_id), "receipts": len(found), "head_sha256": None}
        header = _header(ack, signer, circular, about, await published_keys(connection))
    return StreamingResponse(_lines(header, found), media_type=MEDIA_TYPE)


@router.get(
    "/circulars/{circular_id}/evidence", summary="Export a circular's chain of receipts", response_class=StreamingResponse
)
async def read_evidence(circular_id: UUID, caller: CircularReader, ack: Ack) -> StreamingResponse:
    """For the sender: a signed header and all receipts in the order of the chain, one a line (NDJSON), as `wian verify` reads them."""
    await ack.evidence_keys.ensure(ack.database)
    async with ack.database.transaction() as connection:
        circular = await sent_by(connection, circular_id, caller)
        chain = await evidence.head(connection, circular_id)
        signer = await ack.evidence_keys.signer(connection)
        about = {"scope": "circular", "recipient_id": None, "receipts": chain.sequence, "head_sha256": chain.head_sha256}
        header = _header(ack, signer, circular, about, await published_keys(connection))
    return StreamingResponse(_chain_lines(ack.database, header, chain), media_type=MEDIA_TYPE)


def _header(ack: Resources, signer: Signer, circular: Circular, about: dict[str, Any], keys: Sequence[dict[str, Any]]) -> Sealed:
    return signer.seal(
        {
            "format": HEADER_FORMAT,
            "circular_id": str(circular.circular_id),
            "sender_agency_id": str(circular.sender_agency_id),
            "letter_number": circular.letter.number,
            "content_hash": circular.letter.content_hash,
            "exported_at": moment(ack.now()),
            "keys": list(keys),
            **about,
        }
    )


def _proof(covered: Covered | None) -> StreamingResponse:
    if covered is None:
        raise ProblemError(common.NOT_FOUND, "no checkpoint covers this yet: one is made on a schedule")
    proof = {
        "circular_id": str(covered.chain.circular_id),
        "head_sha256": covered.chain.head_sha256,
        "path": covered.path.hex(),
        "position": covered.position,
        "sequence": covered.chain.sequence,
        "time_stamp": None if covered.time_stamp is None else b64(covered.time_stamp),
    }
    lines = (covered.checkpoint.line("checkpoint"), canonical_json(proof) + b"\n")
    return StreamingResponse(_each(lines), media_type=MEDIA_TYPE)


async def _each(lines: Iterable[bytes]) -> AsyncGenerator[bytes]:
    for line in lines:
        yield line


def _lines(header: Sealed, found: Sequence[Sealed]) -> AsyncGenerator[bytes]:
    return _each((header.line("header"), *(one.line("receipt") for one in found)))


async def _chain_lines(database: Database, header: Sealed, chain: Chain) -> AsyncGenerator[bytes]:
    """Page by page, each on a connection of its own: a slow reader holds none. What follows the head that was signed is left out."""
    yield header.line("header")
    for after in range(0, chain.sequence, evidence.PAGE):
        async with database.connection() as connection:
            page = await evidence.of_chain(connection, chain, after)
        yield b"".join(one.line("receipt") for one in page)
