"""Routes of received letters: those that came on paper are entered by hand, and any entry can be corrected or voided."""

from dataclasses import replace
from datetime import UTC, datetime, time
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import ConfigDict, Field, StringConstraints

from services.registry import bookkeeping
from services.registry.api.books import ChangesOut, Day, ReceivedOut, shown_changes, shown_received
from services.registry.api.dependencies import IfMatch, LetterReader, LetterWriter, Registry, etag
from services.registry.api.fields import Block, Line, RequestModel, ShortLine, SubjectLine
from services.registry.domain.books import Received, ReceivedEntry, book_subject
from services.registry.idempotency import first_answer, keep_answer
from services.registry.problems.books import RECEIVED_BY_ACKNOWLEDGMENT
from services.registry.store import books, received
from shared import problems as shared_problems
from shared.contracts.events import Secrecy, Speed
from shared.idempotency import IdempotencyKey, request_sha256
from shared.problems import ProblemError
from shared.thai.dates import bangkok_date

router = APIRouter(prefix="/v1/received", tags=["books"])


class ReceivedIn(RequestModel):
    """A letter that came on paper, as it is entered into ทะเบียนหนังสือรับ."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "letter_number": "มท ๐๒๑๘/ว ๕๑๖๒",
                    "letter_date": "๒๐ ตุลาคม ๒๕๖๐",
                    "sender": "กระทรวงมหาดไทย",
                    "addressee": "ผู้ว่าราชการจังหวัดสมุทรสาคร",
                    "subject": "การพัฒนางานบริการประชาชน",
                    "receive_date": "๓๐ ตุลาคม ๒๕๖๐",
                    "receive_time": "14:30:00",
                }
            ]
        }
    )

    unit: ShortLine = Field(default="", description="The unit whose receive register it is; empty when the agency has one.")
    receive_number: ShortLine = Field(default="", description="เลขรับ as the stamp has it; left out, the register issues one.")
    receive_date: Day | None = Field(default=None, description="Thai or ISO date; default: today in Bangkok.")
    receive_time: time | None = None
    letter_number: ShortLine = Field(default="", description="ที่, as its sender wrote it.")
    letter_date: Day | None = None
    sender: Annotated[Line, StringConstraints(min_length=1)] = Field(description="จาก")
    addressee: Line = Field(default="", description="ถึง")
    subject: Annotated[SubjectLine, StringConstraints(min_length=1)] = Field(
        description="เรื่อง; of a letter of a class of secrecy only the class is entered."
    )
    speed: Speed = Speed.NORMAL
    secrecy: Secrecy = Secrecy.NORMAL
    action: Block = Field(default="", description="การปฏิบัติ")
    remark: Block = Field(default="", description="หมายเหตุ")

    def said(self) -> Received:
        """The entry; without a day it was received today."""
        return Received(
            unit=self.unit,
            receive_number=self.receive_number,
            receive_date=self.receive_date or bangkok_date(datetime.now(UTC)),
            receive_time=self.receive_time,
            letter_number=self.letter_number,
            letter_date=self.letter_date,
            sender=self.sender,
            sender_agency_id=None,
            addressee=self.addressee,
            subject=book_subject(self.subject, self.secrecy),
            speed=self.speed,
            secrecy=self.secrecy,
            action=self.action,
            remark=self.remark,
        )


class NotesIn(RequestModel):
    """What a clerk notes beside a received letter."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"addressee": "กลุ่มงานอำนวยการ", "action": "มอบแล้ว", "remark": ""}]})

    addressee: Line = Field(description="ถึง")
    action: Block = Field(description="การปฏิบัติ")
    remark: Block = Field(description="หมายเหตุ")


