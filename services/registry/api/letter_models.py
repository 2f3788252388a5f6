"""A letter as requests write it and as answers show it."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from services.registry import problems
from services.registry.api.afterwards import AfterwardsOut
from services.registry.api.fields import Block, Line, Paragraph, RequestModel, ShortLine, SubjectLine
from services.registry.domain.classes import read_secrecy, read_speed
from services.registry.domain.letters import Attachment, Draft, Enclosure, Letter, LetterState, Reference
from services.registry.problems import refuse
from shared.contracts.events import Secrecy, Speed
from shared.problems import FieldError
from shared.thai.dates import BUDDHIST_OFFSET, FIRST_BUDDHIST_YEAR, LAST_BUDDHIST_YEAR, ThaiDateError, parse_date

_EXAMPLE: Final[dict[str, Any]] = {
    "register_id": "0190f3a0-0000-7000-8000-000000000001",
    "kind": "external",
    "circular": True,
    "date": "2017-11-09",
    "owner": "ศาลากลางจังหวัดสมุทรสาคร\nถนนเศรษฐกิจ ๑ สค ๗๔๐๐๐",
    "subject": "การพัฒนางานบริการประชาชนเพื่อรองรับการเป็นศูนย์ราชการสะดวก",
    "salutation": "เรียน หน่วยงานที่เกี่ยวข้อง (ตามบัญชีรายชื่อแนบท้าย)",
    "references": [],
    "enclosures": [{"description": "สำเนาหนังสือกระทรวงมหาดไทย ที่ มท ๐๒๑๘/ว ๕๙๙๒", "copies": 1}],
    "body": ["ด้วยจังหวัดสมุทรสาครได้รับแจ้งจากกระทรวงมหาดไทยว่า…", "จึงเรียนมาเพื่อพิจารณาดำเนินการ"],
    "closing": "ขอแสดงความนับถือ",
    "signatory_name": "นายประภัสสร มาลาภาณุจัน",
    "signatory_position": "ผู้ว่าราชการจังหวัดสมุทรสาคร",
    "contact_unit": "สำนักงานจังหวัด",
    "telephone": "๐ ๓๔๔๑ ๑๒๕๑",
    "fax": "๐ ๓๔๔๒ ๘๒๓๖",
    "speed": "normal",
    "secrecy": "normal",
    "list_id": None,
    "deadline": "2017-11-30T16:30:00+07:00",
    "relay_of_recipient_id": None,
}

DayText = Annotated[ShortLine | None, Field(description="2017-11-09, or as letters write it: ๙ พฤศจิกายน ๒๕๖๐.")]


# A letter's text travels in every message about it; a broker takes 16 MiB at most. A long real letter has some 10,000 characters.
BODY_CHARACTERS: Final = 250_000


def _in_one_message(body: tuple[str, ...]) -> tuple[str, ...]:
    if sum(map(len, body)) > BODY_CHARACTERS:
        raise ValueError(f"the text has more than {BODY_CHARACTERS} characters: attach it as a file")
    return body


def _printable(deadline: datetime) -> datetime:
    """A deadline must be printable in the Bangkok calendar, as a letter's date."""
    if not FIRST_BUDDHIST_YEAR <= deadline.year + BUDDHIST_OFFSET <= LAST_BUDDHIST_YEAR:
        raise ValueError(f"a deadline lies in the years {FIRST_BUDDHIST_YEAR} to {LAST_BUDDHIST_YEAR} of the Buddhist era")
    return deadline


class ReferenceIn(RequestModel):
    """อ้างถึง: an earlier letter; the number as its issuer wrote it."""

    issuer: Line = ""
    number: Line
    date: DayText = None


class EnclosureIn(RequestModel):
    """สิ่งที่ส่งมาด้วย; for the copy of a letter also its issuer, number and date."""

    description: Annotated[Line, Field(min_length=1)]
    copies: Annotated[int, Field(ge=1, le=10_000)] = 1
    issuer: Line | None = None
    number: Line | None = None
    date: DayText = None


