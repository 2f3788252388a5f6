"""What came of an attempt, as values: nothing that a recipient's system does is an exception here."""

from dataclasses import dataclass
from typing import Final

from services.dispatch.reasons import Reason

ANSWER_BYTES: Final = 1024
# Why an endpoint is switched off that answers so.
GONE_REASON: Final = "the endpoint answered 410 Gone"


@dataclass(frozen=True, slots=True)
class Delivered:
    """The other side took it: HTTP 2xx, or SMTP 250."""

    status: int
    answer: str = ""


@dataclass(frozen=True, slots=True)
class RetryLater:
    """It may go through later; `after` is the pause in seconds that the other side asks for."""

    reason: Reason
    status: int | None = None
    answer: str = ""
    after: float | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """This channel will not take it, however often it is tried."""

    reason: Reason
    status: int | None = None
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Gone:
    """HTTP 410: the endpoint wants no more webhooks."""

    status: int
    answer: str = ""


@dataclass(frozen=True, slots=True)
class NoRoute:
    """Nothing was tried: the agency no longer has an endpoint or a mailbox that this letter may go to."""

    reason: str


@dataclass(frozen=True, slots=True)
class Deferred:
    """Nothing was tried: a limit of our own is reached, and it is worth another look in `after` seconds."""

    reason: str
    after: float


Outcome = Delivered | RetryLater | Refused | Gone | NoRoute | Deferred


def was_tried(outcome: Outcome) -> bool:
    """Whether an attempt was made: then it is logged, counts towards the budget, and says something about the endpoint."""
    return not isinstance(outcome, NoRoute | Deferred)


def answer_text(raw: bytes | str) -> str:
    """The beginning of an answer as text that can be stored: at most 1 KiB of UTF-8 without NUL."""
    text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw.encode("utf-8", "replace").decode()
    return text.replace("\x00", "\ufffd").encode()[:ANSWER_BYTES].decode("utf-8", "ignore")