class VoidIn(RequestModel):
    """Why an entry is void."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "ลงทะเบียนซ้ำกับเลขรับ ๓๓๓"}]})

    reason: Annotated[Line, StringConstraints(min_length=1)]


@router.post("", status_code=201, summary="Enter a letter that came on paper", response_model=ReceivedOut)
async def enter(
    body: ReceivedIn, caller: LetterWriter, registry: Registry, response: Response, key: IdempotencyKey
) -> dict[str, Any]:
    """Enters a letter by hand. Without a receive number, the receive register of the unit and year issues the next one.

    The same Idempotency-Key with the same body gets the first answer again.
    """
    agency_id = caller.agency()
    sha256 = request_sha256({"received": body.model_dump(mode="json")})
    async with registry.database.transaction() as connection:
        answer = await first_answer(connection, agency_id, key, sha256)
        if answer is None:
            entry = await bookkeeping.enter_by_hand(connection, agency_id, body.said())
            answer = shown_received(entry).model_dump(mode="json")
            await keep_answer(connection, agency_id, key, answer)
    response.headers.update(etag(1))
    return answer


@router.get("/{received_id}", summary="Read a received letter's entry")
async def read(received_id: UUID, caller: LetterReader, registry: Registry, response: Response) -> ReceivedOut:
    """One row of ทะเบียนหนังสือรับ."""
    async with registry.database.connection() as connection:
        entry = await received.get(connection, received_id, caller.agency())
    if entry is None:
        raise ProblemError(shared_problems.NOT_FOUND)
    response.headers.update(etag(entry.version))
    return shown_received(entry)


@router.put("/{received_id}", summary="Correct an entry that was made by hand")
async def correct(
    received_id: UUID, body: ReceivedIn, caller: LetterWriter, registry: Registry, response: Response, version: IfMatch
) -> ReceivedOut:
    """Replaces what the entry says; what is left out of number and day stays. What it said before is kept."""

    def corrected(entry: ReceivedEntry) -> Received:
        if entry.acknowledged is not None:
            raise ProblemError(RECEIVED_BY_ACKNOWLEDGMENT)
        said = body.said()
        return replace(
            said,
            receive_number=said.receive_number or entry.said.receive_number,
            receive_date=body.receive_date or entry.said.receive_date,
        )

    entry = await bookkeeping.correct(
        registry.database, caller.agency(), received_id, corrected, version=version, by=caller.client_id
    )
    response.headers.update(etag(entry.version))
    return shown_received(entry)


@router.put("/{received_id}/notes", summary="Note what is done with a received letter")
async def note(
    received_id: UUID, body: NotesIn, caller: LetterWriter, registry: Registry, response: Response, version: IfMatch
) -> ReceivedOut:
    """Writes ถึง, การปฏิบัติ and หมายเหตุ of any entry; a later acknowledgment leaves them as they are."""

    def noted(entry: ReceivedEntry) -> Received:
        return replace(entry.said, addressee=body.addressee, action=body.action, remark=body.remark)

    entry = await bookkeeping.correct(
        registry.database, caller.agency(), received_id, noted, version=version, by=caller.client_id
    )
    response.headers.update(etag(entry.version))
    return shown_received(entry)


@router.post("/{received_id}/void", summary="Void an entry")
async def void(
    received_id: UUID, body: VoidIn, caller: LetterWriter, registry: Registry, response: Response, version: IfMatch
) -> ReceivedOut:
    """Voids an entry with a reason. It stays in the book and keeps its number."""
    entry = await bookkeeping.void_entry(
        registry.database, caller.agency(), received_id, body.reason, version=version, by=caller.client_id
    )
    response.headers.update(etag(entry.version))
    return shown_received(entry)


@router.get("/{received_id}/changes", summary="Read the changes of a received letter's entry")
async def read_changes(received_id: UUID, caller: LetterReader, registry: Registry) -> ChangesOut:
    """What the entry said before each change, and who changed it when."""
    async with registry.database.connection() as connection:
        if await received.get(connection, received_id, caller.agency()) is None:
            raise ProblemError(shared_problems.NOT_FOUND)
        return shown_changes(await books.changes(connection, received_id))
