"""Routes of distribution lists."""

import hashlib
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request, Response

from services.registry import problems
from services.registry.api.bodies import read_table_body
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
from services.registry.api.fields import Line
from services.registry.api.imports import read_rows
from services.registry.api.list_models import (
    AddresseeIn,
    AddresseeOut,
    ListHeadOut,
    ListIn,
    ListOut,
    PreviewOut,
    shown_addressee,
    shown_difference,
    shown_head,
    shown_member,
    shown_resolved,
)
from services.registry.dispatching import resolve
from services.registry.domain import lists as domain
from services.registry.domain.file_types import XLSX
from services.registry.domain.lists import Addressee, AddresseeEntry, ListHead
from services.registry.domain.resolution import (
    GroupQuery,
    ListHash,
    Member,
    Resolved,
    Sieve,
    difference,
    lay_out,
)
from services.registry.domain.tables import line_error
from services.registry.problems import lists as list_problems
from services.registry.problems import refuse
from services.registry.resources import Resources
from services.registry.store import agencies, circulars, lists
from shared import problems as shared_problems
from shared.contracts.events import Role
from shared.ids import new_id
from shared.pages import Page, link_next, page_of, read_id_cursor, read_number_cursor, write_cursor
from shared.postgres import Connection
from shared.problems import IDEMPOTENCY_KEY_MISSING, IDEMPOTENCY_KEY_REUSED, FieldError, ProblemError
from shared.thai.dates import bangkok_date

REQUIRED_COLUMNS = ("title", "agency_code")

# The answer of a longer list says where its addressees are.
ADDRESSEES_SHOWN: Final = 1000

_KEY: Final = re.compile(r"[\x21-\x7e]{1,200}")

router = APIRouter(prefix="/v1/lists", tags=["lists"])


async def _shown(connection: Connection, head: ListHead) -> ListOut:
    """The list as it is stored; with more than ADDRESSEES_SHOWN addressees, where they are."""
    many = head.addressee_count > ADDRESSEES_SHOWN
    found = [] if many else await lists.addressees(connection, head.list_id, after=0, limit=ADDRESSEES_SHOWN)
    return ListOut.model_validate(
        {
            **shown_head(head).model_dump(),
            "addressees": [shown_addressee(a) for a in found],
            "addressees_url": f"/v1/lists/{head.list_id}/addressees" if many else None,
            "members": [shown_member(*one) for one in await lists.members(connection, head.list_id)],
            "except": list((await lists.exceptions(connection, head.list_id)).values()),
        }
    )


def _checked(registry: Resources, body: ListIn) -> list[AddresseeEntry]:
    most = registry.settings.registry_list_max_addressees
    domain.check_size(len(body.addressees), most, members=len(body.members))
    entries = [addressee.entry() for addressee in body.addressees]
    domain.refuse_duplicates(entries)
    return entries


async def _members(connection: Connection, agency_id: UUID, body: ListIn) -> tuple[list[Member], list[UUID]]:
    """The nested lists and groups in order, and the agencies left out; refuses what is not there."""
    below = {one.group.below for one in body.members if one.group is not None and one.group.below is not None}
    ids = await agencies.ids_by_codes(connection, sorted(below | set(body.without)))
    own = await lists.own_lists(connection, agency_id, [one.list for one in body.members if one.list is not None])
    errors: list[FieldError] = []
    members: list[Member] = []
    for index, one in enumerate(body.members):
        after = len(body.addressees) if one.after is None else min(one.after, len(body.addressees))
        if one.list is not None:
            if one.list not in own:
                errors.append(FieldError(f"/members/{index}/list", problems.LIST_UNKNOWN.code, f"there is no list {one.list}"))
            members.append(Member(after, one.list))
        elif one.group is not None:
            code = one.group.below
            if code is not None and code not in ids:
                errors.append(_no_agency(f"/members/{index}/group/below", code))
            query = GroupQuery(None if code is None else ids.get(code), one.group.kind, one.group.title, one.group.at)
            members.append(Member(after, query, one.group.role, one.group.relay_duty))
    errors += [_no_agency(f"/except/{index}", code) for index, code in enumerate(body.without) if code not in ids]
    if errors:
        refuse(errors)
    return sorted(members, key=lambda member: member.after), sorted({ids[code] for code in body.without})


