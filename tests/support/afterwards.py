"""What a sender decides on a circular that has gone round, as the registry tells it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID, uuid4

from shared.contracts.events import (
    CircularErratum,
    CircularRecalled,
    CircularSuperseded,
    FieldChange,
    FrozenRecipient,
    SupersededRecipient,
    ToldRecipient,
)

AT = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)


def _told(recipients: Sequence[FrozenRecipient]) -> tuple[ToldRecipient, ...]:
    return tuple(ToldRecipient(recipient_id=one.recipient_id, agency_id=one.agency_id) for one in recipients)


def recalled(circular_id: UUID, sender: UUID, recipients: Sequence[FrozenRecipient], *, at: datetime = AT) -> CircularRecalled:
    return CircularRecalled(
        circular_id=circular_id,
        letter_id=uuid4(),
        sender_agency_id=sender,
        number="สค ๐๐๑๗.๑/ว ๑๕๑๒๓",
        chunk=1,
        chunks=1,
        recall_id=uuid4(),
        reason="ส่งผิดหน่วยงาน",
        recalled_at=at,
        recipients=_told(recipients),
    )


def superseded(
    circular_id: UUID, sender: UUID, recipients: Sequence[FrozenRecipient], *, again: Sequence[FrozenRecipient]
) -> CircularSuperseded:
    """Superseded by a letter that goes `again` to some of them."""
    return CircularSuperseded(
        circular_id=circular_id,
        letter_id=uuid4(),
        sender_agency_id=sender,
        number="สค ๐๐๑๗.๑/ว ๑๕๑๒๓",
        chunk=1,
        chunks=1,
        successor_circular_id=uuid4(),
        successor_letter_id=uuid4(),
        successor_number="สค ๐๐๑๗.๑/ว ๑๕๑๓๐",
        changes=(FieldChange(field="subject", before="เดิม", after="ใหม่"),),
        superseded_at=AT,
        recipients=tuple(
            SupersededRecipient(recipient_id=one.recipient_id, agency_id=one.agency_id, addressed_again=one in again)
            for one in recipients
        ),
    )


def erratum(circular_id: UUID, sender: UUID, recipients: Sequence[FrozenRecipient], *, number: int = 1) -> CircularErratum:
    return CircularErratum(
        circular_id=circular_id,
        letter_id=uuid4(),
        sender_agency_id=sender,
        number="สค ๐๐๑๗.๑/ว ๑๕๑๒๓",
        chunk=1,
        chunks=1,
        erratum=number,
        text="<b>๑๕๑๖๓</b> ให้แก้เป็น ๑๕๑๒๓",
        fields=("body",),
        issued_at=AT,
        recipients=_told(recipients),
    )
