"""What becomes of a pull lease: pure decisions on what an agency says of the letters that it has leased."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class Result(StrEnum):
    """`done`: it is so from now on. `already`: it was so before. `lease_expired`: the lease is over, the letter may be leased
    again. `unknown`: no such lease, or the letter was recalled.
    """

    DONE = "done"
    ALREADY = "already"
    LEASE_EXPIRED = "lease_expired"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class PullLease:
    """A lease as it stands; `running` while its visibility time-out has not passed."""

    lease_id: UUID
    delivery_id: UUID
    state: str
    running: bool

    @property
    def holds(self) -> bool:
        return self.state == "held" and self.running


def acknowledged(lease: PullLease | None, delivery_state: str | None) -> Result:
    """What an acknowledgment does. A letter that is handed over stays so, whoever did it and whatever became of the lease."""
    if lease is None or delivery_state in (None, "recalled"):
        return Result.UNKNOWN
    if delivery_state == "handed_over":
        return Result.ALREADY
    return Result.DONE if lease.holds else Result.LEASE_EXPIRED


def released(lease: PullLease | None) -> Result:
    """What giving back does."""
    if lease is None:
        return Result.UNKNOWN
    if lease.holds:
        return Result.DONE
    return Result.ALREADY if lease.state in ("acknowledged", "released") else Result.LEASE_EXPIRED


def extended(lease: PullLease | None) -> Result:
    """What asking for more time does."""
    if lease is None:
        return Result.UNKNOWN
    if lease.holds:
        return Result.DONE
    return Result.ALREADY if lease.state == "acknowledged" else Result.LEASE_EXPIRED
