"""What requests say of letters: answers, and what becomes of them."""

from typing import Annotated, Final, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.ack.corrections import CorrectionDraft, DisputeDraft, DisputeReplyDraft, WithdrawalDraft
from services.ack.decide import AttestationDraft, Draft, Notice, RegistrationDraft, RejectionDraft
from services.ack.facts import Level, Medium, RejectionReason
from shared.ids import new_id

MOST_IN_BULK: Final = 10_000

# The rules are in `decide`, the same for every door; these bounds only keep nonsense out.
_Text = Annotated[str, Field(max_length=400)]
_LongText = Annotated[str, Field(max_length=4000)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RegistrationIn(_Body):
    """The letter was registered (แจ้งเลขรับ)."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "outcome": "registered",
                    "receive_number": "๑๑๐๗๒",
                    "receive_date": "2026-11-23",
                    "receive_time": "09:30",
                    "registrar_name": "สมหญิง รักงาน",
                    "registrar_position": "เจ้าพนักงานธุรการ",
                    "unit": "งานสารบรรณ",
                }
            ]
        }
    )

    outcome: Literal["registered"]
    receive_number: _Text = Field(description="As in the register of incoming letters: 1 to 50 characters, with a digit.")
    receive_date: _Text = Field(description="2026-11-23, or ๒๓ พฤศจิกายน ๒๕๖๙; from the letter's date to today in Bangkok.")
    receive_time: _Text | None = Field(default=None, description="09:30")
    registrar_name: _Text = Field(description="Who registered the letter: 1 to 200 characters.")
    registrar_position: _Text | None = None
    unit: _Text | None = Field(default=None, description="The unit whose register it is; required below the central registry.")
    level: Level = Field(default=Level.CENTRAL, description="At which desk: a letter gets a number at each that it passes.")
    content_hash: _Text | None = Field(
        default=None, description="SHA-256 of the letter as you have it; refused when the letter that was sent has another."
    )

    def draft(self, attestation: AttestationDraft | None = None) -> RegistrationDraft:
        """What the decision works with."""
        return RegistrationDraft(
            self.receive_number,
            self.receive_date,
            self.receive_time or "",
            self.registrar_name,
            self.registrar_position or "",
            self.unit or "",
            self.level,
            self.content_hash or "",
            attestation,
        )


class RejectionIn(_Body):
    """The letter is refused, or was sent to the wrong agency."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "outcome": "rejected",
                    "reason": "misaddressed",
                    "text": "เรื่องนี้อยู่ในหน้าที่ของสำนักงานที่ดินจังหวัด",
                    "registrar_name": "สมหญิง รักงาน",
                }
            ]
        }
    )

    outcome: Literal["rejected"]
    reason: RejectionReason
    text: _LongText = Field(default="", description="In words, up to 1000 characters; required when the reason is `other`.")
    registrar_name: _Text
    registrar_position: _Text | None = None
    suggested_agency_code: _Text | None = Field(default=None, description="The agency to which the letter should have gone.")

    def draft(self, attestation: AttestationDraft | None = None) -> RejectionDraft:
        """What the decision works with."""
        return RejectionDraft(
            self.reason,
            self.text,
            self.registrar_name,
            self.registrar_position or "",
            self.suggested_agency_code or "",
            attestation,
        )


class NoticeIn(_Body):
    """Your system has the letter, or somebody has opened it; your registry has not answered yet."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"outcome": "received"}]})

    outcome: Literal[Notice.RECEIVED, Notice.OPENED]

    def draft(self) -> Notice:
        """What the decision works with."""
        return self.outcome


AcknowledgmentIn = Annotated[RegistrationIn | RejectionIn | NoticeIn, Field(discriminator="outcome")]


class AttestedIn(_Body):
    """An answer that the sender's clerk knows from paper or by telephone; it is marked as such for ever."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "medium": "telephone",
                    "informant": "คุณสมหญิง งานสารบรรณ ๐ ๓๔๔๑ ๑๒๕๑",
                    "answer": {
                        "outcome": "registered",
                        "receive_number": "๑๑๐๗๒",
                        "receive_date": "2026-11-23",
                        "registrar_name": "สมหญิง รักงาน",
                    },
                }
            ]
        }
    )

    medium: Medium
    informant: _Text = Field(description="Who said so, or what shows it: up to 200 characters.")
    answer: Annotated[RegistrationIn | RejectionIn, Field(discriminator="outcome")]

    def draft(self) -> Draft:
        """What the decision works with."""
        return self.answer.draft(AttestationDraft(self.medium, self.informant))


class CorrectionIn(_Body):
    """A registration as it should have been written. What was written first is kept."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "reason": "อ่านเลขรับผิด",
                    "registration": {
                        "outcome": "registered",
                        "receive_number": "๑๑๐๗๓",
                        "receive_date": "2026-11-23",
                        "registrar_name": "สมหญิง รักงาน",
                    },
                }
            ]
        }
    )

    reason: _LongText
    registration: RegistrationIn
    answer_id: UUID | None = Field(
        default=None, description="Which entry, when there are several; else that of the highest level."
    )

    def change(self) -> CorrectionDraft:
        """What the decision works with."""
        return CorrectionDraft(self.registration.draft(), self.reason, self.answer_id)


class WithdrawalIn(_Body):
    """An answer was entered by mistake; another may be given afterwards."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "ลงรับผิดฉบับ"}]})

    reason: _LongText
    answer_id: UUID | None = Field(default=None, description="Which answer, when there are several; else the one that counts.")

    def change(self) -> WithdrawalDraft:
        """What the decision works with."""
        return WithdrawalDraft(self.reason, self.answer_id)


class DisputeIn(_Body):
    """Why you doubt the receive number (แจ้งเลขรับผิด)."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"text": "เลขรับนี้เป็นของหนังสืออีกฉบับหนึ่ง"}]})

    text: _LongText
    answer_id: UUID | None = Field(
        default=None, description="Which entry, when there are several; else that of the highest level."
    )

    def change(self) -> DisputeDraft:
        """What the decision works with."""
        return DisputeDraft(new_id(), self.text, self.answer_id)


class DisputeReplyIn(_Body):
    """Why the number stands. A number that is wrong is corrected instead."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"text": "ตรวจสอบกับทะเบียนหนังสือรับแล้ว เลขรับถูกต้อง"}]})

    text: _LongText

    def change(self) -> DisputeReplyDraft:
        """What the decision works with."""
        return DisputeReplyDraft(self.text)


class BulkItemIn(_Body):
    """One recipient's acknowledgment."""

    recipient_id: UUID
    acknowledgment: AcknowledgmentIn


class BulkIn(_Body):
    """Up to 10,000 acknowledgments."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "items": [
                        {
                            "recipient_id": "0190f3a0-0000-7000-8000-000000000001",
                            "acknowledgment": {
                                "outcome": "registered",
                                "receive_number": "๑๑๐๗๒",
                                "receive_date": "2026-11-23",
                                "registrar_name": "สมหญิง รักงาน",
                            },
                        }
                    ]
                }
            ]
        }
    )

    items: list[BulkItemIn] = Field(min_length=1, max_length=MOST_IN_BULK)
