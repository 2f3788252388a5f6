"""Routes of distribution lists."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from services.registry import problems
from services.registry.api.bodies import read_csv_body
from services.registry.api.dependencies import (
    DEFAULT_PAGE,
    After,
    IfMatch,
    Limit,
    ListReader,
    ListWriter,
    Registry,
    check_version,
    etag,
)
from services.registry.api.fields import AgencyCode, Line, RequestModel
from services.registry.api.imports import read_rows
from services.registry.domain import lists as domain
from services.registry.domain.lists import Addressee, AddresseeEntry, ListHead
from services.registry.domain.tables import line_error, read_table
from services.registry.problems import refuse
from services.registry.resources import Resources
from services.registry.store import agencies, lists
from shared import problems as shared_problems
from shared.ids import new_id
from shared.pages import Page, page_of, read_id_cursor
from shared.postgres import Connection
from shared.problems import FieldError, ProblemError

REQUIRED_COLUMNS = ("title", "agency_code")

router = APIRouter(prefix="/v1/lists", tags=["lists"])


class AddresseeIn(RequestModel):
    """An addressee: the position that the letter is addressed to, at an agency."""

    title: Annotated[Line, Field(min_length=1, description="As it is printed in the annex: นายอำเภอเมืองสมุทรสาคร.")]
    agency_code: AgencyCode
    relay_duty: bool = Field(default=False, description="The addressee must pass the circular on.")

    def entry(self) -> AddresseeEntry:
        """The domain's value."""
        return AddresseeEntry(self.title, self.agency_code, self.relay_duty)


