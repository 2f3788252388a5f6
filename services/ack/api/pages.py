"""The page behind the link in an e-mail: the letter, and a form that acknowledges it."""

from dataclasses import replace
from typing import Annotated, Final
from urllib.parse import parse_qsl
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from services.ack import problems, wording
from services.ack.acknowledging import Caller, change_answer, under_way
from services.ack.api.dependencies import Ack, by_link
from services.ack.decide import RegistrationDraft, RejectionDraft
from services.ack.facts import Door
from services.ack.fold import ANSWERED, State
from services.ack.pages import render
from services.ack.pages.typed import ANSWERS, Outcome, Typed, read_typed, standing
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
# What the form before has changed; it only chooses a sentence.
Done = Annotated[str, Query(max_length=20)]

FORM_TYPE: Final = "application/x-www-form-urlencoded"
MOST_FIELDS: Final = 40


@router.api_route("/a/{link}", methods=["GET", "HEAD"], response_class=HTMLResponse, include_in_schema=False)
async def show_letter(link: Link, ack: Ack, done: Done = "") -> Response:
    """The letter with the form, or with what is recorded. Changes nothing, however often a mail scanner opens it."""
    try:
        circular, recipient = await _letter(ack, *by_link(ack, link, Door.PAGE))
    except ProblemError as error:
        return trouble(error)
    now = ack.now().astimezone(BANGKOK)
    blank = Typed(Outcome.REGISTERED, {"receive_date": now.date().isoformat(), "receive_time": now.strftime("%H:%M")})
    return _shown(ack, link, circular, recipient, blank, done=done)


@router.post("/a/{link}", response_class=HTMLResponse, include_in_schema=False)
async def take_form(link: Link, request: Request, ack: Ack) -> Response:
    """Records what was typed. Without the nonce of an opened page, and what each form must have, nothing is recorded."""
    try:
        recipient_id, by = by_link(ack, link, Door.PAGE)
        _, recipient = await _letter(ack, recipient_id, by)
    except ProblemError as error:
        return trouble(error)
    typed = read_typed(await form_fields(request))
    try:
        if not ack.forms.is_valid(typed.values.get("nonce", ""), recipient_id, recipient.withdrawals):
            raise ProblemError(problems.FORM_EXPIRED)
        await _record(ack, recipient_id, typed, by)
    except ProblemError as error:
        typed = replace(typed, error=error)
    if typed.error is None and typed.outcome not in ANSWERS:
        # 303: the browser asks for the page with GET, so that loading it again changes nothing once more.
        return RedirectResponse(f"/a/{link}?done={typed.outcome}", 303, render.HEADERS)
    # What is recorded now: by this form, or by another door that was quicker.
    try:
        circular, recipient = await _letter(ack, recipient_id, by)
    except ProblemError as error:
        return trouble(error)
    return _shown(ack, link, circular, recipient, typed, status=200 if typed.error is None else typed.error.problem.status)


async def _record(ack: Resources, recipient_id: UUID, typed: Typed, by: Caller) -> None:
    match typed.asked():
        case RegistrationDraft() | RejectionDraft() as draft:
            await ack.recorder.acknowledge(recipient_id, draft, by, now=ack.now())
        case change:
            await change_answer(ack.database, recipient_id, change, by, now=ack.now())


def trouble(error: ProblemError) -> Response:
    """A readable page for a link that opens nothing, or nothing yet."""
    headers = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
    values = {"problem": error.problem, "retry_after": error.retry_after}
    return render.page("trouble.html", values, status=error.problem.status, headers=headers)


async def _letter(ack: Resources, recipient_id: UUID, by: Caller) -> tuple[Circular, Recipient]:
    async with ack.database.connection() as connection:
        found = await recipients.get_by_link(connection, recipient_id, by.link_digest or b"")
        circular = None if found is None else await circulars.get(connection, found[0].circular_id)
    if found is None or circular is None:
        raise under_way()
    recipient, opens = found
    if not opens:
        raise ProblemError(problems.LINK_REVOKED)
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


def _shown(
    ack: Resources, link: str, circular: Circular, recipient: Recipient, typed: Typed, *, status: int = 200, done: str = ""
) -> Response:
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
        "deadline": recipient.due_at or circular.deadline,
        "overdue": not answered and recipient.is_late(circular.deadline, ack.now()),
        "today": ack.now().astimezone(BANGKOK).date(),
        "nonce": ack.forms.nonce(recipient.recipient_id, recipient.withdrawals),
        "typed": typed,
        "faults": {field: problems.BY_CODE[code] for field, code in typed.faults.items()},
        "remedy": None if typed.error is None else wording.remedy_on_page(typed.error.problem),
        "outcome": typed.outcome,
        "standing": standing(recipient),
        "done": wording.DONE.get(done),
    }
    return render.page("letter.html", values, status=status)
