"""The route that reads a letter's text into a draft."""

from datetime import UTC, date, datetime
from typing import Any, Final

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.requests import ClientDisconnect

from services.registry.api.dependencies import LetterWriter, Registry
from services.registry.api.preflight import FindingOut, shown_finding
from services.registry.domain.letters import draft_to_json
from services.registry.intake import sources
from services.registry.intake.paper import Paper
from services.registry.intake.reading import examine_paper, readable_number
from services.registry.intake.service import read_in_time
from services.registry.preflight.gather import rules
from services.registry.problems import preflight as problems
from services.registry.store import preflight as store
from shared import problems as shared_problems
from shared.problems import ProblemError

router = APIRouter(prefix="/v1/letters", tags=["letters"])

# What an answer shows of a text that is no letter at all.
MOST_SHOWN: Final = 2_000


class UnderstoodOut(BaseModel):
    """A field as it was read, and the line where it stands."""

    field: str
    text: str
    line: int


class StrayOut(BaseModel):
    """A line of which nothing was made."""

    line: int
    text: str


class AddresseeRead(BaseModel):
    """A line of an annex. `agency_code` is set when exactly one agency goes by the title."""

    line: int
    title: str
    agency_code: str | None
    candidates: list[str]


class AnnexRead(BaseModel):
    """A page of บัญชีรายชื่อแนบท้าย."""

    number: str | None
    date: date | None
    subject: str | None
    addressees: list[AddresseeRead]


class EnclosedRead(BaseModel):
    """A letter whose text follows: what its own heading says."""

    number: str | None
    date: date | None
    subject: str
    owner: str


class ReadOut(BaseModel):
    """What the text says. `draft` has the fields of a letter, but for the register and the list that you choose."""

    number: str | None
    draft: dict[str, Any]
    annexes: list[AnnexRead]
    enclosed: list[EnclosedRead]
    understood: list[UnderstoodOut]
    not_understood: list[StrayOut]
    findings: list[FindingOut]


@router.post(
    "/read",
    summary="Read a letter's text into a draft",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {media_type: {"schema": {"type": "string"}} for media_type in sources.TYPES},
        }
    },
)
async def read_letter(caller: LetterWriter, registry: Registry, request: Request) -> ReadOut:
    """Takes a text (UTF-8 or Windows-874), a PDF with a text layer or a DOCX; nothing is stored."""
    agency_id, settings = caller.agency(), registry.settings
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in sources.TYPES:
        raise ProblemError(problems.PAPER_TYPE_REFUSED, f"taken: {', '.join(sources.TYPES)}")
    content = await _body(request, settings.registry_paper_max_bytes)
    paper, text = await read_in_time(content, media_type, settings.registry_paper_seconds)
    titles = [row.title for annex in paper.annexes for row in annex.rows]
    async with registry.database.connection() as connection:
        known = await store.matches(connection, agency_id, titles)
    report = examine_paper(paper, text, rules(settings), known, datetime.now(UTC))
    return ReadOut(
        number=readable_number(paper),
        draft=draft_to_json(paper.draft),
        annexes=_annexes(paper, known),
        enclosed=[
            EnclosedRead(number=readable_number(e), date=e.draft.date, subject=e.draft.subject, owner=e.draft.owner)
            for e in paper.enclosed
        ],
        understood=[UnderstoodOut(field=u.field, text=u.text, line=u.line) for u in paper.understood[:MOST_SHOWN]],
        not_understood=[StrayOut(line=s.line, text=s.text[:500]) for s in paper.not_understood[:MOST_SHOWN]],
        findings=[shown_finding(finding) for finding in report.findings],
    )


async def _body(request: Request, most: int) -> bytes:
    content = bytearray()
    try:
        async for piece in request.stream():
            content += piece
            if len(content) > most:
                raise ProblemError(problems.PAPER_TOO_LARGE, f"at most {most} bytes")
    except ClientDisconnect as error:
        raise ProblemError(shared_problems.REQUEST_INVALID, "the body broke off") from error
    return bytes(content)


def _annexes(paper: Paper, known: dict[str, list[str]]) -> list[AnnexRead]:
    return [
        AnnexRead(
            number=annex.number,
            date=annex.date,
            subject=annex.subject,
            addressees=[_addressee(row.line, row.title, known.get(row.title, [])) for row in annex.rows],
        )
        for annex in paper.annexes
    ]


def _addressee(line: int, title: str, candidates: list[str]) -> AddresseeRead:
    return AddresseeRead(
        line=line, title=title, agency_code=candidates[0] if len(candidates) == 1 else None, candidates=candidates[:20]
    )
