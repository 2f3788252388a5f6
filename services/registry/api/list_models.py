"""What requests and answers say of distribution lists."""

from datetime import date, datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from services.registry.api.dependencies import LARGEST_PAGE
from services.registry.api.fields import AgencyCode, Kind, Line, RequestModel
from services.registry.domain.lists import Addressee, AddresseeEntry, ListHead
from services.registry.domain.resolution import Changed, Difference, GroupQuery, Member, Resolved
from shared.contracts.events import RelayTarget, Role
from shared.postgres import Row


class RelayTargetIn(RequestModel):
    """Whom an addressee must tell: in words, or the agencies of a kind below one in the tree."""

    text: Line | None = None
    below: AgencyCode | None = None
    kind: Kind | None = None

    @model_validator(mode="after")
    def _names_somebody(self) -> Self:
        if not (self.text or self.below or self.kind):
            raise PydanticCustomError("relay_target_empty", "name the target by text, below or kind")
        return self


class AddresseeIn(RequestModel):
    """An addressee: the position that the letter is addressed to, at an agency."""

    title: Annotated[Line, Field(min_length=1, description="As it is printed in the annex: นายอำเภอเมืองสมุทรสาคร.")]
    agency_code: AgencyCode
    relay_duty: bool = Field(default=False, description="The addressee must pass the circular on.")
    role: Role = Field(default=Role.ACTION, description="`action` เพื่อดำเนินการ, `information` เพื่อทราบ, `copy` สำเนาส่ง.")
    relay_target: RelayTargetIn | None = Field(default=None, description="Whom the addressee must tell; needs `relay_duty`.")

    @model_validator(mode="after")
    def _target_has_a_duty(self) -> Self:
        if self.relay_target is not None and not self.relay_duty:
            raise PydanticCustomError("relay_target_without_duty", "relay_target needs relay_duty")
        return self

    def entry(self) -> AddresseeEntry:
        """The domain's value."""
        target = None if self.relay_target is None else self.relay_target.model_dump_json()
        return AddresseeEntry(self.title, self.agency_code, self.relay_duty, self.role, target)


class GroupIn(RequestModel):
    """Agencies looked up in the tree when the list is dispatched, in the order of their codes."""

    below: AgencyCode | None = Field(default=None, description="All that stand below this agency; null: the whole tree.")
    kind: Kind | None = Field(default=None, description="Only agencies of this kind.")
    title: Annotated[Line, Field(min_length=1, description="Title of each; {name_th} is the agency's name.")] = "{name_th}"
    role: Role = Role.ACTION
    relay_duty: bool = False
    at: date | None = Field(
        default=None,
        description="Those that stood on this day, in the tree as it is now; who follows a closed one gets its letter. Null: the day of the dispatch.",
    )


class MemberIn(RequestModel):
    """Another list of your agency, or a group."""

    list: UUID | None = Field(default=None, description="Another list, as it is when this one is dispatched.")
    group: GroupIn | None = None
    after: int | None = Field(
        default=None, ge=0, le=1_000_000, description="Stands behind this many of the addressees; null: behind all."
    )

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        if (self.list is None) == (self.group is None):
            raise PydanticCustomError("list_or_group", "give either list or group")
        return self


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
    addressees: tuple[AddresseeIn, ...] = ()
    members: Annotated[tuple[MemberIn, ...], Field(max_length=1000)] = ()
    without: Annotated[
        tuple[AgencyCode, ...],
        Field(alias="except", max_length=10_000, description="Codes of agencies that get nothing, whoever names them."),
    ] = ()


class AddresseeOut(BaseModel):
    """An addressee; `position` counts from 1."""

    position: int
    title: str
    agency_id: UUID
    agency_code: str
    relay_duty: bool
    role: Role
    relay_target: RelayTarget | None


class GroupOut(BaseModel):
    """A group."""

    below: str | None
    kind: str | None
    title: str
    role: Role
    relay_duty: bool
    at: date | None = None


class MemberOut(BaseModel):
    """A nested list or a group, behind the first `after` addressees."""

    list: UUID | None
    group: GroupOut | None
    after: int


class ListHeadOut(BaseModel):
    """A list without its addressees."""

    list_id: UUID
    name: str
    version: int
    addressee_count: int
    updated_at: datetime


