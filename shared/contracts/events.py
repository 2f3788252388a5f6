"""Every event that crosses the broker, as past-tense, versioned types."""

from datetime import date, datetime, time
from enum import StrEnum
from typing import ClassVar, Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from shared.contracts.envelope import Event

# A message stays small however long the list is.
RECIPIENTS_PER_MESSAGE: Final = 500


class Speed(StrEnum):
    """ชั้นความเร็ว, Regulation ข้อ 28."""

    NORMAL = "normal"  # ปกติ
    URGENT = "urgent"  # ด่วน
    VERY_URGENT = "very_urgent"  # ด่วนมาก
    MOST_URGENT = "most_urgent"  # ด่วนที่สุด


class Secrecy(StrEnum):
    """ชั้นความลับ that may travel electronically; ลับที่สุด never enters (ข้อ 29)."""

    NORMAL = "normal"  # ปกติ
    CONFIDENTIAL = "confidential"  # ลับ
    SECRET = "secret"  # ลับมาก  # noqa: S105


class Channel(StrEnum):
    """A way to hand a letter over."""

    WEBHOOK = "webhook"
    EMAIL = "email"
    INBOX = "inbox"
    PAPER = "paper"  # printed and sent by people


class Role(StrEnum):
    """What an addressee is to do with the letter."""

    ACTION = "action"  # เพื่อดำเนินการ
    INFORMATION = "information"  # เพื่อทราบ
    COPY = "copy"  # สำเนาส่ง


class HandOverGrade(StrEnum):
    """How much a hand-over proves: `transport` the other system took it, `blind` relayed without proof."""

    BLIND = "blind"
    TRANSPORT = "transport"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class AttachmentLink(_Part):
    """An attachment by reference; `sha256` is lower-case hex, `size` bytes.

    `url` is signed once, at dispatch, so that every recipient and every retry gets the same bytes; it opens this file alone.
    """

    attachment_id: UUID
    file_name: str
    media_type: str
    size: int
    sha256: str
    url: str


class CitedLetter(_Part):
    """อ้างถึง: an earlier letter; `letter_id` if it is registered here."""

    issuer: str
    number: str
    date: date | None
    letter_id: UUID | None = None


class ListedEnclosure(_Part):
    """สิ่งที่ส่งมาด้วย as the letter lists it; for the copy of a letter its issuer, number and date."""

    description: str
    copies: int
    issuer: str | None
    number: str | None
    date: date | None
    letter_id: UUID | None = None


class CopyTo(_Part):
    """สำเนาส่ง: who gets a copy, as the letter prints it; with `agency_code` the exchange sends it."""

    title: str
    agency_code: str | None = None


class LetterSummary(_Part):
    """What recipients are told of a letter.

    `subject`, `body`, `attachments`, `references`, `enclosures` and `copy_to` are empty when it is secret.

    `content_hash` is the SHA-256 (lower-case hex) of the frozen letter's canonical JSON (RFC 8785).
    """

    letter_id: UUID
    number: str  # as printed: สค ๐๐๑๗.๑/ว ๑๕๑๒๓
    date: date
    owner: str  # ส่วนราชการเจ้าของหนังสือ
    subject: str  # เรื่อง
    salutation: str  # เรียน
    body: tuple[str, ...]
    closing: str  # คำลงท้าย
    signatory_name: str
    signatory_position: str
    contact_unit: str
    telephone: str
    speed: Speed
    secrecy: Secrecy
    content_hash: str
    attachments: tuple[AttachmentLink, ...]
    # Letters from before these were told have none of them.
    kind: str | None = None  # one of the six of ข้อ 10: external, internal, stamped, directive, public, evidence
    form: str | None = None  # of a directive, a public letter or a letter of evidence: order, announcement, certificate, …
    urgent_within: datetime | None = None  # ด่วนภายใน
    references: tuple[CitedLetter, ...] = ()
    enclosures: tuple[ListedEnclosure, ...] = ()
    copy_to: tuple[CopyTo, ...] = ()


class RelayTarget(_Part):
    """Whom an addressee with a relay duty must tell: in words, or as the agencies of a kind below one in the tree."""

    text: str | None = None
    below: str | None = None  # an agency's code
    kind: str | None = None


class FrozenRecipient(_Part):
    """One addressee of a dispatched circular. `position` counts from 1 in list order."""

    recipient_id: UUID
    position: int
    agency_id: UUID
    title: str
    relay_duty: bool
    # Messages from before there were roles have neither.
    role: Role = Role.ACTION
    relay_target: RelayTarget | None = None
    # The closed agency that the sender's list names, when `agency_id` is who follows it.
    in_place_of: UUID | None = None
    # The recipient that said it was the wrong one: its sender has sent the letter on to this one.
    redirected_from: UUID | None = None


