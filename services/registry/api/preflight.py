"""Routes of the check before dispatch."""

from datetime import UTC, datetime
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel

from services.registry.api.dependencies import LetterWriter, Registry, etag
from services.registry.api.letter_models import DispatchIn
from services.registry.config import RegistrySettings
from services.registry.copying import resolve_copies
from services.registry.dispatching import resolve
from services.registry.domain.resolution import Resolved, Sieve
from services.registry.intake.service import read_attachments
from services.registry.preflight.checks import examine
from services.registry.preflight.findings import Finding, Report, Severity
from services.registry.preflight.gate import Gate, Override
from services.registry.preflight.gather import gather, rules
from services.registry.store import letters, lists
from shared import problems as shared_problems
from shared.problems import ProblemError
from shared.thai.dates import bangkok_date

router = APIRouter(prefix="/v1/letters", tags=["letters"])


class RemedyOut(BaseModel):
    """What to do."""

    th: str
    en: str


class FindingOut(BaseModel):
    """What is wrong or suspicious; `pointer` is a JSON pointer into the letter, or ``line N`` of a text."""

    code: str
    severity: Severity
    pointer: str
    title: str
    title_th: str
    detail: str
    remedy: RemedyOut


class PreflightOut(BaseModel):
    """The findings: at most 100 of each code, errors first; `counts` has all of them by code."""

    findings: list[FindingOut]
    counts: dict[str, int]
    errors: int
    warnings: int
    notices: int
    version: int
    content_hash: str | None
    checked_at: datetime


def shown_finding(finding: Finding) -> FindingOut:
    """A finding in an answer."""
    kind = finding.kind
    return FindingOut(
        code=kind.code,
        severity=kind.severity,
        pointer=finding.pointer,
        title=kind.title_en,
        title_th=kind.title_th,
        detail=finding.detail,
        remedy=RemedyOut(th=kind.remedy_th, en=kind.remedy_en),
    )


def gate_of(settings: RegistrySettings, client_id: str, body: DispatchIn | None) -> Gate:
    """What an order is held to, with what its sender overrules."""
    asked = None if body is None else body.override
    override = None if asked is None else Override(asked.reason, frozenset(asked.findings))
    return Gate(rules(settings), client_id, override)


@router.post("/{letter_id}/preflight", summary="Check a letter before it goes round")
async def check_letter(letter_id: UUID, caller: LetterWriter, registry: Registry, response: Response) -> PreflightOut:
    """What is wrong or suspicious about one of your letters. Nothing is changed; a dispatch refuses what is an error here."""
    agency_id, held_to, now = caller.agency(), rules(registry.settings), datetime.now(UTC)
    async with registry.database.connection() as connection:
        letter = await letters.get(connection, letter_id)
    if letter is None or letter.agency_id != agency_id:
        raise ProblemError(shared_problems.NOT_FOUND)
    await read_attachments(registry, letter_id)
    async with registry.database.transaction() as connection:
        letter = await letters.get(connection, letter_id)
        if letter is None:
            raise LookupError("a letter cannot vanish")
        await lists.lock_for_reading(connection, agency_id)
        own = None if letter.list_id is None else await lists.get(connection, letter.list_id, agency_id)
        recipients: list[Resolved] = []
        if own is not None:
            most = registry.settings.registry_list_max_addressees
            async for piece in resolve(connection, own.list_id, Sieve(), most, bangkok_date(now)):
                recipients += piece
            already = {one.agency_id for one in recipients}
            recipients += [
                one for one in await resolve_copies(connection, letter.draft, bangkok_date(now)) if one.agency_id not in already
            ]
        facts = await gather(connection, letter, held_to, recipients, now)
    response.headers.update(etag(letter.version))
    return _shown(examine(facts, held_to), letter.version, letter.content_hash, now)


def _shown(report: Report, version: int, content_hash: str | None, now: datetime) -> PreflightOut:
    return PreflightOut(
        findings=[shown_finding(finding) for finding in report.findings],
        counts=report.counts,
        errors=report.total(Severity.ERROR),
        warnings=report.total(Severity.WARNING),
        notices=report.total(Severity.NOTICE),
        version=version,
        content_hash=content_hash,
        checked_at=now,
    )
