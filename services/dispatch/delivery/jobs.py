"""What a worker has in hand: deliveries with all that is needed to send them."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.dispatch.delivery.decide import Standing
from services.dispatch.outcomes import Outcome
from shared.contracts.events import LetterSummary, Role


@dataclass(frozen=True, slots=True)
class CircularContent:
    """One circular as all its recipients get it."""

    circular_id: UUID
    sender_agency_id: UUID
    sender_name_th: str
    sender_name_en: str
    letter: LetterSummary
    dispatched_at: datetime
    deadline: datetime | None
    traceparent: str | None


@dataclass(frozen=True, slots=True)
class Address:
    """One addressee of a circular; `acknowledgment_link` is the signed part of its personal address.

    `role` is None for what was stored before there were roles; it means action.
    """

    delivery_id: UUID
    recipient_id: UUID
    agency_id: UUID
    title: str
    position: int
    relay_duty: bool
    acknowledgment_link: str
    role: Role | None = None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where an agency takes webhooks; the keys that sign, of the kinds that it wants, are still encrypted."""

    url: str
    sealed_keys: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Job:
    """One delivery to attempt now, on the channel of its standing."""

    address: Address
    circular: CircularContent
    standing: Standing
    endpoint: Endpoint | None
    email: str | None


@dataclass(frozen=True, slots=True)
class Batch:
    """Jobs that this worker alone may record, while it holds `lease_token`."""

    lease_token: UUID
    jobs: tuple[Job, ...]


@dataclass(frozen=True, slots=True)
class Sent:
    """A job that was attempted, and what came of it."""

    job: Job
    outcome: Outcome
    started_at: datetime
    ended_at: datetime
    milliseconds: float