class AgencySaved(Event):
    """An agency was created or changed; the higher `version` wins.

    It stands from the Bangkok day `valid_from`, up to and without `valid_until` (null: without end); afterwards letters go to
    its successors. The days and not a status: a status would be stale on the day after.
    """

    TYPE: ClassVar[str] = "registry.agency.saved.v1"

    agency_id: UUID
    version: int
    code: str
    name_th: str
    name_en: str
    kind: str
    email: str | None
    valid_from: date | None = None
    valid_until: date | None = None
    successor_ids: tuple[UUID, ...] = ()
    parent_id: UUID | None = None
    contact_unit: str | None = None
    telephone: str | None = None


class CircularDispatched(Event):
    """One chunk of a dispatched circular. Each chunk carries the whole header, so chunks may come in any order.

    A recipient to which the letter was redirected afterwards comes alone, in a chunk behind the last one, and `recipient_count` has grown by it.
    """

    TYPE: ClassVar[str] = "registry.circular.dispatched.v1"

    circular_id: UUID
    sender_agency_id: UUID
    sender_name_th: str
    sender_name_en: str
    letter: LetterSummary
    dispatched_at: datetime
    deadline: datetime | None
    # The recipient of an earlier circular whose relay duty this circular fulfils.
    relay_of_recipient_id: UUID | None
    recipient_count: int
    chunk: int  # from 1
    chunks: int
    recipients: tuple[FrozenRecipient, ...]


class ToldRecipient(_Part):
    """A recipient of a circular that is told what has become of it."""

    recipient_id: UUID
    agency_id: UUID


class SupersededRecipient(ToldRecipient):
    """The same; `addressed_again`: its agency is on the list of the letter that takes the old one's place."""

    addressed_again: bool


class FieldChange(_Part):
    """A field in which two letters differ. Of a long or a secret one only the name is told."""

    field: str
    before: str | None
    after: str | None


class _Afterwards(Event):
    """One chunk of what a sender has decided on its circular. Each chunk carries the whole header."""

    circular_id: UUID
    letter_id: UUID
    sender_agency_id: UUID
    number: str  # the letter's, as printed
    chunk: int  # from 1
    chunks: int


class CircularRecalled(_Afterwards):
    """A sender takes its circular back from these recipients, as far as they have not received it."""

    TYPE: ClassVar[str] = "registry.circular.recalled.v1"

    recall_id: UUID
    reason: str  # empty when the letter is secret
    recalled_at: datetime
    recipients: tuple[ToldRecipient, ...]


class CircularSuperseded(_Afterwards):
    """Another letter has gone round that takes this one's place. Nothing is recalled by it."""

    TYPE: ClassVar[str] = "registry.circular.superseded.v1"

    successor_circular_id: UUID
    successor_letter_id: UUID
    successor_number: str
    changes: tuple[FieldChange, ...]
    superseded_at: datetime
    recipients: tuple[SupersededRecipient, ...]


class CircularErratum(_Afterwards):
    """A note corrects a circular, whose content stays as it was frozen."""

    TYPE: ClassVar[str] = "registry.circular.erratum.v1"

    erratum: int  # from 1, in the order in which they were issued
    text: str  # empty when the letter is secret
    fields: tuple[str, ...]
    issued_at: datetime
    recipients: tuple[ToldRecipient, ...]


class HandOver(_Part):
    delivery_id: UUID
    recipient_id: UUID
    circular_id: UUID
    channel: Channel
    grade: HandOverGrade
    handed_over_at: datetime
    attempts: int


class DeliveriesHandedOver(Event):
    """Deliveries that were handed over. A hand-over is not an acknowledgment."""

    TYPE: ClassVar[str] = "dispatch.deliveries.handed_over.v1"

    items: tuple[HandOver, ...]


class Bounce(_Part):
    delivery_id: UUID
    recipient_id: UUID
    circular_id: UUID
    status: str  # RFC 3463, or empty
    reason: str
    bounced_at: datetime
    attempts: int


class DeliveriesBounced(Event):
    """Mails that came back after they had counted as handed over. The deliveries are under way again, in the inbox."""

    TYPE: ClassVar[str] = "dispatch.deliveries.bounced.v1"

    items: tuple[Bounce, ...]


class Failure(_Part):
    delivery_id: UUID
    recipient_id: UUID
    circular_id: UUID
    reason: str
    detail: str
    failed_at: datetime
    attempts: int