class LetterIn(RequestModel):
    """A draft. What ข้อ 11 requires may still be empty; `register` asks for it."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    register_id: UUID
    kind: Literal["external"] = "external"
    circular: bool = Field(default=True, description="The number bears ว (ข้อ 32): one text for many receivers.")
    date: DayText = None
    owner: Block = ""
    subject: SubjectLine = ""
    salutation: Line = ""
    references: Annotated[tuple[ReferenceIn, ...], Field(max_length=100)] = ()
    enclosures: Annotated[tuple[EnclosureIn, ...], Field(max_length=100)] = ()
    body: Annotated[tuple[Paragraph, ...], Field(max_length=500), AfterValidator(_in_one_message)] = ()
    closing: Line = ""
    signatory_name: Line = ""
    signatory_position: Block = ""
    contact_unit: Block = ""
    telephone: Line = ""
    fax: Line | None = None
    speed: ShortLine = Field(default=Speed.NORMAL.value, description="Code or Thai name: normal, urgent, very_urgent, ด่วนที่สุด…")
    secrecy: ShortLine = Field(default=Secrecy.NORMAL.value, description="Code or Thai name: normal, confidential, ลับมาก…")
    list_id: UUID | None = None
    deadline: Annotated[AwareDatetime, AfterValidator(_printable)] | None = None
    relay_of_recipient_id: UUID | None = Field(
        default=None, description="The recipient_id under which your agency received the circular that this letter passes on."
    )

    supersedes: UUID | None = Field(default=None, description="The letter of your agency whose place this one takes.")
    follows: UUID | None = Field(
        default=None, description="The letter that this one answers or follows up, sent or received by your agency."
    )

    def draft(self) -> Draft:
        """The domain's value; raises ProblemError with a pointer to each class or date that cannot be read."""
        errors: list[FieldError] = []
        secrecy, speed = read_secrecy(self.secrecy), read_speed(self.speed)
        errors += [read for read in (secrecy, speed) if isinstance(read, FieldError)]
        letter_date = _day(self.date, "/date", errors)
        references = tuple(
            Reference(r.issuer, r.number, _day(r.date, f"/references/{index}/date", errors))
            for index, r in enumerate(self.references)
        )
        enclosures = tuple(
            Enclosure(e.description, e.copies, e.issuer, e.number, _day(e.date, f"/enclosures/{index}/date", errors))
            for index, e in enumerate(self.enclosures)
        )
        if errors or isinstance(secrecy, FieldError) or isinstance(speed, FieldError):
            refuse(errors)
        return Draft(
            kind=self.kind,
            circular=self.circular,
            date=letter_date,
            owner=self.owner,
            subject=self.subject,
            salutation=self.salutation,
            references=references,
            enclosures=enclosures,
            body=self.body,
            closing=self.closing,
            signatory_name=self.signatory_name,
            signatory_position=self.signatory_position,
            contact_unit=self.contact_unit,
            telephone=self.telephone,
            fax=self.fax,
            speed=speed,
            secrecy=secrecy,
            deadline=self.deadline,
        )


