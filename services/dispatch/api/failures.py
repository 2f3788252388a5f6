"""What the routes of repair show and take: causes with their remedies, and orders to set things going again."""

from datetime import UTC, datetime
from typing import Annotated, Final, Self
from uuid import UUID

from fastapi import Query
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from services.dispatch.causes import ANY, BY_CODE, Blame, Cause, cause_of, symptoms_of
from services.dispatch.redrive import MOST_REDRIVEN, Redriven
from services.dispatch.store.repair import Wanted
from shared.thai.text import has_unsafe_characters

# Times beyond these are mistakes, and the extremes of the calendar are not the database's.
EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)


def _known_cause(code: str) -> str:
    if code not in BY_CODE:
        raise ValueError("no such cause; docs/repair.md lists them")
    return code


def _possible(moment: datetime) -> datetime:
    if not EARLIEST <= moment < LATEST:
        raise ValueError("a time between the years 2000 and 2200")
    return moment


def safe_line(text: str) -> str:
    """One line of plain text, or ValueError."""
    if "\n" in text or "\t" in text or has_unsafe_characters(text):
        raise ValueError("one line, without control characters and overrides of writing direction")
    return text


CauseCode = Annotated[str, AfterValidator(_known_cause)]
Moment = Annotated[AwareDatetime, AfterValidator(_possible)]
Why = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500), AfterValidator(safe_line)]
Limit = Annotated[int, Field(ge=1, le=MOST_REDRIVEN, description="Most in one call; `remaining` tells how many are left.")]

CauseIs = Annotated[CauseCode | None, Query(description="Only those of this cause (docs/repair.md).")]
RecipientIs = Annotated[UUID | None, Query(description="Only letters to this agency.")]
BlameIs = Annotated[Blame | None, Query(description="Only those that this side can mend.")]
Since = Annotated[Moment | None, Query(alias="from", description="Only those that failed then or later.")]
Before = Annotated[Moment | None, Query(alias="to", description="Only those that failed before.")]


class Remedy(BaseModel):
    """What to do."""

    en: str
    th: str


class CauseOut(BaseModel):
    """What is behind a failure, who can mend it, and how."""

    code: str
    blame: Blame
    title: str
    title_th: str
    remedy: Remedy


def show_cause(cause: Cause) -> CauseOut:
    return CauseOut(
        code=cause.code,
        blame=cause.blame,
        title=cause.title_en,
        title_th=cause.title_th,
        remedy=Remedy(en=cause.remedy_en, th=cause.remedy_th),
    )


def show_symptom(symptom: str) -> CauseOut:
    """The cause that a symptom is known by."""
    return show_cause(cause_of(symptom))


class Said(BaseModel):
    """A body that is refused when it says something unknown."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Because(Said):
    """Why it is set going again; kept with the delivery."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"why": "หน่วยงานแก้ไขปลายทางแล้ว"}]})

    why: Why = ""


class FailureFilter(Said):
    """Which undeliverable deliveries: every condition that is given must hold."""

    circular_id: UUID | None = None
    recipient_agency_id: UUID | None = None
    cause: CauseCode | None = None
    blame: Blame | None = None
    since: Moment | None = Field(default=None, alias="from", description="Failed then or later.")
    before: Moment | None = Field(default=None, alias="to", description="Failed before.")

    @model_validator(mode="after")
    def _something_is_named(self) -> Self:
        if not self.model_fields_set or all(getattr(self, name) is None for name in self.model_fields_set):
            raise ValueError("name at least one condition")
        return self

    def wanted(self, sender_agency_id: UUID | None) -> Wanted:
        return Wanted(
            sender_agency_id=sender_agency_id,
            recipient_agency_id=self.recipient_agency_id,
            circular_id=self.circular_id,
            since=self.since,
            before=self.before,
            symptoms=ANY if self.cause is None and self.blame is None else symptoms_of(self.cause, self.blame),
        )


class OperatorsFilter(FailureFilter):
    """The same for an operator, who must name one agency or one circular: nothing reaches across agencies unsaid."""

    sender_agency_id: UUID | None = None

    @model_validator(mode="after")
    def _an_agency_or_circular_is_named(self) -> Self:
        if self.sender_agency_id is None and self.recipient_agency_id is None and self.circular_id is None:
            raise ValueError("name one agency (sender_agency_id, recipient_agency_id) or one circular (circular_id)")
        return self


class _Order(Said):
    limit: Limit = MOST_REDRIVEN
    why: Why = ""


class RedriveMany(_Order):
    """An order to set many going again."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"filter": {"cause": "endpoint_fails"}, "limit": 1000, "why": "ปลายทางกลับมาแล้ว"}]}
    )

    filter: FailureFilter


class OperatorsRedriveMany(_Order):
    """The same for an operator."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"filter": {"recipient_agency_id": "0190f3a0-0000-7000-8000-000000000000"}, "why": "แก้ไขปลายทางแล้ว"}]
        }
    )

    filter: OperatorsFilter


class RedrivenMany(BaseModel):
    """How many were set going again, and how many the filter still finds."""

    redriven: int
    remaining: int


class RedrivenOne(BaseModel):
    """The delivery is under way again; `by_this_call` is false when it was so before."""

    delivery_id: UUID
    state: str = Field(description="scheduled, leased or handed_over")
    redriven_at: datetime
    by_this_call: bool


def show_redriven(redriven: Redriven) -> RedrivenOne:
    return RedrivenOne(
        delivery_id=redriven.delivery_id,
        state=redriven.state,
        redriven_at=redriven.redriven_at,
        by_this_call=redriven.by_this_call,
    )