def _no_agency(pointer: str, code: str) -> FieldError:
    return FieldError(pointer, problems.AGENCY_UNKNOWN.code, f"there is no agency {code!r}")


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
        Addressee(
            position,
            entry.title,
            ids[entry.agency_code],
            entry.agency_code,
            entry.relay_duty,
            entry.role,
            entry.relay_target,
        )
        for position, entry in enumerate(entries, start=1)
    ]


async def _insert(connection: Connection, agency_id: UUID, name: str, addressees: Sequence[Addressee]) -> ListHead:
    head = await lists.insert(connection, list_id=new_id(), agency_id=agency_id, name=name, addressee_count=len(addressees))
    await lists.replace_addressees(connection, head.list_id, addressees)
    return head


def _optional_key(idempotency_key: Annotated[str | None, Header()] = None) -> str | None:
    if idempotency_key is not None and not _KEY.fullmatch(idempotency_key):
        raise ProblemError(IDEMPOTENCY_KEY_MISSING)
    return idempotency_key


@router.post("", status_code=201, summary="Make a distribution list")
async def make_list(
    body: ListIn, caller: ListWriter, registry: Registry, response: Response, key: Annotated[str | None, Depends(_optional_key)]
) -> ListOut:
    """Keeps a list in the order given: addressees, other lists of the agency, and groups that are looked up at dispatch.

    An addressee that stands on it twice is refused. The same Idempotency-Key with the same body gets the first answer again.
    """
    agency_id = caller.agency()
    entries = _checked(registry, body)
    async with registry.database.transaction() as connection:
        if key is not None and (kept := await _kept(connection, agency_id, key, body)) is not None:
            response.headers.update(etag(kept.version))
            return kept
        await lists.lock_for_reading(connection, agency_id)
        addressees = await _resolve(connection, entries)
        members, without = await _members(connection, agency_id, body)
        head = await _insert(connection, agency_id, body.name, addressees)
        await lists.replace_members(connection, head.list_id, members, without)
        lay_out(head.list_id, await lists.layouts(connection, head.list_id))
        shown = await _shown(connection, head)
        if key is not None:
            await circulars.keep_answer(connection, agency_id, key, shown.model_dump(mode="json"))
    response.headers.update(etag(head.version))
    return shown


async def _kept(connection: Connection, agency_id: UUID, key: str, body: ListIn) -> ListOut | None:
    """The first answer under `key`; None when the key is new and now this transaction's."""
    sha256 = hashlib.sha256(b"list " + body.model_dump_json().encode()).digest()
    if await circulars.claim_key(connection, agency_id, key, sha256):
        return None
    kept = await circulars.answer_of_key(connection, agency_id, key)
    if kept is None or kept.request_sha256 != sha256:
        raise ProblemError(IDEMPOTENCY_KEY_REUSED, "the key was used for something else")
    return ListOut.model_validate(kept.response)


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
                },
                XLSX: {"schema": {"type": "string", "format": "binary"}},
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
    """Reads a table (CSV, or the first sheet of an XLSX file) with the columns title, agency_code and (if any) relay_duty and role, in list order.

    All or nothing: with one faulty line no list is made, and every faulty line is named.
    """
    agency_id = caller.agency()
    table = await read_table_body(request, registry.settings, required=REQUIRED_COLUMNS, optional=("relay_duty", "role"))
    for row in table:
        row.values["relay_duty"] = row.values.get("relay_duty") or "false"
        row.values["role"] = row.values.get("role") or Role.ACTION.value
    rows = read_rows(table, AddresseeIn)
    domain.check_size(len(rows), registry.settings.registry_list_max_addressees)
    lines, entries = [line for line, _ in rows], [addressee.entry() for _, addressee in rows]
    async with registry.database.transaction() as connection:
        addressees = await _resolve_lines(connection, entries, lines)
        head = await _insert(connection, agency_id, name, addressees)
        shown = await _shown(connection, head)
    response.headers.update(etag(head.version))
    return shown


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
    return page_of(found, limit, key=lambda head: str(head.list_id), show=shown_head, request=request, response=response)


@router.get("/{list_id}", summary="Read a distribution list")
async def read_list(list_id: UUID, caller: ListReader, registry: Registry, response: Response) -> ListOut:
    """One list; the addressees of a long one are read in pages at `addressees_url`."""
    async with registry.database.transaction() as connection:
        head = await lists.get_for_freezing(connection, list_id, caller.agency())
        if head is None:
            raise ProblemError(shared_problems.NOT_FOUND)
        shown = await _shown(connection, head)
    response.headers.update(etag(head.version))
    return shown


