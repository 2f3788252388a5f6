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

    def nonce(self, recipient_id: UUID) -> str:
        """A nonce for one recipient's form. It may be used again: the same acknowledgment twice is recorded once."""
        return self._serializer().dumps(recipient_id.hex)

    def is_valid(self, nonce: str, recipient_id: UUID) -> bool:
        """Whether the nonce was made for this recipient's form, and lately enough."""
        try:
            value: object = self._serializer().loads(nonce, max_age=self.max_age)
        except BadSignature:
            return False
        return value == recipient_id.hex

    def _serializer(self) -> URLSafeTimedSerializer:
        return URLSafeTimedSerializer(self.key, salt=_SALT)
