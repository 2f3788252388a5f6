"""Hand-over by e-mail against a real mail server: readable, personal, and honest about what it proves."""

import hashlib
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.policy import compat32
from uuid import uuid4

import pytest
from aiohttp import web

from shared.contracts.events import AttachmentLink, Channel, DeliveriesHandedOver, Role, Secrecy, Speed
from shared.contracts.topology import Lane
from shared.links import LinkSigner, Purpose
from tests.support.dispatch import Bench, bench, circular_dispatched, letter
from tests.support.receiver import MailSink
from tests.support.tokens import TokenIssuer

PDF = b"%PDF-1.7 " + b"x" * 2000
LINK = re.compile(r"https?://\S+?/a/([\w.-]+)")


def _attachment(content: bytes = PDF, *, media_type: str = "application/pdf", sha256: str | None = None) -> AttachmentLink:
    return AttachmentLink(
        url="http://wian.test/f/signed",
        attachment_id=uuid4(),
        file_name="หนังสือ.pdf",
        media_type=media_type,
        size=len(content),
        sha256=sha256 or hashlib.sha256(content).hexdigest(),
    )


class Files:
    """What the registry serves under /f/."""

    def __init__(self) -> None:
        self.reads = 0
        self.url = ""


@asynccontextmanager
async def _files() -> AsyncGenerator[Files]:
    files = Files()

    async def serve(_request: web.Request) -> web.Response:
        files.reads += 1
        return web.Response(body=PDF, content_type="application/pdf")

    app = web.Application()
    app.router.add_get("/f/{link}", serve)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    files.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield files
    await runner.cleanup()


@pytest.fixture
async def files() -> AsyncGenerator[Files]:
    async with _files() as serving:
        yield serving


@pytest.fixture
def dispatch_variables(sink: MailSink, files: Files) -> dict[str, str]:
    return {"dispatch_smtp_port": str(sink.port), "dispatch_internal_url": files.url}


def _text(message: EmailMessage, kind: str = "plain") -> str:
    part = message.get_body((kind,))
    assert part is not None
    return part.get_content()


async def test_a_letter_arrives_with_thai_headers_and_a_personal_link(dispatch: Bench, sink: MailSink) -> None:
    agency = await dispatch.agency(email="saraban@example.go.th")
    deadline = datetime(2017, 11, 20, 9, 30, tzinfo=UTC)
    circular = circular_dispatched([agency], deadline=deadline)
    await dispatch.apply(circular)
    await dispatch.deliver_due(channel=Channel.EMAIL)

    (message,) = sink.messages
    assert sink.recipients == ["saraban@example.go.th"]
    subject = "[ว] สค ๐๐๑๗.๑/ว ๑๕๑๒๓ เรื่อง การพัฒนางานบริการประชาชนเพื่อรองรับการเป็นศูนย์ราชการสะดวก <b>GECC</b>"
    assert message["Subject"] == subject
    # `addresses` of the standard library puts blanks where a name was folded; every mail program joins it as RFC 2047 says.
    assert (
        str(make_header(decode_header(message_from_bytes(message.as_bytes(), policy=compat32)["From"])))
        == "จังหวัดสมุทรสาคร <saraban@wian.invalid>"
    )
    assert message["To"].addresses[0].display_name == "นายอำเภอที่ 1"
    assert message["Auto-Submitted"] == "auto-generated"
    row = await dispatch.delivery()
    assert message["Message-ID"] == f"<{row['delivery_id']}@wian.invalid>"
    text, page = _text(message), _text(message, "html")
    assert "๒๐ พฤศจิกายน ๒๕๖๐ เวลา ๑๖.๓๐ น." in text
    assert "โปรดแจ้งหน่วยงานในสังกัด" in text
    assert "&lt;b&gt;GECC&lt;/b&gt;" in page
    assert "<b>GECC" not in page
    found = LINK.search(text)
    assert found is not None
    signer = LinkSigner(dispatch.settings.link_key.get_secret_value())
    assert signer.read(Purpose.ACKNOWLEDGE, found[1]) == circular.recipients[0].recipient_id
    assert found[0] in page

    (item,) = await dispatch.events(DeliveriesHandedOver)
    assert (item["channel"], item["grade"]) == ("email", "blind")


async def test_a_copy_by_mail_says_that_it_is_one(dispatch: Bench, sink: MailSink) -> None:
    circular = circular_dispatched([await dispatch.agency(email="saraban@example.go.th")])
    (recipient,) = circular.recipients
    copy = recipient.model_copy(update={"role": Role.COPY})
    await dispatch.apply(circular.model_copy(update={"recipients": (copy,)}))
    await dispatch.deliver_due(channel=Channel.EMAIL)
    (message,) = sink.messages
    for kind in ("plain", "html"):
        assert "(สำเนาส่ง)" in _text(message, kind)


async def test_a_batch_keeps_its_connections_and_reads_a_file_once(dispatch: Bench, sink: MailSink, files: Files) -> None:
    agencies = [await dispatch.agency(email=f"saraban{n}@example.go.th") for n in range(5)]
    attached, linked = _attachment(), _attachment(b"text", media_type="text/plain")
    await dispatch.apply(circular_dispatched(agencies, content=letter(attachments=[attached, linked])))
    await dispatch.deliver_due(channel=Channel.EMAIL)
    assert len(sink.messages) == 5
    assert sink.connections <= dispatch.settings.dispatch_mail_domain_in_flight
    assert files.reads == 1
    (part,) = sink.messages[0].iter_attachments()
    assert part.get_filename() == "หนังสือ.pdf"
    assert part.get_content() == PDF
    assert _text(sink.messages[0]).count("http://wian.test/f/") == 2


