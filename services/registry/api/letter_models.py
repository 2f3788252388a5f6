"""A letter as requests write it and as answers show it."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Any, Final, Self
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from services.registry import problems
from services.registry.api.afterwards import AfterwardsOut
from services.registry.api.fields import AgencyCode, Block, Line, Paragraph, RequestModel, ShortLine, SubjectLine
from services.registry.domain.agencies import printed_unit_code
from services.registry.domain.classes import read_secrecy, read_speed
from services.registry.domain.kinds import CORRESPONDENCE, Form, Kind
from services.registry.domain.letters import (
    Attachment,
    CopyTo,
    Draft,
    Enclosure,
    Letter,
    LetterState,
    Reference,
    contradictions,
)
from services.registry.problems import refuse
from shared.contracts.events import Secrecy, Speed
from shared.problems import FieldError
from shared.thai.dates import BUDDHIST_OFFSET, FIRST_BUDDHIST_YEAR, LAST_BUDDHIST_YEAR, ThaiDateError, parse_date
from shared.thai.numbers import MAX_RUNNING

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


Instant = Annotated[AwareDatetime, AfterValidator(_printable)]

LinkedLetter = Annotated[
    UUID | None,
    Field(description="A registered letter that your agency sent or received; issuer, number and date are taken from it."),
]


class ReferenceIn(RequestModel):
    """อ้างถึง: an earlier letter by its issuer, number and date, or as a link to one that is registered here."""

    issuer: Line = ""
    number: Line = ""
    date: DayText = None
    letter_id: LinkedLetter = None

    @model_validator(mode="after")
    def _names_a_letter(self) -> Self:
        if not self.number and self.letter_id is None:
            raise ValueError("a reference names a number or a letter_id")
        return self


class EnclosureIn(RequestModel):
    """สิ่งที่ส่งมาด้วย; for the copy of a letter also its issuer, number and date."""

    description: Annotated[Line, Field(min_length=1)]
    copies: Annotated[int, Field(ge=1, le=10_000)] = 1
    issuer: Line | None = None
    number: Line | None = None
    date: DayText = None
    letter_id: LinkedLetter = None


class CopyToIn(RequestModel):
    """สำเนาส่ง: who gets a copy, as the letter prints it; with an agency's code the exchange sends it."""

    title: Annotated[Line, Field(min_length=1)]
    agency_code: AgencyCode | None = None


class LetterIn(RequestModel):
    """A draft. What its kind requires may still be empty; `register` asks for it. What is left out is taken from the template."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    template_id: UUID | None = Field(default=None, description="A template of your agency for the fields that are left out.")
    register_id: UUID | None = Field(default=None, description="Required, here or in the template.")
    unit_code: Line | None = Field(
        default=None, description="Which of the units that share the register writes; default: the register's first."
    )
    kind: Kind = Field(default=Kind.EXTERNAL, description="One of the six kinds of ข้อ 10.")
    form: Form | None = Field(default=None, description="Of a directive, a public letter or a letter of evidence: which it is.")
    circular: bool | None = Field(
        default=None,
        description="The number bears ว (ข้อ 32): one text for many receivers. Default: true for external, internal, stamped.",
    )
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
    deadline: Instant | None = None
    urgent_within: Instant | None = Field(
        default=None, description="ด่วนภายใน: the instant at which the letter must have arrived (ข้อ 28); needs an urgent speed."
    )
    copy_to: Annotated[tuple[CopyToIn, ...], Field(max_length=100)] = ()
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
            Reference(r.issuer, r.number, _day(r.date, f"/references/{index}/date", errors), r.letter_id)
            for index, r in enumerate(self.references)
        )
        enclosures = tuple(
            Enclosure(e.description, e.copies, e.issuer, e.number, _day(e.date, f"/enclosures/{index}/date", errors), e.letter_id)
            for index, e in enumerate(self.enclosures)
        )
        if errors or isinstance(secrecy, FieldError) or isinstance(speed, FieldError):
            refuse(errors)
        draft = Draft(
            kind=self.kind,
            circular=self.kind in CORRESPONDENCE if self.circular is None else self.circular,
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
            form=self.form,
            unit_code=None if self.unit_code is None else printed_unit_code(self.unit_code, "/unit_code"),
            urgent_within=self.urgent_within,
            copy_to=tuple(CopyTo(copy.title, copy.agency_code) for copy in self.copy_to),
        )
        if wrong := contradictions(draft):
            refuse(wrong)
        return draft


class RegistrationIn(RequestModel):
    """How a letter gets its number; without a body, the next of its series."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"reservation_id": "0190f3a0-0000-7000-8000-000000000001", "running": 15123}]}
    )

    reservation_id: UUID | None = Field(default=None, description="Use a number that was reserved.")
    running: Annotated[int, Field(ge=1, le=MAX_RUNNING)] | None = Field(
        default=None, description="Which number of the reservation; default: the lowest that is free."
    )

    @model_validator(mode="after")
    def _running_of_a_reservation(self) -> Self:
        if self.running is not None and self.reservation_id is None:
            raise ValueError("`running` names a number of a reservation: give `reservation_id` too")
        return self


class OverrideIn(RequestModel):
    """Errors of the preflight that the sender overrules; both are recorded with the order."""

    reason: Annotated[Line, Field(min_length=1)]
    findings: Annotated[tuple[ShortLine, ...], Field(min_length=1, max_length=50, description="Codes of findings.")]


class DispatchIn(RequestModel):
    """An order to send a letter round."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"list_id": None}]})

    list_id: UUID | None = Field(default=None, description="A list of your agency; default: the one that the letter names.")
    override: OverrideIn | None = None


class ReferenceOut(BaseModel):
    """อ้างถึง."""

    issuer: str
    number: str
    date: date | None
    letter_id: UUID | None


class EnclosureOut(BaseModel):
    """สิ่งที่ส่งมาด้วย."""

    description: str
    copies: int
    issuer: str | None
    number: str | None
    date: date | None
    letter_id: UUID | None


class CopyToOut(BaseModel):
    """สำเนาส่ง."""

    title: str
    agency_code: str | None


class AttachmentOut(BaseModel):
    """A file that goes with a letter."""

    attachment_id: UUID
    file_name: str
    media_type: str
    size: int
    sha256: str


class FileLinkOut(BaseModel):
    """An address under which an attachment is read without a token, until it expires."""

    url: str
    expires_at: datetime


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
    kind: Kind
    form: Form | None
    unit_code: str | None
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
    urgent_within: datetime | None
    copy_to: list[CopyToOut]
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
    recipients: int = Field(description="With those who get a copy.")
    copies: int = Field(default=0, description="How many of them the letter itself names for a copy (สำเนาส่ง).")
    state: LetterState
    content_hash: str
    list_version: int | None = Field(default=None, description="The list's version that was frozen.")
    list_hash: str | None = Field(
        default=None, description="SHA-256 (lower-case hex) of the canonical JSON (RFC 8785) of what the list resolved to."
    )


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
        form=draft.form,
        unit_code=draft.unit_code,
        owner=draft.owner,
        salutation=draft.salutation,
        references=[ReferenceOut(issuer=r.issuer, number=r.number, date=r.date, letter_id=r.letter_id) for r in draft.references],
        enclosures=[
            EnclosureOut(
                description=e.description, copies=e.copies, issuer=e.issuer, number=e.number, date=e.date, letter_id=e.letter_id
            )
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
        urgent_within=draft.urgent_within,
        copy_to=[CopyToOut(title=copy.title, agency_code=copy.agency_code) for copy in draft.copy_to],
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
