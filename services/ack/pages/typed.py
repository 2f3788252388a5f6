"""What was typed into a form of the acknowledgment page, and what it asks for."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

from services.ack.corrections import Change, CorrectionDraft, DisputeReplyDraft, WithdrawalDraft
from services.ack.decide import RegistrationDraft, RejectionDraft
from services.ack.store.recipients import Recipient
from shared.problems import ProblemError


class Outcome(StrEnum):
    """Which of the page's forms was sent."""

    REGISTERED = "registered"
    REJECTED = "rejected"
    CORRECTED = "corrected"
    WITHDRAWN = "withdrawn"
    DEFENDED = "defended"  # the sender doubts the number, and it stands


ANSWERS: Final = frozenset({Outcome.REGISTERED, Outcome.REJECTED})


@dataclass(frozen=True, slots=True)
class Typed:
    """What stands in the forms: which of them was sent, its values, and what is wrong with them."""

    outcome: Outcome
    values: Mapping[str, str]
    error: ProblemError | None = None

    @property
    def faults(self) -> dict[str, str]:
        """The code of the problem by field; a title for each is in the catalogue."""
        if self.error is None:
            return {}
        return {fault.pointer.removeprefix("/"): fault.code for fault in self.error.errors}

    def asked(self) -> RegistrationDraft | RejectionDraft | Change:
        """The answer, or the change of one, as the decisions take it; nothing is checked yet."""
        given = self.values
        match self.outcome:
            case Outcome.REGISTERED:
                return self._registration()
            case Outcome.REJECTED:
                return RejectionDraft(
                    given.get("reason", ""),
                    given.get("text", ""),
                    given.get("registrar_name", ""),
                    given.get("registrar_position", ""),
                )
            case Outcome.CORRECTED:
                return CorrectionDraft(self._registration(), given.get("reason", ""), self._answer_id())
            case Outcome.WITHDRAWN:
                return WithdrawalDraft(given.get("reason", ""), self._answer_id())
            case Outcome.DEFENDED:
                return DisputeReplyDraft(given.get("text", ""))

    def _registration(self) -> RegistrationDraft:
        given = self.values
        return RegistrationDraft(
            given.get("receive_number", ""),
            given.get("receive_date", ""),
            given.get("receive_time", ""),
            given.get("registrar_name", ""),
            given.get("registrar_position", ""),
            given.get("unit", ""),
        )

    def _answer_id(self) -> UUID:
        # Of the answer that the page showed: a form that is sent again must not change the answer that came after it.
        try:
            return UUID(self.values.get("answer_id", ""))
        except ValueError:
            return UUID(int=0)


def read_typed(values: Mapping[str, str]) -> Typed:
    """The form that these values come from; one that does not say which it is, is taken for the first of the page."""
    given = values.get("outcome", "")
    return Typed(Outcome(given) if given in set(Outcome) else Outcome.REGISTERED, values)


def standing(recipient: Recipient) -> dict[str, str]:
    """The answer that stands, as the form that corrects it begins with."""
    return {
        "receive_number": recipient.receive_number or "",
        "receive_date": "" if recipient.receive_date is None else recipient.receive_date.isoformat(),
        "receive_time": "" if recipient.receive_time is None else recipient.receive_time.isoformat("minutes"),
        "registrar_name": recipient.registrar_name or "",
        "registrar_position": recipient.registrar_position or "",
        "unit": recipient.unit or "",
    }
