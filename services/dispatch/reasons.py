"""Why attempts fail and deliveries end: the closed list of reasons, so that each can be explained (`causes`)."""

from typing import Literal, NewType

# A reason with a detail of its own behind it; made by the functions below alone.
DetailedReason = NewType("DetailedReason", str)

PlainReason = Literal[
    "address_refused",
    "answer_malformed",
    "certificate_invalid",
    "connect_timeout",
    "connection_failed",
    "first_byte_timeout",
    "internal_error",
    "lookup_failed",
    "lookup_timeout",
    "mail_refused",
    "mail_too_large",
    "mail_server_refuses_us",
    "mail_server_unreachable",
    "mailbox_needs_smtputf8",
    "proxy_refused",
    "proxy_unreachable",
    "recipient_refused",
    "secret_unreadable",
    "send_timeout",
    "timeout",
    "tls_failed",
    "tls_timeout",
    "url_invalid",
]
# Why an attempt failed.
Reason = PlainReason | DetailedReason

# The parts of opening a connection that have a time of their own.
Phase = Literal["connect", "lookup", "tls"]

# Why a delivery ended without a hand-over.
FailureReason = Literal["no_channel", "paper_failed", "paper_not_sent"]


def timeout_reason(phase: Phase) -> PlainReason:
    """Its time was over in that phase."""
    match phase:
        case "connect":
            return "connect_timeout"
        case "lookup":
            return "lookup_timeout"
        case "tls":
            return "tls_timeout"


def http_reason(status: int) -> DetailedReason:
    """An endpoint answered `status`."""
    return DetailedReason(f"http_{status}")


def url_reason(code: str) -> DetailedReason:
    """The guard refused the endpoint's URL; `code` is the guard's."""
    return DetailedReason(f"url_refused: {code}")