@pytest.mark.parametrize("sha256", ["0" * 64], ids=["another hash"])
async def test_a_file_that_cannot_be_trusted_is_linked(dispatch: Bench, sink: MailSink, sha256: str) -> None:
    agency = await dispatch.agency(email="saraban@example.go.th")
    await dispatch.apply(circular_dispatched([agency], content=letter(attachments=[_attachment(sha256=sha256)])))
    await dispatch.deliver_due(channel=Channel.EMAIL)
    (message,) = sink.messages
    assert list(message.iter_attachments()) == []
    assert "http://wian.test/f/" in _text(message)


async def test_files_above_the_limit_are_linked(
    settings_environment: dict[str, str], token_issuer: TokenIssuer, sink: MailSink, files: Files
) -> None:
    more = {"dispatch_smtp_port": str(sink.port), "dispatch_internal_url": files.url, "dispatch_email_attach_limit": "3000"}
    async with bench(settings_environment, token_issuer, **more) as dispatch:
        agency = await dispatch.agency(email="saraban@example.go.th")
        await dispatch.apply(circular_dispatched([agency], content=letter(attachments=[_attachment(), _attachment()])))
        await dispatch.deliver_due(channel=Channel.EMAIL)
    assert files.reads == 0
    assert list(sink.messages[0].iter_attachments()) == []


async def test_a_temporary_refusal_is_tried_again_under_the_same_message_id(dispatch: Bench, sink: MailSink) -> None:
    agency = await dispatch.agency(email="saraban@example.go.th")
    await dispatch.apply(circular_dispatched([agency]))
    sink.recipient_answers.append("450 mailbox busy")
    await dispatch.deliver_due(channel=Channel.EMAIL)
    row = await dispatch.delivery()
    assert (row["state"], row["channel"], row["attempts"]) == ("scheduled", "email", 1)
    sink.answers.append("451 try later")
    await dispatch.make_due()
    await dispatch.deliver_due(channel=Channel.EMAIL)
    await dispatch.make_due()
    await dispatch.deliver_due(channel=Channel.EMAIL)
    assert await dispatch.states() == ["handed_over"]
    assert [(row["outcome"], row["status"]) for row in await dispatch.attempts()] == [
        ("retry_later", 450),
        ("retry_later", 451),
        ("delivered", 250),
    ]


async def test_a_refused_recipient_goes_to_the_inbox_and_spoils_no_other(dispatch: Bench, sink: MailSink) -> None:
    agencies = [await dispatch.agency(email=f"saraban{n}@example.go.th") for n in range(3)]
    await dispatch.apply(circular_dispatched(agencies))
    sink.recipient_answers.append("550 no such mailbox")
    await dispatch.deliver_due(channel=Channel.EMAIL)
    rows = await dispatch.deliveries()
    assert sorted((row["state"], row["channel"]) for row in rows) == [
        ("handed_over", "email"),
        ("handed_over", "email"),
        ("scheduled", "inbox"),
    ]


async def test_a_mail_server_that_is_away_delays_the_whole_batch_and_refuses_nobody(
    settings_environment: dict[str, str], token_issuer: TokenIssuer
) -> None:
    async with bench(settings_environment, token_issuer, dispatch_smtp_port="9") as dispatch:
        agencies = [await dispatch.agency(email=f"saraban{n}@example.go.th") for n in range(3)]
        await dispatch.apply(circular_dispatched(agencies))
        await dispatch.deliver_due(channel=Channel.EMAIL)
        rows = await dispatch.deliveries()
        assert [(row["state"], row["channel"], row["attempts"]) for row in rows] == [("scheduled", "email", 1)] * 3


async def test_a_secret_letter_does_not_go_by_mail(dispatch: Bench) -> None:
    agency = await dispatch.agency(email="saraban@example.go.th")
    await dispatch.apply(circular_dispatched([agency], content=letter(secrecy=Secrecy.CONFIDENTIAL)))
    assert (await dispatch.delivery())["channel"] == "inbox"


async def test_a_secret_letter_announced_by_mail_shows_neither_subject_nor_text(
    settings_environment: dict[str, str], token_issuer: TokenIssuer, sink: MailSink
) -> None:
    more = {"dispatch_smtp_port": str(sink.port), "dispatch_email_secret_letters": "true"}
    async with bench(settings_environment, token_issuer, **more) as dispatch:
        agency = await dispatch.agency(email="saraban@example.go.th")
        content = letter(secrecy=Secrecy.SECRET, speed=Speed.MOST_URGENT)
        await dispatch.apply(circular_dispatched([agency], content=content))
        await dispatch.deliver_due(Lane.EXPRESS, Channel.EMAIL)
    (message,) = sink.messages
    assert message["Subject"] == "ด่วนที่สุด [ว] สค ๐๐๑๗.๑/ว ๑๕๑๒๓ (ชั้นความลับ ลับมาก)"
    assert "เรียน" not in _text(message)
