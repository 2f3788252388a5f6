"""Settings of the acknowledgment service."""

from datetime import date
from typing import Annotated, Final, Self

from pydantic import BeforeValidator, Field, HttpUrl, SecretStr, model_validator
from pydantic_settings import NoDecode

from services.ack.deadlines import Rules
from services.ack.tree import Bounds
from shared.contracts.events import Speed
from shared.settings import ServiceSettings
from shared.thai.working_time import Calendar

MOST_REMINDERS: Final = 20
MOST_HOURS: Final = 2000
KEY_MIN_LENGTH: Final = 32


def _split(value: object) -> object:
    if not isinstance(value, str):
        return value
    return tuple(part.strip() for part in value.split(",") if part.strip())


class AckSettings(ServiceSettings):
    """What the acknowledgment service needs beside the common settings."""

    ack_key_encryption_key: SecretStr = Field(
        description="Secret (32 characters or more) under which the key that signs receipts is kept in the database; "
        "the same in every replica, and needed again after a restore."
    )
    ack_seal_poll_interval: Annotated[float, Field(gt=0, le=60)] = Field(
        default=0.5, description="Seconds between two looks for events that have no receipt yet."
    )
    ack_checkpoint_minutes: Annotated[float, Field(gt=0, le=7 * 24 * 60)] = Field(
        default=60.0, description="Minutes between two checkpoints over the chains of receipts."
    )
    ack_tsa_url: HttpUrl | None = Field(
        default=None,
        description="Where a time-stamping authority answers (RFC 3161 over HTTP); without it checkpoints and seals bear no time-stamp.",
    )
    ack_tsa_timeout: Annotated[float, Field(gt=0, le=120)] = Field(
        default=20.0, description="Seconds within which the time-stamping authority answers."
    )
    ack_seal_certificate: str | None = Field(
        default=None,
        description="PEM file with the certificate (and its chain) under which annexes in PDF are sealed (PAdES); none: no seal. "
        "With WIAN_ACK_TSA_URL the seal bears a time-stamp.",
    )
    ack_seal_key: str | None = Field(
        default=None, description="PEM file with that certificate's private key, a secret; none: it is in the certificate's file."
    )
    ack_seal_key_password: SecretStr | None = Field(default=None, description="Password of that key.")
    ack_prefetch: Annotated[int, Field(ge=1, le=100)] = Field(
        default=8, description="Most broker messages that one acknowledgment worker has in hand."
    )
    ack_tracking_link_days: Annotated[int, Field(ge=1, le=3650)] = Field(
        default=90, description="Days for which a tracking link is valid."
    )
    ack_form_hours: Annotated[int, Field(ge=1, le=168)] = Field(
        default=12, description="Hours for which an opened acknowledgment form can be sent."
    )
    ack_tracking_rows: Annotated[int, Field(ge=10, le=2000)] = Field(
        default=500, description="Most recipients on one sheet of the tracking page."
    )
    ack_live_pages: Annotated[int, Field(ge=1, le=50_000)] = Field(
        default=5000, description="Most tracking pages that one process keeps up to date by server-sent events."
    )
    ack_tree_levels: Annotated[int, Field(ge=2, le=20)] = Field(
        default=6, description="Most levels of a relay tree that are followed, the circular itself being the first."
    )
    ack_tree_circulars: Annotated[int, Field(ge=10, le=100_000)] = Field(
        default=10_000, description="Most circulars of a relay tree that are followed, level by level."
    )
    ack_tree_recipients: Annotated[int, Field(ge=100, le=2_000_000)] = Field(
        default=200_000,
        description="Most recipients that are counted for a relay tree; larger ones are marked as counted in part.",
    )
    ack_overview_recipients: Annotated[int, Field(ge=100, le=2_000_000)] = Field(
        default=200_000,
        description="Most recipients that are counted for one page of circulars, or of agencies that sent them; the page ends there.",
    )
    ack_annex_max_rows: Annotated[int, Field(ge=1, le=100_000)] = Field(
        default=100_000, description="Longest list that is printed as a PDF; longer ones are given as XLSX, CSV or JSON."
    )
    ack_annexes_at_once: Annotated[int, Field(ge=1, le=16)] = Field(
        default=2,
        description="Annexes in PDF or XLSX, or signed ones in any form, that one process makes at a time; others wait their turn.",
    )
    ack_print_processes: Annotated[int, Field(ge=1, le=32)] = Field(
        default=2, description="Processes that set a long annex together; more than the machine's cores do not help."
    )
    ack_copy_max_bytes: Annotated[int, Field(ge=64 * 1024, le=256 * 1024 * 1024)] = Field(
        default=20 * 1024 * 1024, description="Largest PDF, in bytes, over which the receive stamp is laid."
    )
    ack_copy_timeout: Annotated[float, Field(gt=0, le=120)] = Field(
        default=20.0, description="Seconds within which such a PDF is read and stamped; one that takes longer is refused."
    )
    ack_answer_hours: Annotated[tuple[float, float, float, float], NoDecode, BeforeValidator(_split)] = Field(
        default=(16.0, 8.0, 4.0, 2.0),
        description="Working hours within which a letter without a deadline should be answered: for ปกติ, ด่วน, ด่วนมาก and "
        "ด่วนที่สุด, separated by commas; 0: no deadline.",
    )
    ack_reminders: Annotated[tuple[float, ...], NoDecode, BeforeValidator(_split)] = Field(
        default=(-8.0, -2.0, 0.0, 8.0, 16.0),
        description="When recipients that have not answered are reminded: working hours from the deadline, negative ones before it, "
        "separated by commas; empty: never.",
    )
    ack_escalate_after: Annotated[float, Field(ge=0)] = Field(
        default=16.0,
        description="Working hours after the deadline from which a reminder goes to the agency above the one that has not answered.",
    )
    ack_closed_days: Annotated[frozenset[date], NoDecode, BeforeValidator(_split)] = Field(
        default=frozenset(), description="Further days without work, by resolution of the cabinet say: 2026-12-07,2026-12-11."
    )
    ack_open_days: Annotated[frozenset[date], NoDecode, BeforeValidator(_split)] = Field(
        default=frozenset(), description="Days of work although the calendar has them free, separated by commas."
    )
    ack_reminder_poll_interval: Annotated[float, Field(gt=0, le=60)] = Field(
        default=5.0, description="Seconds between two looks for reminders that are due."
    )

    @property
    def tree_bounds(self) -> Bounds:
        """How far a relay tree is followed."""
        return Bounds(self.ack_tree_levels, self.ack_tree_circulars, self.ack_tree_recipients)

    @property
    def deadline_rules(self) -> Rules:
        """The settings of deadlines as the decisions take them."""
        return Rules(
            hours=dict(zip(Speed, self.ack_answer_hours, strict=True)),
            reminders=self.ack_reminders,
            escalate_after=self.ack_escalate_after,
            calendar=Calendar(self.ack_closed_days, self.ack_open_days),
        )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if len(self.ack_key_encryption_key.get_secret_value()) < KEY_MIN_LENGTH:
            raise ValueError(f"WIAN_ACK_KEY_ENCRYPTION_KEY must have at least {KEY_MIN_LENGTH} characters")
        if self.ack_seal_certificate is None and (self.ack_seal_key, self.ack_seal_key_password) != (None, None):
            raise ValueError("WIAN_ACK_SEAL_KEY and WIAN_ACK_SEAL_KEY_PASSWORD need WIAN_ACK_SEAL_CERTIFICATE")
        if len(self.ack_reminders) > MOST_REMINDERS or any(abs(hours) > MOST_HOURS for hours in self.ack_reminders):
            raise ValueError(f"WIAN_ACK_REMINDERS names at most {MOST_REMINDERS} moments, each within {MOST_HOURS} working hours")
        if any(not 0 <= hours <= MOST_HOURS for hours in self.ack_answer_hours):
            raise ValueError(f"WIAN_ACK_ANSWER_HOURS are 0 to {MOST_HOURS} working hours")
        return self
