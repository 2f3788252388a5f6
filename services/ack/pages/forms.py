"""The nonce of a form: a POST that was not made from a page of ours, for this recipient, and lately, records nothing."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from itsdangerous import BadSignature, URLSafeTimedSerializer

_SALT: Final = "wian-acknowledgment-form"


@dataclass(frozen=True, slots=True)
class FormSigner:
    """Signs nonces with the links' key under a purpose of their own; `max_age` is seconds."""

    key: str
    max_age: int

    def nonce(self, recipient_id: UUID, turn: int = 0) -> str:
        """A nonce for one recipient's form. It may be used again: the same acknowledgment twice is recorded once.

        `turn` counts the answers that the recipient has taken back: a form from before that, sent again, records nothing.
        """
        return self._serializer().dumps(_subject(recipient_id, turn))

    def is_valid(self, nonce: str, recipient_id: UUID, turn: int = 0) -> bool:
        """Whether the nonce was made for this recipient's form, in this turn, and lately enough."""
        try:
            value: object = self._serializer().loads(nonce, max_age=self.max_age)
        except BadSignature:
            return False
        return value == _subject(recipient_id, turn)

    def _serializer(self) -> URLSafeTimedSerializer:
        return URLSafeTimedSerializer(self.key, salt=_SALT)


def _subject(recipient_id: UUID, turn: int) -> str:
    return f"{recipient_id.hex}.{turn}"
