"""The e-mail by which a letter is handed over: headers, text, page and attachments."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address as MailAddress
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from services.dispatch import payload
from services.dispatch.delivery.jobs import Job
from shared.contracts.events import AttachmentLink, Role, Secrecy, Speed
from shared.thai.dates import bangkok_date, clock, long_date
from shared.thai.text import has_unsafe_characters

SPEEDS: Final = {
    Speed.NORMAL: "",
    Speed.URGENT: "ด่วน",
    Speed.VERY_URGENT: "ด่วนมาก",
    Speed.MOST_URGENT: "ด่วนที่สุด",
}
SECRECIES: Final = {Secrecy.NORMAL: "", Secrecy.CONFIDENTIAL: "ลับ", Secrecy.SECRET: "ลับมาก"}
ROLES: Final = {Role.ACTION: "", Role.INFORMATION: "เพื่อทราบ", Role.COPY: "สำเนาส่ง"}
CIRCULAR_MARK: Final = "/ว"
SUBJECT_MAX_LENGTH: Final = 500

templates: Final = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True, slots=True)
class File:
    """An attachment with its bytes, checked against its hash."""

    link: AttachmentLink
    content: bytes


def subject_of(job: Job) -> str:
    """The subject line: ``[ว] <number> เรื่อง <subject>``, with the speed in front; without subject when it is secret."""
    letter = job.circular.letter
    parts = [
        SPEEDS[letter.speed],
        "[ว]" if CIRCULAR_MARK in letter.number else "",
        letter.number,
        f"(ชั้นความลับ {SECRECIES[letter.secrecy]})" if letter.secrecy is not Secrecy.NORMAL else f"เรื่อง {letter.subject}",
    ]
    return one_line(" ".join(part for part in parts if part))[:SUBJECT_MAX_LENGTH]


def one_line(text: str) -> str:
    """`text` without anything that could begin another header line or hide what is read."""
    spaced = "".join(" " if character.isspace() else character for character in text)
    return " ".join("".join(character for character in spaced if not has_unsafe_characters(character)).split())


def compose(job: Job, *, to: str, sender: str, public_url: str, files: Sequence[File], now: datetime) -> bytes:
    """The whole message. Its Message-ID names the delivery, so a second copy shows as such.

    It is in 7-bit form, unless `to` is not: then its headers are UTF-8, for a server that offers SMTPUTF8. It asks no machine
    for an answer (Auto-Submitted), and says nothing of lists: it is a letter to one office.
    """
    message = EmailMessage(policy=SMTP if to.isascii() else SMTPUTF8)
    message["From"] = named_mailbox(job.circular.sender_name_th, sender)
    message["To"] = named_mailbox(job.address.title, to)
    message["Subject"] = subject_of(job)
    message["Date"] = format_datetime(now)
    message["Message-ID"] = f"<{job.address.delivery_id}@{sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    values = _values(job, public_url)
    message.set_content(templates.get_template("letter.txt").render(values), cte="base64")
    message.add_alternative(templates.get_template("letter.html").render(values), subtype="html", cte="base64")
    for file in files:
        message.add_attachment(
            file.content, maintype="application", subtype="pdf", filename=one_line(file.link.file_name), cte="base64"
        )
    return message.as_bytes()


def named_mailbox(name: str, mailbox: str) -> MailAddress:
    username, _, domain = mailbox.rpartition("@")
    return MailAddress(display_name=one_line(name), username=username, domain=domain)


def _values(job: Job, public_url: str) -> dict[str, object]:
    circular, letter = job.circular, job.circular.letter
    deadline = circular.deadline
    return {
        "subject": subject_of(job),
        "sender": circular.sender_name_th,
        "addressee": job.address.title,
        "number": letter.number,
        "date": long_date(letter.date),
        "speed": SPEEDS[letter.speed],
        "secrecy": SECRECIES[letter.secrecy],
        "title": letter.subject,
        "deadline": "" if deadline is None else f"{long_date(bangkok_date(deadline))} เวลา {clock(deadline)}",
        "salutation": letter.salutation if letter.secrecy is Secrecy.NORMAL else "",
        "body": letter.body,
        "closing": letter.closing,
        "signatory_name": letter.signatory_name,
        "signatory_position": letter.signatory_position,
        "relay_duty": job.address.relay_duty,
        "role": ROLES[job.address.role or Role.ACTION],
        "attachments": letter.attachments,
        "acknowledgment_page": payload.acknowledgment_page(public_url, job.address.acknowledgment_link),
        "contact_unit": letter.contact_unit,
        "telephone": letter.telephone,
    }