class ListIn(RequestModel):
    """A list, in the order in which it is printed."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "บัญชีรายชื่อแนบท้าย",
                    "addressees": [
                        {"title": "ปลัดจังหวัดสมุทรสาคร", "agency_code": "smk-provincial-administration"},
                        {"title": "นายอำเภอเมืองสมุทรสาคร", "agency_code": "smk-district-mueang", "relay_duty": True},
                    ],
                }
            ]
        }
    )

    name: Annotated[Line, Field(min_length=1)]
    addressees: list[AddresseeIn]


class AddresseeOut(BaseModel):
    """An addressee; `position` counts from 1."""

    position: int
    title: str
    agency_id: UUID
    agency_code: str
    relay_duty: bool


class ListHeadOut(BaseModel):
    """A list without its addressees."""

    list_id: UUID
    name: str
    version: int
    addressee_count: int
    updated_at: datetime


class ListOut(ListHeadOut):
    """A list."""

    addressees: list[AddresseeOut]


def _shown_head(head: ListHead) -> ListHeadOut:
    return ListHeadOut(
        list_id=head.list_id,
        name=head.name,
        version=head.version,
        addressee_count=head.addressee_count,
        updated_at=head.updated_at,
    )


def _shown(head: ListHead, addressees: Sequence[Addressee]) -> ListOut:
    shown = [
        AddresseeOut(
            position=a.position, title=a.title, agency_id=a.agency_id, agency_code=a.agency_code, relay_duty=a.relay_duty
        )
        for a in addressees
    ]
    return ListOut(**_shown_head(head).model_dump(), addressees=shown)


def _checked(registry: Resources, body: ListIn) -> list[AddresseeEntry]:
    domain.check_size(len(body.addressees), registry.settings.registry_list_max_addressees)
    entries = [addressee.entry() for addressee in body.addressees]
    domain.refuse_duplicates(entries)
    return entries


async def _unknown_codes(connection: Connection, entries: Sequence[AddresseeEntry]) -> tuple[dict[str, UUID], list[int]]:
    ids = await agencies.ids_by_codes(connection, sorted({entry.agency_code for entry in entries}))
    return ids, [index for index, entry in enumerate(entries) if entry.agency_code not in ids]


async def _resolve(connection: Connection, entries: Sequence[AddresseeEntry]) -> list[Addressee]:
    ids, unknown = await _unknown_codes(connection, entries)
    if unknown:
        refuse(
            [
                FieldError(
                    f"/addressees/{index}/agency_code",
                    problems.AGENCY_UNKNOWN.code,
                    f"there is no agency {entries[index].agency_code!r}",
                )
                for index in unknown
            ]
        )
    return _addressees(entries, ids)


def _addressees(entries: Sequence[AddresseeEntry], ids: dict[str, UUID]) -> list[Addressee]:
    return [
        Addressee(position, entry.title, ids[entry.agency_code], entry.agency_code, entry.relay_duty)
        for position, entry in enumerate(entries, start=1)
    ]


async def _insert(connection: Connection, agency_id: UUID, name: str, addressees: Sequence[Addressee]) -> ListHead:
    head = await lists.insert(connection, list_id=new_id(), agency_id=agency_id, name=name, addressee_count=len(addressees))
    await lists.replace_addressees(connection, head.list_id, addressees)
    return head


@router.post("", status_code=201, summary="Make a distribution list")
async def make_list(body: ListIn, caller: ListWriter, registry: Registry, response: Response) -> ListOut:
    """Keeps a list of addressees in the order given. An addressee that stands on it twice is refused."""
    agency_id = caller.agency()
    entries = _checked(registry, body)
    async with registry.database.transaction() as connection:
        addressees = await _resolve(connection, entries)
        head = await _insert(connection, agency_id, body.name, addressees)
    response.headers.update(etag(head.version))
    return _shown(head, addressees)


@router.post(
    "/import",
    status_code=201,
    summary="Make a distribution list from a table",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "text/csv": {
                    "schema": {"type": "string"},
                    "example": "title,agency_code,relay_duty\nปลัดจังหวัดสมุทรสาคร,smk-provincial-administration,false\n",
                }
            },
        }
    },
)
async def import_list(
    caller: ListWriter,
    registry: Registry,
    request: Request,
    response: Response,
    name: Annotated[Line, Query(min_length=1)],
) -> ListOut:
    """Reads a CSV table with the columns title, agency_code and (if any) relay_duty, in list order.

    All or nothing: with one faulty line no list is made, and every faulty line is named.
    """
    agency_id = caller.agency()
    table = read_table(await read_csv_body(request), required=REQUIRED_COLUMNS, optional=("relay_duty",))
    for row in table:
        row.values["relay_duty"] = row.values.get("relay_duty") or "false"
    rows = read_rows(table, AddresseeIn)
    domain.check_size(len(rows), registry.settings.registry_list_max_addressees)
    lines, entries = [line for line, _ in rows], [addressee.entry() for _, addressee in rows]
    async with registry.database.transaction() as connection:
        addressees = await _resolve_lines(connection, entries, lines)
        head = await _insert(connection, agency_id, name, addressees)
    response.headers.update(etag(head.version))
    return _shown(head, addressees)


async def _resolve_lines(connection: Connection, entries: Sequence[AddresseeEntry], lines: Sequence[int]) -> list[Addressee]:
    ids, unknown = await _unknown_codes(connection, entries)
    errors = [
        (lines[index], problems.AGENCY_UNKNOWN.code, f"there is no agency {entries[index].agency_code!r}") for index in unknown
    ]
    errors += [
        (lines[index], problems.LIST_DUPLICATE.code, f"the same as line {lines[first]}")
        for index, first in domain.find_duplicates(entries)
    ]
    if errors:
        refuse([line_error(*error) for error in sorted(errors)], problems.IMPORT_INVALID)
    return _addressees(entries, ids)


@router.get("", summary="List your distribution lists")
async def list_lists(
    caller: ListReader, registry: Registry, request: Request, response: Response, after: After = None, limit: Limit = DEFAULT_PAGE
) -> Page[ListHeadOut]:
    """The agency's lists, oldest first, without their addressees."""
    async with registry.database.connection() as connection:
        found = await lists.page(connection, caller.agency(), after=read_id_cursor(after), limit=limit + 1)
    return page_of(found, limit, key=lambda head: str(head.list_id), show=_shown_head, request=request, response=response)


@router.get("/{list_id}", summary="Read a distribution list")
async def read_list(list_id: UUID, caller: ListReader, registry: Registry, response: Response) -> ListOut:
    """One list with all its addressees."""
    async with registry.database.transaction() as connection:
        head = await lists.get_for_freezing(connection, list_id, caller.agency())
        if head is None:
            raise ProblemError(shared_problems.NOT_FOUND)
        addressees = await lists.addressees(connection, list_id)
    response.headers.update(etag(head.version))
    return _shown(head, addressees)


@router.put("/{list_id}", summary="Change a distribution list")
async def change_list(
    list_id: UUID, body: ListIn, caller: ListWriter, registry: Registry, response: Response, version: IfMatch
) -> ListOut:
    """Puts another name and other addressees in place. Circulars that went round keep the list as it was then."""
    agency_id = caller.agency()
    entries = _checked(registry, body)
    async with registry.database.transaction() as connection:
        known = await lists.get_for_update(connection, list_id, agency_id)
        if known is None:
            raise ProblemError(shared_problems.NOT_FOUND)
        check_version(known.version, version)
        addressees = await _resolve(connection, entries)
        head = await lists.update(connection, list_id=list_id, name=body.name, addressee_count=len(addressees))
        await lists.replace_addressees(connection, list_id, addressees)
    response.headers.update(etag(head.version))
    return _shown(head, addressees)