class DeliveriesUndeliverable(Event):
    """Deliveries that ended without a hand-over, with the reason."""

    TYPE: ClassVar[str] = "dispatch.deliveries.undeliverable.v1"

    items: tuple[Failure, ...]


class Stop(_Part):
    delivery_id: UUID
    recipient_id: UUID
    circular_id: UUID
    recalled_at: datetime
    attempts: int


class DeliveriesRecalled(Event):
    """Deliveries that a recall has stopped before anything was handed over."""

    TYPE: ClassVar[str] = "dispatch.deliveries.recalled.v1"

    items: tuple[Stop, ...]


class RecipientRegistered(Event):
    """A recipient registered the letter: the receive number is known."""

    TYPE: ClassVar[str] = "ack.recipient.registered.v1"

    recipient_id: UUID
    circular_id: UUID
    agency_id: UUID
    letter_id: UUID
    receive_number: str
    receive_date: date
    recorded_at: datetime
    receive_time: time | None = None
    unit: str | None = None
    # Why the recipient corrected the number that it had told before; the newest `recorded_at` is how it stands.
    correction: str | None = None
    registrar_name: str | None = None
    # By which way it came in: api, link, page or clerk.
    door: str | None = None
    # Whether the link that went out with the letter opens it still: the sender may have revoked it.
    link_opens: bool = True


class RecipientRejected(Event):
    """A recipient refused the letter or says that it is misaddressed."""

    TYPE: ClassVar[str] = "ack.recipient.rejected.v1"

    recipient_id: UUID
    circular_id: UUID
    agency_id: UUID
    letter_id: UUID
    reason: str
    text: str
    recorded_at: datetime
    suggested_agency_code: str | None = None
    registrar_name: str | None = None
    door: str | None = None
    link_opens: bool = True


class _Answer(Event):
    """What becomes of an answer afterwards."""

    recipient_id: UUID
    circular_id: UUID
    agency_id: UUID
    letter_id: UUID
    recorded_at: datetime


class RecipientWithdrawn(_Answer):
    """A recipient has taken its answer back: it was entered by mistake, and another may follow."""

    TYPE: ClassVar[str] = "ack.recipient.withdrawn.v1"

    reason: str
    door: str | None = None
    link_opens: bool = True


class RecipientDisputed(_Answer):
    """The sender doubts the receive number; the recipient corrects it or says that it stands."""

    TYPE: ClassVar[str] = "ack.recipient.disputed.v1"

    dispute_id: UUID
    text: str


class RecipientDisputeAnswered(_Answer):
    """The recipient says that the number stands."""

    TYPE: ClassVar[str] = "ack.recipient.dispute_answered.v1"

    dispute_id: UUID
    text: str


class Reminder(_Part):
    """Of whom somebody is reminded, and who is: its own agency, or the one above it when a reminder escalates."""

    recipient_id: UUID
    agency_id: UUID
    told_agency_id: UUID
    # Whether the link that went out with the letter opens it still: the sender may have revoked it.
    link_opens: bool = True


class RecipientsReminded(Event):
    """One chunk of the recipients that have not answered when a rung of a circular's reminder ladder was due."""

    TYPE: ClassVar[str] = "ack.recipients.reminded.v1"

    circular_id: UUID
    letter_id: UUID
    sender_agency_id: UUID
    number: str  # the letter's, as printed
    deadline: datetime
    rung: int  # from 1, in the order of the ladder
    overdue: bool
    escalation: bool
    due_at: datetime  # when the rung was due
    recipients: tuple[Reminder, ...]


class MovedDeadline(_Part):
    """Whose deadline has moved, and from when."""

    recipient_id: UUID
    agency_id: UUID
    before: datetime


class DeadlinesMoved(Event):
    """Recipients of one circular that have the same later deadline now, because of their calendars; at most a batch of them."""

    TYPE: ClassVar[str] = "ack.deadlines.moved.v1"

    circular_id: UUID
    sender_agency_id: UUID
    deadline: datetime
    reason: str  # the declared days and office hours from which it follows
    moved_at: datetime
    recipients: tuple[MovedDeadline, ...]


EVENT_TYPES: Final[tuple[type[Event], ...]] = (
    AgencySaved,
    CircularDispatched,
    CircularRecalled,
    CircularSuperseded,
    CircularErratum,
    DeliveriesHandedOver,
    DeliveriesBounced,
    DeliveriesUndeliverable,
    DeliveriesRecalled,
    RecipientRegistered,
    RecipientRejected,
    RecipientWithdrawn,
    RecipientDisputed,
    RecipientDisputeAnswered,
    RecipientsReminded,
    DeadlinesMoved,
)
