"""Settings of the registry."""

from typing import Annotated, Final, Self

from pydantic import BeforeValidator, Field, SecretStr, model_validator
from pydantic_settings import NoDecode

from services.registry.domain.file_types import DOCX, JPEG, ODT, PDF, PNG, TEXT, XLSX
from services.registry.domain.kinds import Kind, requirements
from services.registry.scanning import parse_address
from shared.settings import ServiceSettings

KEY_MIN_LENGTH: Final = 32

DEFAULT_TYPES: Final = (
    PDF,
    PNG,
    JPEG,
    TEXT,
    "text/csv",
    DOCX,
    XLSX,
    ODT,
)


def _split(value: object) -> object:
    if not isinstance(value, str):
        return value
    return tuple(part.strip().lower() for part in value.split(",") if part.strip())


class RegistrySettings(ServiceSettings):
    """What the registry needs beside the common settings."""

    registry_key_encryption_key: SecretStr = Field(
        description="Secret (32 characters or more) under which the token-signing key is kept in the database; "
        "the same in every replica, and needed again after a restore."
    )
    registry_storage_url: str = Field(
        description="Where attachments are kept: `file:///folder` or `s3://bucket/prefix` "
        "(credentials and endpoint from the usual AWS_* variables)."
    )
    registry_token_lifetime: Annotated[int, Field(ge=60, le=86_400)] = Field(
        default=900, description="Seconds for which an access token is valid."
    )
    registry_attachment_max_bytes: Annotated[int, Field(ge=1)] = Field(
        default=200 * 1024 * 1024, description="Largest attachment, in bytes."
    )
    registry_attachment_max_inflated_bytes: Annotated[int, Field(ge=1024)] = Field(
        default=1024 * 1024 * 1024, description="Most bytes to which the parts of an attached document may unpack."
    )
    registry_file_link_days: Annotated[int, Field(ge=1, le=400)] = Field(
        default=30, description="Days for which a signed link opens an attachment."
    )
    registry_file_grace_hours: Annotated[float, Field(gt=0, le=24 * 30)] = Field(
        default=24.0,
        description="Hours after which an upload that no letter has got is removed: longer than the slowest upload takes.",
    )
    registry_clamd_url: str | None = Field(
        default=None,
        description="Virus scanner (clamd) that every upload passes: `unix:///run/clamav/clamd.ctl` or `tcp://host:3310`; "
        "none: nothing is scanned. Its StreamMaxLength must be at least the largest attachment.",
    )
    registry_clamd_timeout: Annotated[int, Field(ge=1, le=600)] = Field(
        default=60, description="Seconds for which the virus scanner may be silent before an upload is refused."
    )
    registry_attachments_per_letter: Annotated[int, Field(ge=1, le=500)] = Field(
        default=50, description="Most attachments of one letter."
    )
    registry_attachment_types: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)] = Field(
        default=DEFAULT_TYPES, description="Media types that an attachment may have, separated by commas."
    )
    registry_request_max_bytes: Annotated[int, Field(ge=1024)] = Field(
        default=64 * 1024 * 1024, description="Largest request body other than an attachment, in bytes."
    )
    registry_list_max_addressees: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        default=200_000, description="Most addressees of one list."
    )

    registry_required_fields: dict[Kind, tuple[str, ...]] = Field(
        default={},
        description="Fields that a kind of letter requires, in place of those of practice, as JSON: "
        '`{"internal": ["date", "owner", "subject", "body"]}`. Those of external letters are fixed by ข้อ 11.',
    )
    registry_reservation_days: Annotated[int, Field(ge=1, le=400)] = Field(
        default=60, description="Longest time for which numbers may be reserved, in days."
    )
    registry_import_max_bytes: Annotated[int, Field(ge=1024)] = Field(
        default=64 * 1024 * 1024, description="Largest file of agencies, in bytes."
    )
    registry_import_max_inflated_bytes: Annotated[int, Field(ge=1024)] = Field(
        default=512 * 1024 * 1024, description="Most bytes to which the parts of a workbook may unpack."
    )
    registry_import_max_rows: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        default=300_000, description="Most rows of a file of agencies, its header among them."
    )
    registry_import_lease: Annotated[float, Field(ge=5)] = Field(
        default=60.0,
        description="Seconds for which a worker holds an import without a sign of life before another takes it up.",
    )
    registry_import_poll_interval: Annotated[float, Field(gt=0)] = Field(
        default=1.0, description="Seconds between two looks for a file of agencies to import."
    )
    registry_import_kept_days: Annotated[int, Field(ge=1, le=3650)] = Field(
        default=90, description="Days for which an import that has ended can still be looked up."
    )
    registry_prefetch: Annotated[int, Field(ge=1, le=100)] = Field(
        default=8, description="Most broker messages that one registry worker has in hand."
    )
    registry_book_pdf_max_rows: Annotated[int, Field(ge=1, le=20_000)] = Field(
        default=3000, description="Most entries of a book that are printed as one PDF."
    )
    registry_book_xlsx_max_rows: Annotated[int, Field(ge=1, le=1_048_000)] = Field(
        default=100_000, description="Most entries of a book in one XLSX file; a CSV has no limit."
    )
    registry_date_window_days: Annotated[int, Field(ge=1, le=3650)] = Field(
        default=30, description="Days from today within which a letter's date raises no question before dispatch."
    )
    registry_deadline_hours: Annotated[tuple[int, int, int, int], NoDecode, BeforeValidator(_split)] = Field(
        default=(72, 24, 8, 2),
        description="Hours that a deadline leaves at least: for ปกติ, ด่วน, ด่วนมาก and ด่วนที่สุด, separated by commas.",
    )
    registry_kinds_without_saraban: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)] = Field(
        default=("bank", "state_enterprise", "company", "person"),
        description="Kinds of agencies whose mailbox need not begin with saraban (ข้อ 89/1), separated by commas.",
    )
    registry_paper_max_bytes: Annotated[int, Field(ge=1024, le=64 * 1024 * 1024)] = Field(
        default=10 * 1024 * 1024, description="Largest paper that is read into a draft or for its headings, in bytes."
    )
    registry_paper_seconds: Annotated[float, Field(gt=0, le=60)] = Field(
        default=10.0, description="Seconds after which the reading of a paper is given up."
    )

    @model_validator(mode="after")
    def _registry_relations_hold(self) -> Self:
        if len(self.registry_key_encryption_key.get_secret_value()) < KEY_MIN_LENGTH:
            raise ValueError(f"WIAN_REGISTRY_KEY_ENCRYPTION_KEY must have at least {KEY_MIN_LENGTH} characters")
        requirements(self.registry_required_fields)
        if not self.registry_attachment_types:
            raise ValueError("WIAN_REGISTRY_ATTACHMENT_TYPES must name at least one media type")
        if self.registry_clamd_url is not None:
            try:
                parse_address(self.registry_clamd_url)
            except ValueError as error:
                raise ValueError(f"WIAN_REGISTRY_CLAMD_URL: {error}") from error
        return self
