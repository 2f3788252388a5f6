"""Simulated mailboxes: an SMTP server on this machine, and clerks who open the link and fill in the page."""

import asyncio
import re
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import SMTP as SMTP_POLICY
from html.parser import HTMLParser
from typing import Any, Final
from urllib.parse import urlencode, urljoin

import httpx
from aiosmtpd.smtp import SMTP, Envelope, Session

from wian.demo.agencies import Agencies, Agency
from wian.demo.api import path_of, send

LINK: Final = re.compile(r"https?://\S+?/a/[\w.-]+")


class Mailboxes:
    """Takes every mail; for each recipient that is a simulated agency a clerk reads it."""

    def __init__(self, http: httpx.AsyncClient, agencies: Agencies, *, patience: float) -> None:
        self._http = http
        self._agencies = agencies
        self._patience = patience
        self.messages: list[EmailMessage] = []

    async def serve(self, port: int) -> asyncio.Server:
        """Listen for SMTP on `port`; the caller closes the server."""
        loop = asyncio.get_running_loop()
        return await loop.create_server(lambda: SMTP(self, enable_SMTPUTF8=True, loop=loop), "127.0.0.1", port)

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - the server's name
        """Called by the SMTP server for each message."""
        content = envelope.content
        if not isinstance(content, bytes):
            return "554 a message is bytes"
        message = BytesParser(EmailMessage, policy=SMTP_POLICY).parsebytes(content)
        self.messages.append(message)
        for address in envelope.rcpt_tos:
            self._agencies.spawn(self._read(self._agencies.by_email(str(address)), message))
        return "250 taken"

    async def _read(self, agency: Agency, message: EmailMessage) -> None:
        text = message.get_body(("plain",))
        link = LINK.search(text.get_content() if text is not None else "")
        if link is None:
            raise ValueError(f"the mail to {agency.about.email} holds no acknowledgment link")
        if link[0] in agency.started or agency.about.behaviour == "silent":
            return
        agency.started.add(link[0])
        await asyncio.sleep(agency.reaction_delay())
        await self._fill_in(agency, path_of(link[0]))

    async def _fill_in(self, agency: Agency, path: str) -> None:
        page = await send(self._http, "GET", path, patience=self._patience)
        page.raise_for_status()
        answer = {name: str(value) for name, value in agency.acknowledgment().items() if value is not None}
        form = _forms(page.text, outcome=answer["outcome"])
        answered = await send(
            self._http,
            "POST",
            path_of(urljoin(f"http://wian{path}", form.action)),
            content=urlencode({**form.fields, **answer}).encode(),
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            patience=self._patience,
        )
        answered.raise_for_status()


class _Form:
    def __init__(self, action: str) -> None:
        self.action = action
        self.fields: dict[str, str] = {}


class _FormReader(HTMLParser):
    """Collects the page's forms with their hidden fields, as a browser would send them."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[_Form] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given: dict[str, Any] = dict(attrs)
        if tag == "form":
            self.forms.append(_Form(given.get("action") or ""))
        elif tag in ("input", "button") and self.forms and given.get("name") and given.get("type") in ("hidden", "submit"):
            self.forms[-1].fields[given["name"]] = given.get("value") or ""


def _forms(page: str, *, outcome: str) -> _Form:
    """The form whose outcome is the wanted one, else the page's first."""
    reader = _FormReader()
    reader.feed(page)
    if not reader.forms:
        raise ValueError("the page holds no form")
    return next((form for form in reader.forms if form.fields.get("outcome") == outcome), reader.forms[0])