class DispatchIn(RequestModel):
    """An order to send a letter round."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"list_id": None}]})

    list_id: UUID | None = Field(default=None, description="A list of your agency; default: the one that the letter names.")


class ReferenceOut(BaseModel):
    """อ้างถึง."""

    issuer: str
    number: str
    date: date | None


class EnclosureOut(BaseModel):
    """สิ่งที่ส่งมาด้วย."""

    description: str
    copies: int
    issuer: str | None
    number: str | None
    date: date | None


class AttachmentOut(BaseModel):
    """A file that goes with a letter."""

    attachment_id: UUID
    file_name: str
    media_type: str
    size: int
    sha256: str


class LetterHeadOut(BaseModel):
    """A letter in a listing."""

    letter_id: UUID
    state: LetterState
    version: int
    number: str | None
    date: date | None
    subject: str
    circular: bool
    speed: Speed
    secrecy: Secrecy
    updated_at: datetime
    voided_at: datetime | None = Field(default=None, description="When the number was cancelled; `afterwards` says why.")


class LetterOut(LetterHeadOut):
    """A letter. `register_id`, `list_id` and `relay_of_recipient_id` are shown to the sender only."""

    register_id: UUID | None
    running: int | None
    year_be: int | None
    content_hash: str | None
    kind: str
    owner: str
    salutation: str
    references: list[ReferenceOut]
    enclosures: list[EnclosureOut]
    body: list[str]
    closing: str
    signatory_name: str
    signatory_position: str
    contact_unit: str
    telephone: str
    fax: str | None
    deadline: datetime | None
    list_id: UUID | None
    relay_of_recipient_id: UUID | None
    circular_id: UUID | None
    attachments: list[AttachmentOut]
    afterwards: AfterwardsOut | None = None


class RegisteredOut(BaseModel):
    """A letter's number and the hash of its frozen content."""

    letter_id: UUID
    state: LetterState
    number: str
    running: int
    year_be: int
    content_hash: str


class DispatchedOut(BaseModel):
    """An order that was carried out."""

    circular_id: UUID
    letter_id: UUID
    recipients: int
    state: LetterState
    content_hash: str


def shown_attachment(attachment: Attachment) -> AttachmentOut:
    """An attachment in an answer."""
    return AttachmentOut(
        attachment_id=attachment.attachment_id,
        file_name=attachment.file_name,
        media_type=attachment.media_type,
        size=attachment.size,
        sha256=attachment.sha256,
    )


def shown_head(letter: Letter, voided_at: datetime | None = None) -> LetterHeadOut:
    """A letter in a listing."""
    draft = letter.draft
    return LetterHeadOut(
        letter_id=letter.letter_id,
        state=letter.state,
        version=letter.version,
        number=None if letter.number is None else letter.number.printed,
        date=draft.date,
        subject=draft.subject,
        circular=draft.circular,
        speed=draft.speed,
        secrecy=draft.secrecy,
        updated_at=letter.updated_at,
        voided_at=voided_at,
    )


def shown(letter: Letter, attachments: Sequence[Attachment], circular_id: UUID | None, *, to_sender: bool) -> LetterOut:
    """A letter in an answer, to its sender or to a recipient."""
    draft, number = letter.draft, letter.number
    return LetterOut(
        **shown_head(letter).model_dump(),
        register_id=letter.register_id if to_sender else None,
        running=None if number is None else number.running,
        year_be=None if number is None else number.key.year_be,
        content_hash=letter.content_hash,
        kind=draft.kind,
        owner=draft.owner,
        salutation=draft.salutation,
        references=[ReferenceOut(issuer=r.issuer, number=r.number, date=r.date) for r in draft.references],
        enclosures=[
            EnclosureOut(description=e.description, copies=e.copies, issuer=e.issuer, number=e.number, date=e.date)
            for e in draft.enclosures
        ],
        body=list(draft.body),
        closing=draft.closing,
        signatory_name=draft.signatory_name,
        signatory_position=draft.signatory_position,
        contact_unit=draft.contact_unit,
        telephone=draft.telephone,
        fax=draft.fax,
        deadline=draft.deadline,
        list_id=letter.list_id if to_sender else None,
        relay_of_recipient_id=letter.relay_of_recipient_id if to_sender else None,
        circular_id=circular_id,
        attachments=[shown_attachment(attachment) for attachment in attachments],
    )


def _day(text: str | None, pointer: str, errors: list[FieldError]) -> date | None:
    if text is None or text == "":
        return None
    try:
        return parse_date(text)
    except ThaiDateError as error:
        errors.append(FieldError(pointer, problems.DATE_INVALID.code, str(error)))
        return None
