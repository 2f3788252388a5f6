"""What came back for a mail: delivery status notifications (RFC 3464) and other answers of machines, read without trust."""

import email
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from email.policy import compat32
from enum import StrEnum
from typing import Final, cast

from services.dispatch.outcomes import answer_text

_STATUS: Final = re.compile(r"\b([245]\.\d{1,3}\.\d{1,3})\b")
_STATUS_PARTS: Final = ("message/delivery-status", "message/global-delivery-status")
_RECIPIENTS_READ: Final = 20

# RFC 3463: what a sender can make of it. The server's own words may hold the names of others' machines.
_MEANINGS: Final = {
    "1.1": "there is no such mailbox",
    "1.2": "there is no such mail domain",
    "1.3": "the address is malformed",
    "1.6": "the mailbox has moved",
    "1.10": "the domain takes no mail",
    "2.1": "the mailbox is switched off",
    "2.2": "the mailbox is full",
    "2.3": "the message is too large for the mailbox",
    "3.4": "the message is too large for the mail server",
    "4.1": "the mail server did not answer",
    "4.4": "the mail domain leads to no server",
    "4.7": "the mail server was not reached in time",
    "7.1": "the mail server does not take mail from us",
}
_SUBJECTS: Final = {
    "1": "the address is not right",
    "2": "the mailbox does not take it",
    "3": "the mail server could not take it",
    "4": "there was no way to the mail server",
    "5": "the mail servers did not understand each other",
    "6": "the content was not accepted",
    "7": "it was refused by a rule of the mail server",
}


class BounceKind(StrEnum):
    """`failed`: no further attempt will be made, the letter is not there. All others change nothing."""

    FAILED = "failed"
    DELAYED = "delayed"
    AUTO_REPLY = "auto_reply"  # out of office, read receipts: no acknowledgment
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Report:
    """What a message to a return path says; `status` as in RFC 3463, or empty."""

    kind: BounceKind
    status: str = ""
    diagnostic: str = ""


def read_report(raw: bytes) -> Report:
    """Read a message of any shape; one that cannot be read is of kind `other`."""
    try:
        message = email.message_from_bytes(raw, policy=compat32)
        blocks = list(_recipient_blocks(message))
        if blocks:
            return max((_of_block(block) for block in blocks), key=lambda report: _WEIGHT[report.kind])
        return Report(BounceKind.AUTO_REPLY if _is_auto_reply(message) else BounceKind.OTHER)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        # The edge of the parser: what others send may break any of its assumptions.
        return Report(BounceKind.OTHER, diagnostic="unreadable")


def meaning_of(status: str) -> str:
    """``5.1.1: there is no such mailbox``, in words of our own."""
    _, _, detail = status.partition(".")
    meaning = _MEANINGS.get(detail) or _SUBJECTS.get(detail.partition(".")[0], "the mail could not be delivered")
    return f"{status}: {meaning}" if status else meaning


_WEIGHT: Final = {BounceKind.OTHER: 0, BounceKind.AUTO_REPLY: 1, BounceKind.DELAYED: 2, BounceKind.FAILED: 3}


def _recipient_blocks(message: Message) -> Iterator[Message]:
    """The fields of each recipient in the report's own status part; not those in a message that it quotes."""
    if message.get_content_maintype() != "multipart":
        return
    for part in _children(message):
        if part.get_content_type() in _STATUS_PARTS:
            yield from (block for block in _blocks(part) if block["Action"] or block["Status"])


def _blocks(part: Message) -> Iterator[Message]:
    """The groups of fields of a status part, of which the first is the message's own."""
    for group in _children(part)[: _RECIPIENTS_READ + 1]:
        yield group
        # The library splits the groups of one of the two types only.
        rest = group.get_payload()
        if isinstance(rest, str):
            texts = rest.replace("\r\n", "\n").split("\n\n")[:_RECIPIENTS_READ]
            yield from (email.message_from_string(text, policy=compat32) for text in texts)


def _children(message: Message) -> list[Message]:
    payload: object = message.get_payload()
    return cast("list[Message]", payload) if isinstance(payload, list) else []


def _of_block(block: Message) -> Report:
    action = _field(block, "Action").partition(";")[0].strip().lower()
    diagnostic = answer_text(" ".join(_field(block, "Diagnostic-Code").split()))
    found = _STATUS.search(_field(block, "Status")) or _STATUS.search(diagnostic)
    status = found[1] if found else ""
    match action:
        case "failed":
            # Also with 4.x.x: the server has stopped trying (RFC 3464 §2.3.3), which is how a dead mail server shows.
            return Report(BounceKind.FAILED, status, diagnostic)
        case "delayed":
            return Report(BounceKind.DELAYED, status, diagnostic)
        case "":
            kind = {"5": BounceKind.FAILED, "4": BounceKind.DELAYED}.get(status[:1], BounceKind.OTHER)
            return Report(kind, status, diagnostic)
        case _:
            return Report(BounceKind.OTHER, status, diagnostic)


def _is_auto_reply(message: Message) -> bool:
    submitted = _field(message, "Auto-Submitted").strip().lower()
    report = str(message.get_param("report-type") or "").lower()
    marks = ("X-Autoreply", "X-Autorespond", "X-Auto-Response-Suppress")
    return (
        submitted.startswith("auto-replied")
        or report == "disposition-notification"
        or _field(message, "Precedence").strip().lower() == "auto_reply"
        or any(message[mark] is not None for mark in marks)
    )


def _field(message: Message, name: str) -> str:
    return str(message.get(name) or "")