class ListOut(ListHeadOut):
    """A list. A long one's addressees are read in pages at `addressees_url`."""

    model_config = ConfigDict(serialize_by_alias=True)

    addressees: list[AddresseeOut]
    addressees_url: str | None = Field(description="Where the addressees are when there are too many for this answer.")
    members: list[MemberOut]
    without: list[str] = Field(validation_alias="except", serialization_alias="except")


class ResolvedOut(BaseModel):
    """An addressee that the list resolves to; `position` is null where there is none yet."""

    position: int | None = None
    agency_id: UUID
    title: str
    relay_duty: bool
    role: Role
    relay_target: RelayTarget | None
    in_place_of: UUID | None = Field(
        default=None, description="The closed agency that the list names; the letter goes to `agency_id`, who follows it."
    )


class ChangedOut(BaseModel):
    """An addressee before and now."""

    before: ResolvedOut
    now: ResolvedOut


class DifferenceOut(BaseModel):
    """What changed since a dispatch; the counts are whole, of each kind the first 500 are shown."""

    circular_id: UUID
    list_version: int
    list_hash: str | None
    dispatched_at: datetime
    added_count: int
    removed_count: int
    title_changed_count: int
    role_changed_count: int
    added: list[ResolvedOut]
    removed: list[ResolvedOut]
    title_changed: list[ChangedOut]
    role_changed: list[ChangedOut]


class PreviewOut(BaseModel):
    """What a dispatch would freeze now."""

    version: int
    count: int
    list_hash: str
    duplicate_count: int
    duplicates: list[ResolvedOut] = Field(description="Left out because they stand on the list before; the first 100.")
    succeeded_count: int = Field(description="How many addressees are closed and have `in_place_of`.")
    closed_count: int
    closed: list[ResolvedOut] = Field(
        description="Closed agencies that nobody follows, or several of whom you must choose; a dispatch refuses them. The first 100."
    )
    difference: DifferenceOut | None = Field(description="Null when the list never went round.")
    items: list[ResolvedOut]
    next: str | None = Field(description="Give it as `after` to read on; null on the last page.")


def shown_head(head: ListHead) -> ListHeadOut:
    """The list without what it holds."""
    return ListHeadOut(
        list_id=head.list_id,
        name=head.name,
        version=head.version,
        addressee_count=head.addressee_count,
        updated_at=head.updated_at,
    )


def shown_addressee(a: Addressee) -> AddresseeOut:
    """One addressee as it was written down."""
    return AddresseeOut(
        position=a.position,
        title=a.title,
        agency_id=a.agency_id,
        agency_code=a.agency_code,
        relay_duty=a.relay_duty,
        role=a.role,
        relay_target=_target(a.relay_target),
    )


def _target(text: str | None) -> RelayTarget | None:
    return None if text is None else RelayTarget.model_validate_json(text)


def shown_resolved(one: Resolved, position: int | None = None) -> ResolvedOut:
    """One recipient that a list comes to."""
    return ResolvedOut(
        position=position,
        agency_id=one.agency_id,
        title=one.title,
        relay_duty=one.relay_duty,
        role=one.role,
        relay_target=_target(one.relay_target),
        in_place_of=one.in_place_of,
    )


def shown_member(member: Member, below: str | None) -> MemberOut:
    """A list within the list, or a group; `below` is the code of the agency it is below."""
    if not isinstance(member.what, GroupQuery):
        return MemberOut(list=member.what, group=None, after=member.after)
    what = member.what
    group = GroupOut(below=below, kind=what.kind, title=what.title, role=member.role, relay_duty=member.relay_duty, at=what.at)
    return MemberOut(list=None, group=group, after=member.after)


def shown_difference(last: Row, found: Difference) -> DifferenceOut:
    """What is different from the last time that the list went round; at most a page of each kind."""
    return DifferenceOut(
        **last,
        added_count=len(found.added),
        removed_count=len(found.removed),
        title_changed_count=len(found.title_changed),
        role_changed_count=len(found.role_changed),
        added=[shown_resolved(one) for one in found.added[:LARGEST_PAGE]],
        removed=[shown_resolved(one) for one in found.removed[:LARGEST_PAGE]],
        title_changed=[shown_changed(one) for one in found.title_changed[:LARGEST_PAGE]],
        role_changed=[shown_changed(one) for one in found.role_changed[:LARGEST_PAGE]],
    )


def shown_changed(one: Changed) -> ChangedOut:
    """A recipient before and now."""
    return ChangedOut(before=shown_resolved(one.before), now=shown_resolved(one.now))
