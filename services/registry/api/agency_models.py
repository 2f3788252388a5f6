"""Agencies as requests and answers hold them."""

from datetime import UTC, date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError

from services.registry.api.fields import AgencyCode, ContactUnit, Email, Kind, Line, RequestModel, Telephone
from services.registry.domain.agencies import Agency, AgencyEntry, printed_unit_code
from services.registry.domain.succession import AgencyStatus
from shared.problems import FieldError, ProblemError
from shared.thai.dates import ThaiDateError, bangkok_date, parse_date


def _day(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return parse_date(value)
    except ThaiDateError as error:
        raise PydanticCustomError("date_invalid", "{detail}", {"detail": str(error)}) from error


Day = Annotated[date, BeforeValidator(_day)]


def today() -> date:
    """The day in Bangkok."""
    return bangkok_date(datetime.now(UTC))


class AgencyIn(RequestModel):
    """An agency as an operator writes it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "code": "smk-province",
                    "name_th": "จังหวัดสมุทรสาคร",
                    "name_en": "Samut Sakhon Province",
                    "kind": "province",
                    "letter_code": "สค ๐๐๑๗.๑",
                    "parent_code": "moi",
                    "email": "saraban@samut-sakhon.example",
                    "contact_unit": "งานสารบรรณ สำนักงานจังหวัด",
                    "telephone": "๐ ๓๔๔๑ ๑๒๕๑",
                }
            ]
        }
    )

    code: AgencyCode = Field(description="Chosen once, never changed; lower-case letters, digits, dot, hyphen, underscore.")
    name_th: Annotated[Line, Field(min_length=1)]
    name_en: Line = ""
    kind: Kind = Field(description="A word such as ministry, province, district, school.")
    letter_code: Line | None = Field(default=None, description="The code before the slash of its letters' numbers.")
    parent_code: AgencyCode | None = None
    email: Email | None = Field(default=None, description="The agency's central mailbox (ข้อ 89/1).")
    contact_unit: ContactUnit | None = Field(
        default=None, description="Its unit for correspondence, whom a sender calls when no answer comes; an office, no person."
    )
    telephone: Telephone | None = Field(
        default=None, description="That unit's telephone as letters print it, with its extension ('๐ ๒๒๒๒ ๑๑๔๑-๕๐ ต่อ ๑๒๓')."
    )
    valid_from: Day | None = Field(default=None, description="The first Bangkok day on which it stands; null: always has.")

    def entry(self) -> AgencyEntry:
        """The domain's value; raises ProblemError `unit_code_malformed`."""
        return self._closed_entry(None, ())

    def _closed_entry(self, valid_until: date | None, successor_codes: tuple[str, ...]) -> AgencyEntry:
        return AgencyEntry(
            code=self.code,
            name_th=self.name_th,
            name_en=self.name_en,
            kind=self.kind,
            letter_code=None if self.letter_code is None else printed_unit_code(self.letter_code),
            parent_code=self.parent_code,
            email=self.email,
            valid_from=self.valid_from,
            valid_until=valid_until,
            successor_codes=successor_codes,
            contact_unit=self.contact_unit or None,
            telephone=self.telephone or None,
        )


class AgencyChange(AgencyIn):
    """An agency as it shall be from now on; what is left out of `valid_from`, `contact_unit` and `telephone` stays as it is."""

    reason: Line | None = Field(default=None, description="Why, for the history: the decree or announcement, say.")


class AgencyRow(AgencyIn):
    """A row of a file of agencies."""

    valid_until: Day | None = None
    successor_codes: tuple[AgencyCode, ...] = ()

    @field_validator("successor_codes", mode="before")
    @classmethod
    def _separated_by_spaces(cls, value: object) -> object:
        return tuple(value.split()) if isinstance(value, str) else value

    def entry(self) -> AgencyEntry:
        """The domain's value; raises ProblemError `unit_code_malformed`."""
        return self._closed_entry(self.valid_until, self.successor_codes)


class AgencyOut(BaseModel):
    """An agency."""

    agency_id: UUID
    code: str
    name_th: str
    name_en: str
    kind: str
    letter_code: str | None
    parent_code: str | None
    email: str | None
    contact_unit: str | None
    telephone: str | None
    valid_from: date | None
    valid_until: date | None = Field(description="The Bangkok day from which on it is closed.")
    successor_codes: list[str] = Field(description="Who takes its letters once it is closed.")
    status: AgencyStatus = Field(description="Whether it stands today, in Bangkok.")
    version: int


def shown(agency: Agency) -> AgencyOut:
    entry = agency.entry
    return AgencyOut(
        agency_id=agency.agency_id,
        code=entry.code,
        name_th=entry.name_th,
        name_en=entry.name_en,
        kind=entry.kind,
        letter_code=entry.letter_code,
        parent_code=entry.parent_code,
        email=entry.email,
        contact_unit=entry.contact_unit,
        telephone=entry.telephone,
        valid_from=entry.valid_from,
        valid_until=entry.valid_until,
        successor_codes=list(entry.successor_codes),
        status=entry.life.status(today()),
        version=agency.version,
    )


def entry_of(body: AgencyIn) -> AgencyEntry:
    try:
        return body.entry()
    except ProblemError as error:
        raise ProblemError(
            error.problem, error.detail, errors=[FieldError("/letter_code", error.problem.code, error.detail)]
        ) from error
