"""Routes of templates: the recurring parts of an agency's letters."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.registry.api.dependencies import (
    DEFAULT_PAGE,
    After,
    IfMatch,
    LetterReader,
    LetterWriter,
    Limit,
    Registry,
    check_version,
    etag,
)
from services.registry.api.fields import Block, Line, RequestModel, ShortLine
from services.registry.api.letter_models import CopyToIn, LetterIn
from services.registry.domain.classes import read_secrecy, read_speed
from services.registry.domain.kinds import Form, Kind
from services.registry.problems import letters as problems
from services.registry.problems import refuse
from services.registry.store import templates
from services.registry.store.templates import Template
from shared import problems as shared_problems
from shared.ids import new_id
from shared.pages import Page, page_of, read_cursor
from shared.postgres import Connection, UniqueViolation
from shared.problems import FieldError, ProblemError

router = APIRouter(prefix="/v1/templates", tags=["letters"])


class TemplateFields(RequestModel):
    """The parts that recur. What is left out, a letter says by itself."""

    register_id: UUID | None = None
    unit_code: Line | None = None
    kind: Kind | None = None
    form: Form | None = None
    circular: bool | None = None
    owner: Block | None = None
    salutation: Line | None = None
    closing: Line | None = None
    signatory_name: Line | None = None
    signatory_position: Block | None = None
    contact_unit: Block | None = None
    telephone: Line | None = None
    fax: Line | None = None
    speed: ShortLine | None = None
    secrecy: ShortLine | None = None
    list_id: UUID | None = None
    copy_to: Annotated[tuple[CopyToIn, ...], Field(max_length=100)] | None = None


class TemplateIn(RequestModel):
    """A template."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "หนังสือเวียนของจังหวัด",
                    "letter": {
                        "owner": "ศาลากลางจังหวัดสมุทรสาคร\nถนนเศรษฐกิจ ๑ สค ๗๔๐๐๐",
                        "closing": "ขอแสดงความนับถือ",
                        "signatory_name": "นายประภัสสร มาลาภาณุจัน",
                        "signatory_position": "ผู้ว่าราชการจังหวัดสมุทรสาคร",
                    },
                }
            ]
        }
    )

    name: Annotated[Line, Field(min_length=1)]
    letter: TemplateFields

    def content(self) -> dict[str, Any]:
        """The fields that are set, in JSON values; raises ProblemError for a class that is not known."""
        reads = (
            None if self.letter.speed is None else read_speed(self.letter.speed),
            None if self.letter.secrecy is None else read_secrecy(self.letter.secrecy),
        )
        errors = [FieldError(f"/letter{read.pointer}", read.code, read.detail) for read in reads if isinstance(read, FieldError)]
        if errors:
            refuse(errors)
        return self.letter.model_dump(mode="json", exclude_none=True)


class TemplateOut(BaseModel):
    """A template."""

    template_id: UUID
    name: str
    letter: dict[str, Any]
    version: int
    updated_at: datetime


async def with_template(connection: Connection, agency_id: UUID, body: LetterIn) -> LetterIn:
    """The letter with its template's fields where it says nothing itself; raises ProblemError `template_unknown`."""
    if body.template_id is None:
        return body
    template = await templates.get(connection, body.template_id, agency_id)
    if template is None:
        detail = f"there is no template {body.template_id}"
        refuse([FieldError("/template_id", problems.TEMPLATE_UNKNOWN.code, detail)], problems.TEMPLATE_UNKNOWN)
    try:
        return LetterIn.model_validate({**template.content, **body.model_dump(exclude_unset=True)})
    except ValidationError as error:
        # The template was good when it was saved: the rules have become stricter since.
        raise ProblemError(shared_problems.REQUEST_INVALID, f"the template is out of date: {error.errors()[0]['msg']}") from error


def _shown(template: Template) -> TemplateOut:
    return TemplateOut(
        template_id=template.template_id,
        name=template.name,
        letter=template.content,
        version=template.version,
        updated_at=template.updated_at,
    )


async def _refuse_name(connection: Connection, agency_id: UUID, name: str, *, but: UUID | None = None) -> None:
    known = await templates.id_by_name(connection, agency_id, name)
    if known is not None and known != but:
        raise ProblemError(problems.TEMPLATE_EXISTS, f"template_id {known}")


@router.post("", status_code=201, summary="Keep a template")
async def keep_template(body: TemplateIn, caller: LetterWriter, registry: Registry, response: Response) -> TemplateOut:
    """Keeps the recurring parts of letters under a name; a draft names the template in `template_id`."""
    agency_id = caller.agency()
    async with registry.database.transaction() as connection:
        template = await templates.insert(connection, new_id(), agency_id, body.name, body.content())
        if template is None:
            await _refuse_name(connection, agency_id, body.name)
            raise ProblemError(problems.TEMPLATE_EXISTS)
    response.headers.update(etag(template.version))
    return _shown(template)


@router.get("", summary="List your templates")
async def list_templates(
    caller: LetterReader,
    registry: Registry,
    request: Request,
    response: Response,
    after: After = None,
    limit: Limit = DEFAULT_PAGE,
) -> Page[TemplateOut]:
    """The agency's templates by name."""
    async with registry.database.connection() as connection:
        found = await templates.page(connection, caller.agency(), after=read_cursor(after), limit=limit + 1)
    return page_of(found, limit, key=lambda template: template.name, show=_shown, request=request, response=response)


@router.get("/{template_id}", summary="Read a template")
async def read_template(template_id: UUID, caller: LetterReader, registry: Registry, response: Response) -> TemplateOut:
    """One template."""
    async with registry.database.connection() as connection:
        template = await templates.get(connection, template_id, caller.agency())
    if template is None:
        raise ProblemError(shared_problems.NOT_FOUND)
    response.headers.update(etag(template.version))
    return _shown(template)


async def _own(connection: Connection, template_id: UUID, agency_id: UUID, version: int) -> Template:
    known = await templates.get_for_update(connection, template_id, agency_id)
    if known is None:
        raise ProblemError(shared_problems.NOT_FOUND)
    check_version(known.version, version)
    return known


@router.put("/{template_id}", summary="Change a template")
async def change_template(
    template_id: UUID, body: TemplateIn, caller: LetterWriter, registry: Registry, response: Response, version: IfMatch
) -> TemplateOut:
    """Puts another name and other fields in place. Letters that were written from it stay as they are."""
    agency_id = caller.agency()
    async with registry.database.transaction() as connection:
        await _own(connection, template_id, agency_id, version)
        await _refuse_name(connection, agency_id, body.name, but=template_id)
        try:
            template = await templates.update(connection, template_id, body.name, body.content())
        except UniqueViolation as error:
            # Another clerk has just taken the name.
            raise ProblemError(problems.TEMPLATE_EXISTS) from error
    response.headers.update(etag(template.version))
    return _shown(template)


@router.delete("/{template_id}", status_code=204, summary="Forget a template")
async def forget_template(template_id: UUID, caller: LetterWriter, registry: Registry, version: IfMatch) -> None:
    """Letters that were written from it stay as they are."""
    async with registry.database.transaction() as connection:
        await _own(connection, template_id, caller.agency(), version)
        await templates.delete(connection, template_id)
