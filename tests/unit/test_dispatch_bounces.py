"""What mail servers, mailboxes and pranksters send to return paths, and what is read in it."""

from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.dispatch.bounces import BounceKind, Report, meaning_of, read_report


def dsn(fields: str, *, kind: str = "message/delivery-status", report: str = "delivery-status") -> bytes:
    """A notification as Postfix writes it."""
    head = dedent(
        f"""\
        From: MAILER-DAEMON@mx.example.go.th
        Subject: Undelivered Mail Returned to Sender
        Auto-Submitted: auto-replied
        MIME-Version: 1.0
        Content-Type: multipart/report; report-type={report}; boundary="B"

        --B
        Content-Type: text/plain

        I'm sorry to have to inform you that your message could not be delivered.
        --B
        Content-Type: {kind}

        Reporting-MTA: dns; mx.example.go.th

        """
    )
    tail = dedent(
        """
        --B
        Content-Type: message/rfc822

        Subject: [ว] สค ๐๐๑๗.๑/ว ๑๕๑๒๓

        Status: 5.9.9
        --B--
        """
    )
    return (head + dedent(fields) + tail).replace("\n", "\r\n").encode()


NO_MAILBOX = """\
    Final-Recipient: rfc822; saraban@example.go.th
    Action: failed
    Status: 5.1.1
    Diagnostic-Code: smtp; 550 5.1.1 <saraban@example.go.th>: Recipient
        address rejected
    """


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (
            dsn(NO_MAILBOX),
            Report(BounceKind.FAILED, "5.1.1", "smtp; 550 5.1.1 <saraban@example.go.th>: Recipient address rejected"),
        ),
        (dsn(NO_MAILBOX.replace("failed", "FAILED (see below)").replace(" (see", "; (see")), None),
        (dsn(NO_MAILBOX, kind="message/global-delivery-status"), None),
        (dsn("Action: failed\nStatus: 4.4.1\n"), Report(BounceKind.FAILED, "4.4.1")),
        (dsn("Status: 5.7.1 (refused)\n"), Report(BounceKind.FAILED, "5.7.1")),
        (dsn("Action: failed\nDiagnostic-Code: X-HMailServer; 552 5.2.2 full\n"), None),
        (dsn("Action: delayed\nStatus: 4.4.1\n"), Report(BounceKind.DELAYED, "4.4.1")),
        (dsn("Action: delayed\nStatus: 5.1.1\n"), Report(BounceKind.DELAYED, "5.1.1")),
        (dsn("Status: 4.4.1\n"), Report(BounceKind.DELAYED, "4.4.1")),
        (dsn("Action: relayed\nStatus: 2.0.0\n"), Report(BounceKind.OTHER, "2.0.0")),
        (dsn("Action: delivered\nStatus: 2.0.0\n"), Report(BounceKind.OTHER, "2.0.0")),
        (dsn("Action: delayed\nStatus: 4.4.1\n\nAction: failed\nStatus: 5.1.1\n"), Report(BounceKind.FAILED, "5.1.1")),
        (dsn("", kind="text/plain"), Report(BounceKind.AUTO_REPLY)),
        (dsn("Disposition: displayed\n", kind="message/disposition-notification", report="disposition-notification"), None),
        (
            b"Subject: out of office\r\nAuto-Submitted: auto-replied (vacation)\r\n\r\nStatus: 5.1.1",
            Report(BounceKind.AUTO_REPLY),
        ),
        (b"Subject: I am away\r\nX-Autoreply: yes\r\n\r\n", Report(BounceKind.AUTO_REPLY)),
        (b"Subject: Re: letter\r\n\r\nThank you, received. Status: 5.1.1 Action: failed", Report(BounceKind.OTHER)),
        (b"", Report(BounceKind.OTHER)),
    ],
)
def test_only_a_final_failure_that_the_server_itself_reports_is_one(raw: bytes, expected: Report | None) -> None:
    found = read_report(raw)
    if expected is not None:
        assert found == expected
    elif b"disposition" in raw:
        assert found.kind is BounceKind.AUTO_REPLY
    else:
        assert found.kind is BounceKind.FAILED
        assert found.status in ("5.1.1", "5.2.2")


def test_a_failure_in_a_message_that_somebody_forwards_is_none() -> None:
    forwarded = b"Subject: Fwd\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=O\r\n\r\n--O\r\n"
    forwarded += b"Content-Type: message/rfc822\r\n\r\n" + dsn(NO_MAILBOX) + b"\r\n--O--\r\n"
    assert read_report(forwarded).kind is BounceKind.OTHER


def test_what_breaks_the_parser_is_read_as_nothing() -> None:
    nested = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(3000))
    assert read_report(nested).kind is BounceKind.OTHER


@given(st.binary(max_size=400), st.integers(0, 900), st.binary(max_size=40))
def test_whatever_comes_is_read_and_can_be_stored(raw: bytes, place: int, spoiled: bytes) -> None:
    whole = dsn(NO_MAILBOX)
    for message in (raw, whole[:place] + spoiled + whole[place:], whole[:place]):
        report = read_report(message)
        assert len(report.diagnostic.encode()) <= 1024
        assert "\x00" not in report.diagnostic
        assert len(report.status) <= 11


def test_a_status_is_told_in_words() -> None:
    assert meaning_of("5.1.1") == "5.1.1: there is no such mailbox"
    assert meaning_of("5.2.9") == "5.2.9: the mailbox does not take it"
    assert meaning_of("5.9.9") == "5.9.9: the mail could not be delivered"
    assert meaning_of("") == "the mail could not be delivered"
