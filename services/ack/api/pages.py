"""The page behind the link in an e-mail: the letter, and a form that acknowledges it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import parse_qsl
from uuid import UUID

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import HTMLResponse

from services.ack import problems, wording
from services.ack.acknowledging import Caller, under_way
from services.ack.api.dependencies import Ack, read_link
from services.ack.decide import Draft, RegistrationDraft, RejectionDraft
from services.ack.facts import Door
from services.ack.fold import ANSWERED, State
from services.ack.pages import render
from services.ack.resources import Resources
from services.ack.store import circulars, recipients
from services.ack.store.circulars import Circular
from services.ack.store.recipients import Recipient
from shared.contracts.events import Secrecy
from shared.links import Purpose
from shared.problems import ProblemError
from shared.thai.dates import BANGKOK

router = APIRouter(tags=["pages"])

Link = Annotated[str, Path(max_length=300)]

FORM_TYPE: Final = "application/x-www-form-urlencoded"
MOST_FIELDS: Final = 40
REGISTERED: Final = "registered"
REJECTED: Final = "rejected"


@dataclass(frozen=True, slots=True)
class Typed:
    """What stands in the forms: which of them was sent, its values, and what is wrong with them."""

    outcome: str
    values: Mapping[str, str]
    error: ProblemError | None = None

    @property
    def faults(self) -> dict[str, str]:
        """The code of the problem by field; a title for each is in the catalogue."""
        if self.error is None:
            return {}
        return {fault.pointer.removeprefix("/"): fault.code for fault in self.error.errors}


@router.api_route("/a/{link}", methods=["GET", "HEAD"], response_class=HTMLResponse, include_in_schema=False)
async def show_letter(link: Link, ack: Ack) -> Response:
    """The letter with the form, or with what is recorded. Changes nothing, however often a mail scanner opens it."""
    try:
        recipient_id = read_link(ack, Purpose.ACKNOWLEDGE, link)
        circular, recipient = await _letter(ack, recipient_id)
    except ProblemError as error:
        return trouble(error)
    now = ack.now().astimezone(BANGKOK)
    blank = Typed(REGISTERED, {"receive_date": now.date().isoformat(), "receive_time": now.strftime("%H:%M")})
    return _shown(ack, link, circular, recipient, blank)


@router.post("/a/{link}", response_class=HTMLResponse, include_in_schema=False)
async def take_form(link: Link, request: Request, ack: Ack) -> Response:
    """Records what was typed. Without the nonce of an opened page, a number and a name, nothing is recorded."""
    try:
        recipient_id = read_link(ack, Purpose.ACKNOWLEDGE, link)
        await _letter(ack, recipient_id)
    except ProblemError as error:
        return trouble(error)
    values = await form_fields(request)
    typed = Typed(REJECTED if values.get("outcome") == REJECTED else REGISTERED, values)
    try:
        if not ack.forms.is_valid(values.get("nonce", ""), recipient_id):
            raise ProblemError(problems.FORM_EXPIRED)
        by = Caller(Door.PAGE, "holder of the link")
        await ack.recorder.acknowledge(recipient_id, _draft(typed), by, now=ack.now())
    except ProblemError as error:
        typed = Typed(typed.outcome, values, error)
    # What is recorded now: by this form, or by another door that was quicker.
    circular, recipient = await _letter(ack, recipient_id)
    return _shown(ack, link, circular, recipient, typed, status=200 if typed.error is None else typed.error.problem.status)


def trouble(error: ProblemError) -> Response:
    """A readable page for a link that opens nothing, or nothing yet."""
    headers = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
    values = {"problem": error.problem, "retry_after": error.retry_after}
    return render.page("trouble.html", values, status=error.problem.status, headers=headers)


async def _letter(ack: Resources, recipient_id: UUID) -> tuple[Circular, Recipient]:
    async with ack.database.connection() as connection:
        recipient = await recipients.get(connection, recipient_id)
        circular = None if recipient is None else await circulars.get(connection, recipient.circular_id)
    if recipient is None or circular is None:
        raise under_way()
    return circular, recipient


async def form_fields(request: Request) -> dict[str, str]:
    """The form's fields, the first of each name; nothing when it is not such a form."""
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != FORM_TYPE:
        return {}
    try:
        pairs = parse_qsl((await request.body()).decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError:
        return {}
    # A browser writes line breaks as CR LF.
    return {name: value.replace("\r\n", "\n") for name, value in reversed(pairs)}


def _draft(typed: Typed) -> Draft:
    given = typed.values
    if typed.outcome == REJECTED:
        return RejectionDraft(
            given.get("reason", ""), given.get("text", ""), given.get("registrar_name", ""), given.get("registrar_position", "")
        )
    return RegistrationDraft(
        given.get("receive_number", ""),
        given.get("receive_date", ""),
        given.get("receive_time", ""),
        given.get("registrar_name", ""),
        given.get("registrar_position", ""),
        given.get("unit", ""),
    )


def _shown(ack: Resources, link: str, circular: Circular, recipient: Recipient, typed: Typed, *, status: int = 200) -> Response:
    letter = circular.letter
    answered = recipient.state in ANSWERED
    values = {
        "link": link,
        "circular": circular,
        "letter": letter,
        "recipient": recipient,
        "answered": answered,
        "taken_back": recipient.state is State.RECALLED,
        "stamp": wording.stamp(recipient),
        "rejection": wording.rejection(recipient),
        "withheld": letter.secrecy is not Secrecy.NORMAL,
        "speed": wording.SPEEDS[letter.speed],
        "role": wording.ROLES[recipient.role],
        "secrecy": wording.SECRECIES[letter.secrecy],
        "files": [(file, ack.links.sign(Purpose.FILE, file.attachment_id)) for file in letter.attachments],
        "reasons": wording.REASONS,
        "overdue": not answered and recipient.is_late(circular.deadline, ack.now()),
        "today": ack.now().astimezone(BANGKOK).date(),
        "nonce": ack.forms.nonce(recipient.recipient_id),
        "typed": typed,
        "faults": {field: problems.BY_CODE[code] for field, code in typed.faults.items()},
        "registering": typed.outcome == REGISTERED,
    }
    return render.page("letter.html", values, status=status)
