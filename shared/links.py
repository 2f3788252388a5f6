"""Links that are credentials: signed, so that the holder needs no account, and void when one character is changed."""

from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Final
from uuid import UUID

from itsdangerous import BadSignature, URLSafeTimedSerializer

_BYTES_IN_UUID: Final = 16


class Purpose(StrEnum):
    """What a link opens; a link of one purpose is not valid for another."""

    ACKNOWLEDGE = "acknowledge"  # one recipient's acknowledgment
    TRACK = "track"  # one circular's tracking page
    FILE = "file"  # one attachment


class LinkError(ValueError):
    """The link is spoilt, expired, or made for something else."""


@dataclass(frozen=True, slots=True)
class LinkSigner:
    """Signs and reads links with one key that all services share. Identifiers are UUIDs; ages are seconds."""

    key: str

    def sign(self, purpose: Purpose, subject: UUID, *, generation: int = 0) -> str:
        """A URL-safe token that names `subject`; of each `generation` another, though signed in the same second."""
        return _serializer(self.key, purpose).dumps(f"{subject.hex}.{generation}" if generation else subject.hex)

    def read(self, purpose: Purpose, token: str, *, max_age: int | None = None) -> UUID:
        """The subject of `token`; raises `LinkError` when it is spoilt, of another purpose, or older than `max_age`."""
        try:
            value: object = _serializer(self.key, purpose).loads(token, max_age=max_age)
        except BadSignature as error:
            raise LinkError("the link is spoilt or has expired") from error
        subject, _, _generation = value.partition(".") if isinstance(value, str) else ("", "", "")
        if len(subject) != 2 * _BYTES_IN_UUID:
            raise LinkError("the link names nothing")
        return UUID(subject)


@cache
def _serializer(key: str, purpose: Purpose) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(key, salt=f"wian-{purpose}")