@router.get("/{list_id}/addressees", summary="Read a distribution list's addressees")
async def read_addressees(
    list_id: UUID,
    caller: ListReader,
    registry: Registry,
    request: Request,
    response: Response,
    after: After = None,
    limit: Limit = DEFAULT_PAGE,
) -> Page[AddresseeOut]:
    """The list's own addressees in list order. Another ETag on a later page says that the list was changed meanwhile."""
    async with registry.database.transaction() as connection:
        head = await lists.get_for_freezing(connection, list_id, caller.agency())
        if head is None:
            raise ProblemError(shared_problems.NOT_FOUND)
        found = await lists.addressees(connection, list_id, after=read_number_cursor(after) or 0, limit=limit + 1)
    response.headers.update(etag(head.version))
    return page_of(found, limit, key=lambda a: str(a.position), show=shown_addressee, request=request, response=response)


@router.get("/{list_id}/preview", summary="See to whom a list would go")
async def preview_list(
    list_id: UUID,
    caller: ListReader,
    registry: Registry,
    request: Request,
    response: Response,
    after: After = None,
    limit: Limit = DEFAULT_PAGE,
    since_version: Annotated[
        int | None, Query(ge=1, le=2**62, description="Compare with the last dispatch of this version, not with the last of all.")
    ] = None,
) -> PreviewOut:
    """The addressees that a dispatch would freeze now, their hash, and what changed since the list last went round."""
    agency_id, first = caller.agency(), read_number_cursor(after) or 0
    sieve, list_hash = Sieve(), ListHash()
    now: list[Resolved] = []
    async with registry.database.transaction() as connection:
        await lists.lock_for_reading(connection, agency_id)
        head = await lists.get_for_freezing(connection, list_id, agency_id)
        if head is None:
            raise ProblemError(shared_problems.NOT_FOUND)
        today = bangkok_date(datetime.now(UTC))
        async for piece in resolve(connection, list_id, sieve, registry.settings.registry_list_max_addressees, today):
            list_hash.add(piece)
            now += piece
        last = await circulars.latest_of_list(connection, list_id, agency_id, since_version)
        if last is None and since_version is not None:
            raise ProblemError(list_problems.LIST_NEVER_DISPATCHED)
        before = [] if last is None else await circulars.resolved(connection, last["circular_id"])
    following = write_cursor(str(first + limit)) if len(now) > first + limit else None
    if following is not None:
        link_next(request, response, following)
    return PreviewOut(
        version=head.version,
        count=len(now),
        list_hash=list_hash.hexdigest(),
        duplicate_count=sieve.duplicate_count,
        duplicates=[shown_resolved(one) for one in sieve.duplicates],
        succeeded_count=sieve.succeeded_count,
        closed_count=sieve.closed_count,
        closed=[shown_resolved(one) for one in sieve.closed],
        difference=None if last is None else shown_difference(last, difference(before, now)),
        items=[shown_resolved(one, n) for n, one in enumerate(now[first : first + limit], start=first + 1)],
        next=following,
    )


@router.put("/{list_id}", summary="Change a distribution list")
async def change_list(
    list_id: UUID, body: ListIn, caller: ListWriter, registry: Registry, response: Response, version: IfMatch
) -> ListOut:
    """Puts another name and other addressees in place. Circulars that went round keep the list as it was then."""
    agency_id = caller.agency()
    entries = _checked(registry, body)
    async with registry.database.transaction() as connection:
        await lists.lock_for_change(connection, agency_id)
        known = await lists.get_for_update(connection, list_id, agency_id)
        if known is None:
            raise ProblemError(shared_problems.NOT_FOUND)
        check_version(known.version, version)
        addressees = await _resolve(connection, entries)
        members, without = await _members(connection, agency_id, body)
        _refuse_itself(list_id, body, members)
        head = await lists.update(connection, list_id=list_id, name=body.name, addressee_count=len(addressees))
        await lists.replace_addressees(connection, list_id, addressees)
        await lists.replace_members(connection, list_id, members, without)
        # Raises for a cycle, and nothing is stored then.
        lay_out(list_id, await lists.layouts(connection, list_id))
        shown = await _shown(connection, head)
    response.headers.update(etag(head.version))
    return shown


def _refuse_itself(list_id: UUID, body: ListIn, members: Sequence[Member]) -> None:
    if any(member.what == list_id for member in members):
        raise ProblemError(list_problems.LIST_CYCLE, f"{body.name} > {body.name}")
